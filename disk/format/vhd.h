/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The structures of a VHD file: what the reader (vhd.c), the checker (vhd-check.c) and the writer
 * (vhd-write.c) share.  Source: Microsoft, "Virtual Hard Disk Image Format Specification", October
 * 2006.  All numbers in the file are big-endian, all offsets in bytes unless they are in sectors.
 *
 *   fixed:         the disk, footer
 *   dynamic:       footer copy, header, block table, blocks (sector bitmap, sectors)…, footer
 *   differencing:  the same with the parent's locators somewhere between
 */
#ifndef DISK_FORMAT_VHD_H
#define DISK_FORMAT_VHD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "disk/format/format.h"

#define VHD_SECTOR            512u
#define VHD_FOOTER            512u
#define VHD_HEADER            1024u
#define VHD_COOKIE            "conectix"
#define VHD_HEADER_COOKIE     "cxsparse"
#define VHD_VERSION           0x00010000u
#define VHD_UNUSED            0xffffffffu /* a block table entry without a block */
#define VHD_EPOCH             946684800   /* 2000-01-01 00:00:00 UTC */
#define VHD_LOCATORS          8
#define VHD_MAX_SIZE          (2040 * GIB)

#define VHD_FEATURE_TEMPORARY 1u
#define VHD_FEATURE_RESERVED  2u /* always set */

enum vhd_type {
	VHD_FIXED = 2,
	VHD_DYNAMIC = 3,
	VHD_DIFFERENCING = 4,
};

struct vhd_footer {
	uint32_t features;
	uint32_t version;
	uint64_t data_offset; /* of the header; all ones in a fixed disk */
	uint32_t timestamp;   /* seconds since VHD_EPOCH */
	char creator[5];      /* four characters, as they are */
	uint32_t creator_version;
	char creator_os[5];
	uint64_t original_size;
	uint64_t current_size;
	uint16_t cylinders;
	uint8_t heads;
	uint8_t sectors;
	uint32_t type; /* enum vhd_type, once checked */
	uint8_t unique_id[16];
	uint8_t saved_state;
};

struct vhd_locator {
	char code[5];   /* "W2ru", "W2ku", … ; empty: unused */
	uint32_t space; /* sectors by the specification, bytes as many write it */
	uint32_t len;   /* bytes */
	uint64_t offset;
};

struct vhd_header {
	uint64_t data_offset; /* all ones */
	uint64_t table_offset;
	uint32_t version;
	uint32_t max_entries;
	uint32_t block_size;
	uint8_t parent_id[16];
	uint32_t parent_timestamp;
	uint8_t parent_name[512]; /* UTF-16, big-endian */
	struct vhd_locator locators[VHD_LOCATORS];
};

/*
 * Take a structure apart.  -EINVAL when the cookie or the checksum is wrong, with words that fit
 * behind the name of the file and of the place: "has a wrong checksum".
 */
int vhd_footer_load(const uint8_t raw[VHD_FOOTER], struct vhd_footer *ret, struct error *err);
int vhd_header_load(const uint8_t raw[VHD_HEADER], struct vhd_header *ret, struct error *err);

/* The reverse, checksum included. */
void vhd_footer_store(const struct vhd_footer *footer, uint8_t raw[VHD_FOOTER]);
void vhd_header_store(const struct vhd_header *header, uint8_t raw[VHD_HEADER]);

/*
 * Are the fields believable, by themselves and for a file whose disk structures end at `end`?  The
 * sentence names the field.
 */
int vhd_footer_check(const struct vhd_footer *footer, const char *name, uint64_t end,
                     struct error *err);
int vhd_header_check(const struct vhd_header *header, const struct vhd_footer *footer,
                     const char *name, uint64_t end, struct error *err);

/* Bytes that cylinders, heads and sectors stand for; how the specification makes them of a size. */
uint64_t vhd_geometry_size(const struct vhd_footer *footer);
void vhd_geometry_of(uint64_t size, struct vhd_footer *footer);

/* Bytes of the sector bitmap in front of each block. */
static inline uint32_t vhd_bitmap_size(uint32_t block_size)
{
	return (uint32_t)round_up(div_round_up(block_size / VHD_SECTOR, 8), VHD_SECTOR);
}

/* "5f3c…-…": the id as people write it.  `out` holds 37. */
const char *vhd_id_text(const uint8_t id[16], char out[37]);

struct vhd {
	struct image image;
	struct vhd_footer footer;
	struct vhd_header header; /* unless fixed */
	uint64_t data_end;        /* where the footer is; the end of the file where it is lost */
	uint32_t blocks;          /* table entries that the disk needs */
	uint32_t bitmap_size;
	struct pages *table;   /* pages of headers and block table */
	struct pages *bitmaps; /* of sector bitmaps; only in differencing disks */
};

static inline struct vhd *vhd_of(struct image *image)
{
	return container_of(image, struct vhd, image);
}

/* The block table's entry as it is in the file. */
int vhd_entry(struct vhd *vhd, uint32_t block, const struct source_read *how, uint32_t *ret,
              struct error *err);
/*
 * Does the entry point at a whole block inside the file, clear of the headers and the table?
 * -EINVAL with a sentence.
 */
int vhd_entry_check(const struct vhd *vhd, uint32_t block, uint32_t entry, struct error *err);

/* image_ops.describe and image_ops.check. */
int vhd_describe(struct image *image, json_t *info, struct error *err);
int vhd_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
              struct error *err);

/* The places that header and locators give for the parent, then open it (vhd-parent.c). */
int vhd_open_parent(struct vhd *vhd, const struct image_options *options, struct error *err);

#endif
