// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Power cuts at every place of a recorded run, and what they may leave: every state opens, holds
 * all that was flushed, and no block shows anything but what was written there and not superseded
 * by a flush, sector by sector.  Some of the states are worked on further and cut again.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-private.h"
#include "tests/unit/power-cut.h"

#define B       NEAR_BLOCK
#define SECTORS (B / CUT_SECTOR)
/* Each opens some 1,500 stores; sanitizers make that slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNS 1
#else
#define RUNS 8
#endif
#define HOT  24u /* blocks, in two groups */
#define SIZE ((uint64_t)(NEAR_GROUP + 8) * B)

static const uint8_t image_id[32] = "an image";
static const char *const layer_dirs[] = { "a", "b" };

/* What a block may hold, from the place in the record where an operation began that wrote it. */
struct content {
	size_t since;
	bool far;
	uint64_t sector[SECTORS]; /* each sector is this number, repeated */
};

struct history {
	struct content *list;
	size_t n, room;
};

/* A flush returned: of each block, the content with this index or a later one must be there. */
struct promise {
	size_t since;
	size_t first[HOT];
};

struct run {
	struct history blocks[HOT];
	struct promise *promises;
	size_t n_promises;
	uint64_t random, next_word;
};

static uint64_t block_of(unsigned int hot)
{
	return hot < 16 ? hot : NEAR_GROUP + hot - 16;
}

static void add(struct history *h, const struct content *content)
{
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 16;
		h->list = realloc(h->list, h->room * sizeof(*h->list));
		assert_non_null(h->list);
	}
	h->list[h->n++] = *content;
}

static struct content content_of(size_t since, uint64_t word)
{
	struct content c = { .since = since };

	for (unsigned int i = 0; i < SECTORS; i++)
		c.sector[i] = word ? word * SECTORS + i : 0;
	return c;
}

static struct content far_content(unsigned int hot)
{
	struct content c = content_of(0, hot % 5 == 0 ? 0 : 1000000 + hot);

	c.far = true;
	return c;
}

static void put_bytes(uint64_t *to, const struct content *c)
{
	for (unsigned int i = 0; i < B / 8; i++)
		to[i] = c->sector[i * 8 / CUT_SECTOR];
}

static void run_free(struct run *run)
{
	for (unsigned int i = 0; i < HOT; i++)
		free(run->blocks[i].list);
	free(run->promises);
}

static struct near *open_near(struct cut *cut)
{
	struct near_options options = { .cache_dir = "c",
		                        .layer_dirs = layer_dirs,
		                        .n_layers = 2,
		                        .size = SIZE,
		                        .commit_ms = 1000000,
		                        .io = &cut->io };
	struct near *near = NULL;
	struct error err;

	memcpy(options.image_id, image_id, sizeof(image_id));
	if (near_open(&options, &near, &err) < 0)
		fail_msg("a state does not open: %s", err.text);
	return near;
}

/* Read a block; false: it is far. */
static bool observe(struct near *near, unsigned int hot, struct content *ret)
{
	uint64_t bytes[B / 8], missing;
	struct error err;
	int r = near_read(near, bytes, B, block_of(hot) * B, &missing, &err);

	*ret = (struct content){ .far = r == -ENODATA };
	if (r == -ENODATA)
		return false;
	if (r < 0)
		fail_msg("a block cannot be read: %s", err.text);
	for (unsigned int i = 0; i < B / 8; i++) {
		unsigned int sector = i * 8 / CUT_SECTOR;

		if (i * 8 % CUT_SECTOR == 0)
			ret->sector[sector] = bytes[i];
		if (bytes[i] != ret->sector[sector])
			fail_msg("block %u holds what nobody wrote", hot);
	}
	return true;
}

