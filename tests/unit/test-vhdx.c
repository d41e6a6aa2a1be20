// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHDX files made field by field.  What qemu writes is read in the integration tests; here are
 * differencing disks, which qemu does not write, logs of every shape, and everything broken.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>

#include "disk/format/vhdx.h"
#include "tests/unit/image-files.h"
#include "tests/unit/vhdx-make.h"

TEST(each_block_state_reads_as_the_format_says)
{
	cleanup_free uint8_t *d = make_vhdx(10 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;

	set_bat(d, 0, ENTRY_AT(2));
	for (unsigned int i = 1; i <= 5; i++)
		if (i != 4)
			set_bat(d, i, MADE_BLOCKS | i);
	set_bat(d, 9, ENTRY_AT(0));
	image = memory_image_or_fail(d, MADE_LEN);
	assert_true(image->size == 10 * MIB);
	expect_bytes(image, 0, MIB, 3);
	expect_bytes(image, MIB, 8 * MIB, 0);
	expect_bytes(image, 9 * MIB, MIB, 1);
	expect_run(image, 512, IMAGE_EXTENT_DATA, MIB - 512);
	expect_run(image, MIB, IMAGE_EXTENT_ZERO, 8 * MIB);
}

TEST(blocks_that_lie_together_cost_one_request)
{
	cleanup_free uint8_t *d = make_vhdx(10 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	cleanup_free uint8_t *buf = malloc(4 * MIB);
	uint64_t before;

	for (unsigned int i = 0; i < 4; i++)
		set_bat(d, i, ENTRY_AT(i));
	image = memory_image_or_fail(d, MADE_LEN);
	expect_run(image, 0, IMAGE_EXTENT_DATA, 4 * MIB);
	before = image->file->requests;
	assert_int_equal(image_read(image, buf, 4 * MIB, 0, NULL, NULL), 0);
	assert_true(image->file->requests == before + 1);
}

/* At 512 bytes a sector a chunk is 4 GiB, so entry 4096 of the BAT is that of a sector bitmap. */
TEST(entries_of_sector_bitmaps_stand_between_those_of_blocks)
{
	cleanup_free uint8_t *d = make_vhdx(5 * GIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;

	set_bat(d, 4095, ENTRY_AT(0));
	set_bat(d, 4096, 0);
	set_bat(d, 4097, ENTRY_AT(1));
	image = memory_image_or_fail(d, MADE_LEN);
	expect_bytes(image, 4 * GIB - MIB, MIB, 1);
	expect_bytes(image, 4 * GIB, MIB, 2);
	expect_run(image, 4 * GIB - MIB, IMAGE_EXTENT_DATA, 2 * MIB);
}

TEST(sectors_of_4096_bytes_make_chunks_eight_times_as_large)
{
	cleanup_free uint8_t *d = make_vhdx(33 * GIB, 4096, 1);
	cleanup(image_close) struct image *image = NULL;

	set_bat(d, 4096, ENTRY_AT(0));
	set_bat(d, 32769, ENTRY_AT(1));
	image = memory_image_or_fail(d, MADE_LEN);
	expect_bytes(image, 4 * GIB, MIB, 1);
	expect_bytes(image, 32 * GIB, MIB, 2);
}

TEST(the_newer_of_two_sound_headers_counts)
{
	cleanup_free uint8_t *d = make_vhdx(MIB, 512, 1);
	struct image *image;

	made_header(d, MADE_HEADER_2, 6, 9);
	seal_headers(d);
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(image->unique_id[0], 9);
	image_close(image);
	d[MADE_HEADER_2 + 100] ^= 1;
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(image->unique_id[0], 1);
	image_close(image);
	d[MADE_HEADER_1 + 100] ^= 1;
	expect_bad(d, MADE_LEN, "both headers are damaged");
}

TEST(two_different_headers_of_one_sequence_number_are_refused)
{
	cleanup_free uint8_t *d = make_vhdx(MIB, 512, 1);

	made_header(d, MADE_HEADER_2, 5, 9);
	seal_headers(d);
	expect_bad(d, MADE_LEN, "two headers differ but have the same sequence number");
}

TEST(one_sound_copy_of_the_region_table_is_enough)
{
	cleanup_free uint8_t *d = make_vhdx(MIB, 512, 1);

	d[MADE_REGIONS_1 + 5000] ^= 1;
	image_close(memory_image_or_fail(d, MADE_LEN));
	d[MADE_REGIONS_2 + 5000] ^= 1;
	expect_bad(d, MADE_LEN, "both copies of the region table are damaged");
}

#define GUID_1 "{01010101-0101-0101-0101-010101010101}"
#define GUID_7 "{07070707-0707-0707-0707-070707070707}"

static const char *const beside[] = { "parent_linkage", GUID_1, "relative_path", ".\\parent.vhdx",
	                              NULL };

static bool is_childs(uint64_t sector)
{
	return sector % 3 == 0 || (sector >= 100 && sector < 300);
}

/* Block 0 partly there, 1 wholly, 2 zero, 3 not there. */
static uint8_t *make_partial_child(void)
{
	uint8_t *d = make_vhdx(6 * MIB, 512, 2);

	make_child(d, beside);
	set_bat(d, 0, ENTRY_AT(1) | 7);
	set_bat(d, 1, ENTRY_AT(2));
	set_bat(d, 2, 2);
	set_bat(d, 4096, MADE_BITMAP | 6);
	for (uint64_t s = 0; s < 2048; s++)
		if (is_childs(s))
			d[MADE_BITMAP + s / 8] |= (uint8_t)(1 << s % 8);
	return d;
}

static uint8_t *make_parent(uint8_t tag)
{
	uint8_t *d = make_vhdx(4 * MIB, 512, tag);

	set_bat(d, 0, ENTRY_AT(3));
	set_bat(d, 2, ENTRY_AT(3));
	set_bat(d, 3, ENTRY_AT(3));
	return d;
}

TEST(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it)
{
	cleanup_free uint8_t *child = make_partial_child(), *parent = make_parent(1);
	cleanup(image_close) struct image *image = NULL;
	struct files files = { 0 };

	files_add(&files, "/vm/disk", child, MADE_LEN);
	files_add(&files, "/vm/parent.vhdx", parent, MADE_LEN);
	image = files_image_or_fail(&files, "/vm/disk", NULL);
	for (uint64_t s = 0; s < 2048; s++)
		expect_bytes(image, s * 512, 512, is_childs(s) ? 2 : 4);
	expect_bytes(image, MIB, MIB, 3);
	expect_bytes(image, 2 * MIB, MIB, 0);
	expect_bytes(image, 3 * MIB, MIB, 4);
	expect_bytes(image, 4 * MIB, 2 * MIB, 0);
	expect_run(image, 0, IMAGE_EXTENT_DATA, 512);
	expect_run(image, 512, IMAGE_EXTENT_DATA, 1024);
	expect_run(image, 99 * 512, IMAGE_EXTENT_DATA, 202 * 512);
	expect_run(image, 2 * MIB, IMAGE_EXTENT_ZERO, MIB);
	expect_run(image, 4 * MIB, IMAGE_EXTENT_ZERO, 2 * MIB);
}

/* A sector of the log, which lies over a mixed stretch as over any other. */
TEST(sectors_that_alternate_cost_one_request_for_each_file)
{
	cleanup_free uint8_t *child = make_vhdx(6 * MIB, 512, 2), *parent = make_parent(1);
	cleanup_free uint8_t *buf = malloc(MIB);
	cleanup(image_close) struct image *image = NULL;
	struct files files = { 0 };
	uint8_t logged[4096];
	struct made_entry e;
	uint64_t before;

	make_child(child, beside);
	set_bat(child, 0, ENTRY_AT(1) | 7);
	set_bat(child, 4096, MADE_BITMAP | 6);
	/* Bits 1, 3, 5, … of the block. */
	memset(child + MADE_BITMAP, 0xaa, 256);
	memset(logged, 9, sizeof(logged));
	e = entry_start(child, 0, 0, 7);
	entry_data(&e, MADE_BLOCKS + MIB + 8192, logged);
	entry_seal(&e);
	made_log(child);
	files_add(&files, "/vm/disk", child, MADE_LEN);
	files_add(&files, "/vm/parent.vhdx", parent, MADE_LEN);
	image = files_image_or_fail(&files, "/vm/disk", NULL);
	/* The first read takes the tables near. */
	expect_bytes(image, 0, 512, 4);
	before = image->file->requests + image->parent->file->requests;
	assert_int_equal(image_read(image, buf, MIB - 300, 300, NULL, NULL), 0);
	assert_true(image->file->requests + image->parent->file->requests == before + 2);
	for (size_t i = 300; i < MIB; i++)
		if (buf[i - 300] != (i / 512 % 2 == 0 ? 4 : i / 4096 == 2 ? 9 : 2))
			fail_msg("byte %zu is %u", i, buf[i - 300]);
	/* What the map says is exact all the same. */
	expect_run(image, 512, IMAGE_EXTENT_DATA, 512);
}

/* Where a child says its parent is, and what name finds it. */
TEST(a_parent_is_found_by_what_the_locator_says)
{
	static const struct {
		const char *pairs[9];
		const char *name;
	} cases[] = {
		{ { "parent_linkage", GUID_1, "relative_path", "..\\base\\p.vhdx" },
		  "/base/p.vhdx" },
		{ { "parent_linkage", GUID_1, "absolute_win32_path", "C:\\vms\\p.vhdx" },
		  "/vm/p.vhdx" },
		{ { "parent_linkage", GUID_1, "volume_path",
		    "\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\x\\p.vhdx" },
		  "/vm/p.vhdx" },
		{ { "parent_linkage", GUID_1, "relative_path", "gone.vhdx", "volume_path",
		    "\\\\?\\Volume{1}\\p.vhdx" },
		  "/vm/p.vhdx" },
		{ { "relative_path", "p.vhdx", "parent_linkage2", GUID_1, "parent_linkage",
		    GUID_7 },
		  "/vm/p.vhdx" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free uint8_t *child = make_partial_child(), *parent = make_parent(1);
		cleanup(image_close) struct image *image = NULL;
		struct files files = { 0 };
		char dotted[64];

		make_child(child, cases[i].pairs);
		snprintf(dotted, sizeof(dotted), "/vm/..%s", cases[i].name);
		files_add(&files, "/vm/disk", child, MADE_LEN);
		files_add(&files, cases[i].name, parent, MADE_LEN);
		files_add(&files, dotted, parent, MADE_LEN);
		image = files_image_or_fail(&files, "/vm/disk", NULL);
		expect_bytes(image, 3 * MIB, MIB, 4);
	}
}

TEST(a_parent_with_another_guid_is_passed_over)
{
	cleanup_free uint8_t *child = make_partial_child();
	cleanup_free uint8_t *right = make_parent(1), *wrong = make_parent(7);
	struct files files = { 0 };
	struct error err = { 0 };
	struct image *image;

	files_add(&files, "/vm/disk", child, MADE_LEN);
	files_add(&files, "/vm/parent.vhdx", wrong, MADE_LEN);
	files_add(&files, "/else/where", right, MADE_LEN);
	assert_true(files_image(&files, "/vm/disk", NULL, &image, &err) < 0);
	assert_non_null(strstr(err.text, "unique id"));
	image = files_image_or_fail(&files, "/vm/disk", "/else/where");
	expect_bytes(image, 3 * MIB, MIB, 4);
	image_close(image);
}

TEST(a_disk_that_is_its_own_ancestor_is_refused)
{
	cleanup_free uint8_t *a = make_partial_child(), *b = make_vhdx(6 * MIB, 512, 1);
	static const char *const back[] = { "parent_linkage",
		                            "{02020202-0202-0202-0202-020202020202}",
		                            "relative_path", "disk", NULL };
	struct files files = { 0 };
	struct error err = { 0 };
	struct image *image;

	make_child(b, back);
	files_add(&files, "/vm/disk", a, MADE_LEN);
	files_add(&files, "/vm/parent.vhdx", b, MADE_LEN);
	assert_true(files_image(&files, "/vm/disk", NULL, &image, &err) < 0);
	if (!strstr(err.text, "a child of itself"))
		fail_msg("%s", err.text);
	/* The same under another name is known by its guid. */
	make_child(b, (const char *const[]){ back[0], back[1], back[2], "again", NULL });
	files_add(&files, "/vm/again", a, MADE_LEN);
	assert_int_equal(files_image(&files, "/vm/disk", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "loops"));
}

TEST(a_locator_that_is_broken_is_refused_by_name)
{
	static const char *const no_linkage[] = { "relative_path", "p.vhdx", NULL };
	static const char *const bad_guid[] = { "parent_linkage", "{0101}", NULL };
	cleanup_free uint8_t *d = make_partial_child();
	uint8_t *item = d + MADE_ITEM(MADE_LOCATOR);

	make_child(d, no_linkage);
	expect_bad(d, MADE_LEN, "its parent locator has no parent_linkage");
	make_child(d, bad_guid);
	expect_bad(d, MADE_LEN, "the parent_linkage of its parent locator is no GUID");
	make_child(d, beside);
	store_le32(item + 20, 4095);
	expect_bad(d, MADE_LEN, "a key or value of its parent locator lies outside of it");
	make_child(d, beside);
	store_le16(item + 18, 5000);
	expect_bad(d, MADE_LEN, "claims 5000 entries");
	make_child(d, beside);
	item[0] ^= 1;
	expect_bad(d, MADE_LEN, "its parent locator is of a type that Sill does not know");
	make_child(d, beside);
	store_le16(d + MADE_METADATA + 10, MADE_LOCATOR);
	expect_bad(d, MADE_LEN, "is a differencing disk without a parent locator");
	make_child(d, beside);
	expect_bad(d, MADE_LEN, "its parent was not found");
}

static const struct {
	uint64_t at;
	unsigned int bytes;
	uint64_t value;
	const char *says;
} bad_fields[] = {
	{ MADE_HEADER_1 + 66, 2, 2, "VHDX version 2" },
	{ MADE_HEADER_1 + 64, 2, 1, "its log is of version 1" },
	{ MADE_HEADER_1 + 68, 4, 4096,
	  "its log (4096 bytes at 0x100000) is not made of whole MiB" },
	{ MADE_HEADER_1 + 72, 8, 0, "its log (1048576 bytes at 0) is not made of whole MiB" },
	{ MADE_HEADER_1 + 72, 8, MADE_LEN, "its log at 0x900000 runs past the end" },
	{ MADE_HEADER_1 + 72, 8, UINT64_MAX - MIB + 1, "its log at 0xfffffffffff00000 runs past" },
	{ MADE_HEADER_1 + 48, 8, 1, NULL }, /* a log without an entry: nothing to replay */
	{ MADE_REGIONS_1 + 8, 4, 2048, "the region table has 2048 entries" },
	{ MADE_REGIONS_1 + 8, 4, 1, "the region table has no metadata region" },
	{ MADE_REGIONS_1 + 8, 4, 0, "the region table has no BAT region" },
	{ MADE_REGIONS_1 + 16, 1, 0,
	  "region 0 is of a kind that Sill does not know, and required" },
	{ MADE_REGIONS_1 + 32, 8, 0, "region 0 (1048576 bytes at 0) is not made of whole MiB" },
	{ MADE_REGIONS_1 + 32, 8, MIB / 2, "region 0 (1048576 bytes at 0x80000) is not made" },
	{ MADE_REGIONS_1 + 32, 8, MADE_LEN, "region 0 at 0x900000 runs past the end" },
	{ MADE_REGIONS_1 + 32, 8, MADE_METADATA, "the BAT and the metadata region overlap" },
	{ MADE_REGIONS_1 + 40, 4, 0, "region 0 (0 bytes" },
	{ MADE_REGIONS_1 + 40, 4, UINT32_MAX - MIB + 1, "region 0 at 0x200000 runs past the end" },
	{ MADE_METADATA, 8, 0, "the metadata table has no signature" },
	{ MADE_METADATA + 10, 2, 1024, "the metadata table has 1024 entries" },
	{ MADE_METADATA + 10, 2, 0, "has no file parameters in its metadata" },
	{ MADE_METADATA + 10, 2, 4, "has no physical sector size in its metadata" },
	{ MADE_METADATA + 32, 1, 0, "metadata item 0 is of a kind that Sill does not know" },
	{ MADE_METADATA + 32 + 24, 4, 5, "metadata item 0 is of a kind that Sill does not know" },
	{ MADE_METADATA + 32 + 16, 4, 32, "the file parameters at 0x20 does not lie" },
	{ MADE_METADATA + 32 + 16, 4, MIB - 4, "the file parameters at 0xffffc does not lie" },
	{ MADE_METADATA + 32 + 20, 4, 9, "the file parameters has a length of 9" },
	{ MADE_METADATA + 64 + 20, 4, 0, "the virtual disk size has a length of 0" },
	{ MADE_ITEM(MADE_PARAMETERS), 4, 0, "the block size is 0" },
	{ MADE_ITEM(MADE_PARAMETERS), 4, MIB / 2, "the block size is 524288" },
	{ MADE_ITEM(MADE_PARAMETERS), 4, 3 * MIB, "the block size is 3145728" },
	{ MADE_ITEM(MADE_PARAMETERS), 4, 512 * MIB, "the block size is 536870912" },
	{ MADE_ITEM(MADE_PARAMETERS) + 4, 4, 2, "differencing disk without a parent locator" },
	{ MADE_ITEM(MADE_SIZE), 8, 0, "the virtual disk size is 0" },
	{ MADE_ITEM(MADE_SIZE), 8, 1000, "the virtual disk size is 1000" },
	{ MADE_ITEM(MADE_SIZE), 8, 65 * TIB, "the virtual disk size is 71468255805440" },
	{ MADE_ITEM(MADE_SIZE), 8, TIB,
	  "the BAT region of 1048576 bytes is too small for 1048831" },
	{ MADE_ITEM(MADE_LOGICAL), 4, 1024, "the logical sector size is 1024" },
	{ MADE_ITEM(MADE_PHYSICAL), 4, 0, "the physical sector size is 0" },
	{ MADE_BAT, 8, 6, "the BAT entry 0x6 of block 0 points into the header" },
	{ MADE_BAT, 8, MADE_LEN | 6, "of block 0 points past the end of the file" },
	{ MADE_BAT + 8, 8, UINT64_MAX << 20 | 6, "of block 1 points past the end of the file" },
	{ MADE_BAT + 8, 8, 4, "of block 1 has a state that does not exist" },
	{ MADE_BAT + 16, 8, MADE_BLOCKS | 7, "of block 2 is partly present, but the disk has no" },
	{ MADE_BAT + 16, 8, MADE_BLOCKS | 14, "of block 2 has reserved bits set" },
};

TEST(every_field_out_of_range_is_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_fields); i++) {
		cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
		uint8_t *at = d + bad_fields[i].at;

		if (bad_fields[i].bytes == 8)
			store_le64(at, bad_fields[i].value);
		else if (bad_fields[i].bytes == 4)
			store_le32(at, (uint32_t)bad_fields[i].value);
		else if (bad_fields[i].bytes == 2)
			store_le16(at, (uint16_t)bad_fields[i].value);
		else
			*at = (uint8_t)bad_fields[i].value;
		seal_headers(d);
		seal_regions(d);
		if (bad_fields[i].says)
			expect_bad(d, MADE_LEN, bad_fields[i].says);
		else
			image_close(memory_image_or_fail(d, MADE_LEN));
	}
}

TEST(items_and_regions_that_are_there_twice_are_refused)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);

	made_item(d, 5, "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 8);
	expect_bad(d, MADE_LEN, "the virtual disk size is there twice");
	made_region(d, 2, "2DC27766-F623-4200-9D64-115E9BFD4A08", MADE_BITMAP);
	store_le32(d + MADE_REGIONS_1 + 8, 3);
	seal_regions(d);
	expect_bad(d, MADE_LEN, "region 2 is there twice");
}

TEST(what_is_unknown_but_not_required_is_ignored)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);

	made_item(d, 5, "11111111-CD1B-4876-B211-5DBED83BF4B8", 8);
	store_le32(d + MADE_METADATA + 32 * 6 + 24, 1);
	made_region(d, 2, "11111111-F623-4200-9D64-115E9BFD4A08", 12345);
	store_le32(d + MADE_REGIONS_1 + 16 + 64 + 28, 0);
	store_le32(d + MADE_REGIONS_1 + 8, 3);
	seal_regions(d);
	image_close(memory_image_or_fail(d, MADE_LEN));
}

