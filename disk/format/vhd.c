// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHD: opening a file, and finding its sectors.
 *
 * Which size counts: the footer says it twice, in bytes and as cylinders, heads and sectors.  The
 * bytes are right in every file seen; the geometry is rounded down, and stops at 127 GiB.  Where a
 * program is known to mean the geometry the disagreement is worth a warning, no more.
 *
 * Recovery: a dynamic file grows over its footer, and a crash in between leaves none at the end.
 * The copy at the start then stands in for it.
 *
 * Finding a sector: the block table says where its block lies.  No entry: zeros, or the parent's.
 * A differencing disk's block has a bitmap in front that says, sector by sector (most significant
 * bit first), which are its own and which the parent's.  A dynamic disk's bitmap is not read:
 * sectors that were never written are zeros in the file as well.
 *
 * Table and bitmaps are read through a few pages of memory each (pages.h), so that the size of the
 * disk does not matter.  After opening nothing but those pages changes, and they lock themselves:
 * any thread may read.
 */
#include "disk/format/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "disk/format/detect.h"
#include "disk/format/mixed.h"
#include "disk/format/pages.h"

#define TABLE_PAGE   (32 * KIB)
#define TABLE_PAGES  16
#define BITMAP_PAGE  (4 * KIB)
#define BITMAP_PAGES 64

/* Sectors of one look at a bitmap: a megabyte of content, or half the usual block. */
#define WINDOW 2048u

/*
 * The footer at the end: 512 bytes, or 511 as written by the format's first programs.  0 with
 * *ret_end, the place where it starts.
 */
static int footer_at_end(const struct image_probe *probe, struct vhd_footer *ret, uint64_t *ret_end,
                         struct error *err)
{
	uint8_t raw[VHD_FOOTER] = { 0 };
	size_t skip = 0;

	if (probe->tail_len < VHD_FOOTER)
		return error_set(err, EINVAL, "is missing: the file is shorter than one");
	if (memcmp(probe->tail, VHD_COOKIE, 8) != 0 && !memcmp(probe->tail + 1, VHD_COOKIE, 8))
		skip = 1;
	memcpy(raw, probe->tail + skip, VHD_FOOTER - skip);
	*ret_end = probe->size - VHD_FOOTER + skip;
	return vhd_footer_load(raw, ret, err);
}

static bool vhd_detect(const struct image_probe *probe)
{
	if (probe->tail_len == VHD_FOOTER &&
	    (!memcmp(probe->tail, VHD_COOKIE, 8) || !memcmp(probe->tail + 1, VHD_COOKIE, 8)))
		return true;
	return probe->head_len >= VHD_FOOTER && !memcmp(probe->head, VHD_COOKIE, 8);
}

/* Read the footer, or its copy; sets footer and data_end. */
static int open_footer(struct vhd *vhd, const struct image_options *options, struct error *err)
{
	struct source *file = vhd->image.file;
	cleanup_free struct image_probe *read = NULL;
	const struct image_probe *probe = options->probe;
	struct error why, copy_why;
	int r;

	if (!probe) {
		r = image_probe_read(file, &read, err);
		if (r < 0)
			return r;
		probe = read;
	}
	r = footer_at_end(probe, &vhd->footer, &vhd->data_end, &why);
	if (r < 0) {
		if (vhd_footer_load(probe->head, &vhd->footer, &copy_why) < 0 ||
		    vhd->footer.type == VHD_FIXED)
			return error_set(err, EINVAL,
			                 "%s: the VHD footer at the end of the file %s", file->name,
			                 why.text);
		vhd->data_end = file->identity.size;
		image_warn(
			&vhd->image, options,
			"the VHD footer at the end of the file %s; the copy at its start is used",
			why.text);
	}
	return vhd_footer_check(&vhd->footer, file->name, vhd->data_end, err);
}

/* Programs that mean the bytes where bytes and geometry disagree. */
static bool means_bytes(const char *creator)
{
	static const char known[][5] = { "win ", "qem2", "d2v ", "tap", "CTXS", "sill" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(creator, known[i]))
			return true;
	return false;
}

