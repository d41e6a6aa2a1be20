// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qcow2 files made field by field: what their clusters read as, and counts of requests.  What
 * qemu-img writes is read in the integration tests.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/image-files.h"
#include "tests/unit/qcow2-make.h"

TEST(each_kind_of_cluster_reads_as_the_format_says)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;

	set_entry(d, 0, DATA_ENTRY(3));
	set_entry(d, 1, DATA_ENTRY(4) | 1); /* zero, with a place for it */
	set_entry(d, 2, 1);
	set_entry(d, 39, DATA_ENTRY(9));
	image = memory_image_or_fail(d, FILE_LEN);
	assert_true(image->size == DISK_LEN);
	expect_bytes(image, 0, CLUSTER, 4);
	expect_bytes(image, CLUSTER, 38 * CLUSTER, 0);
	expect_bytes(image, 39 * CLUSTER, CLUSTER, 10);
	expect_run(image, 512, IMAGE_EXTENT_DATA, CLUSTER - 512);
	expect_run(image, CLUSTER, IMAGE_EXTENT_ZERO, 2 * CLUSTER);
	expect_run(image, 3 * CLUSTER, IMAGE_EXTENT_ZERO, 36 * CLUSTER);
}

TEST(clusters_that_lie_together_cost_one_request)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	uint8_t buf[8 * CLUSTER];
	uint64_t before;

	for (unsigned int i = 0; i < 8; i++)
		set_entry(d, i, DATA_ENTRY(i));
	image = memory_image_or_fail(d, FILE_LEN);
	expect_run(image, 0, IMAGE_EXTENT_DATA, sizeof(buf));
	before = image->file->requests;
	assert_int_equal(image_read(image, buf, sizeof(buf), 0, NULL, NULL), 0);
	assert_true(image->file->requests == before + 1);
}

TEST(arrival_is_counted_from_the_start_of_the_buffer)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	uint8_t buf[3 * CLUSTER];
	size_t last = 0;
	const struct source_read how = { .arrived = note_arrived, .arg = &last };

	set_entry(d, 0, DATA_ENTRY(5));
	set_entry(d, 1, DATA_ENTRY(2));
	set_entry(d, 2, DATA_ENTRY(7));
	image = memory_image_or_fail(d, FILE_LEN);
	assert_int_equal(image_read(image, buf, sizeof(buf), 0, &how, NULL), 0);
	assert_int_equal(last, sizeof(buf));
}

TEST(subclusters_are_data_zero_or_absent_one_by_one)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;

	store_be64(d + 72, 1 << 4);
	/* Subclusters of 512 bytes: 0 and 1 data, 2 zero, 31 data. */
	store_be64(d + L2, DATA_ENTRY(6));
	store_be64(d + L2 + 8, UINT64_C(0x80000003) | UINT64_C(4) << 32);
	store_be64(d + L2 + 24, UINT64_C(0xFFFFFFFF) << 32);
	image = memory_image_or_fail(d, FILE_LEN);
	expect_bytes(image, 0, 1024, 7);
	expect_bytes(image, 1024, 29 * 512, 0);
	expect_bytes(image, 31 * 512, 512, 7);
	expect_bytes(image, CLUSTER, CLUSTER, 0);
	expect_run(image, 0, IMAGE_EXTENT_DATA, 1024);
	expect_run(image, 1024, IMAGE_EXTENT_ZERO, 512);
	expect_run(image, 31 * 512, IMAGE_EXTENT_DATA, 512);
	image_close(take_ptr(image));

	store_be64(d + L2 + 8, UINT64_C(1) << 32 | 1);
	expect_bad(d, FILE_LEN, "both data and zero");
	store_be64(d + L2, 0);
	store_be64(d + L2 + 8, 1);
	expect_bad(d, FILE_LEN, "has subclusters but no place for them");
	store_be64(d + L2, DATA_ENTRY(6) | 1);
	expect_bad(d, FILE_LEN, "reserved bits");
}

/* Name the backing file, with its format. */
static void set_backing(uint8_t *d, const char *name, const char *format)
{
	store_be64(d + 8, 512);
	store_be32(d + 16, (uint32_t)strlen(name));
	memcpy(d + 512, name, strlen(name));
	if (format) {
		store_be32(d + 112, 0xE2792ACA);
		store_be32(d + 116, (uint32_t)strlen(format));
		memcpy(d + 120, format, strlen(format));
	}
}

