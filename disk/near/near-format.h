/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the near store's map files look like: headers, cache entries, pieces of layer maps.
 *
 * Pure functions over bytes, without I/O or locks; docs/near-format.md is the specification.  What
 * is decoded may be anything at all.
 */
#ifndef DISK_NEAR_NEAR_FORMAT_H
#define DISK_NEAR_NEAR_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEAR_GROUP         8192u /* blocks that are loaded together */
#define NEAR_MAP_SECTOR    4096u
#define NEAR_MAP_START     8192u /* of a map file, behind both headers */
#define NEAR_PIECE         512u
#define NEAR_PIECES        8u /* of one copy of a group */
#define NEAR_PIECE_BLOCKS  (NEAR_GROUP / NEAR_PIECES)
#define NEAR_FILE_ID_BYTES 16

enum near_kind { NEAR_KIND_CACHE = 1, NEAR_KIND_LAYER = 2 };

struct near_header {
	enum near_kind kind;
	uint64_t size; /* of the disk, bytes */
	uint8_t image_id[32];
	uint8_t file_id[NEAR_FILE_ID_BYTES];
};

void near_header_encode(const struct near_header *header, uint8_t out[NEAR_MAP_SECTOR]);
/* -EUCLEAN: damaged, -ENOTSUP: another version or geometry, -ENOMSG: another kind of file. */
int near_header_decode(const uint8_t in[NEAR_MAP_SECTOR], enum near_kind kind,
                       struct near_header *ret);

/* Groups of a disk, and where their parts lie in the map files. */
uint64_t near_groups(uint64_t size);
uint64_t near_cache_entry_offset(uint64_t groups, uint64_t block);
uint64_t near_cache_group_offset(uint64_t group);
uint64_t near_layer_copy_offset(uint64_t group, unsigned int copy);
uint64_t near_map_size(enum near_kind kind, uint64_t groups);

#define NEAR_ENTRY_ABSENT 0u

/* Checksum of the image's identity: the first argument of the entry functions. */
uint32_t near_entry_seed(const uint8_t image_id[32]);
/* The entry of a block of zeros, and of a group of zeros. */
uint32_t near_entry_zero(uint32_t seed, uint64_t block);
uint32_t near_entry_zero_group(uint32_t seed, uint64_t group);
/* The entry of a block with the content data[0, 4096), which is not all zero. */
uint32_t near_entry_data(uint32_t seed, uint64_t block, const void *data);

/* Two bits a block. */
enum near_bits { NEAR_BITS_ABSENT, NEAR_BITS_DATA, NEAR_BITS_ZERO };

/* One copy of a group of a layer's map; bits[i] is of block i of the group. */
void near_copy_encode(const struct near_header *header, uint64_t group, uint64_t generation,
                      const uint8_t bits[NEAR_GROUP], uint8_t out[NEAR_MAP_SECTOR]);

struct near_group_map {
	uint8_t bits[NEAR_GROUP]; /* enum near_bits */
	uint64_t generation;      /* the highest seen; the next commit takes a higher one */
	unsigned int keep;        /* the copy that holds what was promised: write the other one */
	uint8_t stale[2];         /* of each copy, bits of the pieces that its twin supersedes */
	bool empty;               /* nothing is present: `bits` is all zero */
};

/*
 * Choose from both copies, piece by piece.  `copies` is A and B one after the other; `readable`
 * says which of them could be read.  -EUCLEAN when something that was promised may be missing.
 */
int near_copies_decode(const struct near_header *header, uint64_t group, const uint8_t *copies,
                       const bool readable[2], struct near_group_map *ret);

bool near_all_zero(const void *data, size_t len);

#endif
