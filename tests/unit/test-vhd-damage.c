// SPDX-License-Identifier: GPL-2.0-or-later
/* VHDs that are broken: refused by name, and told apart by the check. */
#include "tests/unit/unit.h"

#include "tests/unit/vhd-chain.h"

TEST(the_copy_at_the_start_stands_in_for_a_footer_that_a_crash_has_eaten)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;

	memset(made.data + made.len - VHD_FOOTER, 0x77, VHD_FOOTER);
	vhd_add(files, "a.vhd", made);
	image = files_image_or_fail(files, "a.vhd", NULL);
	expect_all(image, owned_in_blocks_1_2_4);
	assert_non_null(strstr(files->warned.text, "the copy at its start is used"));
	assert_int_equal(image_check(image, NULL, NULL, NULL), 1);
	image_close(image);
}

enum where { FOOTER, HEADER };

static const struct {
	enum where where;
	unsigned int field;
	unsigned int bytes;
	uint64_t value;
	const char *said;
} mutations[] = {
	{ FOOTER, 8, 4, 0x13, "features" },
	{ FOOTER, 12, 4, 0x00020000, "file format version" },
	{ FOOTER, 16, 8, 0, "data offset" },
	{ FOOTER, 16, 8, 513, "data offset" },
	{ FOOTER, 16, 8, UINT64_MAX, "data offset" },
	{ FOOTER, 16, 8, UINT64_MAX - 511, "data offset" },
	{ FOOTER, 16, 8, 100 * MIB, "data offset" },
	{ FOOTER, 16, 8, 1024, "header at 1024 does not start with" },
	{ FOOTER, 48, 8, 0, "current size" },
	{ FOOTER, 48, 8, 4097, "current size" },
	{ FOOTER, 48, 8, VHD_MAX_SIZE + 512, "current size" },
	{ FOOTER, 48, 8, UINT64_MAX - 511, "current size" },
	{ FOOTER, 48, 8, 6 * BLOCK, "max table entries" },
	{ FOOTER, 60, 4, 0, "disk type" },
	{ FOOTER, 60, 4, 1, "disk type" },
	{ FOOTER, 60, 4, 5, "disk type" },
	{ FOOTER, 60, 4, 0xffffffff, "disk type" },
	{ HEADER, 16, 8, 0, "table offset" },
	{ HEADER, 16, 8, 512, "table offset" },
	{ HEADER, 16, 8, 1537, "table offset" },
	{ HEADER, 16, 8, UINT64_MAX - 511, "table offset" },
	{ HEADER, 16, 8, 100 * MIB, "table offset" },
	{ HEADER, 24, 4, 0, "version" },
	{ HEADER, 28, 4, 0, "max table entries" },
	{ HEADER, 28, 4, 4, "max table entries" },
	{ HEADER, 32, 4, 0, "block size" },
	{ HEADER, 32, 4, 256, "block size" },
	{ HEADER, 32, 4, 3 * 65536, "block size" },
	{ HEADER, 32, 4, 0x80000000, "block size" },
	{ HEADER, 576 + 4, 4, 0, "data length" },
	{ HEADER, 576 + 8, 4, 513, "data length" },
	{ HEADER, 576 + 8, 4, 0xffffffff, "data length" },
	{ HEADER, 576 + 16, 8, UINT64_MAX, "data offset" },
	{ HEADER, 576 + 24 + 16, 8, 100 * MIB, "data offset" },
};

TEST(every_field_out_of_range_is_refused_by_name)
{
	struct recipe recipe = child;

	recipe.absolute = "/far/base.vhd";
	for (size_t i = 0; i < ARRAY_LEN(mutations); i++) {
		cleanup(files_free) struct files *files = &(struct files){ 0 };
		struct made made = make_vhd(&recipe);
		struct image *image = NULL;
		struct error err;

		if (mutations[i].where == HEADER) {
			put_be(made.data + 512 + mutations[i].field, mutations[i].bytes,
			       mutations[i].value);
			fix_checksum(made.data + 512, VHD_HEADER, 36);
		}
		for (size_t at = 0; at < made.len && mutations[i].where == FOOTER;
		     at += made.len - VHD_FOOTER) {
			put_be(made.data + at + mutations[i].field, mutations[i].bytes,
			       mutations[i].value);
			fix_checksum(made.data + at, VHD_FOOTER, 64);
		}
		vhd_add(files, "base.vhd", make_vhd(&dynamic));
		vhd_add(files, "bad.vhd", made);
		if (files_image(files, "bad.vhd", NULL, &image, &err) >= 0)
			fail_msg("row %zu (%s) was taken", i, mutations[i].said);
		if (strncmp(err.text, "bad.vhd: the", 12) != 0 &&
		    strncmp(err.text, "bad.vhd: par", 12) != 0)
			fail_msg("row %zu: %s", i, err.text);
		if (!strstr(err.text, mutations[i].said))
			fail_msg("row %zu: no \"%s\" in: %s", i, mutations[i].said, err.text);
	}
}

TEST(a_fixed_disk_that_lost_its_middle_is_refused)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;
	struct error err;

	memmove(made.data + 100 * KIB, made.data + 200 * KIB, made.len - 200 * KIB);
	made.len -= 100 * KIB;
	vhd_add(files, "a.vhd", made);
	assert_int_equal(files_image(files, "a.vhd", NULL, &image, &err), -EINVAL);
	assert_non_null(strstr(err.text, "current size"));
}

