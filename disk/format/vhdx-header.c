// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The start of a VHDX file: two headers, of which the newer sound one counts, and two copies of the
 * region table, of which any sound one does ([MS-VHDX] 2.2).  Called once, by the thread that
 * opens.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"

#define HEADER_1     (64 * KIB)
#define HEADER_2     (128 * KIB)
#define REGIONS_1    (192 * KIB)
#define REGIONS_2    (256 * KIB)
#define REGIONS_SIZE (64 * KIB)
#define MAX_REGIONS  2047u
#define FIRST_REGION (1 * MIB) /* what lies before belongs to the header */

static const uint8_t bat_guid[VHDX_GUID] = { 0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42,
	                                     0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08 };
static const uint8_t metadata_guid[VHDX_GUID] = { 0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B,
	                                          0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E };

/* Does the structure carry its own CRC-32C, which was made with its field at 4 zeroed? */
static bool crc_is_right(uint8_t *data, size_t len)
{
	uint32_t said = load_le32(data + 4), is;

	store_le32(data + 4, 0);
	is = crc32c(0, data, len);
	store_le32(data + 4, said);
	return is == said;
}

/* 1 when the header at `off` is sound, 0 when not. */
static int read_one_header(struct source *file, uint64_t off, uint8_t raw[VHDX_SECTOR],
                           struct error *err)
{
	const struct source_read how = { .metadata = true };
	int r = source_read(file, raw, VHDX_SECTOR, off, &how, err);

	if (r < 0)
		return r;
	return memcmp(raw, "head", 4) == 0 && crc_is_right(raw, VHDX_SECTOR);
}

static int check_header(const struct source *file, const struct vhdx_header *h, uint16_t version,
                        struct error *err)
{
	static const uint8_t no_log[VHDX_GUID];
	const char *name = file->name;

	if (version != 1)
		return error_set(err, ENOTSUP, "%s: is of VHDX version %u; Sill reads 1", name,
		                 version);
	if (memcmp(h->log_guid, no_log, VHDX_GUID) == 0 && h->log_length == 0)
		return 0;
	if (h->log_version != 0)
		return error_set(err, ENOTSUP, "%s: its log is of version %u; Sill reads 0", name,
		                 h->log_version);
	if (h->log_length == 0 || h->log_length % MIB != 0 || h->log_offset % MIB != 0 ||
	    h->log_offset < FIRST_REGION)
		return error_set(
			err, EINVAL,
			"%s: its log (%u bytes at %#llx) is not made of whole MiB after the "
			"first",
			name, h->log_length, (unsigned long long)h->log_offset);
	if (!range_inside(h->log_offset, h->log_length, file->identity.size))
		return error_set(err, EINVAL, "%s: its log at %#llx runs past the end of the file",
		                 name, (unsigned long long)h->log_offset);
	return 0;
}

int vhdx_header_read(struct source *file, struct vhdx_header *ret, struct error *err)
{
	uint8_t raw[2][VHDX_SECTOR];
	const uint8_t *use = raw[0];
	struct vhdx_header h;
	int first, second, r;

	if (file->identity.size < FIRST_REGION)
		return error_set(err, EINVAL, "%s: the file ends inside the first MiB, its header",
		                 file->name);
	first = read_one_header(file, HEADER_1, raw[0], err);
	if (first < 0)
		return first;
	second = read_one_header(file, HEADER_2, raw[1], err);
	if (second < 0)
		return second;
	if (!first && !second)
		return error_set(err, EINVAL,
		                 "%s: both headers are damaged (signature or checksum)",
		                 file->name);
	if (first && second && load_le64(raw[0] + 8) == load_le64(raw[1] + 8) &&
	    memcmp(raw[0] + 8, raw[1] + 8, VHDX_SECTOR - 8) != 0)
		return error_set(err, EINVAL,
		                 "%s: its two headers differ but have the same sequence number",
		                 file->name);
	if (!first || (second && load_le64(raw[1] + 8) > load_le64(raw[0] + 8)))
		use = raw[1];

	h.sequence = load_le64(use + 8);
	memcpy(h.file_write_guid, use + 16, VHDX_GUID);
	memcpy(h.data_write_guid, use + 32, VHDX_GUID);
	memcpy(h.log_guid, use + 48, VHDX_GUID);
	h.log_version = load_le16(use + 64);
	h.log_length = load_le32(use + 68);
	h.log_offset = load_le64(use + 72);
	r = check_header(file, &h, load_le16(use + 66), err);
	if (r == 0)
		*ret = h;
	return r;
}