/* Is what the store shows after a cut at event `at` among what it may show? */
static void check_block(const struct run *run, struct near *near, unsigned int hot, size_t at)
{
	const struct history *h = &run->blocks[hot];
	struct content seen;
	bool there = observe(near, hot, &seen);
	size_t first = 0, last;
	bool good[SECTORS] = { false }, far = false;

	for (size_t i = 0; i < run->n_promises && run->promises[i].since <= at; i++)
		first = run->promises[i].first[hot];
	/* What was promised before has begun, even if it needed nothing from the disk. */
	last = first;
	while (last + 1 < h->n && h->list[last + 1].since < at)
		last++;
	for (size_t i = first; i <= last; i++) {
		far = far || h->list[i].far;
		for (unsigned int s = 0; s < SECTORS; s++)
			good[s] = good[s] || h->list[i].sector[s] == seen.sector[s];
	}
	if (!there) {
		if (!far)
			fail_msg("block %u is far after a cut at %zu, %zu promised", hot, at,
			         first);
		return;
	}
	for (unsigned int s = 0; s < SECTORS; s++)
		if (!good[s])
			fail_msg("block %u sector %u holds %llu after a cut at %zu", hot, s,
			         (unsigned long long)seen.sector[s], at);
}

/* Blocks [*ret_first, + the result) of one group. */
static unsigned int pick(struct run *run, unsigned int *ret_first)
{
	unsigned int first = (unsigned int)(cut_random(&run->random) % HOT);
	unsigned int end = first < 16 ? 16 : HOT;
	unsigned int n = 1 + (unsigned int)(cut_random(&run->random) % 6);

	*ret_first = first;
	return (unsigned int)min_u64(n, end - first);
}

static void do_write(struct run *run, struct near *near, const struct cut *cut)
{
	uint64_t bytes[6 * B / 8];
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = 0; i < n; i++) {
		struct content c = content_of(cut->n_events, run->next_word++);

		put_bytes(bytes + (size_t)i * B / 8, &c);
		add(&run->blocks[first + i], &c);
	}
	assert_int_equal(near_write(near, bytes, (size_t)n * B, block_of(first) * B, NULL), 0);
}

static void do_zero(struct run *run, struct near *near, const struct cut *cut)
{
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = 0; i < n; i++) {
		struct content c = content_of(cut->n_events, 0);

		add(&run->blocks[first + i], &c);
	}
	assert_int_equal(near_zero(near, (uint64_t)n * B, block_of(first) * B, NULL), 0);
}

static void do_fill(struct run *run, struct near *near)
{
	uint64_t bytes[B / 8];
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = first; i < first + n; i++) {
		struct content c = far_content(i);

		put_bytes(bytes, &c);
		assert_int_equal(near_fill(near, bytes, B, block_of(i) * B, NULL), 0);
	}
}

static void do_flush(struct run *run, struct near *near, const struct cut *cut)
{
	struct promise promise;

	for (unsigned int i = 0; i < HOT; i++)
		promise.first[i] = run->blocks[i].n - 1;
	assert_int_equal(near_flush(near, NULL), 0);
	promise.since = cut->n_events;
	run->promises = realloc(run->promises, (run->n_promises + 1) * sizeof(promise));
	assert_non_null(run->promises);
	run->promises[run->n_promises++] = promise;
}

static void work(struct run *run, struct near *near, const struct cut *cut, unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		switch (cut_random(&run->random) % 10) {
		case 0 ... 3:
			do_write(run, near, cut);
			break;
		case 4:
		case 5:
			do_zero(run, near, cut);
			break;
		case 6:
			do_fill(run, near);
			break;
		case 7:
		case 8:
			do_flush(run, near, cut);
			break;
		default:
			commit_tick(near);
		}
	}
}

static unsigned int checked;

/* Work on after a cut, cut again at some places, and check those states too. */
static void cut_again(const struct run *before, struct cut *cut)
{
	struct run run = { .random = before->random + checked, .next_word = before->next_word };
	struct cut_replay replay;
	struct near *near;
	size_t begin, end;

	cut_begin(cut);
	near = open_near(cut);
	for (unsigned int i = 0; i < HOT; i++) {
		struct content c, far = far_content(i);

		/* Far content is not the guest's: it may be there or not. */
		if (!observe(near, i, &c) || memcmp(c.sector, far.sector, sizeof(c.sector)) == 0)
			c = far;
		add(&run.blocks[i], &c);
	}
	/* From here on, what was seen is what the disk must go on showing. */
	begin = cut->n_events;
	work(&run, near, cut, 12);
	end = cut->n_events;
	near_close(near);
	cut_replay_begin(&replay, cut);
	while (replay.at < end) {
		cut_replay_next(&replay);
		if (replay.at < begin || (cut_random(&run.random) % 8 != 0 && replay.at != end))
			continue;

		enum cut_mode mode = cut_random(&run.random) % CUT_MODES;
		struct cut *state = cut_replay_state(&replay, mode, &run.random);
		struct near *after = open_near(state);

		for (unsigned int i = 0; i < HOT; i++)
			check_block(&run, after, i, replay.at);
		near_close(after);
		cut_free(state);
		checked++;
	}
	cut_replay_end(&replay);
	run_free(&run);
}

