/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small VHDX files in memory, made field by field from [MS-VHDX], for the tests of the reader.
 *
 *   0 header   1 MiB log   2 MiB BAT   3 MiB metadata   4 MiB sector bitmap   5 MiB on: blocks
 *
 * Blocks are 1 MiB.  Block place n of the file (at 5 + n MiB) is filled with n + 1.
 */
#ifndef TESTS_UNIT_VHDX_MAKE_H
#define TESTS_UNIT_VHDX_MAKE_H

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"

#define MADE_HEADER_1   (64 * KIB)
#define MADE_HEADER_2   (128 * KIB)
#define MADE_REGIONS_1  (192 * KIB)
#define MADE_REGIONS_2  (256 * KIB)
#define MADE_LOG        (1 * MIB)
#define MADE_BAT        (2 * MIB)
#define MADE_METADATA   (3 * MIB)
#define MADE_BITMAP     (4 * MIB)
#define MADE_BLOCKS     (5 * MIB)
#define MADE_PLACES     4u
#define MADE_LEN        (MADE_BLOCKS + MADE_PLACES * MIB)
#define MADE_ITEMS      (MADE_METADATA + 64 * KIB) /* where the items lie, 4 KiB apart */
#define MADE_ITEM(n)    (MADE_ITEMS + (n)*4 * KIB)

#define ENTRY_AT(place) ((MADE_BLOCKS + (place)*MIB) | 6)

/* Items in the order of their table. */
enum { MADE_PARAMETERS, MADE_SIZE, MADE_ID, MADE_LOGICAL, MADE_PHYSICAL, MADE_LOCATOR };

