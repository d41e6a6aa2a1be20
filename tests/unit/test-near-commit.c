// SPDX-License-Identifier: GPL-2.0-or-later
/* What a near store's commits make durable unasked, and what follows when they fail or lack space. */
#include "tests/unit/near-run.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

static const uint64_t zeros[B / 8];

TEST(a_flush_that_failed_once_fails_for_ever)
{
	static const char *const parts[] = { "b/layer.data", "b/layer.map" };

	for (unsigned int i = 0; i < 2; i++) {
		struct run run;
		struct cut *cut = run_prepare(&run, 1);
		struct near *near = run_open(cut);
		uint64_t bytes[B / 8], missing;
		struct error err;

		run_flush(&run, near, cut);
		run_write(&run, near, cut);
		cut->fail_sync = parts[i];
		assert_int_equal(near_flush(near, &err), -EIO);
		assert_non_null(strstr(err.text, parts[i]));
		cut->fail_sync = NULL;
		assert_int_equal(near_flush(near, &err), -EIO);
		assert_non_null(strstr(err.text, parts[i]));
		assert_int_equal(near_write(near, zeros, B, 0, NULL), -EIO);
		assert_int_equal(near_zero(near, B, 0, NULL), -EIO);
		assert_int_equal(near_read(near, bytes, B, B, &missing, NULL), 0);
		near_close(near);
		cut_free(cut);
		run_free(&run);
	}
}

static bool is_up(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

/* The next tick is the first thing to sync after a write to block 0; what it cannot, all learn. */
static void check_tick_commits_write(bool overwritten)
{
	struct run run;
	struct cut *cut = run_prepare(&run, 1);
	struct near *near = run_open(cut);
	struct error err;

	if (overwritten)
		assert_int_equal(near_write(near, zeros, B, 0, NULL), 0);
	assert_int_equal(near_flush(near, NULL), 0);
	/* The first two settle the map, so that the write alone is what the last has to do. */
	for (unsigned int tick = 0; tick < 3; tick++)
		commit_tick(near);
	assert_false(is_up(&near->commit.any_unsettled));
	cut->fail_sync = "layer.data";
	commit_tick(near);
	/* There was nothing to sync, so nothing has failed. */
	assert_int_equal(near_write(near, zeros, B, 0, NULL), 0);
	commit_tick(near);
	assert_int_equal(near_write(near, zeros, B, 0, &err), -EIO);
	assert_non_null(strstr(err.text, "layer.data"));
	near_close(near);
	cut_free(cut);
	run_free(&run);
}

TEST(what_is_written_for_the_first_time_is_committed_without_a_flush)
{
	check_tick_commits_write(false);
}

TEST(what_is_overwritten_in_place_is_committed_without_a_flush)
{
	check_tick_commits_write(true);
}

/* Wait until the thread has done all and waits for more; how many commits there were. */
static uint64_t wait_for_rest(struct near *near)
{
	struct near_commit *commit = &near->commit;
	uint64_t commits = 0;

	for (bool rests = false; !rests; sched_yield()) {
		/* Under the lock an idle thread is one that waits. */
		pthread_mutex_lock(&commit->lock);
		rests = is_up(&commit->idle) && !is_up(&commit->data_dirty) &&
		        !is_up(&commit->map_dirty) && !is_up(&commit->any_unsettled);
		commits = commit->finished;
		pthread_mutex_unlock(&commit->lock);
	}
	return commits;
}

TEST(the_thread_at_rest_wakes_for_what_is_overwritten_in_place)
{
	struct run run;
	struct cut *cut = run_prepare(&run, 1);
	struct near *near = run_open_with_thread(cut, 1);
	uint64_t commits;

	assert_int_equal(near_write(near, zeros, B, 0, NULL), 0);
	commits = wait_for_rest(near);
	assert_int_equal(near_write(near, zeros, B, 0, NULL), 0);
	while (__atomic_load_n(&near->commit.finished, __ATOMIC_SEQ_CST) == commits)
		sched_yield();
	near_close(near);
	cut_free(cut);
	run_free(&run);
}

TEST(a_full_disk_fails_writes_and_loses_nothing)
{
	struct run run;
	struct cut *cut = run_prepare(&run, 7);
	struct near *near = run_open(cut);
	uint64_t bytes[4 * B / 8], missing;
	struct near_stats stats;
	unsigned int refused = 0;

	for (unsigned int i = 0; i < 4 * B / 8; i++)
		bytes[i] = 7;
	cut->pages_left = 12;
	for (unsigned int i = 0; i < HOT; i += 4) {
		int r = near_write(near, bytes, (size_t)4 * B, run_block(i) * B, NULL);

		if (r == 0) {
			struct content c = { .sector = { 7, 7, 7, 7, 7, 7, 7, 7 } };

			for (unsigned int k = i; k < i + 4; k++)
				run_add(&run.blocks[k], &c);
			continue;
		}
		assert_int_equal(r, -ENOSPC);
		refused++;
	}
	assert_in_range(refused, 1, HOT / 4 - 1);
	assert_int_equal(cut->pages_left, 0);
	/* The cache stops; reads go on. */
	assert_int_equal(near_fill(near, bytes, B, 20 * (uint64_t)B, NULL), -ENOSPC);
	assert_int_equal(near_stats(near, &stats, NULL), 0);
	assert_true(stats.cache_full);
	assert_int_equal(near_read(near, bytes, B, 20 * (uint64_t)B, &missing, NULL), -ENODATA);
	/* What was taken can be flushed: its place in the map was reserved. */
	run_flush(&run, near, cut);
	for (unsigned int i = 0; i < HOT; i++)
		run_check(&run, near, i, SIZE_MAX);
	near_close(near);
	near = run_open(cut);
	for (unsigned int i = 0; i < HOT; i++)
		run_check(&run, near, i, SIZE_MAX);
	/* A trim gives space back, which a write can have. */
	assert_int_equal(near_zero(near, 4 * (uint64_t)B, 0, NULL), 0);
	assert_int_equal(near_write(near, bytes, (size_t)4 * B, 0, NULL), 0);
	near_close(near);
	cut_free(cut);
	run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_flush_that_failed_once_fails_for_ever),
		CASE(what_is_written_for_the_first_time_is_committed_without_a_flush),
		CASE(what_is_overwritten_in_place_is_committed_without_a_flush),
		CASE(the_thread_at_rest_wakes_for_what_is_overwritten_in_place),
		CASE(a_full_disk_fails_writes_and_loses_nothing),
	};

	return cmocka_run_group_tests_name("near-commit", tests, NULL, NULL);
}
