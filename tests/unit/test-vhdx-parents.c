// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Differencing VHDX files, which qemu does not write: their sectors, and where the parent is.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/image-files.h"
#include "tests/unit/vhdx-make.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it),
		CASE(sectors_that_alternate_cost_one_request_for_each_file),
		CASE(a_parent_is_found_by_what_the_locator_says),
		CASE(a_parent_with_another_guid_is_passed_over),
		CASE(a_disk_that_is_its_own_ancestor_is_refused),
		CASE(a_locator_that_is_broken_is_refused_by_name),
		CASE(a_partly_present_block_without_its_bitmap_is_refused),
		CASE(the_check_looks_at_sector_bitmaps_too),
	};

	return cmocka_run_group_tests_name("vhdx-parents", tests, NULL, NULL);
}
