// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/guest/partition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "base/bits.h"
#include "base/endian.h"

#define SECTOR           512u
#define MBR_ENTRIES      446u
#define MBR_PROTECTIVE   0xee
#define MBR_EFI_SYSTEM   0xef
#define GPT_HEADER_BYTES 92u
#define GPT_ENTRY_BYTES  128u
#define GPT_MAX_ENTRIES  1024u

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static int add(struct partition_table *table, const struct guest_disk *disk,
               const struct partition *partition, struct error *err)
{
	if (!range_inside(partition->off, partition->len, disk->size))
		return error_set(err, EBADMSG, "partition %u goes past the end of the disk",
		                 partition->number);
	if (table->n == PARTITIONS_MAX)
		return error_set(err, EBADMSG, "there are more than %u partitions", PARTITIONS_MAX);
	for (size_t i = 0; i < table->n; i++)
		if (partition->off < table->at[i].off + table->at[i].len &&
		    table->at[i].off < partition->off + partition->len)
			return error_set(err, EBADMSG, "partitions %u and %u overlap",
			                 table->at[i].number, partition->number);
	table->at[table->n++] = *partition;
	return 0;
}

/* GUIDs as they lie on the disk: the first three fields little-endian. */
static enum partition_kind gpt_kind(const uint8_t type[16])
{
	static const struct {
		uint8_t type[16];
		enum partition_kind kind;
	} known[] = {
		{ { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9,
		    0x3e, 0xc9, 0x3b },
		  PARTITION_EFI_SYSTEM },
		{ { 0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e, 0x74, 0x4e, 0x65, 0x65, 0x64,
		    0x45, 0x46, 0x49 },
		  PARTITION_BIOS_BOOT },
		{ { 0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d, 0x81, 0x7d, 0xf9, 0x2d, 0xf0,
		    0x02, 0x15, 0xae },
		  PARTITION_RESERVED },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (memcmp(type, known[i].type, 16) == 0)
			return known[i].kind;
	return PARTITION_OTHER;
}

static void print_uuid(const uint8_t raw[16], char ret[37])
{
	snprintf(ret, 37, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", load_le32(raw),
	         load_le16(raw + 4), load_le16(raw + 6), raw[8], raw[9], raw[10], raw[11], raw[12],
	         raw[13], raw[14], raw[15]);
}

static int add_gpt_entry(struct partition_table *table, const struct guest_disk *disk,
                         const uint8_t *entry, unsigned int number, struct error *err)
{
	static const uint8_t unused[16];
	uint64_t first = load_le64(entry + 32), last = load_le64(entry + 40);
	struct partition partition = { .number = number, .kind = gpt_kind(entry) };

	if (memcmp(entry, unused, sizeof(unused)) == 0)
		return 0;
	if (last < first || last >= disk->size / SECTOR)
		return error_set(err, EBADMSG,
		                 "partition %u is from sector %" PRIu64 " to %" PRIu64
		                 " of a disk that has %" PRIu64,
		                 number, first, last, disk->size / SECTOR);
	print_uuid(entry + 16, partition.uuid);
	partition.off = first * SECTOR;
	partition.len = (last - first + 1) * SECTOR;
	return add(table, disk, &partition, err);
}

/* One copy of the table, whose header is in that sector. */
static int read_gpt(struct guest_disk *disk, uint64_t sector, struct partition_table *ret,
                    struct error *err)
{
	uint8_t header[SECTOR], entry[GPT_ENTRY_BYTES];
	uint32_t bytes, n, size, crc;
	uint64_t at, end;
	int r = disk->read(disk, header, sizeof(header), sector * SECTOR, err);

	if (r < 0)
		return r;
	bytes = load_le32(header + 12);
	crc = load_le32(header + 16);
	if (memcmp(header, "EFI PART", 8) != 0 || bytes < GPT_HEADER_BYTES || bytes > SECTOR)
		return error_set(err, EBADMSG, "the partition table (GPT) has no header");
	memset(header + 16, 0, 4);
	if (crc32(0, header, bytes) != crc || load_le64(header + 24) != sector)
		return error_set(err, EBADMSG, "the partition table (GPT) is damaged");
	at = load_le64(header + 72);
	n = load_le32(header + 80);
	size = load_le32(header + 84);
	if (n > GPT_MAX_ENTRIES || size < GPT_ENTRY_BYTES || size > 4096 || size % 8 != 0 ||
	    __builtin_mul_overflow(at, SECTOR, &at) ||
	    !range_inside(at, (uint64_t)n * size, disk->size))
		return error_set(err, EBADMSG,
		                 "the partition table (GPT) has %u entries of %u bytes", n, size);
	ret->n = 0;
	crc = 0;
	end = at + (uint64_t)n * size;
	for (unsigned int i = 0; at < end; i++, at += size) {
		uint8_t rest[4096];

		r = disk->read(disk, rest, size, at, err);
		if (r < 0)
			return r;
		crc = (uint32_t)crc32(crc, rest, size);
		memcpy(entry, rest, sizeof(entry));
		r = add_gpt_entry(ret, disk, entry, i + 1, err);
		if (r < 0)
			return r;
	}
	return crc == load_le32(header + 88)
	               ? 0
	               : error_set(err, EBADMSG, "the partition table (GPT) is damaged");
}

/* Logical partitions: a chain of sectors, each with one of them and the place of the next. */
static int read_logical(struct guest_disk *disk, uint64_t base, struct partition_table *ret,
                        struct error *err)
{
	uint64_t at = base;