static void warn_about_size(struct vhd *vhd, const struct image_options *options)
{
	const struct vhd_footer *footer = &vhd->footer;
	uint64_t geometry = vhd_geometry_size(footer);
	bool full =
		footer->cylinders == UINT16_MAX && footer->heads == 16 && footer->sectors == 255;

	if (geometry != footer->current_size && !full && !means_bytes(footer->creator))
		image_warn(&vhd->image, options,
		           "the footer's current size is %" PRIu64
		           " bytes, its geometry (%u/%u/%u) stands for %" PRIu64
		           ": the current size is used",
		           footer->current_size, footer->cylinders, footer->heads, footer->sectors,
		           geometry);
	if (footer->type == VHD_FIXED && footer->current_size < vhd->data_end)
		image_warn(&vhd->image, options,
		           "%" PRIu64 " bytes between the disk and the footer belong to nothing",
		           vhd->data_end - footer->current_size);
	if (footer->saved_state != 0)
		image_warn(&vhd->image, options,
		           "the footer's saved state is %u: the machine was suspended, and without "
		           "its memory the disk looks as after a power cut",
		           footer->saved_state);
}

static int open_header(struct vhd *vhd, struct error *err)
{
	struct source *file = vhd->image.file;
	uint8_t raw[VHD_HEADER];
	struct error why;
	int r;

	r = pages_new(file, TABLE_PAGE, TABLE_PAGES, &vhd->table, err);
	if (r < 0)
		return r;
	r = pages_read(vhd->table, raw, sizeof(raw), vhd->footer.data_offset, NULL, err);
	if (r < 0)
		return r;
	r = vhd_header_load(raw, &vhd->header, &why);
	if (r < 0)
		return error_set(err, EINVAL, "%s: the VHD header at %" PRIu64 " %s", file->name,
		                 vhd->footer.data_offset, why.text);
	r = vhd_header_check(&vhd->header, &vhd->footer, file->name, vhd->data_end, err);
	if (r < 0)
		return r;
	vhd->bitmap_size = vhd_bitmap_size(vhd->header.block_size);
	vhd->blocks = (uint32_t)div_round_up(vhd->image.size, vhd->header.block_size);
	return 0;
}

int vhd_entry(struct vhd *vhd, uint32_t block, const struct source_read *how, uint32_t *ret,
              struct error *err)
{
	uint8_t raw[4];
	int r = pages_read(vhd->table, raw, 4, vhd->header.table_offset + (uint64_t)block * 4, how,
	                   err);

	if (r < 0)
		return r;
	*ret = load_be32(raw);
	return 0;
}

/* Bytes of the block that are inside the disk: the last one may be short. */
static uint32_t block_bytes(const struct vhd *vhd, uint32_t block)
{
	uint64_t start = (uint64_t)block * vhd->header.block_size;

	return (uint32_t)min_u64(vhd->header.block_size, vhd->image.size - start);
}

int vhd_entry_check(const struct vhd *vhd, uint32_t block, uint32_t entry, struct error *err)
{
	const char *name = vhd->image.file->name;
	uint64_t at = (uint64_t)entry * VHD_SECTOR;
	uint64_t len = (uint64_t)vhd->bitmap_size + block_bytes(vhd, block);
	const struct {
		const char *what;
		uint64_t start, len;
	} taken[] = {
		{ "the copy of the footer", 0, VHD_FOOTER },
		{ "the header", vhd->footer.data_offset, VHD_HEADER },
		{ "the block table", vhd->header.table_offset, (uint64_t)vhd->blocks * 4 },
	};

	if (!range_inside(at, len, vhd->data_end))
		return error_set(
			err, EINVAL,
			"%s: block table entry %u points past the end of the file (to byte "
			"%" PRIu64 " of %" PRIu64 ")",
			name, block, at + len, vhd->data_end);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (at < taken[i].start + taken[i].len && taken[i].start < at + len)
			return error_set(err, EINVAL,
			                 "%s: block table entry %u points into %s (byte %" PRIu64
			                 ")",
			                 name, block, taken[i].what, at);
	return 0;
}

