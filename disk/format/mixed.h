/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Differencing disks say sector by sector, with a bit each, what is their own and what the
 * parent's.  A stretch where that changes often would cost a request a change; it is read whole
 * from both files instead, and laid over each other.  For VHD and VHDX, which differ in the order
 * of the bits only.
 *
 * Any thread; everything is the caller's.
 */
#ifndef DISK_FORMAT_MIXED_H
#define DISK_FORMAT_MIXED_H

#include "disk/format/format.h"

#define MIXED_BYTES 513u

struct mixed {
	uint8_t bits[MIXED_BYTES]; /* set: the file's own */
	uint32_t first, end; /* the bits that count: of the sector at hand, and behind the last */
	uint32_t sector;     /* bytes of a sector */
	bool lowest_first;   /* of the bits of a byte */
};

/* Is the sector at hand the file's own? */
bool mixed_is_own(const struct mixed *m);

/* How many sectors from the one at hand on are like it. */
uint32_t mixed_alike(const struct mixed *m);

/* Do the sectors change so often that two whole reads are better than one for each change? */
bool mixed_changes_often(const struct mixed *m);

/* Reads of the file whose sectors are meant, as its format sees it. */
typedef int mixed_read_own(struct image *image, void *buf, size_t len, uint64_t at,
                           const struct source_read *how, struct error *err);

/*
 * Read `len` bytes of the disk at `off`, which lies in the sector at hand: the parent's, and over
 * them those own ones that the file has in one piece at `at`.
 */
int mixed_read(struct image *image, const struct mixed *m, mixed_read_own *read_own, uint8_t *buf,
               size_t len, uint64_t off, uint64_t at, const struct source_read *how,
               struct error *err);

#endif
