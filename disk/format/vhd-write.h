/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the VHD writer's files share: the state of one file being written.
 */
#ifndef DISK_FORMAT_VHD_WRITE_H
#define DISK_FORMAT_VHD_WRITE_H

#include "disk/format/vhd.h"
#include "disk/format/writer.h"

struct vhd_writer {
	struct writer writer;
	struct vhd_footer footer;
	struct vhd_header header;
	struct image *parent; /* borrowed; NULL unless differencing */
	uint32_t bitmap_size;
	uint32_t blocks;
	uint64_t next;  /* where the next block may start */
	uint8_t *table; /* as it will be in the file */
	size_t table_size;
	/* Differencing: the block that is being filled, and whose sectors are in it. */
	uint32_t block;
	uint8_t *bitmap;
	uint8_t *theirs; /* room for a piece of the parent */
};

/* Name, id and locators of the parent, from header.table_offset's end on; moves `next` past it. */
int vhd_write_parent(struct vhd_writer *vhd, const struct vhd_create *create, struct error *err);

/* Content of a differencing disk: the sectors that differ from the parent. */
int vhd_write_difference(struct vhd_writer *vhd, const uint8_t *buf, size_t len, uint64_t off,
                         struct error *err);
int vhd_zero_difference(struct vhd_writer *vhd, uint64_t len, uint64_t off, struct error *err);
/* The bitmap of the block that is being filled, if there is one, into the file. */
int vhd_write_bitmap(struct vhd_writer *vhd, struct error *err);

/* Where the sectors of a block lie; makes room for it at the first call. */
uint64_t vhd_writer_block(struct vhd_writer *vhd, uint32_t block);
bool vhd_writer_has_block(const struct vhd_writer *vhd, uint32_t block);

#endif