TEST(a_backing_file_shows_through_and_ends_where_it_ends)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	static uint8_t base[10 * CLUSTER];
	struct files files = { 0 };

	memset(base, 0x77, sizeof(base));
	set_entry(d, 1, DATA_ENTRY(1));
	set_entry(d, 2, 1);
	set_backing(d, "base.raw", "raw");
	files_add(&files, "/vm/disk", d, FILE_LEN);
	files_add(&files, "/vm/base.raw", base, sizeof(base));
	image = files_image_or_fail(&files, "/vm/disk", NULL);
	expect_bytes(image, 0, CLUSTER, 0x77);
	expect_bytes(image, CLUSTER, CLUSTER, 2);
	expect_bytes(image, 2 * CLUSTER, CLUSTER, 0);
	expect_bytes(image, 3 * CLUSTER, 7 * CLUSTER, 0x77);
	expect_bytes(image, 10 * CLUSTER, 30 * CLUSTER, 0);
	expect_run(image, 3 * CLUSTER, IMAGE_EXTENT_DATA, 7 * CLUSTER);
	expect_run(image, 10 * CLUSTER, IMAGE_EXTENT_ZERO, 30 * CLUSTER);
}

TEST(the_named_format_of_a_backing_file_counts_more_than_its_content)
{
	cleanup_free uint8_t *d = make_empty(), *base = make_empty();
	cleanup(image_close) struct image *image = NULL;
	struct files files = { 0 };

	set_backing(d, "base", "raw");
	files_add(&files, "/vm/disk", d, FILE_LEN);
	files_add(&files, "/vm/base", base, FILE_LEN);
	image = files_image_or_fail(&files, "/vm/disk", NULL);
	assert_int_equal(image->parent->format, IMAGE_RAW);
}

TEST(a_chain_that_loops_is_refused)
{
	cleanup_free uint8_t *a = make_empty(), *b = make_empty();
	struct files files = { 0 };
	struct error err = { 0 };
	struct image *image;

	set_backing(a, "b", "qcow2");
	set_backing(b, "a", "qcow2");
	files_add(&files, "/a", a, FILE_LEN);
	files_add(&files, "/b", b, FILE_LEN);
	assert_int_equal(files_image(&files, "/a", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "loops"));
}

TEST(a_chain_of_more_than_64_files_is_refused)
{
	static char names[70][8];
	uint8_t *made[70];
	struct files files = { 0 };
	struct error err = { 0 };
	struct image *image;

	for (unsigned int i = 0; i < 70; i++) {
		char next[8];

		snprintf(names[i], sizeof(names[i]), "/%u", i);
		snprintf(next, sizeof(next), "%u", i + 1);
		made[i] = make_empty();
		if (i < 69)
			set_backing(made[i], next, "qcow2");
		files_add(&files, names[i], made[i], FILE_LEN);
	}
	assert_int_equal(files_image(&files, "/0", NULL, &image, &err), -ELOOP);
	image = files_image_or_fail(&files, "/6", NULL);
	expect_bytes(image, 0, CLUSTER, 0);
	image_close(image);
	for (unsigned int i = 0; i < 70; i++)
		free(made[i]);
}

TEST(info_says_what_the_header_says)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	json_t *info;

	store_be64(d + 72, 1);
	set_entry(d, 0, DATA_ENTRY(0));
	pack(d, 2, false);
	set_entry(d, 5, DATA_ENTRY(5));
	image = memory_image_or_fail(d, FILE_LEN);
	assert_int_equal(image_info(image, &info, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(info, "format")), "qcow2");
	assert_int_equal(json_integer_value(json_object_get(info, "block_size")), CLUSTER);
	assert_int_equal(json_integer_value(json_object_get(info, "allocated")), 3 * CLUSTER);
	assert_int_equal(json_integer_value(json_object_get(info, "refcount_bits")), 16);
	assert_true(json_is_true(json_object_get(info, "dirty")));
	assert_string_equal(json_string_value(json_object_get(info, "compression")), "zlib");
	json_decref(info);
}

static void *read_everything(void *arg)
{
	struct image *image = arg;

	for (unsigned int round = 0; round < 20; round++) {
		uint8_t buf[3 * 512];

		for (uint64_t off = 0; off + sizeof(buf) <= 20 * CLUSTER; off += 5 * 512) {
			if (image_read(image, buf, sizeof(buf), off, NULL, NULL) < 0)
				return arg;
			if (off % CLUSTER >= 1024 && off % CLUSTER + sizeof(buf) <= CLUSTER &&
			    buf[700] != off / CLUSTER + 1)
				return arg;
		}
	}
	return NULL;
}

TEST(many_threads_read_one_image)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;

	pack(d, 20, true);
	image = memory_image_or_fail(d, FILE_LEN);
	expect_from_threads(image, read_everything);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_kind_of_cluster_reads_as_the_format_says),
		CASE(clusters_that_lie_together_cost_one_request),
		CASE(arrival_is_counted_from_the_start_of_the_buffer),
		CASE(subclusters_are_data_zero_or_absent_one_by_one),
		CASE(a_backing_file_shows_through_and_ends_where_it_ends),
		CASE(the_named_format_of_a_backing_file_counts_more_than_its_content),
		CASE(a_chain_that_loops_is_refused),
		CASE(a_chain_of_more_than_64_files_is_refused),
		CASE(info_says_what_the_header_says),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL);
}
