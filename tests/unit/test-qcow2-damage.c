// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What qemu-img never writes: qcow2 files with every field broken, refused by name or found by the
 * check.
 */
#include "tests/unit/unit.h"

#include "tests/unit/image-files.h"
#include "tests/unit/qcow2-make.h"

static const struct {
	unsigned int at, bytes;
	uint64_t value;
	const char *says;
} bad_headers[] = {
	{ 4, 4, 1, "qcow version 1" },
	{ 4, 4, 4, "qcow version 4" },
	{ 20, 4, 8, "cluster_bits is 8" },
	{ 20, 4, 22, "cluster_bits is 22" },
	{ 20, 4, UINT32_MAX, "cluster_bits is 4294967295" },
	{ 24, 8, 511, "size is 511 bytes" },
	{ 24, 8, UINT64_MAX - 511, "which is not a whole number of sectors" },
	{ 24, 8, UINT64_C(1) << 40, "l1_size is 1, but a disk of 1099511627776 bytes needs 32768" },
	{ 32, 4, 1, "encrypted (AES)" },
	{ 32, 4, 2, "encrypted (LUKS)" },
	{ 32, 4, 3, "encrypted (unknown method)" },
	{ 36, 4, 0, "l1_size is 0" },
	{ 36, 4, UINT32_MAX, "its L1 table of 34359738360 bytes is larger than" },
	{ 36, 4, 4000000, "its L1 table at 0xc000 points past the end of the file" },
	{ 40, 8, 0, "its L1 table lies over the header" },
	{ 40, 8, L1 + 512, "its L1 table starts at 0xc200" },
	{ 40, 8, FILE_LEN, "its L1 table at 0x80000 points past the end" },
	{ 40, 8, UINT64_MAX - CLUSTER + 1,
	  "its L1 table at 0xffffffffffffc000 points past the end" },
	{ 48, 8, 1, "its refcount table starts at 0x1" },
	{ 48, 8, FILE_LEN, "its refcount table at 0x80000 points past the end" },
	{ 56, 4, 0, "refcount_table_clusters is 0" },
	{ 56, 4, UINT32_MAX, "its refcount table of 70368744161280 bytes is larger" },
	{ 60, 4, UINT32_MAX, "nb_snapshots is 4294967295" },
	{ 60, 4, 1, "its snapshot table lies over the header" },
	{ 60, 4, 65536, "its snapshot table at 0 points past the end" },
	{ 72, 8, 2, "is marked corrupt" },
	{ 72, 8, 4, "external data file" },
	{ 72, 8, 8, "compression_type 0 contradicts incompatible feature 3" },
	{ 72, 8, 32, "incompatible feature 5, which" },
	{ 72, 8, UINT64_C(1) << 63, "incompatible feature 63" },
	{ 96, 4, 7, "refcount_order is 7" },
	{ 100, 4, 0, "header_length is 0" },
	{ 100, 4, 107, "header_length is 107" },
	{ 100, 4, 2 * CLUSTER, "header_length is 32768" },
	{ 104, 1, 1, "compression_type 1 contradicts" },
	{ 104, 1, 9, "compression_type is 9" },
	{ 8, 8, 50, "lies over the header" },
	{ 16, 4, 0, NULL }, /* no backing file at all: sound */
	{ 112, 8, UINT64_C(0x1234567800010000), "header extension 0x12345678 of 65536 bytes" },
	{ 112, 8, UINT64_C(0xE2792ACA00000040), "the name of its backing format is 64 bytes long" },
};

TEST(every_header_field_out_of_range_is_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_headers); i++) {
		cleanup_free uint8_t *d = make_empty();

		put_be(d + bad_headers[i].at, bad_headers[i].bytes, bad_headers[i].value);
		if (bad_headers[i].says)
			expect_bad(d, FILE_LEN, bad_headers[i].says);
		else
			image_close(memory_image_or_fail(d, FILE_LEN));
	}
}

TEST(a_name_of_a_backing_file_that_does_not_fit_is_refused)
{
	cleanup_free uint8_t *d = make_empty();

	store_be64(d + 8, CLUSTER - 10);
	store_be32(d + 16, 11);
	expect_bad(d, FILE_LEN, "does not fit into the first cluster");
	store_be64(d + 8, 1024);
	store_be32(d + 16, 1024);
	expect_bad(d, FILE_LEN, "does not fit into the first cluster");
	store_be32(d + 16, 4);
	expect_bad(d, FILE_LEN, "has a zero byte in it");
	memcpy(d + 1024, "json:{}", 7);
	store_be32(d + 16, 7);
	expect_bad(d, FILE_LEN, "by a description (json:{})");
}

TEST(an_unknown_feature_is_named_as_the_file_names_it)
{
	cleanup_free uint8_t *d = make_empty();

	store_be64(d + 72, UINT64_C(1) << 9);
	store_be32(d + 112, 0x6803F857);
	store_be32(d + 116, 96);
	d[120] = 1; /* a compatible one of the same number */
	d[121] = 9;
	memcpy(d + 122, "wrong", 6);
	d[168] = 0;
	d[169] = 9;
	memcpy(d + 170, "time\ntravel", 12);
	expect_bad(d, FILE_LEN, "incompatible feature 9 (\"time?travel\")");
}

