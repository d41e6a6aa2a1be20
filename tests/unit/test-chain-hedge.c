// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads of a chain that are slow, hurry or are called off.
 */
#include "tests/unit/unit.h"

#include <sched.h>

#include "tests/unit/chain-fixture.h"

CHAIN_TEST(a_slow_demand_read_is_sent_to_the_next_source_too)
{
	struct fixture *f = opened(state, 2, NULL);

	warm_up(f, PIECE);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD, .times = 1 });
	reads(f, PIECE, 0);
	assert_int_equal(number_of(f, 1, "hedges"), 1);
	assert_string_equal(state_of(f, 0), "well");
}

CHAIN_TEST(a_slow_background_read_is_not_hedged)
{
	struct fixture *f = opened(state, 2, NULL);
	struct source_read how = { .priority = SOURCE_BACKGROUND };

	warm_up(f, PIECE);
	how.deadline_ns = now_ns() + NS_PER_SEC / 2;
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, &how, &f->err), -EIO);
	assert_int_equal(number_of(f, 1, "hedges"), 0);
}

CHAIN_TEST(hedging_stays_inside_its_budget)
{
	struct fixture *f = opened(state, 2, NULL);
	const size_t len = 256 * 1024;

	/* 20 reads of 256 KiB earn 5 % of 5 MiB on top of 1 MiB: enough for five, not for six. */
	warm_up(f, len);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	for (unsigned int i = 0; i < 5; i++) {
		reads(f, len, 0);
		assert_int_equal(number_of(f, 1, "hedges"), i + 1);
		assert_string_equal(state_of(f, 0), "well");
	}
	/* Without a budget the read waits until the source counts as stalled. */
	reads(f, len, 0);
	assert_int_equal(number_of(f, 1, "hedges"), 5);
	assert_string_equal(state_of(f, 0), "failing");
}

CHAIN_TEST(hedging_can_be_off)
{
	struct fixture *f = *state;

	f->options.hedge_percent = 0;
	opened(state, 2, NULL);
	warm_up(f, PIECE);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	reads(f, PIECE, 0);
	assert_int_equal(number_of(f, 1, "hedges"), 0);
	assert_string_equal(state_of(f, 0), "failing");
}

/* A background read in a thread of its own, which can be told to hurry or to return. */
struct background {
	struct fixture *f;
	struct source_cancel cancel;
	pthread_t thread;
	uint8_t buf[PIECE];
	int result;
};

static void *read_in_background(void *arg)
{
	struct background *read = arg;
	const struct source_read how = { .priority = SOURCE_BACKGROUND, .cancel = &read->cancel };

	read->result = source_read(read->f->chain, read->buf, PIECE, 4096, &how, NULL);
	return NULL;
}

/* Begins one of which source a holds the answer back. */
static void begin_held(struct background *read, struct fixture *f)
{
	unsigned int before = fault_server_requests(f->a);

	*read = (struct background){ .f = f };
	source_cancel_init(&read->cancel);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(pthread_create(&read->thread, NULL, read_in_background, read), 0);
	fault_server_wait(f->a, before + 1);
}

CHAIN_TEST(a_background_read_that_hurries_is_sent_to_the_next_source_too)
{
	struct fixture *f = opened(state, 2, NULL);
	struct background read;

	warm_up(f, PIECE);
	begin_held(&read, f);
	source_cancel_hurry(&read.cancel);
	pthread_join(read.thread, NULL);
	assert_int_equal(read.result, 0);
	assert_memory_equal(read.buf, file + 4096, PIECE);
	assert_int_equal(number_of(f, 1, "hedges"), 1);
	source_cancel_destroy(&read.cancel);
}

CHAIN_TEST(a_read_that_is_cancelled_returns_though_its_source_is_silent)
{
	struct fixture *f = opened(state, 1, NULL);
	struct background read;

	begin_held(&read, f);
	source_cancel_fire(&read.cancel);
	pthread_join(read.thread, NULL);
	assert_int_equal(read.result, -ECANCELED);
	source_cancel_destroy(&read.cancel);
}

struct slow_reader {
	struct fixture *f;
	uint64_t other_had; /* bytes of the other server before this read */
	size_t last;
};

/* The first bytes keep the reader busy until the other server has sent it all. */
static void on_slow_progress(void *arg, size_t prefix)
{
	struct slow_reader *slow = arg;

	while (slow->last == 0 && number_of(slow->f, 1, "bytes") < slow->other_had + 128 * 1024)
		sched_yield();
	slow->last = prefix;
}

CHAIN_TEST(all_bytes_are_told_when_the_hedge_is_first)
{
	struct fixture *f = opened(state, 2, NULL);
	struct slow_reader slow = { .f = f };
	const struct source_read how = { .arrived = on_slow_progress, .arg = &slow };
	const size_t len = 128 * 1024;

	warm_up(f, len);
	slow.other_had = number_of(f, 1, "bytes");
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD, .bytes = PIECE, .times = 1 });
	assert_int_equal(source_read(f->chain, f->buf, len, 0, &how, &f->err), 0);
	assert_memory_equal(f->buf, file, len);
	assert_int_equal(number_of(f, 1, "hedges"), 1);
	assert_int_equal(slow.last, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_CASE(a_slow_demand_read_is_sent_to_the_next_source_too),
		CHAIN_CASE(a_slow_background_read_is_not_hedged),
		CHAIN_CASE(hedging_stays_inside_its_budget),
		CHAIN_CASE(hedging_can_be_off),
		CHAIN_CASE(a_background_read_that_hurries_is_sent_to_the_next_source_too),
		CHAIN_CASE(a_read_that_is_cancelled_returns_though_its_source_is_silent),
		CHAIN_CASE(all_bytes_are_told_when_the_hedge_is_first),
	};

	return cmocka_run_group_tests_name("chain-hedge", tests, NULL, NULL);
}
