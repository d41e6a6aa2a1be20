// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/format/mixed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* A stretch with more runs than this is read twice and laid over each other. */
#define MANY_RUNS 4

static bool is_own(const struct mixed *m, uint32_t n)
{
	return m->bits[n / 8] >> (m->lowest_first ? n % 8 : 7 - n % 8) & 1;
}

static uint32_t alike_from(const struct mixed *m, uint32_t from)
{
	uint32_t n = from + 1;

	while (n < m->end && is_own(m, n) == is_own(m, from))
		n++;
	return n - from;
}

bool mixed_is_own(const struct mixed *m)
{
	return is_own(m, m->first);
}

uint32_t mixed_alike(const struct mixed *m)
{
	return alike_from(m, m->first);
}

bool mixed_changes_often(const struct mixed *m)
{
	unsigned int runs = 0;

	for (uint32_t at = m->first; at < m->end && runs <= MANY_RUNS; runs++)
		at += alike_from(m, at);
	return runs > MANY_RUNS;
}

int mixed_read(struct image *image, const struct mixed *m, mixed_read_own *read_own, uint8_t *buf,
               size_t len, uint64_t off, uint64_t at, const struct source_read *how,
               struct error *err)
{
	/* What arrives is not yet what the disk has there. */
	struct source_read quiet = how ? *how : (struct source_read){ 0 };
	cleanup_free uint8_t *own = malloc(len);
	size_t done = 0;
	int r;

	if (!own)
		return error_set(err, ENOMEM, "%s: no memory to read it", image->file->name);
	quiet.arrived = NULL;
	r = parent_read(image, buf, len, off, &quiet, err);
	if (r == 0)
		r = read_own(image, own, len, at, &quiet, err);
	if (r < 0)
		return r;
	for (uint32_t n = m->first; done < len; n++) {
		size_t part = min_u64(len - done, m->sector - (off + done) % m->sector);

		if (is_own(m, n))
			memcpy(buf + done, own + done, part);
		done += part;
	}
	return 0;
}