/* "CAA16737-FA36-4D43-B3B6-33F0AA44E76B" to the 16 bytes in a file. */
static inline void put_guid(uint8_t *out, const char *text)
{
	static const uint8_t place[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	char pair[3] = "";

	for (unsigned int i = 0; i < 16; i++, text += 2) {
		while (*text == '-')
			text++;
		memcpy(pair, text, 2);
		out[place[i]] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static inline void seal(uint8_t *at, size_t len)
{
	store_le32(at + 4, 0);
	store_le32(at + 4, crc32c(0, at, len));
}

static inline void seal_headers(uint8_t *d)
{
	seal(d + MADE_HEADER_1, 4096);
	seal(d + MADE_HEADER_2, 4096);
}

static inline void seal_regions(uint8_t *d)
{
	seal(d + MADE_REGIONS_1, 64 * KIB);
	memcpy(d + MADE_REGIONS_2, d + MADE_REGIONS_1, 64 * KIB);
}

static inline void made_header(uint8_t *d, uint64_t at, uint64_t sequence, uint8_t tag)
{
	uint8_t *h = d + at;

	memcpy(h, "head", 4);
	store_le64(h + 8, sequence);
	h[16] = 1;
	memset(h + 32, tag, 16); /* DataWriteGuid */
	store_le16(h + 66, 1);
	store_le32(h + 68, MIB);
	store_le64(h + 72, MADE_LOG);
}

static inline void made_region(uint8_t *d, unsigned int n, const char *guid, uint64_t at)
{
	uint8_t *e = d + MADE_REGIONS_1 + 16 + 32 * n;

	put_guid(e, guid);
	store_le64(e + 16, at);
	store_le32(e + 24, MIB);
	store_le32(e + 28, 1);
}

static inline void made_item(uint8_t *d, unsigned int n, const char *guid, uint32_t len)
{
	uint8_t *e = d + MADE_METADATA + 32 * (n + 1);

	put_guid(e, guid);
	store_le32(e + 16, (uint32_t)(MADE_ITEM(n) - MADE_METADATA));
	store_le32(e + 20, len);
	store_le32(e + 24, 4);
	store_le16(d + MADE_METADATA + 10, (uint16_t)(n + 1));
}

/* A dynamic disk of `size` bytes with nothing in it, of at most 128 Ki blocks; free() it. */
static inline uint8_t *make_vhdx(uint64_t size, uint32_t sector, uint8_t tag)
{
	uint8_t *d = calloc(1, MADE_LEN);

	if (!d)
		abort();
	memcpy(d, "vhdxfile", 8);
	made_header(d, MADE_HEADER_1, 5, tag);
	made_header(d, MADE_HEADER_2, 4, tag);
	seal_headers(d);
	memcpy(d + MADE_REGIONS_1, "regi", 4);
	store_le32(d + MADE_REGIONS_1 + 8, 2);
	made_region(d, 0, "2DC27766-F623-4200-9D64-115E9BFD4A08", MADE_BAT);
	made_region(d, 1, "8B7CA206-4790-4B9A-B8FE-575F050F886E", MADE_METADATA);
	seal_regions(d);
	memcpy(d + MADE_METADATA, "metadata", 8);
	made_item(d, MADE_PARAMETERS, "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 8);
	made_item(d, MADE_SIZE, "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 8);
	made_item(d, MADE_ID, "BECA12AB-B2E6-4523-93EF-C309E000C746", 16);
	made_item(d, MADE_LOGICAL, "8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 4);
	made_item(d, MADE_PHYSICAL, "CDA348C7-445D-4471-9CC9-E9885251C556", 4);
	store_le32(d + MADE_ITEM(MADE_PARAMETERS), MIB);
	store_le64(d + MADE_ITEM(MADE_SIZE), size);
	store_le32(d + MADE_ITEM(MADE_LOGICAL), sector);
	store_le32(d + MADE_ITEM(MADE_PHYSICAL), 4096);
	for (unsigned int i = 0; i < MADE_PLACES; i++)
		memset(d + MADE_BLOCKS + i * MIB, (int)i + 1, MIB);
	return d;
}

static inline void set_bat(uint8_t *d, uint64_t index, uint64_t entry)
{
	store_le64(d + MADE_BAT + 8 * index, entry);
}

/* Make it a differencing disk.  `pairs` is key, value, key, value, …, NULL. */
static inline void make_child(uint8_t *d, const char *const *pairs)
{
	uint8_t *item = d + MADE_ITEM(MADE_LOCATOR);
	uint32_t at = 20 + 12 * 16;
	unsigned int n = 0;

	made_item(d, MADE_LOCATOR, "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", 4096);
	store_le32(d + MADE_ITEM(MADE_PARAMETERS) + 4, 2);
	memset(item, 0, 4096);
	put_guid(item, "B04AEFB7-D19E-4A81-B789-25B8E9445913");
	for (unsigned int i = 0; pairs[i]; i++) {
		uint8_t *e = item + 20 + 12 * (i / 2) + 4 * (i % 2);
		uint16_t len = (uint16_t)(2 * strlen(pairs[i]));

		store_le32(e, at);
		store_le16(item + 20 + 12 * (i / 2) + 8 + 2 * (i % 2), len);
		for (const char *c = pairs[i]; *c; c++, at += 2)
			store_le16(item + at, (uint8_t)*c);
		n += i % 2;
	}
	store_le16(item + 18, (uint16_t)n);
}

/*
 * Log entries.  Start one, add writes, seal it; `at` and `tail` count sectors of the log.
 */
struct made_entry {
	uint8_t *d;
	unsigned int at, descriptors, data;
	uint64_t sequence;
};

#define MADE_LOG_SECTORS 256u

static inline uint8_t *log_sector(uint8_t *d, unsigned int n)
{
	return d + MADE_LOG + n % MADE_LOG_SECTORS * 4096;
}

/* Says that the log counts. */
static inline void made_log(uint8_t *d)
{
	memset(d + MADE_HEADER_1 + 48, 0x5A, 16);
	seal_headers(d);
}

static inline struct made_entry entry_start(uint8_t *d, unsigned int at, unsigned int tail,
                                            uint64_t sequence)
{
	uint8_t *p = log_sector(d, at);

	memset(p, 0, 4096);
	memcpy(p, "loge", 4);
	store_le32(p + 12, tail * 4096);
	store_le64(p + 16, sequence);
	memset(p + 32, 0x5A, 16);
	store_le64(p + 48, MADE_LEN);
	store_le64(p + 56, MADE_LEN);
	return (struct made_entry){ .d = d, .at = at, .sequence = sequence };
}

/* At most 126 descriptors. */
static inline void entry_zero(struct made_entry *e, uint64_t off, uint64_t len)
{
	uint8_t *p = log_sector(e->d, e->at) + 64 + 32 * e->descriptors++;

	memcpy(p, "zero", 4);
	store_le64(p + 8, len);
	store_le64(p + 16, off);
	store_le64(p + 24, e->sequence);
}

static inline void entry_data(struct made_entry *e, uint64_t off, const uint8_t data[4096])
{
	uint8_t *p = log_sector(e->d, e->at) + 64 + 32 * e->descriptors++;
	uint8_t *s = log_sector(e->d, e->at + 1 + e->data++);

	memcpy(p, "desc", 4);
	memcpy(p + 4, data + 4092, 4);
	memcpy(p + 8, data, 8);
	store_le64(p + 16, off);
	store_le64(p + 24, e->sequence);
	memcpy(s, data, 4096);
	memcpy(s, "data", 4);
	store_le32(s + 4, (uint32_t)(e->sequence >> 32));
	store_le32(s + 4092, (uint32_t)e->sequence);
}

/* Returns the sector behind the entry. */
static inline unsigned int entry_seal(struct made_entry *e)
{
	uint8_t *p = log_sector(e->d, e->at);
	uint32_t crc = 0;

	store_le32(p + 8, (1 + e->data) * 4096);
	store_le32(p + 24, e->descriptors);
	store_le32(p + 4, 0);
	for (unsigned int i = 0; i <= e->data; i++)
		crc = crc32c(crc, log_sector(e->d, e->at + i), 4096);
	store_le32(p + 4, crc);
	return (e->at + 1 + e->data) % MADE_LOG_SECTORS;
}

#endif