TEST(a_partly_present_block_without_its_bitmap_is_refused)
{
	cleanup_free uint8_t *child = make_partial_child(), *parent = make_parent(1);
	static const struct {
		uint64_t entry;
		const char *says;
	} bad[] = {
		{ 0, "but the sector bitmap of its chunk 0 is not there" },
		{ MADE_LEN | 6, "of sector bitmap 0 points past the end of the file" },
		{ MADE_BITMAP | 3, "of sector bitmap 0 has a state that does not exist" },
		{ MADE_BITMAP | 6 | 8, "of sector bitmap 0 has reserved bits set" },
		{ 6, "of sector bitmap 0 points into the header" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(image_close) struct image *image = NULL;
		struct files files = { 0 };
		struct error err = { 0 };
		uint8_t buf[512];

		set_bat(child, 4096, bad[i].entry);
		files_add(&files, "disk", child, MADE_LEN);
		files_add(&files, "parent", parent, MADE_LEN);
		image = files_image_or_fail(&files, "disk", "parent");
		expect_refused(image_read(image, buf, sizeof(buf), 0, NULL, &err), &err,
		               bad[i].says);
	}
}

TEST(a_truncated_file_never_reads_as_something_else)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup_free uint8_t *buf = malloc(6 * MIB);
	struct image *image;

	for (unsigned int i = 0; i < 4; i++)
		set_bat(d, i, ENTRY_AT(i));
	for (uint64_t len = 8; len < MADE_LEN; len += len < 100 ? 7 : 99991) {
		if (memory_image(d, len, &image, NULL) < 0)
			continue;
		assert_int_not_equal(image_read(image, buf, 6 * MIB, 0, NULL, NULL), 0);
		image_close(image);
	}
}

