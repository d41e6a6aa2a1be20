/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small VHD files in memory, made field by field, for the tests of the reader.  They share no code
 * with the writer but the structures' loads and stores.
 *
 * Content tells where it comes from: each sector starts with its number on the disk and is filled
 * with the tag of its file.
 */
#ifndef TESTS_UNIT_VHD_MAKE_H
#define TESTS_UNIT_VHD_MAKE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "disk/format/vhd.h"

struct recipe {
	enum vhd_type type;
	uint64_t size;
	uint32_t block_size;
	uint8_t tag;          /* content, and last byte of the unique id */
	uint8_t parent;       /* tag of the parent */
	const char *beside;   /* W2ru, and the header's parent name */
	const char *absolute; /* W2ku */
	uint64_t blocks;      /* bit n: block n is there */
	/* Differencing: is this sector in the file?  NULL: every one of a block that is there. */
	bool (*own)(uint64_t sector);
};

#define MADE_TABLE   1536u
#define MADE_LOCATOR 2048u

struct made {
	uint8_t *data;
	size_t len;
};

static inline void fill_sector(uint8_t *out, uint8_t tag, uint64_t sector)
{
	memset(out, tag, VHD_SECTOR);
	store_le64(out, sector);
}

static inline void put_utf16(uint8_t *out, const char *text, bool big)
{
	for (; *text; text++, out += 2) {
		if (big)
			store_be16(out, (uint8_t)*text);
		else
			store_le16(out, (uint8_t)*text);
	}
}

static inline struct vhd_footer made_footer(const struct recipe *recipe)
{
	struct vhd_footer footer = {
		.features = VHD_FEATURE_RESERVED,
		.version = VHD_VERSION,
		.data_offset = recipe->type == VHD_FIXED ? UINT64_MAX : 512,
		.timestamp = 1000,
		.creator = "win ",
		.creator_version = 0x000a0000,
		.creator_os = "Wi2k",
		.original_size = recipe->size,
		.current_size = recipe->size,
		.type = recipe->type,
	};

	vhd_geometry_of(recipe->size, &footer);
	footer.unique_id[15] = recipe->tag;
	return footer;
}

static inline void make_locator(uint8_t *data, struct vhd_locator *locator, const char *code,
                                const char *path, uint64_t at)
{
	if (!path)
		return;
	assert(strlen(path) < 256);
	memcpy(locator->code, code, 5);
	locator->space = VHD_SECTOR;
	locator->len = (uint32_t)strlen(path) * 2;
	locator->offset = at;
	put_utf16(data + at, path, false);
}

static inline void make_blocks(struct made *made, const struct recipe *recipe, uint64_t at)
{
	uint32_t bitmap = vhd_bitmap_size(recipe->block_size);
	uint64_t per_block = recipe->block_size / VHD_SECTOR;

	for (uint64_t block = 0; block < div_round_up(recipe->size, recipe->block_size); block++) {
		uint8_t *entry = made->data + MADE_TABLE + block * 4;

		store_be32(entry, VHD_UNUSED);
		if (!(recipe->blocks >> block & 1))
			continue;
		store_be32(entry, (uint32_t)(at / VHD_SECTOR));
		for (uint64_t i = 0; i < per_block; i++) {
			uint64_t sector = block * per_block + i;

			if (recipe->own && !recipe->own(sector)) {
				memset(made->data + at + bitmap + i * VHD_SECTOR, 0xee, VHD_SECTOR);
				continue;
			}
			made->data[at + i / 8] |= (uint8_t)(0x80 >> i % 8);
			fill_sector(made->data + at + bitmap + i * VHD_SECTOR, recipe->tag, sector);
		}
		at += bitmap + recipe->block_size;
	}
}

static inline struct made make_fixed(const struct recipe *recipe)
{
	struct vhd_footer footer = made_footer(recipe);
	struct made made = { .len = recipe->size + VHD_FOOTER };

	made.data = calloc(1, made.len);
	assert(made.data);
	for (uint64_t i = 0; i < recipe->size / VHD_SECTOR; i++)
		fill_sector(made.data + i * VHD_SECTOR, recipe->tag, i);
	vhd_footer_store(&footer, made.data + recipe->size);
	return made;
}

/* Footer copy, header, table (at most 128 entries), two locators, blocks, footer. */
static inline struct made make_vhd(const struct recipe *recipe)
{
	struct vhd_footer footer = made_footer(recipe);
	struct vhd_header header = {
		.data_offset = UINT64_MAX,
		.table_offset = MADE_TABLE,
		.version = VHD_VERSION,
		.block_size = recipe->block_size,
		.parent_timestamp = 1000,
	};
	struct made made;
	uint64_t blocks_at = MADE_LOCATOR + 2 * (uint64_t)VHD_SECTOR;

	if (recipe->type == VHD_FIXED)
		return make_fixed(recipe);
	header.max_entries = (uint32_t)div_round_up(recipe->size, recipe->block_size);
	assert(header.max_entries <= 64);
	made.len = blocks_at + VHD_FOOTER +
	           (size_t)__builtin_popcountll(recipe->blocks) *
	                   (vhd_bitmap_size(recipe->block_size) + recipe->block_size);
	made.data = calloc(1, made.len);
	assert(made.data);
	if (recipe->type == VHD_DIFFERENCING) {
		header.parent_id[15] = recipe->parent;
		if (recipe->beside)
			put_utf16(header.parent_name, recipe->beside, true);
		make_locator(made.data, &header.locators[0], "W2ru", recipe->beside, MADE_LOCATOR);
		make_locator(made.data, &header.locators[1], "W2ku", recipe->absolute,
		             MADE_LOCATOR + VHD_SECTOR);
	}
	make_blocks(&made, recipe, blocks_at);
	vhd_header_store(&header, made.data + VHD_FOOTER);
	vhd_footer_store(&footer, made.data);
	vhd_footer_store(&footer, made.data + made.len - VHD_FOOTER);
	return made;
}

/* Make a structure's checksum fit its bytes again: `field` is where it is stored. */
static inline void fix_checksum(uint8_t *raw, size_t len, size_t field)
{
	uint32_t sum = 0;

	store_be32(raw + field, 0);
	for (size_t i = 0; i < len; i++)
		sum += raw[i];
	store_be32(raw + field, ~sum);
}

#endif
