// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/near-blocks.h"

#include "base/crc32c.h"
#include "disk/near/near-format.h"

TEST(each_block_is_served_by_the_highest_that_has_it)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 100 * B, 1);
	near = fixture_open(&f);
	expect(near, -1, 0);
	fill(near, 'c', 0, 20);
	put(near, 'w', 5, 3);
	zero(near, 7, 3);
	put(near, 'w', 40, 1);
	expect(near, 'c', 4);
	expect(near, 'w', 5);
	expect(near, 0, 9);
	expect(near, 'c', 10);
	expect_state(near, NEAR_CACHE, 0, 5);
	expect_state(near, NEAR_LAYER, 5, 2);
	expect_state(near, NEAR_ZERO, 7, 3);
	expect_state(near, NEAR_CACHE, 10, 10);
	expect_state(near, NEAR_FAR, 20, 20);
	expect_state(near, NEAR_LAYER, 40, 1);
	expect_state(near, NEAR_FAR, 41, 59);
	fill(near, 'x', 5, 5);
	expect(near, 'w', 5);
	expect(near, 0, 8);
	near_close(near);
	fixture_remove(&f);
}

static void expect_cached(struct near *near, int cached, uint64_t block, uint64_t max, uint64_t run)
{
	uint64_t n = 0;

	assert_int_equal(near_cached(near, block, max, &n, NULL), cached);
	assert_int_equal(n, run);
}

TEST(the_cache_is_known_below_what_was_written)
{
	const uint64_t group = 8192;
	struct near_fixture f;
	struct near *near;
	uint64_t run;

	fixture_make(&f, 3 * group * B, 1);
	near = fixture_open(&f);
	put(near, 'w', 10, 4);
	zero(near, 14, 2);
	/* All of the second group is the guest's, and far it is nothing but zeros. */
	zero(near, group, group);
	expect_cached(near, 0, 8, 20, 20);
	fill(near, 'f', 12, 3);
	assert_int_equal(near_fill_zero(near, 2 * B, 15 * B, NULL), 0);
	assert_int_equal(near_fill_zero(near, group * B, group * B, NULL), 0);
	for (int again = 0; again < 2; again++) {
		expect_state(near, NEAR_LAYER, 10, 4);
		expect_cached(near, 0, 0, group, 12);
		expect_cached(near, 1, 12, group, 5);
		expect_cached(near, 0, 17, group, group - 17);
		expect_cached(near, 1, group, 2 * group, group);
		expect_cached(near, 0, 2 * group, group, group);
		near_close(near);
		near = fixture_open(&f);
	}
	near_close(near);
	f.options.n_layers = 0;
	near = fixture_open(&f);
	expect(near, 'f', 12);
	expect_state(near, NEAR_ZERO, 15, 2);
	assert_int_equal(near_cached(near, 3 * group, 1, &run, NULL), -EINVAL);
	near_close(near);
	fixture_remove(&f);
}

TEST(what_was_written_is_there_after_a_reopen)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 100 * B + 512, 2);
	near = fixture_open(&f);
	fill(near, 'c', 0, 20);
	put(near, 'w', 5, 3);
	zero(near, 7, 3);
	assert_int_equal(near_write(near, filled('t', 1), 512, 100 * B, NULL), 0);
	assert_int_equal(near_flush(near, NULL), 0);
	near_close(near);
	/* A third layer freezes the second. */
	assert_int_equal(near_layer_create(f.layers[2], f.options.image_id, f.options.size, NULL),
	                 0);
	f.options.n_layers = 3;
	near = fixture_open(&f);
	put(near, 'x', 6, 1);
	put(near, 'x', 8, 1);
	for (int reopen = 0; reopen < 2; reopen++) {
		uint64_t missing;

		expect(near, 'c', 4);
		expect(near, 'w', 5);
		expect(near, 'x', 6);
		expect(near, 0, 7);
		expect(near, 'x', 8);
		expect(near, 0, 9);
		expect(near, -1, 20);
		assert_int_equal(near_read(near, got, 512, 100 * B, &missing, NULL), 0);
		assert_memory_equal(got, filled('t', 1), 512);
		near_close(near);
		near = fixture_open(&f);
	}
	near_close(near);
	fixture_remove(&f);
}

