// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill as a policy: what it takes at the times it is told.
 */
#include "tests/unit/near-fixture.h"

#include "base/bits.h"
#include "disk/fill.h"
#include "util/clock.h"

#define DISK (64 * MIB)

struct model {
	struct near_fixture fixture;
	struct near *near;
	struct messages messages;
	struct fill fill;
};

static void model_make(struct model *model, uint64_t rate)
{
	fixture_make(&model->fixture, DISK, 0);
	model->near = fixture_open(&model->fixture);
	messages_init(&model->messages);
	fill_init(&model->fill, model->near, DISK, &model->messages);
	fill_set(&model->fill, true, rate);
}

static void model_end(struct model *model)
{
	near_close(model->near);
	messages_destroy(&model->messages);
	fixture_remove(&model->fixture);
}

/*
 * Bytes taken in `ns` by a caller who comes when it was told to, and at the latest after `every`.
 */
static uint64_t taken_in(struct model *model, uint64_t ns, uint64_t every)
{
	uint64_t now = model->fill.since_ns, end = now + ns, sum = 0;

	while (now < end) {
		uint64_t wake = now + every;
		struct trace_run run;

		if (fill_take(&model->fill, now, 0, &run, &wake)) {
			sum += run.len;
			fill_finished(&model->fill);
		} else {
			assert_true(wake > now);
			now = wake;
		}
	}
	return sum;
}

static void expect_rate(uint64_t rate, uint64_t seconds, uint64_t every)
{
	uint64_t due = rate * seconds, taken;
	struct model model;

	model_make(&model, rate);
	taken = taken_in(&model, seconds * NS_PER_SEC, every);
	/* A piece more or less, and what may be saved up. */
	assert_in_range(taken, due - due / 20 - 64 * KIB, due + due / 20 + max_u64(rate, 64 * KIB));
	model_end(&model);
}

TEST(a_rate_is_kept_however_low_it_is)
{
	static const uint64_t rates[] = { 1000, 4 * KIB, 50000, 64 * KIB, 200000, MIB };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		expect_rate(rates[i], 16 * MIB / rates[i], 3600 * NS_PER_SEC);
}

TEST(a_rate_is_reached_by_a_caller_who_comes_often)
{
	expect_rate(100000, 10, NS_PER_SEC / 200000);
}

TEST(no_more_than_a_second_is_saved_up)
{
	struct model model;
	struct trace_run run;
	uint64_t now, wake, sum = 0;

	model_make(&model, 8 * MIB);
	now = model.fill.since_ns + 3600 * NS_PER_SEC;
	while (fill_take(&model.fill, now, 0, &run, &wake)) {
		sum += run.len;
		fill_finished(&model.fill);
	}
	assert_int_equal(sum, 8 * MIB);
	model_end(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_rate_is_kept_however_low_it_is),
		CASE(a_rate_is_reached_by_a_caller_who_comes_often),
		CASE(no_more_than_a_second_is_saved_up),
	};

	return cmocka_run_group_tests_name("fill", tests, NULL, NULL);
}