/* A sector of a table that differs from the one that lies there in every byte. */
static void make_sector(uint8_t data[4096], uint64_t first_entry)
{
	memset(data, 0, 4096);
	store_le64(data, first_entry);
	store_le32(data + 4092, 0);
}

static int replayed(struct image *image)
{
	json_t *info;
	int n;

	assert_int_equal(image_info(image, &info, NULL), 0);
	n = (int)json_integer_value(json_object_get(info, "replayed_log_entries"));
	json_decref(info);
	return n;
}

TEST(a_log_is_replayed_into_tables_and_data)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	uint8_t bat[4096], data[4096];
	struct made_entry e;

	for (unsigned int i = 0; i < 4096; i++)
		data[i] = (uint8_t)(i * 7 + 3);
	make_sector(bat, ENTRY_AT(2));
	made_log(d);
	e = entry_start(d, 10, 10, 77);
	entry_data(&e, MADE_BAT, bat);
	entry_data(&e, MADE_BLOCKS + 2 * MIB + 8192, data);
	entry_zero(&e, MADE_BLOCKS + 2 * MIB + 65536, 8192);
	entry_seal(&e);
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 1);
	expect_bytes(image, 0, 8192, 3);
	for (unsigned int i = 0; i < 4096; i++)
		expect_bytes(image, 8192 + i, 1, data[i]);
	expect_bytes(image, 12288, 65536 - 12288, 3);
	expect_bytes(image, 65536, 8192, 0);
	expect_bytes(image, 65536 + 8192, MIB - 65536 - 8192, 3);
}

