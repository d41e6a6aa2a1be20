/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image: a virtual disk read out of a source, whatever its format; read-only and lazy.
 *
 * Opening reads headers only.  Tables are read when a look-up needs them, with source_read.metadata
 * set, and a bounded number of them is kept in memory: a disk of 2 TiB costs no more than a small
 * one.
 *
 * Trust: every byte of the file is hostile.  A structure that is out of bounds, overlaps or loops
 * is an error whose sentence names the file, the structure and the value.
 *
 * Threads: any number may read and map at once.
 */
#ifndef DISK_FORMAT_IMAGE_H
#define DISK_FORMAT_IMAGE_H

#include <jansson.h>

#include "disk/source/places.h"

enum image_format {
	IMAGE_AUTO, /* by content */
	IMAGE_RAW,
	IMAGE_VHD,
	IMAGE_VHDX,
	IMAGE_QCOW2,
	IMAGE_INDEX, /* the library's: docs/library-format.md */
};

/* "raw", "vhd", …; NULL for a number that is none. */
const char *image_format_name(enum image_format format);
/* The reverse, "vpc" and "auto" too: -EINVAL with a sentence that lists them. */
int image_format_parse(const char *name, enum image_format *ret, struct error *err);

struct image;
struct image_lineage;
struct image_probe;

/*
 * Parents of differencing images and backing files.  The opener is asked with the locations that
 * the child suggests, most likely first: each is the list of places that it stands for beside the
 * child and beside the child's mirrors (source_places_beside()), to be opened as one source.  The
 * format then compares the unique id, where it has one, and asks again with the next.
 */
struct image_options {
	enum image_format format;
	/* Where the file is, for finding its siblings; empty when that is not known. */
	struct source_places places;
	/*
	 * --parent, the places of one file: tried before what the child says; its unique id must
	 * match all the same.
	 */
	struct source_places parents;
	/* NULL: source_open() of the first place with default options. */
	int (*open_parent)(void *arg, const struct source_places *places, struct source **ret,
	                   struct error *err);
	/*
	 * Files that an index names by digest, at the places beside it; nothing is contacted before
	 * the first read.  `metadata`: worth keeping near.  NULL: source_open() of the first place.
	 */
	int (*open_beside)(void *arg, const struct source_places *places,
	                   const struct source_identity *identity, bool metadata,
	                   struct source **ret, struct error *err);
	/*
	 * Has this computer `len` bytes with that SHA-256?  True with them in `buf`, which are
	 * compared again.  NULL: it has none.
	 */
	bool (*find_chunk)(void *arg, const uint8_t digest[32], void *buf, size_t len);
	void *arg;
	/* One line for a person about something odd that is not an error (sizes that disagree). */
	void (*warn)(void *arg, const char *text);
	unsigned int depth; /* how many children are above: 0 for the caller; 64 is refused */
	/* Set by formats for a parent they open, to notice loops; NULL for the caller. */
	const struct image_lineage *lineage;
	/* Set by image_open() for drivers: what detection saw; NULL when the format was said. */
	const struct image_probe *probe;
};

#define IMAGE_MAX_DEPTH 64

/* A run of the virtual disk. */
enum image_extent {
	IMAGE_EXTENT_ZERO,   /* nothing to fetch */
	IMAGE_EXTENT_DATA,   /* lies in one piece in one file, so one read fetches it */
	IMAGE_EXTENT_PACKED, /* compressed, one or more whole clusters that lie together */
};

struct image_ops {
	/*
	 * Read exactly `len` bytes of the virtual disk.  A range that lies in one piece in the file
	 * must cost one source read, with `how` handed on (priority, deadline, arrived).
	 */
	int (*read)(struct image *image, void *buf, size_t len, uint64_t off,
	            const struct source_read *how, struct error *err);
	/*
	 * What the run at `off` is and how far it goes: at least 1 byte, at most `max`.  Multiples
	 * of 512. Looks through parents.  May fetch tables, with `how`.
	 */
	int (*map)(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
	           enum image_extent *ret_kind, uint64_t *ret_len, struct error *err);
	/* Add what a person wants to know, beyond the common fields, to the object `info`. */
	int (*describe)(struct image *image, json_t *info, struct error *err);
	/*
	 * Verify all structure; report each problem as one sentence, go on after it.  Returns the
	 * number of problems or -errno when checking itself failed.
	 */
	int (*check)(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
	             struct error *err);
	/* See image_trace().  NULL: the format has none. */
	int (*trace)(struct image *image, const struct source_read *how, uint8_t **ret,
	             size_t *ret_len, struct error *err);
	/* Calls `each` for the sources of content that are open beside `file`.  NULL: there are none. */
	void (*each_source)(struct image *image, void (*each)(void *arg, struct source *src),
	                    void *arg);
	/* Free what the driver made; image_close() closes the source and the parents. */
	void (*close)(struct image *image);
};

struct image {
	const struct image_ops *ops;
	enum image_format format;
	uint64_t size;        /* of the virtual disk, bytes, a multiple of 512 */
	struct source *file;  /* owned */
	struct image *parent; /* owned; NULL when it has none */
	unsigned int depth;
	uint64_t unit;         /* with __atomic: see image_unit(); 0: 1 byte */
	bool has_unique_id;    /* the file carries an id of its own, which children name it by */
	uint8_t unique_id[16]; /* as it lies in the file */
	bool has_ends;         /* image_id() or detection has looked */
	uint8_t ends[32];      /* SHA-256 over the file's first 8 KiB and last 512 bytes */
	bool has_digest;       /* every byte hangs on `digest`, wherever the file is */
	uint8_t digest[32];
	json_t *warnings; /* array of sentences: what was odd when it was opened */
};

/*
 * Open what is in `file`.  On success the image owns it; on failure the caller still does.  -EINVAL
 * for broken structure, -ENOTSUP for a feature that Sill does not read (named), -ENOENT for a
 * parent that was not found (with every place that was tried), and what source_read() says.
 */
int image_open(struct source *file, const struct image_options *options, struct image **ret,
               struct error *err);

/* Bounds-checked: -EINVAL when the range is not inside the disk. */
int image_read(struct image *image, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err);
int image_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
              enum image_extent *ret_kind, uint64_t *ret_len, struct error *err);

/*
 * Reading any byte costs all of an aligned piece of so many bytes, a power of two: the cluster size
 * once a compressed cluster has been met, else 1.
 */
uint64_t image_unit(const struct image *image);

/*
 * SHA-256 over format, virtual size, ends and identities of the file and of all parents, or the
 * digest of one that has it: equal ids mean equal content.  It names the near directory of the
 * image.
 */
int image_id(struct image *image, uint8_t ret[32], struct error *err);

/*
 * Everything `sill disk info` prints, as one object: format, virtual_size, file_size, creator,
 * dates, block_size, allocated (bytes, where known without reading the whole file), parents
 * (array), warnings.
 */
int image_info(struct image *image, json_t **ret, struct error *err);

/*
 * The file of the boot trace that was published with the image (docs/trace-format.md), to be freed;
 * as hostile as the rest.  -ENOENT: there is none.
 */
int image_trace(struct image *image, const struct source_read *how, uint8_t **ret, size_t *ret_len,
                struct error *err);

int image_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err);

/* NULL is allowed. */
void image_close(struct image *image);
DEFINE_CLEANUP(struct image *, image_close);

/* Detect by content alone; IMAGE_RAW when nothing known.  -ENOTSUP: a compressed stream. */
int image_detect(struct source *file, enum image_format *ret, struct error *err);

#endif
