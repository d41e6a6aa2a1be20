// SPDX-License-Identifier: GPL-2.0-or-later
/* An archive. */
#include <stdlib.h>

#include "base/bits.h"
#include "library/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int inside(void *arg, const struct tar_member *member, struct error *err)
{
	const struct source *file = arg;

	(void)err;
	if (!range_inside(member->off, member->size, file->identity.size))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct source *file;

	if (source_open_memory(data, len, "fuzz", &file) < 0)
		return 0;
	tar_each(file, inside, file, NULL);
	source_close(file);
	return 0;
}