static void check_state(const struct run *run, const struct cut_replay *replay, enum cut_mode mode,
                        uint64_t *random)
{
	struct cut *state = cut_replay_state(replay, mode, random);
	bool again = cut_random(random) % 16 == 0;
	struct cut *copy = again ? cut_copy(state) : NULL;
	struct near *near = open_near(state);

	for (unsigned int i = 0; i < HOT; i++)
		check_block(run, near, i, replay->at);
	near_close(near);
	checked++;
	cut_free(state);
	if (again) {
		cut_again(run, copy);
		cut_free(copy);
	}
}

/* A frozen layer with some content, an empty one above, and a cache. */
static struct cut *prepare(struct run *run, uint64_t seed)
{
	struct near_options options = {
		.layer_dirs = layer_dirs, .n_layers = 1, .size = SIZE, .commit_ms = 1000000
	};
	struct cut *cut = cut_new();
	struct near *near;
	uint64_t bytes[B / 8];

	*run = (struct run){ .random = seed, .next_word = 1 };
	memcpy(options.image_id, image_id, sizeof(image_id));
	options.io = &cut->io;
	assert_int_equal(near_layer_create_io(&cut->io, "a", image_id, SIZE, NULL), 0);
	assert_int_equal(near_layer_create_io(&cut->io, "b", image_id, SIZE, NULL), 0);
	assert_int_equal(near_open(&options, &near, NULL), 0);
	for (unsigned int i = 0; i < HOT; i++) {
		struct content c = far_content(i);

		if (i % 4 == 1) {
			c = content_of(0, run->next_word++);
			put_bytes(bytes, &c);
			assert_int_equal(near_write(near, bytes, B, block_of(i) * B, NULL), 0);
		}
		add(&run->blocks[i], &c);
	}
	near_close(near);
	near_close(open_near(cut));
	cut_begin(cut);
	return cut;
}

TEST(a_power_cut_anywhere_loses_no_flushed_write_and_shows_no_foreign_bytes)
{
	unsigned int runs = getenv("FULL") ? 100 : RUNS;

	checked = 0;
	for (unsigned int i = 0; i < runs; i++) {
		struct run run;
		struct cut *cut = prepare(&run, i + 1);
		struct near *near = open_near(cut);
		struct cut_replay replay;
		uint64_t random = i;

		work(&run, near, cut, 150);
		near_close(near);
		cut_replay_begin(&replay, cut);
		while (replay.at < cut->n_events) {
			cut_replay_next(&replay);
			for (enum cut_mode mode = 0; mode < CUT_MODES; mode++)
				check_state(&run, &replay, mode, &random);
			check_state(&run, &replay, CUT_TORN, &random);
		}
		cut_replay_end(&replay);
		cut_free(cut);
		run_free(&run);
	}
	print_message("# %u states checked\n", checked);
	assert_true(checked > 1000 * runs);
}

TEST(a_power_cut_while_a_layer_is_made_leaves_one_or_none)
{
	struct cut *cut = cut_new();
	struct cut_replay replay;
	uint64_t random = 1;

	cut_begin(cut);
	assert_int_equal(near_layer_create_io(&cut->io, "a", image_id, SIZE, NULL), 0);
	assert_int_equal(near_layer_create_io(&cut->io, "b", image_id, SIZE, NULL), 0);
	near_close(open_near(cut));
	cut_replay_begin(&replay, cut);
	while (replay.at < cut->n_events) {
		cut_replay_next(&replay);
		for (unsigned int i = 0; i < 20; i++) {
			struct cut *left =
				cut_replay_state(&replay, (enum cut_mode)(i % CUT_MODES), &random);

			for (unsigned int layer = 0; layer < 2; layer++) {
				struct error err;
				int r = near_layer_create_io(&left->io, layer_dirs[layer], image_id,
				                             SIZE, &err);

				if (r < 0 && r != -EEXIST)
					fail_msg("%s", err.text);
			}
			near_close(open_near(left));
			cut_free(left);
		}
	}
	cut_replay_end(&replay);
	cut_free(cut);
}