/* Entries 1 to 3, where each sets the first entry of the BAT, around the end of the ring. */
TEST(a_log_that_wraps_around_is_replayed_in_order)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	unsigned int at = 253;
	uint8_t bat[4096];

	made_log(d);
	for (unsigned int i = 1; i <= 3; i++) {
		struct made_entry e = entry_start(d, at, 253, 40 + i);

		make_sector(bat, ENTRY_AT(i));
		entry_data(&e, MADE_BAT, bat);
		at = entry_seal(&e);
	}
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 3);
	expect_bytes(image, 0, MIB, 4);
}

TEST(a_torn_entry_ends_the_log_before_it)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	unsigned int at = 4;
	uint8_t bat[4096];

	made_log(d);
	for (unsigned int i = 1; i <= 3; i++) {
		struct made_entry e = entry_start(d, at, 4, 40 + i);

		make_sector(bat, ENTRY_AT(i));
		entry_data(&e, MADE_BAT, bat);
		at = entry_seal(&e);
	}
	log_sector(d, at - 1)[2000] ^= 1;
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 2);
	expect_bytes(image, 0, MIB, 3);
}

TEST(what_lies_before_the_tail_is_not_replayed)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	uint8_t bat[4096];
	struct made_entry e;

	set_bat(d, 0, ENTRY_AT(3));
	made_log(d);
	make_sector(bat, ENTRY_AT(1));
	e = entry_start(d, 0, 0, 1);
	entry_data(&e, MADE_BAT, bat);
	entry_seal(&e);
	e = entry_start(d, 2, 2, 2);
	entry_zero(&e, MADE_BLOCKS + 3 * MIB, 4096);
	entry_seal(&e);
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 1);
	expect_bytes(image, 0, 4096, 0);
	expect_bytes(image, 4096, MIB - 4096, 4);
}

