// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHDX files made field by field, sound and broken.  What qemu writes is read in the integration
 * tests.
 */
#include "tests/unit/unit.h"

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

		put_le(d + bad_fields[i].at, bad_fields[i].bytes, bad_fields[i].value);
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

	for (unsigned int i = 0; i < 4; i++)
		set_bat(d, i, ENTRY_AT(i));
	image = memory_image_or_fail(d, MADE_LEN);
	expect_from_threads(image, read_everything);
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
		CASE(every_field_out_of_range_is_refused_by_name),
		CASE(items_and_regions_that_are_there_twice_are_refused),
		CASE(what_is_unknown_but_not_required_is_ignored),
		CASE(a_truncated_file_never_reads_as_something_else),
		CASE(the_check_finds_each_kind_of_damage),
		CASE(info_says_what_the_metadata_says),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("vhdx", tests, NULL, NULL);
}
