// SPDX-License-Identifier: GPL-2.0-or-later
/* Any file: what is it, and does whatever it is open, or end in a sentence? */
#include "tests/fuzz/exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A file that names another as its parent gets none. */
static int no_parent(void *arg, const struct source_places *places, struct source **ret,
                     struct error *err)
{
	(void)arg;
	(void)ret;
	return error_set(err, ENOENT, "%s: no files here", places->at[0].url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct image_options options = { .places = SOURCE_PLACE("/fuzz"),
		                               .open_parent = no_parent };
	struct source *file;
	struct image *image;

	if (source_open_memory(data, len, "fuzz", &file) < 0)
		return 0;
	if (image_open(file, &options, &image, NULL) < 0) {
		source_close(file);
		return 0;
	}
	exercise(image);
	image_close(image);
	return 0;
}
