/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stretch of a disk holds, told by its signature (the same ones that blkid(8) knows).
 */
#ifndef LIBRARY_GUEST_CONTENT_H
#define LIBRARY_GUEST_CONTENT_H

#include "library/guest/disk.h"

enum content_kind {
	CONTENT_UNKNOWN,
	CONTENT_ZERO, /* at least where signatures would be */
	CONTENT_EXT,  /* ext2, ext3, ext4 */
	CONTENT_SWAP,
	CONTENT_FAT,
	CONTENT_OTHER, /* known, and nothing that can be looked into */
};

/* *ret_name: what people call it, "ext4", "btrfs". */
int content_look(struct guest_disk *disk, uint64_t off, uint64_t len, enum content_kind *ret,
                 const char **ret_name, struct error *err);

#endif
