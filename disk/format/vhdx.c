// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHDX: the driver.  Dynamic, fixed and differencing disks.
 *
 * Opening reads a header, replays the log into memory if there is one, and reads the region table
 * and the metadata; the BAT and the sector bitmaps are read when a look-up needs them.
 *
 * Any thread reads and maps; open and close are the caller's to order.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"

#define PAGE_SIZE      16384u
#define PAGES          128u
#define CREATOR_OFFSET 8u
#define CREATOR_SIZE   512u

/* Up to this much of the BAT is read to tell how much is allocated. */
#define DESCRIBE_MAX (4 * MIB)

static bool vhdx_detect(const struct image_probe *probe)
{
	return memcmp(probe->head, "vhdxfile", 8) == 0;
}

static int read_own(struct image *image, void *buf, size_t len, uint64_t at,
                    const struct source_read *how, struct error *err)
{
	return vhdx_file_read(to_vhdx(image), buf, len, at, how, err);
}

static int vhdx_read(struct image *image, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	struct vhdx *v = to_vhdx(image);

	for (size_t done = 0; done < len;) {
		uint8_t *out = (uint8_t *)buf + done;
		struct piece_read piece;
		struct vhdx_run run;
		int r = vhdx_run(v, off + done, len - done, true, how, &run, err);

		if (r < 0)
			return r;
		if (run.kind == VHDX_DATA)
			r = vhdx_file_read(v, out, run.len, run.host, piece_how(&piece, how, done),
			                   err);
		else if (run.kind == VHDX_MIXED)
			r = mixed_read(image, &run.mixed, read_own, out, run.len, off + done,
			               run.host, piece_how(&piece, how, done), err);
		else if (run.kind == VHDX_PARENT)
			r = parent_read(image, out, run.len, off + done,
			                piece_how(&piece, how, done), err);
		else
			memset(out, 0, run.len);
		if (r < 0)
			return r;
		done += run.len;
	}
	return 0;
}

static int vhdx_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
                    enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct vhdx_run run;
	int r = vhdx_run(to_vhdx(image), off, max, false, how, &run, err);

	if (r < 0)
		return r;
	if (run.kind == VHDX_PARENT)
		return parent_map(image, off, run.len, how, ret_kind, ret_len, err);
	*ret_kind = run.kind == VHDX_DATA ? IMAGE_EXTENT_DATA : IMAGE_EXTENT_ZERO;
	*ret_len = run.len;
	return 0;
}

static const char *format_guid(const uint8_t guid[VHDX_GUID], char out[40])
{
	const uint8_t *g = guid + 8;

	snprintf(out, 40, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", load_le32(guid),
	         load_le16(guid + 4), load_le16(guid + 6), g[0], g[1], g[2], g[3], g[4], g[5], g[6],
	         g[7]);
	return out;
}

/* Bytes of the disk that this file holds; a block that is partly there counts as a whole. */
static int count_allocated(struct vhdx *v, uint64_t *ret, struct error *err)
{
	struct vhdx_cursor cursor = { 0 };
	uint64_t sum = 0;

	for (uint64_t block = 0; block < v->blocks; block++) {
		struct vhdx_entry entry;
		int r = vhdx_payload_entry(v, &cursor, block, NULL, &entry, err);

		if (r < 0)
			return r;
		if (entry.state >= VHDX_FULLY_PRESENT)
			sum += min_u64(v->block_size, v->image.size - block * v->block_size);
	}
	*ret = sum;
	return 0;
}

static int describe_allocated(struct vhdx *v, json_t *info, struct error *err)
{
	uint64_t allocated;
	int r;

	if (v->blocks * 8 > DESCRIBE_MAX)
		return 0;
	r = count_allocated(v, &allocated, err);
	if (r < 0)
		return r;
	if (json_object_set_new(info, "allocated", json_integer((json_int_t)allocated)))
		return error_sys(err, ENOMEM, "%s", v->image.file->name);
	return 0;
}

static int vhdx_describe(struct image *image, json_t *info, struct error *err)
{
	struct vhdx *v = to_vhdx(image);
	const char *type = v->has_parent        ? "differencing"
	                   : v->leave_allocated ? "fixed"
	                                        : "dynamic";
	char id[40], written[40], parent[40];
	cleanup_free char *creator = NULL;
	uint8_t raw[CREATOR_SIZE];
	json_t *more;
	int r;

	r = vhdx_table_read(v, raw, sizeof(raw), CREATOR_OFFSET, NULL, err);
	if (r < 0)
		return r;
	creator = utf16_path(raw, sizeof(raw), false);
	if (!creator)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	more = json_pack("{s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:i}", "subformat", type, "creator",
	                 creator, "block_size", (int)v->block_size, "logical_sector_size",
	                 (int)v->logical_sector, "physical_sector_size", (int)v->physical_sector,
	                 "disk_id", format_guid(v->disk_id, id), "data_write_guid",
	                 format_guid(v->header.data_write_guid, written), "replayed_log_entries",
	                 (int)v->overlay.entries);
	if (!more)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	if (v->has_parent)
		json_object_set_new(more, "parent_linkage",
		                    json_string(format_guid(v->linkage[0], parent)));
	r = json_object_update(info, more);
	json_decref(more);
	if (r < 0)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	return describe_allocated(v, info, err);
}

static void vhdx_close(struct image *image)
{
	struct vhdx *v = to_vhdx(image);

	pages_free(v->pages);
	vhdx_overlay_free(&v->overlay);
	free(v);
}

static const struct image_ops vhdx_ops = {
	.read = vhdx_read,
	.map = vhdx_map,
	.describe = vhdx_describe,
	.check = vhdx_check,
	.close = vhdx_close,
};

static int vhdx_open(struct source *file, const struct image_options *options, struct image **ret,
                     struct error *err)
{
	cleanup(image_abandon) struct image *image = NULL;
	const struct source_read how = { .metadata = true };
	uint8_t mark[8];
	struct vhdx *v;
	int r;

	r = source_read(file, mark, min_u64(sizeof(mark), file->identity.size), 0, &how, err);
	if (r < 0)
		return r;
	if (file->identity.size < sizeof(mark) || memcmp(mark, "vhdxfile", 8) != 0)
		return error_set(err, EINVAL, "%s: is not a VHDX file", file->name);
	v = calloc(1, sizeof(*v));
	if (!v)
		return error_sys(err, ENOMEM, "%s", file->name);
	image_init(&v->image, &vhdx_ops, IMAGE_VHDX, file, options);
	image = &v->image;

	r = pages_new(file, PAGE_SIZE, PAGES, &v->pages, err);
	if (r == 0)
		r = vhdx_header_read(file, &v->header, err);
	if (r == 0)
		r = vhdx_log_read(v, err);
	if (r == 0)
		r = vhdx_regions_read(v, err);
	if (r == 0)
		r = vhdx_metadata_read(v, err);
	if (r < 0)
		return r;
	image->has_unique_id = true;
	memcpy(image->unique_id, v->header.data_write_guid, VHDX_GUID);
	if (v->has_parent)
		r = vhdx_parent_open(v, options, err);
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

const struct image_driver vhdx_driver = {
	.format = IMAGE_VHDX,
	.name = "vhdx",
	.detect = vhdx_detect,
	.open = vhdx_open,
};