TEST(the_sequence_with_the_newest_head_counts)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	uint8_t bat[4096];
	struct made_entry e;

	made_log(d);
	make_sector(bat, ENTRY_AT(1));
	e = entry_start(d, 0, 0, 90);
	entry_data(&e, MADE_BAT, bat);
	entry_seal(&e);
	make_sector(bat, ENTRY_AT(2));
	e = entry_start(d, 8, 8, 9);
	entry_data(&e, MADE_BAT, bat);
	entry_seal(&e);
	/* The newest of all, but its tail lies in none of the entries before it. */
	make_sector(bat, ENTRY_AT(3));
	e = entry_start(d, 16, 99, 900);
	entry_data(&e, MADE_BAT, bat);
	entry_seal(&e);
	/* One of another log. */
	e = entry_start(d, 32, 32, 9000);
	entry_data(&e, MADE_BAT, bat);
	log_sector(d, 32)[32] ^= 1;
	entry_seal(&e);
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 1);
	expect_bytes(image, 0, MIB, 2);
}

TEST(a_log_may_grow_the_file_with_zeros)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	uint8_t bat[4096];
	struct made_entry e;

	made_log(d);
	make_sector(bat, ENTRY_AT(3));
	e = entry_start(d, 0, 0, 1);
	entry_data(&e, MADE_BAT, bat);
	store_le64(log_sector(d, 0) + 48, MADE_LEN - MIB / 2);
	entry_seal(&e);
	image = memory_image_or_fail(d, MADE_LEN - MIB / 2);
	expect_bytes(image, 0, MIB / 2, 4);
	expect_bytes(image, MIB / 2, MIB / 2, 0);
}

