// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/disk-source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct disk_source {
	struct source source;
	struct disk *disk;
};

static int op_read(struct source *src, void *buf, size_t len, uint64_t off,
                   const struct source_read *how, struct error *err)
{
	struct disk_source *source = container_of(src, struct disk_source, source);
	int r = disk_read(source->disk, buf, len, off, err);

	if (r == 0 && how && how->arrived)
		how->arrived(how->arg, len);
	return r;
}

static int op_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                     uint64_t *ret_len, struct error *err)
{
	struct disk_source *source = container_of(src, struct disk_source, source);
	bool zero = false;
	int r = disk_extent(source->disk, off, max, &zero, ret_len, err);

	*ret_kind = zero ? SOURCE_EXTENT_ZERO : SOURCE_EXTENT_DATA;
	return r;
}

static void op_close(struct source *src)
{
	free(src->name);
	free(container_of(src, struct disk_source, source));
}

static const struct source_ops disk_ops = {
	.read = op_read,
	.extent = op_extent,
	.close = op_close,
};

int disk_as_image(struct disk *disk, const char *name, struct image **ret, struct error *err)
{
	const struct image_options options = { .format = IMAGE_RAW };
	struct disk_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return error_sys(err, ENOMEM, "%s", name);
	source->disk = disk;
	source->source.ops = &disk_ops;
	source->source.identity.size = disk_size(disk);
	source->source.name = strdup(name);
	r = source->source.name ? image_open(&source->source, &options, ret, err)
	                        : error_sys(err, ENOMEM, "%s", name);
	if (r < 0)
		op_close(&source->source);
	return r;
}