static int add_region(struct vhdx *v, const uint8_t *entry, uint32_t index, struct error *err)
{
	const char *name = v->image.file->name;
	uint64_t off = load_le64(entry + 16);
	uint32_t len = load_le32(entry + 24), flags = load_le32(entry + 28);
	struct vhdx_region *region = memcmp(entry, bat_guid, VHDX_GUID) == 0        ? &v->bat
	                             : memcmp(entry, metadata_guid, VHDX_GUID) == 0 ? &v->metadata
	                                                                            : NULL;

	if (!region && flags & 1)
		return error_set(err, ENOTSUP,
		                 "%s: region %u is of a kind that Sill does not know, and required",
		                 name, index);
	if (!region)
		return 0;
	if (region->len > 0)
		return error_set(err, EINVAL, "%s: region %u is there twice", name, index);
	if (off < FIRST_REGION || off % MIB != 0 || len == 0 || len % MIB != 0)
		return error_set(err, EINVAL,
		                 "%s: region %u (%u bytes at %#llx) is not made of whole MiB after "
		                 "the first",
		                 name, index, len, (unsigned long long)off);
	if (!range_inside(off, len, v->overlay.file_size))
		return error_set(err, EINVAL,
		                 "%s: region %u at %#llx runs past the end of the file", name,
		                 index, (unsigned long long)off);
	*region = (struct vhdx_region){ off, len };
	return 0;
}

static bool overlap(const struct vhdx_region *a, const struct vhdx_region *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

static int parse_regions(struct vhdx *v, const uint8_t *raw, struct error *err)
{
	const struct vhdx_region log = { v->header.log_offset, v->header.log_length };
	const char *name = v->image.file->name;
	uint32_t count = load_le32(raw + 8);
	int r;

	if (count > MAX_REGIONS)
		return error_set(err, EINVAL, "%s: the region table has %u entries, more than %u",
		                 name, count, MAX_REGIONS);
	for (uint32_t i = 0; i < count; i++) {
		r = add_region(v, raw + 16 + 32 * (size_t)i, i, err);
		if (r < 0)
			return r;
	}
	if (v->bat.len == 0 || v->metadata.len == 0)
		return error_set(err, EINVAL, "%s: the region table has no %s region", name,
		                 v->bat.len == 0 ? "BAT" : "metadata");
	if (overlap(&v->bat, &v->metadata))
		return error_set(err, EINVAL, "%s: the BAT and the metadata region overlap", name);
	if (v->overlay.log && (overlap(&v->bat, &log) || overlap(&v->metadata, &log)))
		return error_set(err, EINVAL, "%s: the log overlaps another region", name);
	return 0;
}

int vhdx_regions_read(struct vhdx *v, struct error *err)
{
	static const uint64_t places[] = { REGIONS_1, REGIONS_2 };
	const struct source_read how = { .metadata = true };
	cleanup_free uint8_t *raw = malloc(REGIONS_SIZE);

	if (!raw)
		return error_sys(err, ENOMEM, "%s", v->image.file->name);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int r = vhdx_file_read(v, raw, REGIONS_SIZE, places[i], &how, err);

		if (r < 0)
			return r;
		if (memcmp(raw, "regi", 4) == 0 && crc_is_right(raw, REGIONS_SIZE))
			return parse_regions(v, raw, err);
	}
	return error_set(err, EINVAL,
	                 "%s: both copies of the region table are damaged (signature or checksum)",
	                 v->image.file->name);
}
