// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qcow2 files made field by field.  What qemu-img writes is read in the integration tests; here is
 * what it never writes: everything broken, and counts of requests.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "tests/unit/image-files.h"

/* Clusters of 16 KiB: header, refcount table, refcount block, L1, L2, then data. */
#define CLUSTER       16384u
#define HEADER        0u
#define RTABLE        (1 * CLUSTER)
#define RBLOCK        (2 * CLUSTER)
#define L1            (3 * CLUSTER)
#define L2            (4 * CLUSTER)
#define DATA          (5 * CLUSTER)
#define FILE_LEN      (32 * CLUSTER)
#define DISK_LEN      (40 * CLUSTER)
#define DATA_ENTRY(n) (UINT64_C(1) << 63 | (DATA + (n) * (uint64_t)CLUSTER))

/* Version 3 with nothing in it.  Data cluster n of the file is filled with n + 1. */
static uint8_t *make_empty(void)
{
	uint8_t *d = calloc(1, FILE_LEN);

	assert_non_null(d);
	store_be32(d, 0x514649FB);
	store_be32(d + 4, 3);
	store_be32(d + 20, 14);
	store_be64(d + 24, DISK_LEN);
	store_be32(d + 36, 1);
	store_be64(d + 40, L1);
	store_be64(d + 48, RTABLE);
	store_be32(d + 56, 1);
	store_be32(d + 96, 4);
	store_be32(d + 100, 112);
	store_be64(d + RTABLE, RBLOCK);
	for (unsigned int i = 0; i < FILE_LEN / CLUSTER; i++)
		store_be16(d + RBLOCK + 2 * i, 1);
	store_be64(d + L1, UINT64_C(1) << 63 | L2);
	for (unsigned int i = 0; DATA + i * CLUSTER < FILE_LEN; i++)
		memset(d + DATA + i * CLUSTER, (int)i + 1, CLUSTER);
	return d;
}

static void set_entry(uint8_t *d, unsigned int n, uint64_t entry)
{
	store_be64(d + L2 + 8 * n, entry);
}

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

static void note_arrived(void *arg, size_t prefix)
{
	size_t *last = arg;

	assert_true(prefix >= *last);
	*last = prefix;
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

/* Compressed clusters, packed from the first data cluster on; returns their end in the file. */
static size_t pack(uint8_t *d, unsigned int n, bool zstd)
{
	uint8_t plain[CLUSTER], packed[2 * CLUSTER];
	size_t at = DATA;

	if (zstd) {
		store_be64(d + 72, 1 << 3);
		d[104] = 1;
	}
	srand(1);
	for (unsigned int i = 0; i < n; i++) {
		z_stream z = { .next_in = plain,
			       .avail_in = CLUSTER,
			       .next_out = packed,
			       .avail_out = sizeof(packed) };
		size_t len;

		memset(plain, (int)i + 1, CLUSTER);
		for (unsigned int k = 0; k < 700; k++)
			plain[k] = (uint8_t)rand();
		if (zstd) {
			len = ZSTD_compress(packed, sizeof(packed), plain, CLUSTER, 1);
			assert_false(ZSTD_isError(len));
		} else {
			assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, -12, 9, 0), Z_OK);
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			len = z.total_out;
			deflateEnd(&z);
		}
		memcpy(d + at, packed, len);
		set_entry(d, i,
		          UINT64_C(1) << 62 | ((at + len - 1) / 512 - at / 512) << (62 - (14 - 8)) |
		                  at);
		at += len;
	}
	return at;
}

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

static void store_field(uint8_t *at, unsigned int bytes, uint64_t value)
{
	if (bytes == 8)
		store_be64(at, value);
	else if (bytes == 4)
		store_be32(at, (uint32_t)value);
	else
		*at = (uint8_t)value;
}

TEST(every_header_field_out_of_range_is_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_headers); i++) {
		cleanup_free uint8_t *d = make_empty();

		store_field(d + bad_headers[i].at, bad_headers[i].bytes, bad_headers[i].value);
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
	pthread_t threads[4];
	void *failed;

	pack(d, 20, true);
	image = memory_image_or_fail(d, FILE_LEN);
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
		CASE(each_kind_of_cluster_reads_as_the_format_says),
		CASE(clusters_that_lie_together_cost_one_request),
		CASE(arrival_is_counted_from_the_start_of_the_buffer),
		CASE(compressed_clusters_that_lie_together_cost_one_request),
		CASE(the_rest_of_a_compressed_cluster_is_not_fetched_again),
		CASE(compressed_clusters_with_a_gap_between_them_are_not_one_run),
		CASE(a_run_of_compressed_clusters_is_bounded),
		CASE(a_damaged_compressed_cluster_is_refused_not_guessed),
		CASE(the_last_compressed_cluster_may_end_with_the_file),
		CASE(subclusters_are_data_zero_or_absent_one_by_one),
		CASE(every_header_field_out_of_range_is_refused_by_name),
		CASE(a_name_of_a_backing_file_that_does_not_fit_is_refused),
		CASE(an_unknown_feature_is_named_as_the_file_names_it),
		CASE(an_entry_that_points_astray_is_refused_when_it_is_met),
		CASE(version_2_has_no_zero_clusters),
		CASE(a_truncated_file_never_reads_as_something_else),
		CASE(a_backing_file_shows_through_and_ends_where_it_ends),
		CASE(the_named_format_of_a_backing_file_counts_more_than_its_content),
		CASE(a_chain_that_loops_is_refused),
		CASE(a_chain_of_more_than_64_files_is_refused),
		CASE(the_check_finds_each_kind_of_damage),
		CASE(the_check_goes_on_after_a_problem),
		CASE(the_check_lets_compressed_clusters_share),
		CASE(info_says_what_the_header_says),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL);
}
