/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three VHDs that tests read, each the parent of the next, and what must be read of them: content
 * says of each sector whose it is.
 */
#ifndef TESTS_UNIT_VHD_CHAIN_H
#define TESTS_UNIT_VHD_CHAIN_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/image-files.h"
#include "tests/unit/vhd-make.h"

#define BLOCK (64 * KIB)

static inline void vhd_add(struct files *files, const char *name, struct made made)
{
	files_give(files, name, made.data, made.len);
}

/* Whose sector is it?  0: nobody's. */
typedef uint8_t (*owner_of)(uint64_t sector);

static inline void expect(struct image *image, owner_of owner, uint64_t off, size_t len)
{
	cleanup_free uint8_t *got = malloc(len + 1);
	uint8_t want[VHD_SECTOR];
	struct error err;

	got[len] = 0x5a;
	if (image_read(image, got, len, off, NULL, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < len; i++) {
		uint64_t sector = (off + i) / VHD_SECTOR;

		if (i == 0 || (off + i) % VHD_SECTOR == 0) {
			memset(want, 0, sizeof(want));
			if (owner(sector))
				fill_sector(want, owner(sector), sector);
		}
		if (got[i] != want[(off + i) % VHD_SECTOR])
			fail_msg("byte %zu is 0x%02x, not 0x%02x", (size_t)off + i, got[i],
			         want[(off + i) % VHD_SECTOR]);
	}
	assert_int_equal(got[len], 0x5a);
}

/* The whole disk, then ranges that begin and end anywhere. */
static inline void expect_all(struct image *image, owner_of owner)
{
	unsigned int seed = 7;

	expect(image, owner, 0, image->size);
	for (int i = 0; i < 300; i++) {
		uint64_t off = (uint64_t)rand_r(&seed) % image->size;
		uint64_t len = (uint64_t)rand_r(&seed) % min_u64(image->size - off, 3 * BLOCK) + 1;

		expect(image, owner, off, min_u64(len, image->size - off));
	}
}

/* Walk the map: it must cover the disk, and call zero only what nobody owns. */
static inline void expect_map(struct image *image, owner_of owner)
{
	for (uint64_t off = 0; off < image->size;) {
		enum image_extent kind;
		uint64_t len;
		struct error err;

		if (image_map(image, off, image->size - off, NULL, &kind, &len, &err) < 0)
			fail_msg("%s", err.text);
		assert_true(len > 0 && len <= image->size - off && len % 512 == 0);
		for (uint64_t i = 0; i < len; i += VHD_SECTOR)
			assert_int_equal(kind == IMAGE_EXTENT_DATA,
			                 owner((off + i) / VHD_SECTOR) != 0);
		off += len;
	}
}

static inline uint8_t owned_by_1(uint64_t sector __attribute__((unused)))
{
	return 1;
}

static inline uint8_t owned_in_blocks_1_2_4(uint64_t sector)
{
	uint64_t block = sector / (BLOCK / VHD_SECTOR);

	return block == 1 || block == 2 || block == 4 ? 1 : 0;
}

static const struct recipe dynamic = {
	.type = VHD_DYNAMIC,
	.size = 5 * BLOCK - 20 * KIB, /* the last block is short */
	.block_size = BLOCK,
	.tag = 1,
	.blocks = 0x16,
};

/* A child whose sectors change hands in every way: long runs, single sectors, whole blocks. */
static inline bool child_owns(uint64_t sector)
{
	uint64_t block = sector / (BLOCK / VHD_SECTOR), i = sector % (BLOCK / VHD_SECTOR);

	if (block == 0)
		return i >= 40 && i < 77;
	if (block == 2)
		return i % 2 == 1 || (i > 64 && i < 90);
	return true;
}

static inline bool grandchild_owns(uint64_t sector)
{
	return sector % 3 == 0;
}

static const struct recipe child = {
	.type = VHD_DIFFERENCING,
	.size = 5 * BLOCK - 20 * KIB,
	.block_size = BLOCK,
	.tag = 2,
	.parent = 1,
	.beside = ".\\base.vhd",
	.blocks = 0x0d,
	.own = child_owns,
};

static const struct recipe grandchild = {
	.type = VHD_DIFFERENCING,
	.size = 5 * BLOCK - 20 * KIB,
	.block_size = BLOCK / 2,
	.tag = 3,
	.parent = 2,
	.beside = "child.vhd",
	.blocks = 0x0c1,
	.own = grandchild_owns,
};

static inline uint8_t owned_in_child(uint64_t sector)
{
	if (child.blocks >> sector / (BLOCK / VHD_SECTOR) & 1 && child_owns(sector))
		return 2;
	return owned_in_blocks_1_2_4(sector);
}

static inline uint8_t owned_in_grandchild(uint64_t sector)
{
	if (grandchild.blocks >> sector / (BLOCK / 2 / VHD_SECTOR) & 1 && grandchild_owns(sector))
		return 3;
	return owned_in_child(sector);
}

#endif
