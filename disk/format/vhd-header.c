// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Footer and header of a VHD, to and from their bytes, and what makes their fields believable.
 *
 * Fields that decide where content lies are refused when they are out of range.  Those that nothing
 * depends on (times, creator, geometry) are taken as they are: other programs fill them with
 * surprising values in files that are sound.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "disk/format/vhd.h"

/* More blocks than this are no disk that anyone makes: 2040 GiB in blocks of 128 KiB. */
#define MAX_BLOCKS     (UINT32_C(1) << 24)
#define MAX_BLOCK_SIZE (256 * MIB)
#define MAX_LOCATOR    (UINT32_C(64) << 10)

enum {
	FOOTER_FEATURES = 8,
	FOOTER_VERSION = 12,
	FOOTER_DATA_OFFSET = 16,
	FOOTER_TIMESTAMP = 24,
	FOOTER_CREATOR = 28,
	FOOTER_CREATOR_VERSION = 32,
	FOOTER_CREATOR_OS = 36,
	FOOTER_ORIGINAL_SIZE = 40,
	FOOTER_CURRENT_SIZE = 48,
	FOOTER_CYLINDERS = 56,
	FOOTER_HEADS = 58,
	FOOTER_SECTORS = 59,
	FOOTER_TYPE = 60,
	FOOTER_CHECKSUM = 64,
	FOOTER_UNIQUE_ID = 68,
	FOOTER_SAVED_STATE = 84,
};

enum {
	HEADER_DATA_OFFSET = 8,
	HEADER_TABLE_OFFSET = 16,
	HEADER_VERSION = 24,
	HEADER_MAX_ENTRIES = 28,
	HEADER_BLOCK_SIZE = 32,
	HEADER_CHECKSUM = 36,
	HEADER_PARENT_ID = 40,
	HEADER_PARENT_TIMESTAMP = 56,
	HEADER_PARENT_NAME = 64,
	HEADER_LOCATORS = 576,
};

enum {
	LOCATOR_CODE = 0,
	LOCATOR_SPACE = 4,
	LOCATOR_LEN = 8,
	LOCATOR_OFFSET = 16,
	LOCATOR_BYTES = 24,
};

/* The complement of the sum of all bytes, those of the checksum itself left out. */
static uint32_t checksum(const uint8_t *raw, size_t len, size_t field)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		if (i < field || i >= field + 4)
			sum += raw[i];
	return ~sum;
}

static int check_bytes(const uint8_t *raw, size_t len, size_t field, const char *cookie,
                       struct error *err)
{
	uint32_t found = load_be32(raw + field), right = checksum(raw, len, field);

	if (memcmp(raw, cookie, 8) != 0)
		return error_set(err, EINVAL, "does not start with \"%s\"", cookie);
	if (found != right)
		return error_set(err, EINVAL, "has a wrong checksum (0x%08x, not 0x%08x)", found,
		                 right);
	return 0;
}

/* Four characters that may be anything. */
static void load_code(char out[5], const uint8_t *raw)
{
	memcpy(out, raw, 4);
	out[4] = '\0';
}

int vhd_footer_load(const uint8_t raw[VHD_FOOTER], struct vhd_footer *ret, struct error *err)
{
	int r = check_bytes(raw, VHD_FOOTER, FOOTER_CHECKSUM, VHD_COOKIE, err);

	if (r < 0)
		return r;
	*ret = (struct vhd_footer){
		.features = load_be32(raw + FOOTER_FEATURES),
		.version = load_be32(raw + FOOTER_VERSION),
		.data_offset = load_be64(raw + FOOTER_DATA_OFFSET),
		.timestamp = load_be32(raw + FOOTER_TIMESTAMP),
		.creator_version = load_be32(raw + FOOTER_CREATOR_VERSION),
		.original_size = load_be64(raw + FOOTER_ORIGINAL_SIZE),
		.current_size = load_be64(raw + FOOTER_CURRENT_SIZE),
		.cylinders = load_be16(raw + FOOTER_CYLINDERS),
		.heads = raw[FOOTER_HEADS],
		.sectors = raw[FOOTER_SECTORS],
		.type = load_be32(raw + FOOTER_TYPE),
		.saved_state = raw[FOOTER_SAVED_STATE],
	};
	load_code(ret->creator, raw + FOOTER_CREATOR);
	load_code(ret->creator_os, raw + FOOTER_CREATOR_OS);
	memcpy(ret->unique_id, raw + FOOTER_UNIQUE_ID, 16);
	return 0;
}

