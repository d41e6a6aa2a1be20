// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Raw: the file is the disk.  One whose size is no multiple of 512 is read as if zeros filled its
 * last sector, as QEMU does, and says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/format.h"

#define SECTOR 512u

static int raw_read(struct image *image, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err)
{
	uint64_t end = image->file->identity.size;
	size_t have = off < end ? min_u64(len, end - off) : 0;

	if (have > 0) {
		int r = source_read(image->file, buf, have, off, how, err);

		if (r < 0)
			return r;
	}
	memset((uint8_t *)buf + have, 0, len - have);
	return 0;
}

static int raw_describe(struct image *image __attribute__((unused)),
                        json_t *info __attribute__((unused)),
                        struct error *err __attribute__((unused)))
{
	return 0;
}

/* There is no structure that could be wrong. */
static int raw_check(struct image *image __attribute__((unused)),
                     void (*problem)(void *arg, const char *text) __attribute__((unused)),
                     void *arg __attribute__((unused)), struct error *err __attribute__((unused)))
{
	return 0;
}

static void raw_close(struct image *image)
{
	free(image);
}

static const struct image_ops raw_ops = {
	.read = raw_read,
	.map = map_file,
	.describe = raw_describe,
	.check = raw_check,
	.close = raw_close,
};

static int raw_open(struct source *file, const struct image_options *options, struct image **ret,
                    struct error *err)
{
	uint64_t size = file->identity.size;
	struct image *image;

	if (size == 0)
		return error_set(err, EINVAL, "%s: the file is empty", file->name);
	if (size > INT64_MAX - SECTOR)
		return error_set(err, EFBIG, "%s: the file is larger than 2^63 bytes", file->name);
	image = malloc(sizeof(*image));
	if (!image)
		return error_set(err, ENOMEM, "%s: no memory to open it", file->name);
	image_init(image, &raw_ops, IMAGE_RAW, file, options);
	image->size = round_up(size, SECTOR);
	if (image->size != size)
		image_warn(image, options,
		           "the size of the file is no multiple of 512: the last sector is "
		           "filled up with zeros");
	*ret = image;
	return 0;
}

const struct image_driver raw_driver = {
	.format = IMAGE_RAW,
	.name = "raw",
	.open = raw_open,
};
