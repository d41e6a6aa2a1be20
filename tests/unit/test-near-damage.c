// SPDX-License-Identifier: GPL-2.0-or-later
/* Rot and cuts in the files of a near store: what is healed, what is fetched again, what fails. */
#include "tests/unit/near-blocks.h"

#include <sys/wait.h>

#include "disk/near/near-format.h"

/* Change one byte of a file. */
static void flip(const char *dir, const char *name, uint64_t off)
{
	char path[512];
	unsigned char c;

	snprintf(path, sizeof(path), "%s/%s", dir, name);

	cleanup_close int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, (off_t)off), 1);
	c ^= 0x10;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)off), 1);
}

TEST(a_rotten_cached_block_is_far_again)
{
	struct near_fixture f;
	struct near *near;
	struct near_stats stats;
	uint64_t groups = near_groups(100 * B);

	fixture_make(&f, 100 * B, 1);
	near = fixture_open(&f);
	fill(near, 'c', 0, 20);
	near_close(near);
	flip(f.cache, "cache.data", 3 * B + 77);
	flip(f.cache, "cache.map", near_cache_entry_offset(groups, 5) + 1);
	/* An absent block must not come to life. */
	flip(f.cache, "cache.map", near_cache_entry_offset(groups, 30) + 3);
	near = fixture_open(&f);
	for (uint64_t i = 0; i < 40; i++)
		expect(near, i >= 20 || i == 3 || i == 5 ? -1 : 'c', i);
	assert_int_equal(near_stats(near, &stats, NULL), 0);
	assert_int_equal(stats.bad_blocks, 3);
	assert_int_equal(stats.near_blocks, 18);
	fill(near, 'c', 3, 1);
	expect(near, 'c', 3);
	near_close(near);
	near = fixture_open(&f);
	expect(near, 'c', 3);
	expect(near, -1, 5);
	near_close(near);
	fixture_remove(&f);
}

static uint64_t bad_at[8];
static int n_bad;

static void note_bad(void *arg, uint64_t block)
{
	(void)arg;
	if (n_bad < 8)
		bad_at[n_bad] = block;
	n_bad++;
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	assert_true(done <= total);
	return false;
}

TEST(verify_finds_what_is_rotten_and_repair_forgets_it)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 100 * B, 1);
	near = fixture_open(&f);
	fill(near, 'c', 0, 50);
	put(near, 'w', 8, 1);
	near_close(near);
	flip(f.cache, "cache.data", 8 * B);
	flip(f.cache, "cache.data", 33 * B);
	near = fixture_open(&f);
	n_bad = 0;
	assert_int_equal(near_verify(near, false, note_bad, NULL, NULL, NULL), 2);
	assert_int_equal(n_bad, 2);
	assert_int_equal(bad_at[0], 8);
	assert_int_equal(bad_at[1], 33);
	assert_int_equal(near_verify(near, true, NULL, NULL, NULL, NULL), 2);
	assert_int_equal(near_verify(near, true, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(near_verify(near, false, NULL, stop_at_once, NULL, NULL), -EINTR);
	expect(near, -1, 33);
	expect(near, 'w', 8);
	near_close(near);
	fixture_remove(&f);
}

TEST(a_cache_with_a_damaged_header_is_begun_anew)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 100 * B, 0);
	near = fixture_open(&f);
	fill(near, 'c', 0, 4);
	near_close(near);
	flip(f.cache, "cache.map", 40);
	near = fixture_open(&f);
	expect(near, 'c', 0);
	near_close(near);
	flip(f.cache, "cache.map", 4096 + 40);
	near = fixture_open(&f);
	expect(near, -1, 0);
	fill(near, 'c', 0, 4);
	near_close(near);
	near = fixture_open(&f);
	expect(near, 'c', 0);
	near_close(near);
	fixture_remove(&f);
}