void vhd_footer_store(const struct vhd_footer *footer, uint8_t raw[VHD_FOOTER])
{
	memset(raw, 0, VHD_FOOTER);
	memcpy(raw, VHD_COOKIE, 8);
	store_be32(raw + FOOTER_FEATURES, footer->features);
	store_be32(raw + FOOTER_VERSION, footer->version);
	store_be64(raw + FOOTER_DATA_OFFSET, footer->data_offset);
	store_be32(raw + FOOTER_TIMESTAMP, footer->timestamp);
	memcpy(raw + FOOTER_CREATOR, footer->creator, 4);
	store_be32(raw + FOOTER_CREATOR_VERSION, footer->creator_version);
	memcpy(raw + FOOTER_CREATOR_OS, footer->creator_os, 4);
	store_be64(raw + FOOTER_ORIGINAL_SIZE, footer->original_size);
	store_be64(raw + FOOTER_CURRENT_SIZE, footer->current_size);
	store_be16(raw + FOOTER_CYLINDERS, footer->cylinders);
	raw[FOOTER_HEADS] = footer->heads;
	raw[FOOTER_SECTORS] = footer->sectors;
	store_be32(raw + FOOTER_TYPE, footer->type);
	memcpy(raw + FOOTER_UNIQUE_ID, footer->unique_id, 16);
	raw[FOOTER_SAVED_STATE] = footer->saved_state;
	store_be32(raw + FOOTER_CHECKSUM, checksum(raw, VHD_FOOTER, FOOTER_CHECKSUM));
}

int vhd_header_load(const uint8_t raw[VHD_HEADER], struct vhd_header *ret, struct error *err)
{
	int r = check_bytes(raw, VHD_HEADER, HEADER_CHECKSUM, VHD_HEADER_COOKIE, err);

	if (r < 0)
		return r;
	*ret = (struct vhd_header){
		.data_offset = load_be64(raw + HEADER_DATA_OFFSET),
		.table_offset = load_be64(raw + HEADER_TABLE_OFFSET),
		.version = load_be32(raw + HEADER_VERSION),
		.max_entries = load_be32(raw + HEADER_MAX_ENTRIES),
		.block_size = load_be32(raw + HEADER_BLOCK_SIZE),
		.parent_timestamp = load_be32(raw + HEADER_PARENT_TIMESTAMP),
	};
	memcpy(ret->parent_id, raw + HEADER_PARENT_ID, 16);
	memcpy(ret->parent_name, raw + HEADER_PARENT_NAME, sizeof(ret->parent_name));
	for (int i = 0; i < VHD_LOCATORS; i++) {
		const uint8_t *at = raw + HEADER_LOCATORS + i * LOCATOR_BYTES;
		struct vhd_locator *locator = &ret->locators[i];

		load_code(locator->code, at + LOCATOR_CODE);
		locator->space = load_be32(at + LOCATOR_SPACE);
		locator->len = load_be32(at + LOCATOR_LEN);
		locator->offset = load_be64(at + LOCATOR_OFFSET);
	}
	return 0;
}