	for (unsigned int number = 5;; number++) {
		uint8_t sector[SECTOR];
		const uint8_t *entry = sector + MBR_ENTRIES, *next = entry + 16;
		struct partition partition = { .number = number };
		int r = 0;

		if (number > PARTITIONS_MAX)
			return error_set(err, EBADMSG,
			                 "the chain of logical partitions has no end");
		if (!range_inside(at * SECTOR, SECTOR, disk->size))
			return error_set(err, EBADMSG,
			                 "the chain of logical partitions leaves the disk");
		r = disk->read(disk, sector, sizeof(sector), at * SECTOR, err);
		if (r < 0)
			return r;
		if (load_le16(sector + 510) != 0xaa55)
			return error_set(err, EBADMSG,
			                 "logical partition %u has no table of its own", number);
		partition.off = (at + load_le32(entry + 8)) * SECTOR;
		partition.len = (uint64_t)load_le32(entry + 12) * SECTOR;
		if (partition.len > 0)
			r = add(ret, disk, &partition, err);
		if (r < 0 || !is_extended(next[4]) || load_le32(next + 12) == 0)
			return r;
		at = base + load_le32(next + 8);
	}
}

static int read_mbr(struct guest_disk *disk, const uint8_t *mbr, struct partition_table *ret,
                    struct error *err)
{
	uint64_t extended = 0;
	int r = 0;

	for (unsigned int i = 0; i < 4 && r == 0; i++) {
		const uint8_t *entry = mbr + MBR_ENTRIES + 16 * (size_t)i;
		struct partition partition = {
			.number = i + 1,
			.kind = entry[4] == MBR_EFI_SYSTEM ? PARTITION_EFI_SYSTEM : PARTITION_OTHER,
			.off = (uint64_t)load_le32(entry + 8) * SECTOR,
			.len = (uint64_t)load_le32(entry + 12) * SECTOR,
		};

		if (entry[4] == 0 || partition.len == 0)
			continue;
		if (is_extended(entry[4]))
			extended = partition.off / SECTOR;
		else
			r = add(ret, disk, &partition, err);
	}
	return r == 0 && extended ? read_logical(disk, extended, ret, err) : r;
}

/*
 * A boot sector of FAT or NTFS ends as an MBR does.  Where it has code, an MBR of a disk has a table:
 * flags of 0 or 0x80 and ranges inside the disk.
 */
static bool looks_like_mbr(const struct guest_disk *disk, const uint8_t *mbr)
{
	bool any = false;

	if (load_le16(mbr + 510) != 0xaa55)
		return false;
	for (unsigned int i = 0; i < 4; i++) {
		const uint8_t *entry = mbr + MBR_ENTRIES + 16 * (size_t)i;

		if (entry[0] & 0x7f)
			return false;
		if (entry[4] == 0)
			continue;
		if ((uint64_t)load_le32(entry + 8) >= disk->size / SECTOR ||
		    load_le32(entry + 8) == 0)
			return false;
		any = true;
	}
	return any;
}

int partition_table_read(struct guest_disk *disk, struct partition_table *ret, struct error *err)
{
	uint8_t mbr[SECTOR];
	struct error ignored;
	int r;

	ret->n = 0;
	if (disk->size < 4 * (uint64_t)SECTOR)
		return 0;
	r = disk->read(disk, mbr, sizeof(mbr), 0, err);
	if (r < 0 || !looks_like_mbr(disk, mbr))
		return r;
	for (unsigned int i = 0; i < 4; i++) {
		if (mbr[MBR_ENTRIES + 16 * (size_t)i + 4] != MBR_PROTECTIVE)
			continue;
		r = read_gpt(disk, 1, ret, err);
		if (r == -EBADMSG && read_gpt(disk, disk->size / SECTOR - 1, ret, &ignored) == 0)
			r = 0;
		return r;
	}
	return read_mbr(disk, mbr, ret, err);
}
