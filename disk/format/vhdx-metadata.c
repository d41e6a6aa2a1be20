// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The metadata region of a VHDX file ([MS-VHDX] 2.6): a table of items, and the items.  Called
 * once, by the thread that opens.  An item that is required and not known is a feature that is not
 * understood, and refused.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define TABLE_SIZE      (64 * KIB)
#define MAX_ITEMS       1023u
#define MAX_LOCATOR     (64 * KIB)
#define ITEM_IS_USER    1u
#define ITEM_REQUIRED   4u
#define FLAG_LEAVE      1u
#define FLAG_HAS_PARENT 2u
#define BITMAP_SECTORS  (UINT64_C(1) << 23) /* of the disk, to one sector bitmap block */

enum item {
	ITEM_FILE_PARAMETERS,
	ITEM_DISK_SIZE,
	ITEM_DISK_ID,
	ITEM_LOGICAL_SECTOR,
	ITEM_PHYSICAL_SECTOR,
	ITEM_PARENT_LOCATOR,
	ITEMS,
};

static const struct {
	uint8_t guid[VHDX_GUID];
	const char *name;
	uint32_t len; /* 0: any */
} known[ITEMS] = {
	[ITEM_FILE_PARAMETERS] = { { 0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D, 0xB3, 0xB6,
	                             0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B },
	                           "file parameters",
	                           8 },
	[ITEM_DISK_SIZE] = { { 0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48, 0xB2, 0x11, 0x5D,
	                       0xBE, 0xD8, 0x3B, 0xF4, 0xB8 },
	                     "virtual disk size",
	                     8 },
	[ITEM_DISK_ID] = { { 0xAB, 0x12, 0xCA, 0xBE, 0xE6, 0xB2, 0x23, 0x45, 0x93, 0xEF, 0xC3, 0x09,
	                     0xE0, 0x00, 0xC7, 0x46 },
	                   "virtual disk id",
	                   16 },
	[ITEM_LOGICAL_SECTOR] = { { 0x1D, 0xBF, 0x41, 0x81, 0x6F, 0xA9, 0x09, 0x47, 0xBA, 0x47,
	                            0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F },
	                          "logical sector size",
	                          4 },
	[ITEM_PHYSICAL_SECTOR] = { { 0xC7, 0x48, 0xA3, 0xCD, 0x5D, 0x44, 0x71, 0x44, 0x9C, 0xC9,
	                             0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56 },
	                           "physical sector size",
	                           4 },
	[ITEM_PARENT_LOCATOR] = { { 0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45, 0xAB, 0xF7,
	                            0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C },
	                          "parent locator",
	                          0 },
};

static int add_item(struct vhdx *v, const uint8_t *entry, unsigned int index,
                    struct vhdx_region items[ITEMS], struct error *err)
{
	const char *name = v->image.file->name;
	uint32_t off = load_le32(entry + 16), len = load_le32(entry + 20);
	uint32_t flags = load_le32(entry + 24);
	unsigned int i = 0;

	while (i < ITEMS && (flags & ITEM_IS_USER || memcmp(entry, known[i].guid, VHDX_GUID) != 0))
		i++;
	if (i == ITEMS && flags & ITEM_REQUIRED)
		return error_set(err, ENOTSUP,
		                 "%s: metadata item %u is of a kind that Sill does not know, and "
		                 "required",
		                 name, index);
	if (i == ITEMS)
		return 0;
	if (items[i].len > 0)
		return error_set(err, EINVAL, "%s: the %s is there twice", name, known[i].name);
	if (len == 0 || (known[i].len && len != known[i].len) || len > MAX_LOCATOR)
		return error_set(err, EINVAL, "%s: the %s has a length of %u bytes", name,
		                 known[i].name, len);
	if (off < TABLE_SIZE || !range_inside(off, len, v->metadata.len))
		return error_set(err, EINVAL,
		                 "%s: the %s at %#x does not lie in the metadata region behind its "
		                 "table",
		                 name, known[i].name, off);
	items[i] = (struct vhdx_region){ v->metadata.off + off, len };
	return 0;
}