TEST(a_log_that_cannot_be_believed_is_refused_by_name)
{
	static const struct {
		unsigned int sector, at, bytes;
		uint64_t value;
		const char *says;
	} bad[] = {
		{ 0, 48, 8, MADE_LEN + 1, "log entry 7 was written when the file was longer" },
		{ 0, 56, 8, UINT64_MAX, "log entry 7 wants a file of more than 2^63 bytes" },
		{ 0, 64, 4, 0, "log entry 7 has a descriptor of unknown kind" },
		{ 0, 64 + 24, 8, 6, "log entry 7 has a descriptor of another sequence number" },
		{ 0, 64 + 16, 8, 4095, "log entry 7 writes to what is no whole sector" },
		{ 0, 64 + 16, 8, MADE_LEN, "log entry 7 writes past the end of the file" },
		{ 0, 64 + 16, 8, UINT64_MAX - 4095, "log entry 7 writes past the end of the file" },
		{ 0, 96 + 8, 8, 100, "log entry 7 writes to what is no whole sector" },
		{ 0, 96, 4, 0x63736564, "log entry 7 has more data descriptors than data sectors" },
		{ 1, 0, 4, 0, "log entry 7 has a data sector of another sequence number" },
		{ 1, 4, 4, 1, "log entry 7 has a data sector of another sequence number" },
		{ 1, 4092, 4, 6, "log entry 7 has a data sector of another sequence number" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
		uint8_t sector[4096] = { 0 };
		struct made_entry e;
		uint8_t *at;

		made_log(d);
		e = entry_start(d, 0, 0, 7);
		entry_data(&e, MADE_BLOCKS, sector);
		entry_zero(&e, MADE_BLOCKS + 4096, 4096);
		at = log_sector(d, bad[i].sector) + bad[i].at;
		if (bad[i].bytes == 8)
			store_le64(at, bad[i].value);
		else
			store_le32(at, (uint32_t)bad[i].value);
		entry_seal(&e);
		expect_bad(d, MADE_LEN, bad[i].says);
	}
}

TEST(a_log_larger_than_what_is_kept_in_memory_is_refused)
{
	size_t len = MADE_LEN + 70 * MIB;
	cleanup_free uint8_t *small = make_vhdx(6 * MIB, 512, 1);
	cleanup_free uint8_t *d = realloc(take_ptr(small), len);

	assert_non_null(d);
	store_le32(d + MADE_HEADER_1 + 68, 65 * MIB);
	made_log(d);
	expect_bad(d, len, "its log of 68157440 bytes is larger than the 67108864");
}

/* Every sector claims to be an entry that spans the ring: work must not grow with its square. */
TEST(a_log_made_of_nothing_but_entries_is_refused)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);

	made_log(d);
	for (unsigned int i = 0; i < MADE_LOG_SECTORS; i++) {
		struct made_entry e = entry_start(d, i, i, 1);

		entry_seal(&e);
		store_le32(log_sector(d, i) + 8, MADE_LOG_SECTORS * 4096);
	}
	expect_bad(d, MADE_LEN, "its log is tangled");
}

