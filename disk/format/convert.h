/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copying a virtual disk into a new file of another format.
 */
#ifndef DISK_FORMAT_CONVERT_H
#define DISK_FORMAT_CONVERT_H

#include "disk/format/image.h"
#include "disk/format/writer.h"

struct convert_options {
	enum image_format format; /* IMAGE_RAW or IMAGE_VHD; others are written by qemu-img */
	enum vhd_subformat subformat;
	/* Make a differencing VHD over this open VHD; `parent_url` is where it was opened. */
	struct image *parent;
	const char *parent_url;
	bool azure;           /* a size that is a multiple of 1 MiB, filled up with zeros */
	bool compress;        /* qcow2: with zstd */
	bool force;           /* replace what is at the path */
	unsigned int threads; /* reads at once [8] */
	/*
	 * Called from the calling thread now and then: bytes of the disk that are done, of all.
	 * Returning false stops with -EINTR.  NULL is allowed.
	 */
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct convert_result {
	uint64_t virtual_size; /* of the new disk: more than the old one's when it was rounded up */
	uint64_t file_size;
};

/*
 * Write the content of `image` to a file at `path`, which appears there when it is whole and
 * flushed, and not at all otherwise.  -EEXIST when something is there already.
 */
int image_convert(struct image *image, const char *path, const struct convert_options *options,
                  struct convert_result *ret, struct error *err);

/*
 * The rest of it once file and writer are there: all of the image, zeros up to the writer's size,
 * and the commit.  Only threads, progress and arg of the options count.
 */
int image_write_out(struct image *image, struct output *out, struct writer *writer,
                    const struct convert_options *options, struct convert_result *ret,
                    struct error *err);

#endif