TEST(an_entry_that_points_astray_is_refused_when_it_is_met)
{
	static const struct {
		uint32_t at;
		uint64_t value;
		const char *says;
	} bad[] = {
		{ L1, L2 + 512, "L1 entry 0 points to 0x10200, not the start of a cluster" },
		{ L1, L2 | 1, "L1 entry 0 is 0x10001, with reserved bits set" },
		{ L1, UINT64_C(0x70) << 56 | L2, "with reserved bits set" },
		{ L1, FILE_LEN, "L1 entry 0 points past the end of the file" },
		{ L2, DATA + 512, "for offset 0 of the disk does not point to the start" },
		{ L2, DATA | 4, "has reserved bits set" },
		{ L2 + 16, UINT64_C(1) << 60 | DATA,
		  "for offset 32768 of the disk has reserved bits" },
		{ L2 + 16, FILE_LEN,
		  "for offset 32768 of the disk points past the end of the file" },
		{ L2, UINT64_C(0x00FFFFFFFFFFC000), "points past the end of the file" },
		{ L2, UINT64_C(1) << 62 | 5, "points into the header" },
		{ L2, UINT64_C(1) << 62 | FILE_LEN, "points past the end of the file" },
		{ L2, UINT64_C(1) << 62 | (FILE_LEN - 512) | UINT64_C(9) << 56,
		  "runs past the end of the file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_free uint8_t *d = make_empty();

		store_be64(d + bad[i].at, bad[i].value);
		expect_bad(d, FILE_LEN, bad[i].says);
	}
}

TEST(version_2_has_no_zero_clusters)
{
	cleanup_free uint8_t *d = make_empty();

	store_be32(d + 4, 2);
	store_be64(d + 72, 0);
	memset(d + 72, 0, 40);
	set_entry(d, 1, DATA_ENTRY(1) | 1);
	expect_bad(d, FILE_LEN, "which version 2 does not have");
}

TEST(a_truncated_file_never_reads_as_something_else)
{
	cleanup_free uint8_t *d = make_empty();
	uint8_t want[DISK_LEN], got[DISK_LEN];
	struct image *image;

	for (unsigned int i = 0; i < 20; i++)
		set_entry(d, i, DATA_ENTRY(i));
	image = memory_image_or_fail(d, FILE_LEN);
	assert_int_equal(image_read(image, want, DISK_LEN, 0, NULL, NULL), 0);
	image_close(image);
	/* A file that ends before its mark is raw to who detects by content. */
	for (size_t len = 8; len < DATA + 20 * CLUSTER; len += len < 200 ? 1 : 977) {
		if (memory_image(d, len, &image, NULL) < 0)
			continue;
		assert_int_not_equal(image_read(image, got, DISK_LEN, 0, NULL, NULL), 0);
		image_close(image);
	}
}

static int count_problems(const uint8_t *d, struct report *report)
{
	struct image *image = memory_image_or_fail(d, FILE_LEN);
	int r;

	report->text[0] = '\0';
	r = image_check(image, report_add, report, NULL);
	image_close(image);
	return r;
}

static void expect_problem(const uint8_t *d, const char *words)
{
	struct report report;

	assert_int_equal(count_problems(d, &report), 1);
	if (!strstr(report.text, words))
		fail_msg("\"%s\" does not say: %s", report.text, words);
}

TEST(the_check_finds_each_kind_of_damage)
{
	cleanup_free uint8_t *d = make_empty();
	struct report report;

	set_entry(d, 0, DATA_ENTRY(0));
	set_entry(d, 1, DATA_ENTRY(1));
	assert_int_equal(count_problems(d, &report), 0);
	set_entry(d, 2, DATA_ENTRY(1));
	expect_problem(d, "data at 0x18000 overlaps something else");
	set_entry(d, 2, UINT64_C(1) << 62 | (DATA + CLUSTER + 100));
	expect_problem(d, "compressed data at 0x18064 overlaps something else");
	set_entry(d, 2, L2);
	expect_problem(d, "data at 0x10000 overlaps");
	set_entry(d, 2, FILE_LEN | 1);
	expect_problem(d, "data at 0x80000 lies past the end of the file");
	set_entry(d, 2, DATA + 512);
	expect_problem(d, "does not point to the start of a cluster");
	set_entry(d, 2, DATA_ENTRY(2));
	store_be16(d + RBLOCK + 2 * 7, 0);
	expect_problem(d, "data at 0x1c000 is counted as free (refcount 0)");
	store_be64(d + 72, 1); /* dirty: refcounts are not to be believed */
	assert_int_equal(count_problems(d, &report), 0);
	store_be64(d + RTABLE + 8, FILE_LEN);
	expect_problem(d, "entry 1 of the refcount table points to 0x80000");
	store_be64(d + RTABLE + 8, L1);
	expect_problem(d, "the L1 table at 0xc000 overlaps");
}

TEST(the_check_goes_on_after_a_problem)
{
	cleanup_free uint8_t *d = make_empty();
	struct report report;

	set_entry(d, 0, DATA + 512);
	set_entry(d, 3, FILE_LEN);
	set_entry(d, 9, L1);
	assert_int_equal(count_problems(d, &report), 3);
}

/* Clusters that are compressed share clusters of the file, which is no damage. */
TEST(the_check_lets_compressed_clusters_share)
{
	cleanup_free uint8_t *d = make_empty();
	struct report report;

	pack(d, 20, false);
	if (count_problems(d, &report) != 0)
		fail_msg("%s", report.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_header_field_out_of_range_is_refused_by_name),
		CASE(a_name_of_a_backing_file_that_does_not_fit_is_refused),
		CASE(an_unknown_feature_is_named_as_the_file_names_it),
		CASE(an_entry_that_points_astray_is_refused_when_it_is_met),
		CASE(version_2_has_no_zero_clusters),
		CASE(a_truncated_file_never_reads_as_something_else),
		CASE(the_check_finds_each_kind_of_damage),
		CASE(the_check_goes_on_after_a_problem),
		CASE(the_check_lets_compressed_clusters_share),
	};

	return cmocka_run_group_tests_name("qcow2-damage", tests, NULL, NULL);
}
