// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a person wants to know about a VHD, and whether its structure is sound.
 *
 * The check reads the whole block table and sorts where the blocks lie: two that overlap are then
 * neighbours.  Content is not read, and the bitmaps are not either: any value of them is valid.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/endian.h"
#include "disk/format/vhd.h"

/* Table entries fetched at a time. */
#define BATCH 16384u

/* Called for every table entry that has a block. */
typedef int (*each_entry)(void *arg, uint32_t block, uint32_t entry);

/* Walk `n` entries of the table from the start. */
static int walk_table(struct vhd *vhd, uint32_t n, each_entry each, void *arg, struct error *err)
{
	const struct source_read how = { .metadata = true };
	cleanup_free uint8_t *raw = malloc((size_t)BATCH * 4);
	int r;

	if (!raw)
		return error_set(err, ENOMEM, "%s: no memory for its block table",
		                 vhd->image.file->name);
	for (uint32_t first = 0; first < n; first += BATCH) {
		uint32_t count = (uint32_t)min_u64(BATCH, n - first);

		r = source_read(vhd->image.file, raw, (size_t)count * 4,
		                vhd->header.table_offset + (uint64_t)first * 4, &how, err);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < count; i++) {
			uint32_t entry = load_be32(raw + (size_t)i * 4);

			if (entry != VHD_UNUSED && each(arg, first + i, entry) < 0)
				return error_set(err, ENOMEM, "%s: no memory to check it",
				                 vhd->image.file->name);
		}
	}
	return 0;
}

static int count_entry(void *arg, uint32_t block __attribute__((unused)),
                       uint32_t entry __attribute__((unused)))
{
	(*(uint64_t *)arg)++;
	return 0;
}

static const char *type_name(uint32_t type)
{
	return type == VHD_FIXED ? "fixed" : type == VHD_DYNAMIC ? "dynamic" : "differencing";
}