TEST(any_bytes_can_be_read_however_they_are_spread)
{
	struct near_fixture f;
	struct near *near;
	uint64_t missing;

	fixture_make(&f, 10 * B, 1);
	near = fixture_open(&f);
	fill(near, 'c', 0, 4);
	put(near, 'w', 1, 1);
	zero(near, 2, 1);
	assert_int_equal(near_read(near, got, 3 * B, 100, &missing, NULL), 0);
	for (unsigned int i = 0; i < 3 * B; i++) {
		unsigned int block = (100 + i) / B;

		assert_int_equal(got[i], block == 1 ? 'w' : block == 2 ? 0 : 'c');
	}
	assert_int_equal(near_read(near, got, B, 3 * B + 1, &missing, NULL), -ENODATA);
	assert_int_equal(missing, 4);
	assert_int_equal(near_read(near, got, B, 9 * B + 1, &missing, NULL), -EINVAL);
	near_close(near);
	fixture_remove(&f);
}

TEST(without_a_layer_nothing_can_be_written)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 10 * B, 0);
	near = fixture_open(&f);
	assert_int_equal(near_write(near, page, B, 0, NULL), -EROFS);
	assert_int_equal(near_zero(near, B, 0, NULL), -EROFS);
	assert_int_equal(near_flush(near, NULL), 0);
	near_close(near);
	fixture_remove(&f);
}

TEST(without_a_cache_layers_work_alone)
{
	struct near_fixture f;
	struct near *near;
	struct near_stats stats;

	fixture_make(&f, 10 * B, 1);
	f.options.cache_dir = NULL;
	near = fixture_open(&f);
	put(near, 'w', 1, 1);
	expect(near, 'w', 1);
	expect(near, -1, 2);
	assert_int_equal(near_fill(near, page, B, 0, NULL), -EOPNOTSUPP);
	near_refresh(near, 0, 10);
	assert_int_equal(near_stats(near, &stats, NULL), 0);
	assert_int_equal(stats.written_bytes, B);
	near_close(near);
	fixture_remove(&f);
}

TEST(the_entry_of_zeros_is_what_the_checksum_of_zeros_gives)
{
	static const uint8_t zeros[B];

	assert_int_equal(crc32c(0, zeros, B), 0x98F94189u);
	assert_true(near_entry_zero(7, 9) != near_entry_data(7, 9, zeros));
}

TEST(a_cache_or_layer_of_another_image_is_refused)
{
	struct near_fixture f;
	struct near *near;
	struct error err;

	fixture_make(&f, 10 * B, 1);
	near_close(fixture_open(&f));
	f.options.image_id[31] ^= 1;
	assert_int_equal(near_open(&f.options, &near, &err), -ESTALE);
	assert_non_null(strstr(err.text, "layer.map"));
	f.options.n_layers = 0;
	assert_int_equal(near_open(&f.options, &near, &err), -ESTALE);
	assert_non_null(strstr(err.text, "cache.map"));
	f.options.image_id[31] ^= 1;
	f.options.size += 512;
	assert_int_equal(near_open(&f.options, &near, &err), -ESTALE);
	f.options.size -= 512;
	near_close(fixture_open(&f));
	fixture_remove(&f);
}

