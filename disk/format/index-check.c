// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checking an image index: every page, every entry, every chunk's place in its pack, and the numbers
 * that are for people.  Packs are not read; `sill disk verify` and reading do that.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Sizes of packs, found once. */
struct packs {
	uint64_t n;
	uint64_t *size; /* 0: not known, and said so */
};

static int find_packs(struct index_image *index, struct check *check, struct packs *packs)
{
	packs->n = index->header.n_packs;
	packs->size = calloc(packs->n + 1, sizeof(*packs->size));
	if (!packs->size)
		return -ENOMEM;
	for (uint64_t i = 0; i < packs->n; i++) {
		struct index_pack pack;
		struct error err = { 0 };
		int r = index_find_pack(index, (uint32_t)i, NULL, &pack, &err);

		/* Trees that cannot be read fail the same way for all: say it once. */
		if (r < 0) {
			check_problem(check, "%s", err.text);
			if (r != -EINVAL)
				return r;
			continue;
		}
		packs->size[i] = pack.size;
	}
	return 0;
}

static void check_place(struct check *check, const struct packs *packs, uint64_t n,
                        const struct index_chunk *chunk)
{
	uint64_t size = packs->size[chunk->pack];

	if (size > 0 && !range_inside(chunk->off, chunk->stored, size))
		check_problem(check, "chunk %llu ends past the %llu bytes of pack %u",
		              (unsigned long long)n, (unsigned long long)size, chunk->pack);
}

int index_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err)
{
	struct index_image *index = to_index(image);
	struct check check = { .image = image, .problem = problem, .arg = arg };
	cleanup_free struct index_walk *walk = calloc(1, sizeof(*walk));
	struct packs packs = { 0 };
	struct index_chunk chunk;
	uint64_t used = 0;
	int r;

	if (!walk)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	r = find_packs(index, &check, &packs);
	while (r >= 0 || r == -EINVAL) {
		struct error why = { 0 };

		r = index_walk(index, walk, &chunk, &why);
		if (r == 0)
			break;
		if (r < 0)
			check_problem(&check, "%s", why.text);
		else if (chunk.stored > 0)
			check_place(&check, &packs, walk->n, &chunk);
		used += r < 0 || chunk.stored > 0;
	}
	free(packs.size);
	if (r == -ENOMEM)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	if (r == 0 && used != index->header.used)
		check_problem(&check, "it says that %llu chunks are not zero, and %llu are",
		              (unsigned long long)index->header.used, (unsigned long long)used);
	return check_end(&check);
}