void vhd_header_store(const struct vhd_header *header, uint8_t raw[VHD_HEADER])
{
	memset(raw, 0, VHD_HEADER);
	memcpy(raw, VHD_HEADER_COOKIE, 8);
	store_be64(raw + HEADER_DATA_OFFSET, header->data_offset);
	store_be64(raw + HEADER_TABLE_OFFSET, header->table_offset);
	store_be32(raw + HEADER_VERSION, header->version);
	store_be32(raw + HEADER_MAX_ENTRIES, header->max_entries);
	store_be32(raw + HEADER_BLOCK_SIZE, header->block_size);
	store_be32(raw + HEADER_PARENT_TIMESTAMP, header->parent_timestamp);
	memcpy(raw + HEADER_PARENT_ID, header->parent_id, 16);
	memcpy(raw + HEADER_PARENT_NAME, header->parent_name, sizeof(header->parent_name));
	for (int i = 0; i < VHD_LOCATORS; i++) {
		uint8_t *at = raw + HEADER_LOCATORS + i * LOCATOR_BYTES;
		const struct vhd_locator *locator = &header->locators[i];

		memcpy(at + LOCATOR_CODE, locator->code, 4);
		store_be32(at + LOCATOR_SPACE, locator->space);
		store_be32(at + LOCATOR_LEN, locator->len);
		store_be64(at + LOCATOR_OFFSET, locator->offset);
	}
	store_be32(raw + HEADER_CHECKSUM, checksum(raw, VHD_HEADER, HEADER_CHECKSUM));
}

int vhd_footer_check(const struct vhd_footer *footer, const char *name, uint64_t end,
                     struct error *err)
{
	bool fixed = footer->type == VHD_FIXED;

	if (footer->features & ~(VHD_FEATURE_TEMPORARY | VHD_FEATURE_RESERVED))
		return error_set(err, ENOTSUP,
		                 "%s: the footer's features 0x%08x hold bits that Sill does not "
		                 "know",
		                 name, footer->features);
	if (footer->version >> 16 != VHD_VERSION >> 16)
		return error_set(err, ENOTSUP,
		                 "%s: the footer's file format version is 0x%08x, not 1.0", name,
		                 footer->version);
	if (!fixed && footer->type != VHD_DYNAMIC && footer->type != VHD_DIFFERENCING)
		return error_set(
			err, ENOTSUP,
			"%s: the footer's disk type is %u, not 2 (fixed), 3 (dynamic) or 4 "
			"(differencing)",
			name, footer->type);
	if (footer->current_size == 0 || footer->current_size % VHD_SECTOR != 0)
		return error_set(err, EINVAL,
		                 "%s: the footer's current size is %" PRIu64
		                 " bytes, not a multiple of 512 above 0",
		                 name, footer->current_size);
	if (fixed && footer->current_size > end)
		return error_set(err, EINVAL,
		                 "%s: the footer's current size is %" PRIu64
		                 " bytes, but only %" PRIu64 " lie in front of the footer",
		                 name, footer->current_size, end);
	if (fixed && footer->data_offset != UINT64_MAX && footer->data_offset != UINT32_MAX)
		return error_set(err, EINVAL,
		                 "%s: the footer's data offset is %" PRIu64
		                 ", which a fixed disk does not have",
		                 name, footer->data_offset);
	if (fixed)
		return 0;
	if (footer->current_size > VHD_MAX_SIZE)
		return error_set(err, EINVAL,
		                 "%s: the footer's current size is %" PRIu64
		                 " bytes, more than the 2040 GiB that the format has room for",
		                 name, footer->current_size);
	if (footer->data_offset % VHD_SECTOR != 0 || footer->data_offset < VHD_FOOTER ||
	    !range_inside(footer->data_offset, VHD_HEADER, end))
		return error_set(err, EINVAL,
		                 "%s: the footer's data offset is %" PRIu64
		                 ", where no header can be",
		                 name, footer->data_offset);
	return 0;
}