TEST(patches_that_overlap_show_the_newest)
{
	for (unsigned int seed = 1; seed <= 200; seed++) {
		struct vhdx_overlay overlay = { 0 };
		uint8_t want[64], got[64], bytes[16][64];
		unsigned int n;

		srand(seed);
		n = (unsigned int)rand() % 16;
		struct vhdx_patch *patches = calloc(n + 1, sizeof(*patches));

		assert_non_null(patches);
		memset(want, 0xEE, sizeof(want));
		for (unsigned int i = 0; i < n; i++) {
			uint64_t off = (uint64_t)rand() % 60, len = 1 + (uint64_t)rand() % 12;

			len = min_u64(len, 64 - off);
			for (unsigned int k = 0; k < 64; k++)
				bytes[i][k] = (uint8_t)rand();
			patches[i] = (struct vhdx_patch){ off, len, i % 3 ? bytes[i] : NULL };
			for (unsigned int k = 0; k < len; k++)
				want[off + k] = i % 3 ? bytes[i][k] : 0;
		}
		assert_int_equal(vhdx_overlay_build(patches, n, &overlay), 0);
		for (uint64_t off = 0; off < 64; off += 1 + (uint64_t)rand() % 9) {
			size_t len = min_u64(1 + (uint64_t)rand() % 20, 64 - off);

			memset(got, 0xEE, sizeof(got));
			vhdx_overlay_apply(&overlay, got, len, off);
			assert_memory_equal(got, want + off, len);
		}
		for (size_t i = 1; i < overlay.n; i++)
			assert_true(overlay.patches[i - 1].off + overlay.patches[i - 1].len <=
			            overlay.patches[i].off);
		vhdx_overlay_free(&overlay);
	}
}

static void expect_problem(const uint8_t *d, const char *words)
{
	cleanup(image_close) struct image *image = memory_image_or_fail(d, MADE_LEN);
	struct report report = { 0 };

	assert_int_equal(image_check(image, report_add, &report, NULL), 1);
	if (!strstr(report.text, words))
		fail_msg("\"%s\" does not say: %s", report.text, words);
}

TEST(the_check_finds_each_kind_of_damage)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	struct image *image;

	set_bat(d, 0, ENTRY_AT(0));
	set_bat(d, 1, ENTRY_AT(1));
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(image_check(image, NULL, NULL, NULL), 0);
	image_close(image);
	set_bat(d, 5, ENTRY_AT(1));
	expect_problem(d, "block 5 at 0x600000 overlaps something else");
	set_bat(d, 5, MADE_LOG | 6);
	expect_problem(d, "block 5 at 0x100000 overlaps something else");
	set_bat(d, 5, MADE_BAT | 6);
	expect_problem(d, "block 5 at 0x200000 overlaps something else");
	set_bat(d, 5, MADE_LEN | 6);
	expect_problem(d, "of block 5 points past the end of the file");
	set_bat(d, 5, 4);
	expect_problem(d, "of block 5 has a state that does not exist");
	set_bat(d, 5, 0);
	made_region(d, 0, "2DC27766-F623-4200-9D64-115E9BFD4A08", MADE_LOG);
	seal_regions(d);
	expect_problem(d, "BAT region 0 at 0x100000 overlaps something else");
}

