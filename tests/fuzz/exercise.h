/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets of all image formats do with an image that opened: look at every part of it
 * that a caller can reach, for a bounded number of steps.
 */
#ifndef TESTS_FUZZ_EXERCISE_H
#define TESTS_FUZZ_EXERCISE_H

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "disk/format/image.h"

static inline void exercise_reads(struct image *image)
{
	static uint8_t buf[64 * KIB + 1];
	const uint64_t places[] = { 0, 511, 4096, image->size / 2, image->size };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		uint64_t len = min_u64(sizeof(buf), image->size - min_u64(places[i], image->size));

		image_read(image, buf, len, min_u64(places[i], image->size), NULL, NULL);
		len = min_u64(sizeof(buf), image->size);
		image_read(image, buf, len, image->size - len, NULL, NULL);
	}
}

static inline void exercise_map(struct image *image)
{
	uint64_t off = 0;

	for (int steps = 0; steps < 200 && off < image->size; steps++) {
		enum image_extent kind;
		uint64_t max = min_u64(image->size - off, GIB), len;

		if (image_map(image, off, max, NULL, &kind, &len, NULL) < 0) {
			off += 512;
			continue;
		}
		if (len == 0 || len > max || len % 512 != 0)
			abort();
		off += len;
	}
}

static inline void exercise(struct image *image)
{
	json_t *info;

	if (image->size % 512 != 0)
		abort();
	exercise_map(image);
	exercise_reads(image);
	if (image_info(image, &info, NULL) == 0)
		json_decref(info);
	image_check(image, NULL, NULL, NULL);
}

/* Opens these bytes, and if that goes well does all of the above. */
static inline void exercise_bytes(const uint8_t *data, size_t len,
                                  const struct image_options *options)
{
	struct source *file;
	struct image *image;

	if (source_open_memory(data, len, "fuzz", &file) < 0)
		return;
	if (image_open(file, options, &image, NULL) == 0) {
		exercise(image);
		image_close(image);
	} else {
		source_close(file);
	}
}

#endif
