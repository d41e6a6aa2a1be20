// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A qcow2 from anywhere, over a raw backing file that is always found.  Zeros are put behind the
 * input, so that tables can lie inside the file without an input of their size.
 */
#include <string.h>

#include "tests/fuzz/exercise.h"

#define PADDED (128 * KIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int open_base(void *arg, const struct source_places *places, struct source **ret,
                     struct error *err)
{
	static uint8_t base[5000];

	(void)arg;
	(void)err;
	memset(base, 'b', sizeof(base));
	return source_open_memory(base, sizeof(base), places->at[0].url, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct image_options options = { .format = IMAGE_QCOW2,
		                               .places = SOURCE_PLACE("/fuzz"),
		                               .open_parent = open_base };
	size_t room = max_u64(len, PADDED);
	uint8_t *raw = calloc(1, room);

	if (!raw)
		return 0;
	memcpy(raw, data, len);
	/* An odd length stands for a file that ends where the input does. */
	exercise_bytes(raw, len % 2 ? len : room, &options);
	free(raw);
	return 0;
}
