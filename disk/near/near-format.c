// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/near/near-format.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "disk/near/near.h"

#define HEADER_MAGIC   "SILLNEAR"
#define HEADER_VERSION 1u
#define HEADER_CRC_AT  4092
#define PIECE_MAGIC    "SILLBITS"
#define PIECE_BITS_AT  80
#define PIECE_CRC_AT   508
#define ZERO_GROUP_BIT (UINT64_C(1) << 63)

bool near_all_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	/* Compared with itself one byte on: true when every byte is as the first. */
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

void near_header_encode(const struct near_header *header, uint8_t out[NEAR_MAP_SECTOR])
{
	memset(out, 0, NEAR_MAP_SECTOR);
	memcpy(out, HEADER_MAGIC, 8);
	store_le32(out + 8, HEADER_VERSION);
	store_le32(out + 12, header->kind);
	store_le64(out + 16, header->size);
	store_le32(out + 24, NEAR_BLOCK);
	store_le32(out + 28, NEAR_GROUP);
	memcpy(out + 32, header->image_id, 32);
	memcpy(out + 64, header->file_id, NEAR_FILE_ID_BYTES);
	store_le32(out + HEADER_CRC_AT, crc32c(0, out, HEADER_CRC_AT));
}

int near_header_decode(const uint8_t in[NEAR_MAP_SECTOR], enum near_kind kind,
                       struct near_header *ret)
{
	if (memcmp(in, HEADER_MAGIC, 8) != 0 ||
	    load_le32(in + HEADER_CRC_AT) != crc32c(0, in, HEADER_CRC_AT))
		return -EUCLEAN;
	if (load_le32(in + 8) != HEADER_VERSION || load_le32(in + 24) != NEAR_BLOCK ||
	    load_le32(in + 28) != NEAR_GROUP)
		return -ENOTSUP;
	if (load_le32(in + 12) != kind)
		return -ENOMSG;
	ret->kind = kind;
	ret->size = load_le64(in + 16);
	memcpy(ret->image_id, in + 32, 32);
	memcpy(ret->file_id, in + 64, NEAR_FILE_ID_BYTES);
	return 0;
}

uint64_t near_groups(uint64_t size)
{
	return div_round_up(size, (uint64_t)NEAR_GROUP * NEAR_BLOCK);
}

uint64_t near_cache_group_offset(uint64_t group)
{
	return NEAR_MAP_START + 4 * group;
}

uint64_t near_cache_entry_offset(uint64_t groups, uint64_t block)
{
	return NEAR_MAP_START + round_up(4 * groups, NEAR_MAP_SECTOR) + 4 * block;
}

uint64_t near_layer_copy_offset(uint64_t group, unsigned int copy)
{
	return NEAR_MAP_START + (2 * group + copy) * NEAR_MAP_SECTOR;
}

uint64_t near_map_size(enum near_kind kind, uint64_t groups)
{
	if (kind == NEAR_KIND_CACHE)
		return near_cache_entry_offset(groups, groups * NEAR_GROUP);
	return near_layer_copy_offset(groups, 0);
}

uint32_t near_entry_seed(const uint8_t image_id[32])
{
	return crc32c(0, image_id, 32);
}

static uint32_t entry_salt(uint32_t seed, uint64_t number)
{
	uint8_t bytes[8];

	store_le64(bytes, number);
	return crc32c(seed, bytes, sizeof(bytes));
}

uint32_t near_entry_zero(uint32_t seed, uint64_t block)
{
	/* CRC-32C of 4096 zeros; a test computes it. */
	uint32_t entry = entry_salt(seed, block) ^ 0x98F94189u;

	return entry == NEAR_ENTRY_ABSENT ? 1 : entry;
}

uint32_t near_entry_zero_group(uint32_t seed, uint64_t group)
{
	uint32_t entry = entry_salt(seed, ZERO_GROUP_BIT | group);

	return entry == NEAR_ENTRY_ABSENT ? 1 : entry;
}

uint32_t near_entry_data(uint32_t seed, uint64_t block, const void *data)
{
	uint32_t entry = crc32c(0, data, NEAR_BLOCK) ^ entry_salt(seed, block);

	while (entry == NEAR_ENTRY_ABSENT || entry == near_entry_zero(seed, block))
		entry++;
	return entry;
}

void near_copy_encode(const struct near_header *header, uint64_t group, uint64_t generation,
                      const uint8_t bits[NEAR_GROUP], uint8_t out[NEAR_MAP_SECTOR])
{
	memset(out, 0, NEAR_MAP_SECTOR);
	for (unsigned int i = 0; i < NEAR_PIECES; i++) {
		const uint8_t *from = bits + (size_t)i * NEAR_PIECE_BLOCKS;
		uint8_t *piece = out + (size_t)i * NEAR_PIECE;
		uint8_t *to = piece + PIECE_BITS_AT;

		memcpy(piece, PIECE_MAGIC, 8);
		store_le64(piece + 8, group * NEAR_PIECES + i);
		store_le64(piece + 16, generation);
		memcpy(piece + 24, header->image_id, 32);
		memcpy(piece + 56, header->file_id, NEAR_FILE_ID_BYTES);
		for (unsigned int b = 0; b < NEAR_PIECE_BLOCKS; b += 4)
			*to++ = (uint8_t)(from[b] | from[b + 1] << 2 | from[b + 2] << 4 |
			                  from[b + 3] << 6);
		store_le32(piece + PIECE_CRC_AT, crc32c(0, piece, PIECE_CRC_AT));
	}
}