TEST(a_flush_that_failed_once_fails_for_ever)
{
	static const char *const parts[] = { "b/layer.data", "b/layer.map" };

	for (unsigned int i = 0; i < 2; i++) {
		struct run run;
		struct cut *cut = prepare(&run, 1);
		struct near *near = open_near(cut);
		uint64_t bytes[B / 8] = { 0 }, missing;
		struct error err;

		do_flush(&run, near, cut);
		do_write(&run, near, cut);
		cut->fail_sync = parts[i];
		assert_int_equal(near_flush(near, &err), -EIO);
		assert_non_null(strstr(err.text, parts[i]));
		cut->fail_sync = NULL;
		assert_int_equal(near_flush(near, &err), -EIO);
		assert_non_null(strstr(err.text, parts[i]));
		assert_int_equal(near_write(near, bytes, B, 0, NULL), -EIO);
		assert_int_equal(near_zero(near, B, 0, NULL), -EIO);
		assert_int_equal(near_read(near, bytes, B, B, &missing, NULL), 0);
		near_close(near);
		cut_free(cut);
		run_free(&run);
	}
}

TEST(only_a_flush_makes_overwritten_blocks_durable)
{
	struct run run;
	struct cut *cut = prepare(&run, 1);
	struct near *near = open_near(cut);
	uint64_t bytes[B / 8] = { 0 };

	assert_int_equal(near_write(near, bytes, B, 0, NULL), 0);
	assert_int_equal(near_flush(near, NULL), 0);
	assert_int_equal(near_write(near, bytes, B, 0, NULL), 0);
	cut->fail_sync = "layer.data";
	commit_tick(near);
	/* Nothing has failed, so nothing was synced. */
	assert_int_equal(near_write(near, bytes, B, 0, NULL), 0);
	assert_int_equal(near_flush(near, NULL), -EIO);
	near_close(near);
	cut_free(cut);
	run_free(&run);
}

TEST(what_is_written_for_the_first_time_is_committed_without_a_flush)
{
	struct run run;
	struct cut *cut = prepare(&run, 1);
	struct near *near = open_near(cut);
	uint64_t bytes[B / 8] = { 0 };

	assert_int_equal(near_write(near, bytes, B, 0, NULL), 0);
	cut->fail_sync = "layer.data";
	commit_tick(near);
	assert_int_equal(near_write(near, bytes, B, 0, NULL), -EIO);
	near_close(near);
	cut_free(cut);
	run_free(&run);
}

TEST(a_full_disk_fails_writes_and_loses_nothing)
{
	struct run run;
	struct cut *cut = prepare(&run, 7);
	struct near *near = open_near(cut);
	uint64_t bytes[4 * B / 8], missing;
	struct near_stats stats;
	unsigned int refused = 0;

	for (unsigned int i = 0; i < 4 * B / 8; i++)
		bytes[i] = 7;
	cut->pages_left = 12;
	for (unsigned int i = 0; i < HOT; i += 4) {
		int r = near_write(near, bytes, (size_t)4 * B, block_of(i) * B, NULL);

		if (r == 0) {
			struct content c = { .sector = { 7, 7, 7, 7, 7, 7, 7, 7 } };

			for (unsigned int k = i; k < i + 4; k++)
				add(&run.blocks[k], &c);
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
	do_flush(&run, near, cut);
	for (unsigned int i = 0; i < HOT; i++)
		check_block(&run, near, i, SIZE_MAX);
	near_close(near);
	near = open_near(cut);
	for (unsigned int i = 0; i < HOT; i++)
		check_block(&run, near, i, SIZE_MAX);
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
		CASE(a_power_cut_anywhere_loses_no_flushed_write_and_shows_no_foreign_bytes),
		CASE(a_power_cut_while_a_layer_is_made_leaves_one_or_none),
		CASE(a_flush_that_failed_once_fails_for_ever),
		CASE(only_a_flush_makes_overwritten_blocks_durable),
		CASE(what_is_written_for_the_first_time_is_committed_without_a_flush),
		CASE(a_full_disk_fails_writes_and_loses_nothing),
	};

	return cmocka_run_group_tests_name("near-power-cut", tests, NULL, NULL);
}
