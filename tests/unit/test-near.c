// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/near-fixture.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "disk/near/near-format.h"
#include "disk/near/near-io.h"
#include "util/clock.h"
#include "util/io.h"

#define B NEAR_BLOCK

static char page[64 * B], got[64 * B];

static const void *filled(int c, unsigned int blocks)
{
	memset(page, c, (size_t)blocks * B);
	return page;
}

static void put(struct near *near, int c, uint64_t block, unsigned int n)
{
	assert_int_equal(near_write(near, filled(c, n), (size_t)n * B, block * B, NULL), 0);
}

static void fill(struct near *near, int c, uint64_t block, unsigned int n)
{
	assert_int_equal(near_fill(near, filled(c, n), (size_t)n * B, block * B, NULL), 0);
}

static void zero(struct near *near, uint64_t block, uint64_t n)
{
	assert_int_equal(near_zero(near, n * B, block * B, NULL), 0);
}

/* All bytes of the block are `c`; -1: it is far. */
static void expect(struct near *near, int c, uint64_t block)
{
	uint64_t missing = UINT64_MAX;
	int r = near_read(near, got, B, block * B, &missing, NULL);

	if (c < 0) {
		assert_int_equal(r, -ENODATA);
		assert_int_equal(missing, block);
		return;
	}
	assert_int_equal(r, 0);
	for (unsigned int i = 0; i < B; i++)
		if ((unsigned char)got[i] != c)
			fail_msg("block %u holds %d, not %d", (unsigned int)block, got[i], c);
}

static void expect_state(struct near *near, enum near_state state, uint64_t block, uint64_t run)
{
	uint64_t n;

	assert_int_equal(near_state(near, block, UINT64_MAX, &n, NULL), state);
	assert_int_equal(n, run);
}

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

static int ms_of(uint64_t since)
{
	return (int)((now_ns() - since) / NS_PER_MS);
}

/* Sanitizers take memory for every byte that is touched. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MEMORY 1
#else
#define OWN_MEMORY 0
#endif

/* Memory of this process that is really there, MiB. */
static uint64_t resident_mib(void)
{
	cleanup_free char *text = NULL;
	char *end;

	assert_int_equal(read_file(AT_FDCWD, "/proc/self/statm", 4096, &text, NULL, NULL), 0);
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
}

/* A cache whose map says that every block is present. */
static int64_t read_full_map(const struct near_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	if (len != NEAR_GROUP * sizeof(uint32_t))
		return near_io_kernel.read(io, fd, buf, len, off);
	memset(buf, 0x21, len);
	return (int64_t)len;
}

static void check_terabyte(const struct near_fixture *f, bool full)
{
	uint64_t before = resident_mib(), start = now_ns(), run, missing;
	struct near *near = fixture_open(f);
	int opened = ms_of(start);

	expect_state(near, full ? NEAR_CACHE : NEAR_FAR, 1000000, 16 * NEAR_GROUP);
	assert_true(OWN_MEMORY || resident_mib() - before < 64);
	for (uint64_t i = 0; i < near_groups(f->options.size); i += 4) {
		assert_int_equal(near_state(near, i * NEAR_GROUP, 1, &run, NULL),
		                 full ? NEAR_CACHE : NEAR_FAR);
		if (!full)
			near_read(near, got, B, i * NEAR_GROUP * B, &missing, NULL);
	}
	print_message("# 1 TiB, %s: opened in %d ms; resident %d MiB more after a look at 8192 "
	              "places\n",
	              full ? "full" : "empty", opened, (int)(resident_mib() - before));
	assert_true(OWN_MEMORY || resident_mib() - before < 100);
	near_close(near);
}

TEST(a_terabyte_opens_in_little_memory_however_full_it_is)
{
	struct near_io full = near_io_kernel;
	struct near_fixture f;

	fixture_make(&f, TIB, 1);
	check_terabyte(&f, false);
	full.read = read_full_map;
	f.options.io = &full;
	check_terabyte(&f, true);
	fixture_remove(&f);
}

TEST(a_large_trim_is_cheap)
{
	struct near_fixture f;
	struct near *near;
	uint64_t start;
	int trimmed, flushed;

	fixture_make(&f, TIB, 1);
	near = fixture_open(&f);
	put(near, 'w', 3, 1);
	start = now_ns();
	zero(near, 0, 100 * GIB / B);
	trimmed = ms_of(start);
	start = now_ns();
	assert_int_equal(near_flush(near, NULL), 0);
	flushed = ms_of(start);
	print_message("# 100 GiB of 1 TiB trimmed in %d ms, flushed in %d ms\n", trimmed, flushed);
	expect(near, 0, 3);
	expect(near, 0, 100 * GIB / B - 1);
	expect(near, -1, 100 * GIB / B);
	near_close(near);
	near = fixture_open(&f);
	expect(near, 0, 3);
	expect(near, -1, 100 * GIB / B);
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
		CASE(a_rotten_cached_block_is_far_again),
		CASE(verify_finds_what_is_rotten_and_repair_forgets_it),
		CASE(a_cache_with_a_damaged_header_is_begun_anew),
		CASE(rot_in_one_copy_of_a_layer_map_is_served_by_the_other_and_healed),
		CASE(rot_in_both_copies_of_a_layer_map_fails_and_names_it),
		CASE(a_newer_copy_that_rots_before_its_twin_is_made_is_not_papered_over),
		CASE(a_layer_whose_files_were_cut_is_refused),
		CASE(space_of_trimmed_blocks_is_given_back),
		CASE(the_counts_are_exact),
		CASE(a_terabyte_opens_in_little_memory_however_full_it_is),
		CASE(a_large_trim_is_cheap),
	};

	return cmocka_run_group_tests_name("near", tests, NULL, NULL);
}