struct piece {
	bool good;
	uint64_t generation; /* of a good one; 0: never written */
};

static struct piece piece_check(const struct near_header *header, uint64_t number,
                                const uint8_t *at)
{
	struct piece bad = { .good = false };

	if (near_all_zero(at, NEAR_PIECE))
		return (struct piece){ .good = true };
	if (memcmp(at, PIECE_MAGIC, 8) != 0 || load_le64(at + 8) != number ||
	    memcmp(at + 24, header->image_id, 32) != 0 ||
	    memcmp(at + 56, header->file_id, NEAR_FILE_ID_BYTES) != 0 ||
	    load_le32(at + PIECE_CRC_AT) != crc32c(0, at, PIECE_CRC_AT) || load_le64(at + 16) == 0)
		return bad;
	/* Both bits of a pair are never set. */
	for (unsigned int i = 0; i < NEAR_PIECE_BLOCKS / 4; i++)
		if (at[PIECE_BITS_AT + i] & at[PIECE_BITS_AT + i] >> 1 & 0x55)
			return bad;
	return (struct piece){ .good = true, .generation = load_le64(at + 16) };
}

static void piece_unpack(const uint8_t *piece, uint8_t *bits)
{
	const uint8_t *from = piece + PIECE_BITS_AT;

	for (unsigned int b = 0; b < NEAR_PIECE_BLOCKS; b += 4, from++) {
		bits[b] = *from & 3;
		bits[b + 1] = *from >> 2 & 3;
		bits[b + 2] = *from >> 4 & 3;
		bits[b + 3] = *from >> 6;
	}
}

int near_copies_decode(const struct near_header *header, uint64_t group, const uint8_t *copies,
                       const bool readable[2], struct near_group_map *ret)
{
	struct piece pieces[2][NEAR_PIECES];
	uint64_t newest[2] = { 0, 0 };
	uint64_t oldest[2] = { UINT64_MAX, UINT64_MAX };
	unsigned int good[2] = { 0, 0 };

	if (readable[0] && readable[1] && near_all_zero(copies, (size_t)2 * NEAR_MAP_SECTOR)) {
		memset(ret, 0, sizeof(*ret));
		ret->empty = true;
		return 0;
	}
	for (unsigned int c = 0; c < 2; c++) {
		for (unsigned int i = 0; i < NEAR_PIECES; i++) {
			const uint8_t *at =
				copies + (size_t)c * NEAR_MAP_SECTOR + (size_t)i * NEAR_PIECE;
			struct piece p = { .good = false };

			if (readable[c])
				p = piece_check(header, group * NEAR_PIECES + i, at);
			pieces[c][i] = p;
			good[c] += p.good;
			newest[c] = max_u64(newest[c], p.generation);
			oldest[c] = min_u64(oldest[c], p.generation);
		}
	}
	ret->empty = false;
	ret->stale[0] = ret->stale[1] = 0;
	for (unsigned int i = 0; i < NEAR_PIECES; i++) {
		unsigned int use = pieces[1][i].generation > pieces[0][i].generation;
		const struct piece *lost;

		if (!pieces[use][i].good)
			use = !use;
		lost = &pieces[!use][i];
		if (!pieces[use][i].good)
			return -EUCLEAN;
		/*
		 * The twin of a damaged piece serves when it cannot be older: its generation is
		 * that of the damaged copy's other pieces, or above.  A copy without anything is
		 * no twin: something was written, and is lost.
		 */
		if (!lost->good && (pieces[use][i].generation < newest[!use] || newest[use] == 0))
			return -EUCLEAN;
		if (!lost->good || lost->generation < pieces[use][i].generation)
			ret->stale[!use] |= (uint8_t)(1u << i);
		if (pieces[use][i].generation > 0)
			piece_unpack(copies + (size_t)use * NEAR_MAP_SECTOR +
			                     (size_t)i * NEAR_PIECE,
			             ret->bits + (size_t)i * NEAR_PIECE_BLOCKS);
		else
			memset(ret->bits + (size_t)i * NEAR_PIECE_BLOCKS, 0, NEAR_PIECE_BLOCKS);
	}
	ret->generation = max_u64(newest[0], newest[1]);
	if (good[0] == good[1])
		ret->keep = oldest[1] > oldest[0];
	else
		ret->keep = good[1] > good[0];
	return 0;
}