TEST(rot_in_one_copy_of_a_layer_map_is_served_by_the_other_and_healed)
{
	struct near_fixture f;
	struct near *near;

	fixture_make(&f, 100 * B, 1);
	near = fixture_open(&f);
	put(near, 'w', 5, 3);
	zero(near, 7, 3);
	near_close(near);
	for (unsigned int copy = 0; copy < 2; copy++) {
		flip(f.layer[0], "layer.map", near_layer_copy_offset(0, copy) + 90);
		near = fixture_open(&f);
		expect(near, 'w', 5);
		expect(near, 0, 8);
		expect(near, -1, 0);
		near_close(near);
	}
	fixture_remove(&f);
}

TEST(rot_in_both_copies_of_a_layer_map_fails_and_names_it)
{
	struct near_fixture f;
	struct near *near;
	struct error err;
	struct near_stats stats;
	uint64_t missing, run;

	fixture_make(&f, UINT64_C(10000) * B, 1);
	near = fixture_open(&f);
	put(near, 'w', 5, 3);
	put(near, 'v', 9000, 1);
	near_close(near);
	flip(f.layer[0], "layer.map", near_layer_copy_offset(0, 0) + 90);
	flip(f.layer[0], "layer.map", near_layer_copy_offset(0, 1) + 90);
	near = fixture_open(&f);
	expect(near, 'v', 9000);
	/* Not far, not zeros: it is not known. */
	assert_int_equal(near_read(near, got, B, 0, &missing, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "layer.map: the map of blocks 0 to 8191 is damaged"));
	assert_int_equal(near_state(near, 0, 1, &run, NULL), -EUCLEAN);
	assert_int_equal(near_write(near, page, B, 0, NULL), -EUCLEAN);
	assert_int_equal(near_zero(near, B, 0, NULL), -EUCLEAN);
	assert_int_equal(near_fill(near, page, B, 0, NULL), -EUCLEAN);
	assert_int_equal(near_stats(near, &stats, NULL), -EUCLEAN);
	put(near, 'v', 9001, 1);
	assert_int_equal(near_flush(near, NULL), 0);
	near_close(near);
	fixture_remove(&f);
}

TEST(a_newer_copy_that_rots_before_its_twin_is_made_is_not_papered_over)
{
	struct near_fixture f;
	struct near *near;
	uint64_t missing;
	pid_t child;

	fixture_make(&f, 100 * B, 1);
	child = fork();
	if (child == 0) {
		near = fixture_open(&f);
		put(near, 'a', 0, 1);
		near_flush(near, NULL); /* copy 1, generation 1 */
		put(near, 'b', 1, 1);
		near_flush(near, NULL); /* copy 0, generation 2 */
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	flip(f.layer[0], "layer.map", near_layer_copy_offset(0, 0) + 90);
	near = fixture_open(&f);
	assert_int_equal(near_read(near, got, B, B, &missing, NULL), -EUCLEAN);
	near_close(near);
	fixture_remove(&f);
}

TEST(a_layer_whose_files_were_cut_is_refused)
{
	static const char *const names[] = { "layer.map", "layer.data" };
	struct near_fixture f;
	struct near *near;
	struct error err;
	char path[512];

	fixture_make(&f, 100 * B, 2);
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", f.layer[i], names[i]);
		assert_int_equal(truncate(path, 3 * B), 0);
		assert_int_equal(near_open(&f.options, &near, &err), -EUCLEAN);
		assert_non_null(strstr(err.text, names[i]));
		assert_int_equal(truncate(path, 100 * B), 0);
	}
	near_close(fixture_open(&f));
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_rotten_cached_block_is_far_again),
		CASE(verify_finds_what_is_rotten_and_repair_forgets_it),
		CASE(a_cache_with_a_damaged_header_is_begun_anew),
		CASE(rot_in_one_copy_of_a_layer_map_is_served_by_the_other_and_healed),
		CASE(rot_in_both_copies_of_a_layer_map_fails_and_names_it),
		CASE(a_newer_copy_that_rots_before_its_twin_is_made_is_not_papered_over),
		CASE(a_layer_whose_files_were_cut_is_refused),
	};

	return cmocka_run_group_tests_name("near-damage", tests, NULL, NULL);
}