TEST(a_layer_has_one_writer_and_the_error_names_it)
{
	struct near_fixture f;
	struct near *near, *other;
	char holder[32];
	struct error err;

	fixture_make(&f, 10 * B, 2);
	snprintf(holder, sizeof(holder), "process %d", (int)getpid());
	near = fixture_open(&f);
	assert_int_equal(near_open(&f.options, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, holder));
	/* The frozen layer below may be shared by others, but not written. */
	f.options.n_layers = 1;
	assert_int_equal(near_open(&f.options, &other, &err), -EBUSY);
	near_close(near);
	near_close(fixture_open(&f));
	assert_int_equal(near_layer_create(f.layers[0], f.options.image_id, f.options.size, NULL),
	                 -EEXIST);
	fixture_remove(&f);
}

TEST(processes_that_share_a_cache_see_what_the_others_fetched)
{
	struct near_fixture f;
	struct near *one, *two;

	fixture_make(&f, 100 * B, 0);
	one = fixture_open(&f);
	two = fixture_open(&f);
	expect(two, -1, 1);
	fill(one, 'c', 1, 2);
	fill(two, 'd', 3, 2);
	near_close(one);
	near_refresh(two, 0, 100);
	expect(two, 'c', 1);
	expect(two, 'd', 3);
	near_close(two);
	one = fixture_open(&f);
	expect(one, 'c', 2);
	expect(one, 'd', 4);
	near_close(one);
	fixture_remove(&f);
}

TEST(space_of_trimmed_blocks_is_given_back)
{
	struct near_fixture f;
	struct near *near;
	struct stat before, after;
	char path[512];

	fixture_make(&f, 1000 * B, 1);
	snprintf(path, sizeof(path), "%s/layer.data", f.layer[0]);
	near = fixture_open(&f);
	for (unsigned int i = 0; i < 10; i++)
		put(near, 'w', 64 * i, 64);
	assert_int_equal(near_flush(near, NULL), 0);
	assert_int_equal(stat(path, &before), 0);
	zero(near, 0, 600);
	assert_int_equal(near_flush(near, NULL), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true((before.st_blocks - after.st_blocks) * 512 >= 600 * B);
	expect(near, 0, 599);
	expect(near, 'w', 600);
	near_close(near);
	fixture_remove(&f);
}

TEST(the_counts_are_exact)
{
	struct near_fixture f;
	struct near *near;
	struct near_stats stats;
	uint64_t groups = 3, total = groups * NEAR_GROUP;

	fixture_make(&f, total * B, 1);
	near = fixture_open(&f);
	fill(near, 'c', 0, 10);
	fill(near, 0, 10, 10);
	put(near, 'w', 5, 10);
	zero(near, 12, 4);
	assert_int_equal(near_fill_zero(near, NEAR_GROUP * B, NEAR_GROUP * B, NULL), 0);
	for (int reopen = 0; reopen < 2; reopen++) {
		assert_int_equal(near_stats(near, &stats, NULL), 0);
		assert_int_equal(stats.blocks, total);
		assert_int_equal(stats.near_blocks, 20 + NEAR_GROUP);
		assert_int_equal(stats.cached_bytes, 10 * B);
		assert_int_equal(stats.written_bytes, 7 * B);
		assert_false(stats.cache_full);
		near_close(near);
		near = fixture_open(&f);
	}
	expect_state(near, NEAR_ZERO, NEAR_GROUP, NEAR_GROUP);
	near_close(near);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_block_is_served_by_the_highest_that_has_it),
		CASE(the_cache_is_known_below_what_was_written),
		CASE(what_was_written_is_there_after_a_reopen),
		CASE(any_bytes_can_be_read_however_they_are_spread),
		CASE(without_a_layer_nothing_can_be_written),
		CASE(without_a_cache_layers_work_alone),
		CASE(the_entry_of_zeros_is_what_the_checksum_of_zeros_gives),
		CASE(a_cache_or_layer_of_another_image_is_refused),
		CASE(a_layer_has_one_writer_and_the_error_names_it),
		CASE(processes_that_share_a_cache_see_what_the_others_fetched),
		CASE(space_of_trimmed_blocks_is_given_back),
		CASE(the_counts_are_exact),
	};

	return cmocka_run_group_tests_name("near", tests, NULL, NULL);
}