/* Characters of a creator that anybody can print; jansson wants UTF-8. */
static const char *printable(const char code[5], char out[5])
{
	size_t n = 4;

	for (size_t i = 0; i < 4; i++)
		out[i] = code[i] >= 0x20 && code[i] < 0x7f ? code[i] : ' ';
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static const char *time_text(uint32_t timestamp, char out[32])
{
	time_t t = (time_t)timestamp + VHD_EPOCH;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

static int describe_dynamic(struct vhd *vhd, json_t *info, struct error *err)
{
	uint64_t blocks = 0;
	char id[37];
	int r = walk_table(vhd, vhd->blocks, count_entry, &blocks, err);

	if (r < 0)
		return r;
	json_object_set_new(info, "block_size", json_integer(vhd->header.block_size));
	json_object_set_new(info, "allocated",
	                    json_integer((json_int_t)blocks * vhd->header.block_size));
	if (vhd->footer.type == VHD_DIFFERENCING) {
		cleanup_free char *name =
			utf16_path(vhd->header.parent_name, sizeof(vhd->header.parent_name), true);

		if (name)
			json_object_set_new(info, "parent_name", json_string(name));
		json_object_set_new(info, "parent_unique_id",
		                    json_string(vhd_id_text(vhd->header.parent_id, id)));
	}
	return 0;
}

int vhd_describe(struct image *image, json_t *info, struct error *err)
{
	struct vhd *vhd = vhd_of(image);
	const struct vhd_footer *footer = &vhd->footer;
	char id[37], code[5], text[64];

	json_object_set_new(info, "subformat", json_string(type_name(footer->type)));
	json_object_set_new(info, "unique_id", json_string(vhd_id_text(footer->unique_id, id)));
	snprintf(text, sizeof(text), "%s %u.%u", printable(footer->creator, code),
	         footer->creator_version >> 16, footer->creator_version & 0xffff);
	json_object_set_new(info, "creator", json_string(text));
	json_object_set_new(info, "creator_os", json_string(printable(footer->creator_os, code)));
	json_object_set_new(info, "created", json_string(time_text(footer->timestamp, text)));
	snprintf(text, sizeof(text), "%u/%u/%u", footer->cylinders, footer->heads, footer->sectors);
	json_object_set_new(info, "geometry", json_string(text));
	if (footer->type != VHD_FIXED)
		return describe_dynamic(vhd, info, err);
	json_object_set_new(info, "allocated", json_integer((json_int_t)footer->current_size));
	return 0;
}

/* Where the blocks lie: the sector in the upper half, the table index in the lower. */
struct blocks {
	struct vhd *vhd;
	struct check *check;
	uint64_t *at;
	size_t n, room;
};

static int note_block(void *arg, uint32_t block, uint32_t entry)
{
	struct blocks *blocks = arg;
	struct error why;

	if (block >= blocks->vhd->blocks) {
		check_problem(blocks->check,
		              "block table entry %u is in use, but the disk has only %u blocks",
		              block, blocks->vhd->blocks);
		return 0;
	}
	if (vhd_entry_check(blocks->vhd, block, entry, &why) < 0) {
		check_problem(blocks->check, "%s",
		              why.text + strlen(blocks->vhd->image.file->name) + 2);
		return 0;
	}
	if (blocks->n == blocks->room) {
		size_t room = blocks->room ? blocks->room * 2 : 1024;
		uint64_t *at = reallocarray(blocks->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		blocks->at = at;
		blocks->room = room;
	}
	blocks->at[blocks->n++] = (uint64_t)entry << 32 | block;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void check_overlaps(struct vhd *vhd, struct blocks *blocks)
{
	uint64_t sectors = (vhd->bitmap_size + (uint64_t)vhd->header.block_size) / VHD_SECTOR;

	if (blocks->n > 1)
		qsort(blocks->at, blocks->n, sizeof(blocks->at[0]), by_place);
	for (size_t i = 1; i < blocks->n; i++) {
		uint64_t before = blocks->at[i - 1] >> 32, at = blocks->at[i] >> 32;

		if (at < before + sectors)
			check_problem(blocks->check,
			              "block table entries %u and %u overlap at byte %" PRIu64,
			              (uint32_t)blocks->at[i - 1], (uint32_t)blocks->at[i],
			              at * VHD_SECTOR);
	}
}

/* The copy at the start should say what the footer says. */
static int check_copy(struct vhd *vhd, struct check *check, struct error *err)
{
	const struct source_read how = { .metadata = true };
	uint8_t copy[VHD_FOOTER], footer[VHD_FOOTER];
	struct vhd_footer parsed;
	struct error why;
	int r = source_read(vhd->image.file, copy, sizeof(copy), 0, &how, err);

	if (r < 0)
		return r;
	if (vhd_footer_load(copy, &parsed, &why) < 0) {
		check_problem(check, "the copy of the footer at the start of the file %s",
		              why.text);
		return 0;
	}
	vhd_footer_store(&vhd->footer, footer);
	vhd_footer_store(&parsed, copy);
	if (memcmp(copy, footer, sizeof(copy)) != 0)
		check_problem(check, "the copy of the footer at the start of the file differs from "
		                     "the footer at the end");
	return 0;
}

/* The table may have more entries than the disk needs, as far as the file goes. */
static uint32_t entries_in_file(const struct vhd *vhd)
{
	uint64_t room = (vhd->data_end - vhd->header.table_offset) / 4;

	return (uint32_t)min_u64(min_u64(vhd->header.max_entries, room), UINT32_C(1) << 24);
}

int vhd_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
              struct error *err)
{
	struct vhd *vhd = vhd_of(image);
	struct check check = { .image = image, .problem = problem, .arg = arg };
	struct blocks blocks = { .vhd = vhd, .check = &check };
	int r;

	if (vhd->data_end == image->file->identity.size)
		check_problem(&check, "the footer at the end of the file is missing or damaged");
	if (vhd->footer.type == VHD_FIXED)
		return check_end(&check);
	r = check_copy(vhd, &check, err);
	if (r == 0)
		r = walk_table(vhd, entries_in_file(vhd), note_block, &blocks, err);
	if (r == 0)
		check_overlaps(vhd, &blocks);
	free(blocks.at);
	return r < 0 ? r : check_end(&check);
}