TEST(wrong_checksums_and_cookies_are_refused)
{
	static const struct {
		size_t at;
		const char *said;
	} damage[] = {
		{ 512 + 400, "header at 512 has a wrong checksum" },
		{ 512 + 3, "header at 512 does not start with \"cxsparse\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		cleanup(files_free) struct files *files = &(struct files){ 0 };
		struct made made = make_vhd(&dynamic);
		struct image *image = NULL;
		struct error err;

		made.data[damage[i].at] ^= 1;
		vhd_add(files, "a.vhd", made);
		assert_int_equal(files_image(files, "a.vhd", NULL, &image, &err), -EINVAL);
		if (!strstr(err.text, damage[i].said))
			fail_msg("%s", err.text);
	}
}

TEST(a_footer_with_a_wrong_checksum_and_no_copy_is_refused_not_taken_as_raw)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;
	struct error err;

	made.data[made.len - 1] ^= 1;
	vhd_add(files, "a.vhd", made);
	assert_int_equal(files_image(files, "a.vhd", NULL, &image, &err), -EINVAL);
	assert_non_null(strstr(err.text, "footer at the end of the file has a wrong checksum"));
}

/* Set one table entry, say what reading and checking think of it. */
static void expect_bad_entry(uint32_t block, uint32_t entry, const char *read_said,
                             const char *check_said)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;
	struct error err;
	uint8_t buf[VHD_SECTOR];
	int r;

	store_be32(made.data + MADE_TABLE + (size_t)block * 4, entry);
	vhd_add(files, "a.vhd", made);
	image = files_image_or_fail(files, "a.vhd", NULL);
	r = image_read(image, buf, sizeof(buf), block * BLOCK, NULL, &err);
	if (read_said) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.text, read_said))
			fail_msg("%s", err.text);
	} else {
		assert_int_equal(r, 0);
	}
	assert_true(image_check(image, report_add, &files->warned, NULL) > 0);
	if (!strstr(files->warned.text, check_said))
		fail_msg("%s", files->warned.text);
	image_close(image);
}

TEST(a_table_entry_that_points_astray_is_refused_by_number)
{
	const char *past = "a.vhd: block table entry 3 points past the end of the file";

	expect_bad_entry(3, 0xfffffffe, past, past);
	expect_bad_entry(3, 700, past, past);
	expect_bad_entry(3, 0, "entry 3 points into the copy of the footer", "copy of the footer");
	expect_bad_entry(3, 1, "entry 3 points into the header", "the header");
	expect_bad_entry(3, 3, "entry 3 points into the block table", "the block table");
}

TEST(the_check_finds_blocks_that_overlap)
{
	uint32_t first = (MADE_LOCATOR + 2 * VHD_SECTOR) / VHD_SECTOR;

	expect_bad_entry(3, first, NULL, "entries 1 and 3 overlap");
	expect_bad_entry(0, first + 100, NULL, "overlap");
}

TEST(the_check_finds_a_copy_that_differs)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;

	store_be32(made.data + 24, 77);
	fix_checksum(made.data, VHD_FOOTER, 64);
	vhd_add(files, "a.vhd", made);
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image_check(image, report_add, &files->warned, NULL), 1);
	assert_non_null(strstr(files->warned.text, "differs from the footer"));
	image_close(image);
}

/* Whatever is cut off: an error, or content that is right. */
TEST(a_truncated_file_never_reads_as_something_else)
{
	struct made whole = make_vhd(&dynamic);
	cleanup_free uint8_t *buf = malloc(dynamic.size);

	for (size_t len = 1; len < whole.len; len += len < 4096 ? 97 : 4093) {
		struct image_options options = { .format = IMAGE_VHD };
		struct source *file;
		struct image *image = NULL;
		struct error err = { 0 };
		int r;

		assert_int_equal(source_open_memory(whole.data, len, "cut.vhd", &file), 0);
		r = image_open(file, &options, &image, &err);
		if (r < 0) {
			assert_true(strncmp(err.text, "cut.vhd", 7) == 0);
			source_close(file);
			continue;
		}
		r = image_read(image, buf, dynamic.size, 0, NULL, &err);
		/* 20 KiB of the last block lie past the end of the disk. */
		if (len >= whole.len - VHD_FOOTER - 20 * KIB) {
			assert_int_equal(r, 0);
			expect_all(image, owned_in_blocks_1_2_4);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(err.text, "past the end of the file"));
		}
		image_close(image);
	}
	free(whole.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_copy_at_the_start_stands_in_for_a_footer_that_a_crash_has_eaten),
		CASE(every_field_out_of_range_is_refused_by_name),
		CASE(a_fixed_disk_that_lost_its_middle_is_refused),
		CASE(wrong_checksums_and_cookies_are_refused),
		CASE(a_footer_with_a_wrong_checksum_and_no_copy_is_refused_not_taken_as_raw),
		CASE(a_table_entry_that_points_astray_is_refused_by_number),
		CASE(the_check_finds_blocks_that_overlap),
		CASE(the_check_finds_a_copy_that_differs),
		CASE(a_truncated_file_never_reads_as_something_else),
	};

	return cmocka_run_group_tests_name("vhd-damage", tests, NULL, NULL);
}
