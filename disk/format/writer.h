/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writers: a virtual disk on its way into a new file, from its first byte to its last.
 *
 * Every byte of the disk is handed over exactly once, in rising order, as content or as a run known
 * to be zero.  Ranges start at a multiple of WRITER_UNIT and end at one, or at the end of the disk.
 * Content that is zero takes no room where the format can say so.
 *
 * Threads: one at a time.
 */
#ifndef DISK_FORMAT_WRITER_H
#define DISK_FORMAT_WRITER_H

#include "disk/format/image.h"
#include "disk/format/output.h"

#define WRITER_UNIT 4096u

struct writer;

struct writer_ops {
	int (*write)(struct writer *writer, const uint8_t *buf, size_t len, uint64_t off,
	             struct error *err);
	/* NULL: a run of zeros needs nothing. */
	int (*zero)(struct writer *writer, uint64_t len, uint64_t off, struct error *err);
	/* Write what is still missing; *ret_size is the size of the file. */
	int (*finish)(struct writer *writer, uint64_t *ret_size, struct error *err);
	void (*close)(struct writer *writer);
};

struct writer {
	const struct writer_ops *ops;
	struct output *out; /* borrowed */
	uint64_t size;      /* of the disk */
};

/* The same as the table, NULL for zero allowed; the writer's other functions are the caller's. */
int writer_zero(struct writer *writer, uint64_t len, uint64_t off, struct error *err);
/* NULL is allowed. */
void writer_close(struct writer *writer);
DEFINE_CLEANUP(struct writer *, writer_close);

int raw_writer_open(struct output *out, uint64_t size, struct writer **ret, struct error *err);

enum vhd_subformat { VHD_WRITE_DYNAMIC, VHD_WRITE_FIXED };

/*
 * A VHD of `size` bytes.  With `parent`, an open VHD of the same size, a differencing one that
 * holds the sectors in which the content differs; `parent_url` is where it was opened, `path` where
 * the child will be, from which the locators are made.
 */
struct vhd_create {
	uint64_t size;
	enum vhd_subformat subformat;
	struct image *parent; /* borrowed */
	const char *parent_url;
	const char *path;
};

int vhd_writer_open(struct output *out, const struct vhd_create *create, struct writer **ret,
                    struct error *err);

#endif