/* A run of the disk that is all of one kind. */
enum run_kind {
	RUN_ZERO,
	RUN_HERE,   /* in this file, in one piece */
	RUN_PARENT, /* wherever the parent has it */
	RUN_MIXED,  /* here and in the parent, changing too often to be read run by run */
};

struct run {
	enum run_kind kind;
	uint64_t len;
	uint64_t at;        /* RUN_HERE, RUN_MIXED: in the file */
	struct mixed mixed; /* RUN_MIXED */
};

/* Whose is it?  For [off, off + len) of a differencing disk, inside one block that is here. */
static int look_at_bitmap(struct vhd *vhd, uint64_t block_at, uint32_t in_block, uint32_t len,
                          bool mixed_allowed, const struct source_read *how, struct run *ret,
                          struct error *err)
{
	uint32_t first = in_block / VHD_SECTOR, skip = (uint32_t)round_down(first, 8), run;
	uint32_t end =
		(uint32_t)min_u64((in_block + len + VHD_SECTOR - 1) / VHD_SECTOR, skip + WINDOW);
	struct mixed *m = &ret->mixed;
	uint64_t bytes;
	int r;

	r = pages_read(vhd->bitmaps, m->bits, div_round_up(end - skip, 8), block_at + first / 8,
	               how, err);
	if (r < 0)
		return r;
	m->first = first - skip;
	m->end = end - skip;
	m->sector = VHD_SECTOR;
	m->lowest_first = false;
	ret->at = block_at + vhd->bitmap_size + in_block;
	if (mixed_allowed && mixed_changes_often(m)) {
		ret->kind = RUN_MIXED;
		run = end - first;
	} else {
		ret->kind = mixed_is_own(m) ? RUN_HERE : RUN_PARENT;
		run = mixed_alike(m);
	}
	bytes = (uint64_t)(first + run) * VHD_SECTOR - in_block;
	ret->len = min_u64(bytes, len);
	return 0;
}

/* What is at `off`, and how far: never past the block's end. */
static int find_run(struct vhd *vhd, uint64_t off, uint64_t len, bool mixed_allowed,
                    const struct source_read *how, struct run *ret, struct error *err)
{
	uint32_t size = vhd->header.block_size;
	uint32_t block = (uint32_t)(off / size), in_block = (uint32_t)(off % size), entry;
	bool child = vhd->image.parent != NULL;
	uint64_t block_at;
	int r;

	ret->len = min_u64(len, size - in_block);
	r = vhd_entry(vhd, block, how, &entry, err);
	if (r < 0)
		return r;
	if (entry == VHD_UNUSED) {
		ret->kind = child ? RUN_PARENT : RUN_ZERO;
		return 0;
	}
	r = vhd_entry_check(vhd, block, entry, err);
	if (r < 0)
		return r;
	block_at = (uint64_t)entry * VHD_SECTOR;
	if (child)
		return look_at_bitmap(vhd, block_at, in_block, (uint32_t)ret->len, mixed_allowed,
		                      how, ret, err);
	ret->kind = RUN_HERE;
	ret->at = block_at + vhd->bitmap_size + in_block;
	return 0;
}

static int read_own(struct image *image, void *buf, size_t len, uint64_t at,
                    const struct source_read *how, struct error *err)
{
	return source_read(image->file, buf, len, at, how, err);
}

static int read_run(struct vhd *vhd, uint8_t *buf, uint64_t off, const struct run *run,
                    const struct source_read *how, struct error *err)
{
	switch (run->kind) {
	case RUN_ZERO:
		memset(buf, 0, run->len);
		return 0;
	case RUN_PARENT:
		return parent_read(&vhd->image, buf, run->len, off, how, err);
	case RUN_MIXED:
		return mixed_read(&vhd->image, &run->mixed, read_own, buf, run->len, off, run->at,
		                  how, err);
	case RUN_HERE:
		break;
	}
	return source_read(vhd->image.file, buf, run->len, run->at, how, err);
}