static int read_table(struct vhdx *v, struct vhdx_region items[ITEMS], struct error *err)
{
	const char *name = v->image.file->name;
	uint8_t raw[32];
	unsigned int count;
	int r;

	r = vhdx_table_read(v, raw, sizeof(raw), v->metadata.off, NULL, err);
	if (r < 0)
		return r;
	if (memcmp(raw, "metadata", 8) != 0)
		return error_set(err, EINVAL, "%s: the metadata table has no signature", name);
	count = load_le16(raw + 10);
	if (count > MAX_ITEMS)
		return error_set(err, EINVAL, "%s: the metadata table has %u entries, more than %u",
		                 name, count, MAX_ITEMS);
	for (unsigned int i = 0; i < count && r == 0; i++) {
		r = vhdx_table_read(v, raw, sizeof(raw), v->metadata.off + 32 * (i + UINT64_C(1)),
		                    NULL, err);
		if (r == 0)
			r = add_item(v, raw, i, items, err);
	}
	return r;
}

static int check_geometry(struct vhdx *v, struct error *err)
{
	const char *name = v->image.file->name;
	uint64_t size = v->image.size, entries, chunks;

	if (!is_power_of_two(v->block_size) || v->block_size < VHDX_MIN_BLOCK ||
	    v->block_size > VHDX_MAX_BLOCK)
		return error_set(err, EINVAL,
		                 "%s: the block size is %u bytes, not a power of two from 1 to 256 "
		                 "MiB",
		                 name, v->block_size);
	if (v->logical_sector != 512 && v->logical_sector != 4096)
		return error_set(err, EINVAL, "%s: the logical sector size is %u, not 512 or 4096",
		                 name, v->logical_sector);
	if (v->physical_sector != 512 && v->physical_sector != 4096)
		return error_set(err, EINVAL, "%s: the physical sector size is %u, not 512 or 4096",
		                 name, v->physical_sector);
	if (size == 0 || size % v->logical_sector != 0 || size > VHDX_MAX_SIZE)
		return error_set(
			err, EINVAL,
			"%s: the virtual disk size is %llu bytes, not whole sectors up to 64 "
			"TiB",
			name, (unsigned long long)size);
	v->blocks = div_round_up(size, v->block_size);
	v->chunk_ratio = BITMAP_SECTORS * v->logical_sector / v->block_size;
	chunks = div_round_up(v->blocks, v->chunk_ratio);
	entries = v->has_parent ? chunks * (v->chunk_ratio + 1)
	                        : v->blocks + (v->blocks - 1) / v->chunk_ratio;
	if (entries * 8 > v->bat.len)
		return error_set(err, EINVAL,
		                 "%s: the BAT region of %llu bytes is too small for %llu entries",
		                 name, (unsigned long long)v->bat.len, (unsigned long long)entries);
	return 0;
}

int vhdx_metadata_read(struct vhdx *v, struct error *err)
{
	struct vhdx_region items[ITEMS] = { 0 };
	uint8_t raw[ITEMS][16] = { 0 };
	uint32_t flags;
	int r;

	r = read_table(v, items, err);
	for (unsigned int i = 0; i < ITEM_PARENT_LOCATOR && r == 0; i++) {
		if (items[i].len == 0)
			return error_set(err, EINVAL, "%s: has no %s in its metadata",
			                 v->image.file->name, known[i].name);
		r = vhdx_table_read(v, raw[i], known[i].len, items[i].off, NULL, err);
	}
	if (r < 0)
		return r;
	v->block_size = load_le32(raw[ITEM_FILE_PARAMETERS]);
	flags = load_le32(raw[ITEM_FILE_PARAMETERS] + 4);
	v->leave_allocated = flags & FLAG_LEAVE;
	v->has_parent = flags & FLAG_HAS_PARENT;
	v->image.size = load_le64(raw[ITEM_DISK_SIZE]);
	memcpy(v->disk_id, raw[ITEM_DISK_ID], VHDX_GUID);
	v->logical_sector = load_le32(raw[ITEM_LOGICAL_SECTOR]);
	v->physical_sector = load_le32(raw[ITEM_PHYSICAL_SECTOR]);
	v->locator = items[ITEM_PARENT_LOCATOR];
	if (v->has_parent && v->locator.len == 0)
		return error_set(err, EINVAL, "%s: is a differencing disk without a parent locator",
		                 v->image.file->name);
	return check_geometry(v, err);
}
