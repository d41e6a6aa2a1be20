/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a format needs to be one: a row in the table of drivers (image.c) and the helpers that all
 * formats share.  Private to disk/format.
 *
 * A driver embeds `struct image` at any place in its own structure, fills it with image_init(),
 * opens its parent with parent_open(), and returns it.  Its image_ops.close() frees what the driver
 * itself made, the structure included; file, parent and warnings belong to the common code.
 */
#ifndef DISK_FORMAT_FORMAT_H
#define DISK_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/format/image.h"

/* What detection looks at: the first and the last bytes of the file, fetched once. */
#define IMAGE_PROBE_HEAD 8192
#define IMAGE_PROBE_TAIL 512

struct image_probe {
	uint64_t size;
	size_t head_len; /* less than IMAGE_PROBE_HEAD when the file is shorter */
	size_t tail_len;
	uint8_t head[IMAGE_PROBE_HEAD]; /* zeros past head_len */
	uint8_t tail[IMAGE_PROBE_TAIL]; /* the last tail_len bytes of the file */
	uint8_t digest[32];             /* SHA-256 of both, as they are in the file */
};

struct image_driver {
	enum image_format format;
	const char *name;
	const char *alias; /* another name that people know it by; NULL: none */
	/* Does the file carry this format's mark?  NULL for raw, which has none. */
	bool (*detect)(const struct image_probe *probe);
	/*
	 * Read and check the headers, open parents.  On success *ret has everything that
	 * image_init() sets and its own size; on failure nothing is left behind and `file` is the
	 * caller's.  `options` is never NULL here.
	 */
	int (*open)(struct source *file, const struct image_options *options, struct image **ret,
	            struct error *err);
};

extern const struct image_driver raw_driver;
extern const struct image_driver vhd_driver;
extern const struct image_driver vhdx_driver;
extern const struct image_driver qcow2_driver;
extern const struct image_driver index_driver;

/* Set the common fields; `file` is only borrowed until the driver's open() has succeeded. */
void image_init(struct image *image, const struct image_ops *ops, enum image_format format,
                struct source *file, const struct image_options *options);

/* Undo a failed open: everything that image_close() frees, but not the file. */
void image_abandon(struct image *image);
DEFINE_CLEANUP(struct image *, image_abandon);

/*
 * Something odd that is not an error: kept for image_info() (a bounded number of them) and handed
 * to options->warn.  The name of the file is put in front.  Only while opening.
 */
void image_warn(struct image *image, const struct image_options *options, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A read that a driver serves in pieces: how to read the one that starts `base` bytes into the
 * buffer, so that how->arrived goes on counting from the buffer's start.
 */
struct piece_read {
	struct source_read how;
	const struct source_read *whole;
	size_t base;
};

const struct source_read *piece_how(struct piece_read *piece, const struct source_read *whole,
                                    size_t base);

/* image_ops.map() for a disk that lies as it is at the start of the file. */
int map_file(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
             enum image_extent *ret_kind, uint64_t *ret_len, struct error *err);

/*
 * What all formats' check() do with a problem: make the sentence (the file's name in front), report
 * it, count it.  Past CHECK_MAX_REPORTED problems they are only counted, and check_end() says so.
 */
#define CHECK_MAX_REPORTED 100

struct check {
	struct image *image;
	void (*problem)(void *arg, const char *text);
	void *arg;
	int count;
};

void check_problem(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Returns the number of problems. */
int check_end(struct check *check);

/*
 * Parents (parent.c).
 */

/* The images from the one that asks up to the one the caller asked for, nearest first. */
struct image_lineage {
	const struct image_lineage *child;
	const struct image *image; /* half open: name of its file and unique id are there */
	const uint8_t *wants[2];   /* the unique ids that its parent may have; NULL: any */
};

struct parent_request {
	struct image *child;                 /* initialised; size and unique_id are set */
	const struct image_options *options; /* the child's */
	/*
	 * The unique id that the parent must have, and another that will do (VHDX has two); NULL
	 * where the format knows none: --parent then stands for the parent of the first child only.
	 */
	const uint8_t *wants[2];
	/*
	 * What the child says about where the parent is, most likely first, in UTF-8 with slashes.
	 * A relative one stands for a file beside the child.
	 */
	const char *const *places;
	size_t n;
	enum image_format format; /* of the parent where the child knows it; IMAGE_AUTO otherwise */
};

/*
 * Find and open the parent: options->parents first, then the places in order.  On success it is
 * child->parent.  -ENOENT with everything that was tried and why it was not it; -ELOOP for a loop
 * or a chain that is too deep.  An image that came over a network may not name a local file.
 */
int parent_open(const struct parent_request *request, struct error *err);

/* Read and map through to image->parent, which may be smaller than its child: zeros past it. */
int parent_read(struct image *image, void *buf, size_t len, uint64_t off,
                const struct source_read *how, struct error *err);
int parent_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
               enum image_extent *ret_kind, uint64_t *ret_len, struct error *err);

/*
 * Text of `len` bytes of UTF-16 (either order, up to the first NUL) as UTF-8, backslashes made
 * slashes; an unpaired surrogate becomes U+FFFD.  NULL: no memory.
 */
char *utf16_path(const void *text, size_t len, bool big_endian);

/* UTF-8 as UTF-16 without a NUL.  -EILSEQ when it is none, -ENAMETOOLONG past `room` bytes. */
int utf16_encode(const char *text, bool big_endian, uint8_t *out, size_t room, size_t *ret_len);

#endif