static int vhd_read(struct image *image, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err)
{
	struct vhd *vhd = vhd_of(image);
	struct run run;

	for (size_t done = 0; done < len; done += run.len) {
		struct piece_read piece;
		int r = find_run(vhd, off + done, len - done, true, how, &run, err);

		if (r < 0)
			return r;
		r = read_run(vhd, (uint8_t *)buf + done, off + done, &run,
		             piece_how(&piece, how, done), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The run at `off` as the caller of image_map() sees it. */
static int map_run(struct vhd *vhd, uint64_t off, uint64_t max, const struct source_read *how,
                   enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct run run;
	int r = find_run(vhd, off, max, false, how, &run, err);

	if (r < 0)
		return r;
	if (run.kind == RUN_PARENT)
		return parent_map(&vhd->image, off, run.len, how, ret_kind, ret_len, err);
	*ret_kind = run.kind == RUN_ZERO ? IMAGE_EXTENT_ZERO : IMAGE_EXTENT_DATA;
	*ret_len = run.len;
	return 0;
}

/* Zeros are joined across blocks, so that walking an empty disk takes few steps. */
static int vhd_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
                   enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct vhd *vhd = vhd_of(image);
	uint64_t len = 0;

	do {
		enum image_extent kind;
		uint64_t run;
		int r = map_run(vhd, off + len, max - len, how, &kind, &run, err);

		if (r < 0 && len == 0)
			return r;
		if (r < 0 || (kind != IMAGE_EXTENT_ZERO && len > 0))
			break; /* what comes next is the next call's */
		*ret_kind = kind;
		len += run;
	} while (*ret_kind == IMAGE_EXTENT_ZERO && len < max);
	*ret_len = len;
	return 0;
}

static void vhd_close(struct image *image)
{
	struct vhd *vhd = vhd_of(image);

	pages_free(vhd->table);
	pages_free(vhd->bitmaps);
	free(vhd);
}

static const struct image_ops fixed_ops = {
	.read = read_own,
	.map = map_file,
	.describe = vhd_describe,
	.check = vhd_check,
	.close = vhd_close,
};

static const struct image_ops dynamic_ops = {
	.read = vhd_read,
	.map = vhd_map,
	.describe = vhd_describe,
	.check = vhd_check,
	.close = vhd_close,
};

static int open_all(struct vhd *vhd, const struct image_options *options, struct error *err)
{
	int r = open_footer(vhd, options, err);

	if (r < 0)
		return r;
	vhd->image.size = vhd->footer.current_size;
	memcpy(vhd->image.unique_id, vhd->footer.unique_id, 16);
	vhd->image.has_unique_id = true;
	warn_about_size(vhd, options);
	if (vhd->footer.type == VHD_FIXED) {
		vhd->image.ops = &fixed_ops;
		return 0;
	}
	r = open_header(vhd, err);
	if (r < 0 || vhd->footer.type == VHD_DYNAMIC)
		return r;
	r = pages_new(vhd->image.file, BITMAP_PAGE, BITMAP_PAGES, &vhd->bitmaps, err);
	if (r < 0)
		return r;
	return vhd_open_parent(vhd, options, err);
}

static int vhd_open_file(struct source *file, const struct image_options *options,
                         struct image **ret, struct error *err)
{
	struct vhd *vhd = calloc(1, sizeof(*vhd));
	int r;

	if (!vhd)
		return error_set(err, ENOMEM, "%s: no memory to open it", file->name);
	image_init(&vhd->image, &dynamic_ops, IMAGE_VHD, file, options);
	r = open_all(vhd, options, err);
	if (r < 0) {
		image_abandon(&vhd->image);
		return r;
	}
	*ret = &vhd->image;
	return 0;
}

const struct image_driver vhd_driver = {
	.format = IMAGE_VHD,
	.name = "vhd",
	.alias = "vpc",
	.detect = vhd_detect,
	.open = vhd_open_file,
};
