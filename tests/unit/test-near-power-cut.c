// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Power cuts at every place of a recorded run, and what they may leave: every state opens, holds
 * all that was promised, and no block shows anything but what was written there and not superseded
 * by a promise, sector by sector.  Some of the states are worked on further and cut again.
 */
#include "tests/unit/near-run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each opens some 1,500 stores; sanitizers make that slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNS 1
#else
#define RUNS 8
#endif

static unsigned int checked;

/* Work on after a cut, cut again at some places, and check those states too. */
static void cut_again(const struct run *before, struct cut *cut)
{
	struct run run = { .random = before->random + checked, .next_word = before->next_word };
	struct cut_replay replay;
	struct near *near;
	size_t begin, end;

	cut_begin(cut);
	near = run_open(cut);
	for (unsigned int i = 0; i < HOT; i++) {
		struct content c, far = run_far_content(i);

		/* Far content is not the guest's: it may be there or not. */
		if (!run_observe(near, i, &c) ||
		    memcmp(c.sector, far.sector, sizeof(c.sector)) == 0)
			c = far;
		run_add(&run.blocks[i], &c);
	}
	/* From here on, what was seen is what the disk must go on showing. */
	begin = cut->n_events;
	run_work(&run, near, cut, 12);
	end = cut->n_events;
	near_close(near);
	cut_replay_begin(&replay, cut);
	while (replay.at < end) {
		cut_replay_next(&replay);
		if (replay.at < begin || (cut_random(&run.random) % 8 != 0 && replay.at != end))
			continue;

		enum cut_mode mode = cut_random(&run.random) % CUT_MODES;
		struct cut *state = cut_replay_state(&replay, mode, &run.random);
		struct near *after = run_open(state);

		for (unsigned int i = 0; i < HOT; i++)
			run_check(&run, after, i, replay.at);
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
	struct near *near = run_open(state);

	for (unsigned int i = 0; i < HOT; i++)
		run_check(run, near, i, replay->at);
	near_close(near);
	checked++;
	cut_free(state);
	if (again) {
		cut_again(run, copy);
		cut_free(copy);
	}
}

TEST(a_power_cut_anywhere_loses_no_committed_write_and_shows_no_foreign_bytes)
{
	unsigned int runs = getenv("FULL") ? 40 : RUNS;

	checked = 0;
	for (unsigned int i = 0; i < runs; i++) {
		struct run run;
		struct cut *cut = run_prepare(&run, i + 1);
		struct near *near = run_open(cut);
		struct cut_replay replay;
		uint64_t random = i;

		run_work(&run, near, cut, 150);
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
	assert_int_equal(near_layer_create_io(&cut->io, "a", run_image_id, SIZE, NULL), 0);
	assert_int_equal(near_layer_create_io(&cut->io, "b", run_image_id, SIZE, NULL), 0);
	near_close(run_open(cut));
	cut_replay_begin(&replay, cut);
	while (replay.at < cut->n_events) {
		cut_replay_next(&replay);
		for (unsigned int i = 0; i < 20; i++) {
			struct cut *left =
				cut_replay_state(&replay, (enum cut_mode)(i % CUT_MODES), &random);

			for (unsigned int layer = 0; layer < 2; layer++) {
				struct error err;
				int r = near_layer_create_io(&left->io, run_layer_dirs[layer],
				                             run_image_id, SIZE, &err);

				if (r < 0 && r != -EEXIST)
					fail_msg("%s", err.text);
			}
			near_close(run_open(left));
			cut_free(left);
		}
	}
	cut_replay_end(&replay);
	cut_free(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_power_cut_anywhere_loses_no_committed_write_and_shows_no_foreign_bytes),
		CASE(a_power_cut_while_a_layer_is_made_leaves_one_or_none),
	};

	return cmocka_run_group_tests_name("near-power-cut", tests, NULL, NULL);
}