TEST(the_check_looks_at_sector_bitmaps_too)
{
	cleanup_free uint8_t *child = make_partial_child(), *parent = make_parent(1);
	static const struct {
		uint64_t entry;
		int problems;
		const char *says;
	} cases[] = {
		{ MADE_BITMAP | 6, 0, "" },
		{ 0, 1, "chunk 0 has partly present blocks but no sector bitmap" },
		{ ENTRY_AT(2), 1, "sector bitmap 0 at 0x700000 overlaps something else" },
		{ MADE_LEN | 6, 1, "of sector bitmap 0 points past the end of the file" },
	};

	/* The parent of the tests of reading has one block three times. */
	set_bat(parent, 2, 0);
	set_bat(parent, 3, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(image_close) struct image *image = NULL;
		struct report report = { 0 };
		struct files files = { 0 };

		set_bat(child, 4096, cases[i].entry);
		files_add(&files, "disk", child, MADE_LEN);
		files_add(&files, "parent", parent, MADE_LEN);
		image = files_image_or_fail(&files, "disk", "parent");
		assert_int_equal(image_check(image, report_add, &report, NULL), cases[i].problems);
		assert_non_null(strstr(report.text, cases[i].says));
	}
}

TEST(info_says_what_the_metadata_says)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 4096, 1);
	cleanup(image_close) struct image *image = NULL;
	json_t *info;

	d[8] = 'M';
	d[10] = 'e';
	set_bat(d, 3, ENTRY_AT(3));
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(image_info(image, &info, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(info, "format")), "vhdx");
	assert_string_equal(json_string_value(json_object_get(info, "subformat")), "dynamic");
	assert_string_equal(json_string_value(json_object_get(info, "creator")), "Me");
	assert_int_equal(json_integer_value(json_object_get(info, "block_size")), MIB);
	assert_int_equal(json_integer_value(json_object_get(info, "logical_sector_size")), 4096);
	assert_int_equal(json_integer_value(json_object_get(info, "allocated")), MIB);
	assert_string_equal(json_string_value(json_object_get(info, "data_write_guid")),
	                    "01010101-0101-0101-0101-010101010101");
	json_decref(info);
}

static void *read_everything(void *arg)
{
	struct image *image = arg;
	uint8_t *buf = malloc(MIB);
	void *failed = NULL;

	if (!buf)
		return arg;
	for (unsigned int round = 0; round < 10 && !failed; round++) {
		for (uint64_t block = 0; block < 4; block++)
			if (image_read(image, buf, MIB - 512, block * MIB + 512, NULL, NULL) < 0 ||
			    buf[700] != block + 1)
				failed = arg;
	}
	free(buf);
	return failed;
}

TEST(many_threads_read_one_image)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	pthread_t threads[4];
	void *failed;

	for (unsigned int i = 0; i < 4; i++)
		set_bat(d, i, ENTRY_AT(i));
	image = memory_image_or_fail(d, MADE_LEN);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_everything, image), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_block_state_reads_as_the_format_says),
		CASE(blocks_that_lie_together_cost_one_request),
		CASE(entries_of_sector_bitmaps_stand_between_those_of_blocks),
		CASE(sectors_of_4096_bytes_make_chunks_eight_times_as_large),
		CASE(the_newer_of_two_sound_headers_counts),
		CASE(two_different_headers_of_one_sequence_number_are_refused),
		CASE(one_sound_copy_of_the_region_table_is_enough),
		CASE(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it),
		CASE(sectors_that_alternate_cost_one_request_for_each_file),
		CASE(a_parent_is_found_by_what_the_locator_says),
		CASE(a_parent_with_another_guid_is_passed_over),
		CASE(a_disk_that_is_its_own_ancestor_is_refused),
		CASE(a_locator_that_is_broken_is_refused_by_name),
		CASE(every_field_out_of_range_is_refused_by_name),
		CASE(items_and_regions_that_are_there_twice_are_refused),
		CASE(what_is_unknown_but_not_required_is_ignored),
		CASE(a_partly_present_block_without_its_bitmap_is_refused),
		CASE(a_truncated_file_never_reads_as_something_else),
		CASE(a_log_is_replayed_into_tables_and_data),
		CASE(a_log_that_wraps_around_is_replayed_in_order),
		CASE(a_torn_entry_ends_the_log_before_it),
		CASE(what_lies_before_the_tail_is_not_replayed),
		CASE(the_sequence_with_the_newest_head_counts),
		CASE(a_log_may_grow_the_file_with_zeros),
		CASE(a_log_that_cannot_be_believed_is_refused_by_name),
		CASE(a_log_larger_than_what_is_kept_in_memory_is_refused),
		CASE(a_log_made_of_nothing_but_entries_is_refused),
		CASE(patches_that_overlap_show_the_newest),
		CASE(the_check_finds_each_kind_of_damage),
		CASE(the_check_looks_at_sector_bitmaps_too),
		CASE(info_says_what_the_metadata_says),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("vhdx", tests, NULL, NULL);
}