/* The parent's locators are read only when there is a parent to find. */
static int check_locators(const struct vhd_header *header, const char *name, uint64_t end,
                          struct error *err)
{
	for (int i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *locator = &header->locators[i];
		uint64_t space = locator->space;

		if (load_be32(locator->code) == 0)
			continue;
		/* Sectors by the specification; Windows writes bytes. */
		if (space < VHD_SECTOR)
			space *= VHD_SECTOR;
		if (locator->len > space || locator->len > MAX_LOCATOR)
			return error_set(
				err, EINVAL,
				"%s: parent locator %d has a data length of %u bytes, more "
				"than its data space of %" PRIu64 " or than a path can have",
				name, i, locator->len, space);
		if (!range_inside(locator->offset, locator->len, end))
			return error_set(err, EINVAL,
			                 "%s: parent locator %d has the data offset %" PRIu64
			                 ", past the end of the file",
			                 name, i, locator->offset);
	}
	return 0;
}

int vhd_header_check(const struct vhd_header *header, const struct vhd_footer *footer,
                     const char *name, uint64_t end, struct error *err)
{
	uint64_t blocks, table = header->table_offset;

	if (header->version >> 16 != VHD_VERSION >> 16)
		return error_set(err, ENOTSUP, "%s: the header's version is 0x%08x, not 1.0", name,
		                 header->version);
	if (!is_power_of_two(header->block_size) || header->block_size < VHD_SECTOR ||
	    header->block_size > MAX_BLOCK_SIZE)
		return error_set(
			err, EINVAL,
			"%s: the header's block size is %u, not a power of two from 512 to "
			"256 MiB",
			name, header->block_size);
	blocks = div_round_up(footer->current_size, header->block_size);
	if (blocks > MAX_BLOCKS)
		return error_set(err, ENOTSUP,
		                 "%s: the header's block size of %u bytes makes %" PRIu64
		                 " blocks of this disk, more than the %u that Sill reads",
		                 name, header->block_size, blocks, MAX_BLOCKS);
	if (header->max_entries < blocks)
		return error_set(
			err, EINVAL,
			"%s: the header's max table entries are %u, fewer than the %" PRIu64
			" blocks of the disk",
			name, header->max_entries, blocks);
	if (table % VHD_SECTOR != 0 || table < VHD_FOOTER || !range_inside(table, blocks * 4, end))
		return error_set(err, EINVAL,
		                 "%s: the header's table offset is %" PRIu64
		                 ", where no table of %" PRIu64 " entries can be",
		                 name, table, blocks);
	if (table < footer->data_offset + VHD_HEADER && footer->data_offset < table + blocks * 4)
		return error_set(err, EINVAL,
		                 "%s: the header's table offset is %" PRIu64
		                 ", so that the table overlaps the header",
		                 name, table);
	if (footer->type == VHD_DIFFERENCING)
		return check_locators(header, name, end, err);
	return 0;
}

uint64_t vhd_geometry_size(const struct vhd_footer *footer)
{
	return (uint64_t)footer->cylinders * footer->heads * footer->sectors * VHD_SECTOR;
}

/* The specification's appendix "CHS calculation", which rounds down. */
void vhd_geometry_of(uint64_t size, struct vhd_footer *footer)
{
	uint64_t total = min_u64(size / VHD_SECTOR, UINT64_C(65535) * 16 * 255);
	uint64_t sectors, heads, cylinders;

	if (total >= UINT64_C(65535) * 16 * 63) {
		sectors = 255;
		heads = 16;
		cylinders = total / sectors;
	} else {
		sectors = 17;
		cylinders = total / sectors;
		heads = max_u64((cylinders + 1023) / 1024, 4);
		if (cylinders >= heads * 1024 || heads > 16) {
			sectors = 31;
			heads = 16;
			cylinders = total / sectors;
		}
		if (cylinders >= heads * 1024) {
			sectors = 63;
			heads = 16;
			cylinders = total / sectors;
		}
	}
	footer->cylinders = (uint16_t)(cylinders / heads);
	footer->heads = (uint8_t)heads;
	footer->sectors = (uint8_t)sectors;
}

const char *vhd_id_text(const uint8_t id[16], char out[37])
{
	static const char hex[] = "0123456789abcdef";
	char *at = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[id[i] >> 4];
		*at++ = hex[id[i] & 15];
	}
	*at = '\0';
	return out;
}
