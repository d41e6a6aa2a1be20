// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed clusters of qcow2: what is read of them, in how many requests, and what is refused.
 */
#include "tests/unit/unit.h"

#include "tests/unit/image-files.h"
#include "tests/unit/qcow2-make.h"

static void expect_packed(struct image *image, unsigned int n)
{
	uint8_t buf[CLUSTER];

	srand(1);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(image_read(image, buf, CLUSTER, i * CLUSTER, NULL, NULL), 0);
		for (unsigned int k = 0; k < CLUSTER; k++)
			assert_int_equal(buf[k], k < 700 ? (uint8_t)rand() : (uint8_t)(i + 1));
	}
}

TEST(compressed_clusters_that_lie_together_cost_one_request)
{
	for (int zstd = 0; zstd < 2; zstd++) {
		cleanup_free uint8_t *d = make_empty();
		cleanup(image_close) struct image *image = NULL;
		uint8_t buf[20 * CLUSTER];
		uint64_t before;

		pack(d, 20, zstd);
		image = memory_image_or_fail(d, FILE_LEN);
		expect_packed(image, 20);
		expect_run(image, 0, IMAGE_EXTENT_PACKED, 20 * CLUSTER);
		before = image->file->requests;
		assert_int_equal(image_read(image, buf, sizeof(buf), 0, NULL, NULL), 0);
		assert_true(image->file->requests == before + 1);
		assert_int_equal(buf[sizeof(buf) - 1], 20);
	}
}

TEST(the_rest_of_a_compressed_cluster_is_not_fetched_again)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	uint64_t before;

	pack(d, 4, false);
	image = memory_image_or_fail(d, FILE_LEN);
	expect_bytes(image, 2 * CLUSTER + 1024, 512, 3);
	before = image->file->requests;
	for (unsigned int at = 1536; at < CLUSTER; at += 512)
		expect_bytes(image, 2 * CLUSTER + at, 512, 3);
	assert_true(image->file->requests == before);
}

TEST(compressed_clusters_with_a_gap_between_them_are_not_one_run)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	uint64_t entry;

	pack(d, 2, false);
	entry = load_be64(d + L2 + 8);
	memcpy(d + DATA + 8 * CLUSTER, d + DATA, CLUSTER);
	set_entry(d, 1, entry + 8 * CLUSTER);
	image = memory_image_or_fail(d, FILE_LEN);
	expect_run(image, 0, IMAGE_EXTENT_PACKED, CLUSTER);
	expect_run(image, CLUSTER, IMAGE_EXTENT_PACKED, CLUSTER);
	expect_packed(image, 2);
}

/* A run of clusters is cut so that whoever fetches it needs no more than 2 MiB for it. */
TEST(a_run_of_compressed_clusters_is_bounded)
{
	const unsigned int n = 300;
	size_t len = FILE_LEN + n * CLUSTER;
	cleanup_free uint8_t *small = make_empty();
	cleanup_free uint8_t *d = realloc(take_ptr(small), len);
	cleanup(image_close) struct image *image = NULL;

	assert_non_null(d);
	store_be64(d + 24, n * CLUSTER);
	pack(d, n, false);
	image = memory_image_or_fail(d, len);
	expect_run(image, 0, IMAGE_EXTENT_PACKED, 2 * MIB);
	expect_run(image, 512, IMAGE_EXTENT_PACKED, 2 * MIB - 512);
	expect_packed(image, n);
}

TEST(a_damaged_compressed_cluster_is_refused_not_guessed)
{
	for (int zstd = 0; zstd < 2; zstd++) {
		cleanup_free uint8_t *d = make_empty();
		uint64_t entry;

		pack(d, 3, zstd);
		d[DATA] = 7; /* neither a kind of deflate block nor zstd's mark */
		expect_bad_read(d, FILE_LEN, "the compressed cluster at 0x14000 is not");
		/* The stream of the last one cut short: it claims fewer sectors than it has. */
		pack(d, 3, zstd);
		entry = load_be64(d + L2 + 16);
		set_entry(d, 2, entry - (UINT64_C(1) << (62 - (14 - 8))));
		expect_bad_read(d, FILE_LEN, "stream of exactly 16384 bytes");
		/* A stream that gives another size. */
		memset(d + DATA, 0, CLUSTER);
		pack(d, 1, zstd);
		store_be32(d + 20, 15);
		store_be64(d + L2, UINT64_C(1) << 62 | UINT64_C(3) << (62 - (15 - 8)) | DATA);
		store_be64(d + 24, 32768);
		store_be64(d + 40, 3 * 32768);
		store_be64(d + 3 * 32768, L2);
		store_be64(d + 48, 32768);
		expect_bad_read(d, FILE_LEN, "stream of exactly 32768 bytes");
	}
}

TEST(the_last_compressed_cluster_may_end_with_the_file)
{
	cleanup_free uint8_t *d = make_empty();
	cleanup(image_close) struct image *image = NULL;
	size_t end = pack(d, 20, false);

	image = memory_image_or_fail(d, end);
	expect_packed(image, 20);
	image_close(take_ptr(image));
	expect_bad(d, end - 600, "past the end of the file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(compressed_clusters_that_lie_together_cost_one_request),
		CASE(the_rest_of_a_compressed_cluster_is_not_fetched_again),
		CASE(compressed_clusters_with_a_gap_between_them_are_not_one_run),
		CASE(a_run_of_compressed_clusters_is_bounded),
		CASE(a_damaged_compressed_cluster_is_refused_not_guessed),
		CASE(the_last_compressed_cluster_may_end_with_the_file),
	};

	return cmocka_run_group_tests_name("qcow2-packed", tests, NULL, NULL);
}
