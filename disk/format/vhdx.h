/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the VHDX reader share.  Names and section numbers are those of [MS-VHDX], the
 * format's specification.  Private to disk/format.
 *
 *   vhdx-header.c    file identifier, the two headers, the two region tables
 *   vhdx-log.c       the log: which entries count, and what they would write
 *   vhdx-overlay.c   what a replayed log would have written, kept in memory
 *   vhdx-metadata.c  metadata items: sizes, block size
 *   vhdx-parent.c    the parent locator
 *   vhdx-map.c       virtual offset to run, through BAT and sector bitmaps
 *   vhdx.c           the driver: open, read, map, describe
 *   vhdx-check.c     `sill disk check`
 */
#ifndef DISK_FORMAT_VHDX_H
#define DISK_FORMAT_VHDX_H

#include "base/bits.h"
#include "disk/format/format.h"
#include "disk/format/mixed.h"
#include "disk/format/pages.h"

#define VHDX_GUID      16
#define VHDX_SECTOR    4096u /* unit of headers and of the log */
#define VHDX_MIN_BLOCK (1 * MIB)
#define VHDX_MAX_BLOCK (256 * MIB)
#define VHDX_MAX_SIZE  (64 * TIB)
#define VHDX_MAX_LOG   (64 * MIB)

/* The current header (2.2.2). */
struct vhdx_header {
	uint64_t sequence;
	uint8_t file_write_guid[VHDX_GUID];
	uint8_t data_write_guid[VHDX_GUID]; /* what a child calls its parent by */
	uint8_t log_guid[VHDX_GUID];        /* all zero: the log is empty */
	uint16_t log_version;
	uint32_t log_length;
	uint64_t log_offset;
};

/* A run of the file that the log overwrites. */
struct vhdx_patch {
	uint64_t off, len;
	const uint8_t *data; /* into the log's bytes; NULL: zeros */
};

/* What the log would write, not overlapping and sorted by offset; empty without a log. */
struct vhdx_overlay {
	uint8_t *log; /* the log's bytes, which patches point into */
	struct vhdx_patch *patches;
	size_t n;
	uint64_t file_size;   /* of the file once the log is replayed */
	unsigned int entries; /* of the log that were replayed */
};

struct vhdx_region {
	uint64_t off, len; /* len 0: there is none */
};

struct vhdx {
	struct image image;
	struct pages *pages;
	struct vhdx_header header;
	struct vhdx_overlay overlay;
	struct vhdx_region bat, metadata;
	/* Metadata items (2.6.2). */
	uint32_t block_size;
	uint32_t logical_sector, physical_sector;
	uint64_t blocks;      /* payload blocks */
	uint64_t chunk_ratio; /* payload blocks to one sector bitmap block */
	bool leave_allocated; /* a "fixed" disk */
	bool has_parent;
	uint8_t disk_id[VHDX_GUID];
	struct vhdx_region locator;    /* the item in the file */
	uint8_t linkage[2][VHDX_GUID]; /* parent_linkage, parent_linkage2 */
	unsigned int linkages;
};

/* Read bytes of the file as they would be after replay of the log. */
int vhdx_file_read(struct vhdx *v, void *buf, size_t len, uint64_t off,
                   const struct source_read *how, struct error *err);
/* The same for tables, through the pages. */
int vhdx_table_read(struct vhdx *v, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err);

int vhdx_header_read(struct source *file, struct vhdx_header *ret, struct error *err);
/* Sets bat and metadata; needs the overlay. */
int vhdx_regions_read(struct vhdx *v, struct error *err);

/* Read the log that the header names and make the overlay of it. */
int vhdx_log_read(struct vhdx *v, struct error *err);

/*
 * Sort patches that were collected oldest first into *ret, cutting what later ones overwrite.
 * Frees `collected` in any case.
 */
int vhdx_overlay_build(struct vhdx_patch *collected, size_t n, struct vhdx_overlay *ret);
bool vhdx_overlay_touches(const struct vhdx_overlay *overlay, uint64_t off, uint64_t len);
void vhdx_overlay_apply(const struct vhdx_overlay *overlay, uint8_t *buf, size_t len, uint64_t off);
void vhdx_overlay_free(struct vhdx_overlay *overlay);

int vhdx_metadata_read(struct vhdx *v, struct error *err);
/* Opens the parent that the locator item names. */
int vhdx_parent_open(struct vhdx *v, const struct image_options *options, struct error *err);

enum vhdx_kind {
	VHDX_PARENT, /* zeros without one */
	VHDX_ZERO,
	VHDX_DATA,
	VHDX_MIXED, /* here and in the parent, changing too often to be read run by run */
};

struct vhdx_run {
	enum vhdx_kind kind;
	uint64_t len;
	uint64_t host;      /* DATA, MIXED: offset in the file */
	struct mixed mixed; /* MIXED */
};

/* States of a BAT entry (2.5.1). */
enum vhdx_state {
	VHDX_NOT_PRESENT = 0,
	VHDX_UNDEFINED = 1,
	VHDX_ZEROED = 2,
	VHDX_UNMAPPED = 3,
	VHDX_UNMAPPED_OLD = 5, /* in files from before the format was final */
	VHDX_FULLY_PRESENT = 6,
	VHDX_PARTIALLY_PRESENT = 7,
};

struct vhdx_entry {
	enum vhdx_state state;
	uint64_t host; /* of a block that is present; checked against the file's size */
};

/* BAT entries that the last look-up read; zero it before the first. */
struct vhdx_cursor {
	uint64_t first, n;
	uint8_t raw[512];
};

/* The entry of a payload block, and that of the sector bitmap of a chunk. */
int vhdx_payload_entry(struct vhdx *v, struct vhdx_cursor *cursor, uint64_t block,
                       const struct source_read *how, struct vhdx_entry *ret, struct error *err);
int vhdx_bitmap_entry(struct vhdx *v, uint64_t chunk, const struct source_read *how,
                      struct vhdx_entry *ret, struct error *err);

/*
 * The run at `off`, at most `max` bytes, with neighbours joined where they are alike, and for DATA
 * where the file goes on without a gap.  MIXED is found only where it is allowed.
 */
int vhdx_run(struct vhdx *v, uint64_t off, uint64_t max, bool mixed_allowed,
             const struct source_read *how, struct vhdx_run *ret, struct error *err);

int vhdx_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
               struct error *err);

static inline struct vhdx *to_vhdx(struct image *image)
{
	return container_of(image, struct vhdx, image);
}

#endif
