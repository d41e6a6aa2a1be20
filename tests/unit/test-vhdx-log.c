// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log of a VHDX file, of every shape, and the overlay that its entries become.
 */
#include "tests/unit/unit.h"

#include "disk/format/vhdx.h"
#include "tests/unit/image-files.h"
#include "tests/unit/vhdx-make.h"

/* A sector of a table that differs from the one that lies there in every byte. */
static void make_sector(uint8_t data[4096], uint64_t first_entry)
{
	memset(data, 0, 4096);
	store_le64(data, first_entry);
	store_le32(data + 4092, 0);
}

/* An entry that says that the disk begins with a place of the file. */
static unsigned int log_first_block(uint8_t *d, unsigned int at, unsigned int tail, uint64_t number,
                                    unsigned int place)
{
	struct made_entry e = entry_start(d, at, tail, number);
	uint8_t bat[4096];

	make_sector(bat, ENTRY_AT(place));
	entry_data(&e, MADE_BAT, bat);
	return entry_seal(&e);
}

/* Three of them from sector `at` on, for places 1 to 3; returns where the log goes on. */
static unsigned int log_three(uint8_t *d, unsigned int at)
{
	unsigned int tail = at;

	made_log(d);
	for (unsigned int i = 1; i <= 3; i++)
		at = log_first_block(d, at, tail, 40 + i, i);
	return at;
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

TEST(a_log_that_wraps_around_is_replayed_in_order)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;

	assert_true(log_three(d, 253) < 253);
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 3);
	expect_bytes(image, 0, MIB, 4);
}

TEST(a_torn_entry_ends_the_log_before_it)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;

	log_sector(d, log_three(d, 4) - 1)[2000] ^= 1;
	image = memory_image_or_fail(d, MADE_LEN);
	assert_int_equal(replayed(image), 2);
	expect_bytes(image, 0, MIB, 3);
}

TEST(what_lies_before_the_tail_is_not_replayed)
{
	cleanup_free uint8_t *d = make_vhdx(6 * MIB, 512, 1);
	cleanup(image_close) struct image *image = NULL;
	struct made_entry e;

	set_bat(d, 0, ENTRY_AT(3));
	made_log(d);
	log_first_block(d, 0, 0, 1, 1);
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
	log_first_block(d, 0, 0, 90, 1);
	log_first_block(d, 8, 8, 9, 2);
	/* The newest of all, but its tail lies in none of the entries before it. */
	log_first_block(d, 16, 99, 900, 3);
	/* One of another log. */
	make_sector(bat, ENTRY_AT(3));
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

		made_log(d);
		e = entry_start(d, 0, 0, 7);
		entry_data(&e, MADE_BLOCKS, sector);
		entry_zero(&e, MADE_BLOCKS + 4096, 4096);
		put_le(log_sector(d, bad[i].sector) + bad[i].at, bad[i].bytes, bad[i].value);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests_name("vhdx-log", tests, NULL, NULL);
}
