// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "tests/unit/lapic-board.h"

#define PERIODIC (1u << 17)
#define DEADLINE (2u << 17)

/* The clock goes on, and what was asked for by then happens at its time. */
static void run(struct board *board, uint64_t ns)
{
	uint64_t end = board->now + ns;
	unsigned int guard = 0;

	while (board->cpu[0].armed && board->cpu[0].armed <= end) {
		assert_true(guard++ < 10000);
		if (board->cpu[0].armed > board->now)
			board->now = board->cpu[0].armed;
		lapic_timer_expire(&board->lapic[0]);
	}
	board->now = end;
}

/* Takes and ends what is pending; how often was it this vector? */
static unsigned int taken(struct board *board, int vector)
{
	unsigned int count = 0;

	while (lapic_pending(&board->lapic[0]) >= 0) {
		count += lapic_acknowledge(&board->lapic[0]) == vector;
		lapic_end(&board->lapic[0]);
	}
	return count;
}

TEST(one_shot_counts_down_and_interrupts_once)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000);
	assert_int_equal(b.cpu[0].armed, BOARD_BOOT + 1000);
	run(&b, 400);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 600);
	run(&b, 599);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 1);
	assert_int_equal(taken(&b, 0xEC), 0);
	run(&b, 1);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 0);
	assert_int_equal(taken(&b, 0xEC), 1);
	run(&b, 1000000);
	assert_int_equal(taken(&b, 0xEC), 0);
}

TEST(the_divider_is_two_to_128_or_one)
{
	static const uint32_t by[][2] = { { 0x0, 2 },  { 0x1, 4 },  { 0x2, 8 },   { 0x3, 16 },
		                          { 0x8, 32 }, { 0x9, 64 }, { 0xA, 128 }, { 0xB, 1 } };

	for (unsigned int i = 0; i < 8; i++) {
		struct board b;

		board_enable(&b, 0);
		board_put(&b, 0, LAPIC_TIMER, 0xEC);
		board_put(&b, 0, LAPIC_DIVIDE, by[i][0]);
		board_put(&b, 0, LAPIC_INITIAL, 0xFFFFFFFF);
		assert_int_equal(b.cpu[0].armed - BOARD_BOOT, UINT64_C(0xFFFFFFFF) * by[i][1]);
	}
}

TEST(periodic_interrupts_once_a_period)
{
	struct board b;
	unsigned int count = 0;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000000);
	for (unsigned int i = 0; i < 50; i++) {
		run(&b, 300000);
		count += taken(&b, 0xEC);
	}
	assert_int_equal(count, 15);
	run(&b, 100);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 1000000 - 100);
}

TEST(periods_that_went_by_unnoticed_are_one_interrupt_and_keep_their_beat)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000000);
	b.now += 5300000;
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 700000);
	lapic_timer_expire(&b.lapic[0]);
	assert_int_equal(taken(&b, 0xEC), 1);
	assert_int_equal(b.cpu[0].armed, BOARD_BOOT + 6000000);
}

TEST(the_shortest_periods_do_not_keep_the_host_busy)
{
	struct board b;
	uint64_t before;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1);
	for (unsigned int i = 0; i < 10; i++) {
		before = b.now;
		b.now = b.cpu[0].armed;
		assert_true(b.now >= before + 100000);
		lapic_timer_expire(&b.lapic[0]);
		assert_int_equal(taken(&b, 0xEC), 1);
	}
}

TEST(a_masked_timer_counts_and_arms_nothing)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, LAPIC_LVT_MASKED | PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000000);
	assert_int_equal(b.cpu[0].armed, 0);
	b.now += 400000;
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 600000);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	assert_int_equal(b.cpu[0].armed, BOARD_BOOT + 1000000);
}

TEST(a_shot_that_fell_while_masked_is_gone)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, LAPIC_LVT_MASKED | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000);
	b.now += 10000;
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	run(&b, 10000);
	assert_int_equal(taken(&b, 0xEC), 0);
}

TEST(a_count_of_zero_stops_it)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000000);
	board_put(&b, 0, LAPIC_INITIAL, 0);
	assert_int_equal(b.cpu[0].armed, 0);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 0);
}

TEST(a_new_divider_goes_on_from_the_count)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000);
	run(&b, 400);
	board_put(&b, 0, LAPIC_DIVIDE, 0x0);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 600);
	assert_int_equal(b.cpu[0].armed, b.now + 1200);
}

TEST(a_tsc_deadline_interrupts_once_and_reads_as_zero_then)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	b.tsc_offset = 5000;
	lapic_set_tsc_deadline(&b.lapic[0], 9000);
	assert_int_equal(b.cpu[0].armed, 0);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	lapic_set_tsc_deadline(&b.lapic[0], 9000);
	assert_int_equal(lapic_tsc_deadline(&b.lapic[0]), 9000);
	assert_int_equal(b.cpu[0].armed, 4000);
	board_put(&b, 0, LAPIC_INITIAL, 77);
	assert_int_equal(board_get(&b, 0, LAPIC_INITIAL), 0);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 0);
	run(&b, 3000);
	assert_int_equal(taken(&b, 0xEC), 1);
	assert_int_equal(lapic_tsc_deadline(&b.lapic[0]), 0);
}

TEST(a_tsc_deadline_in_the_past_interrupts_at_once)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	b.tsc_offset = 100;
	lapic_set_tsc_deadline(&b.lapic[0], 1);
	assert_int_equal(taken(&b, 0xEC), 1);
	assert_int_equal(b.cpu[0].armed, 0);
}

TEST(a_tsc_deadline_follows_a_tsc_that_is_set)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	lapic_set_tsc_deadline(&b.lapic[0], 50000);
	assert_int_equal(b.cpu[0].armed, 50000);
	b.tsc_offset = 10000;
	lapic_timer_tsc_changed(&b.lapic[0]);
	assert_int_equal(b.cpu[0].armed, 40000);
	lapic_set_tsc_deadline(&b.lapic[0], 0);
	assert_int_equal(b.cpu[0].armed, 0);
}

TEST(a_state_has_no_tsc_deadline_which_an_msr_brings_after_it)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	lapic_set_tsc_deadline(&b.lapic[0], 50000);
	lapic_get_state(&b.lapic[0], &saved);
	lapic_set_state(&b.lapic[0], &saved);
	assert_int_equal(lapic_tsc_deadline(&b.lapic[0]), 0);
	assert_int_equal(b.cpu[0].armed, 0);
}

TEST(leaving_the_deadline_mode_disarms)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	lapic_set_tsc_deadline(&b.lapic[0], 50000);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	assert_int_equal(b.cpu[0].armed, 0);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	assert_int_equal(lapic_tsc_deadline(&b.lapic[0]), 0);
}

TEST(a_processor_without_deadlines_has_no_such_mode)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	assert_int_equal(board_get(&b, 0, LAPIC_TIMER), 0xEC);
}

TEST(a_state_goes_on_counting_where_it_was)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_DIVIDE, 0xB);
	board_put(&b, 0, LAPIC_TIMER, PERIODIC | 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000000);
	b.now += 400000;
	lapic_get_state(&b.lapic[0], &saved);
	b.now += 12345678;
	lapic_set_state(&b.lapic[0], &saved);
	assert_int_equal(board_get(&b, 0, LAPIC_CURRENT), 600000);
	assert_int_equal(b.cpu[0].armed, b.now + 600000);
}

TEST(a_shot_whose_count_the_state_does_not_tell_is_due_at_once)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000);
	lapic_get_state(&b.lapic[0], &saved);
	memset(saved.regs + LAPIC_CURRENT * 16, 0, 4);
	lapic_set_state(&b.lapic[0], &saved);
	run(&b, 0);
	assert_int_equal(taken(&b, 0xEC), 1);
}

TEST(init_stops_it)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	board_put(&b, 0, LAPIC_INITIAL, 1000);
	lapic_reset(&b.lapic[0]);
	assert_int_equal(b.cpu[0].armed, 0);
	lapic_timer_expire(&b.lapic[0]);
	assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	board_enable(&b, LAPIC_HAS_TSC_DEADLINE);
	board_put(&b, 0, LAPIC_TIMER, DEADLINE | 0xEC);
	lapic_set_tsc_deadline(&b.lapic[0], 50000);
	lapic_reset(&b.lapic[0]);
	board_put(&b, 0, LAPIC_SVR, 0x1FF);
	/* Behind its back, since entering the mode clears the deadline too. */
	b.lapic[0].reg[LAPIC_TIMER] = DEADLINE | 0xEC;
	assert_int_equal(lapic_tsc_deadline(&b.lapic[0]), 0);
}

TEST(a_timer_that_stands_stands_in_its_state_too)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TIMER, 0xEC);
	lapic_get_state(&b.lapic[0], &saved);
	lapic_set_state(&b.lapic[0], &saved);
	assert_int_equal(b.cpu[0].armed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_shot_counts_down_and_interrupts_once),
		CASE(the_divider_is_two_to_128_or_one),
		CASE(periodic_interrupts_once_a_period),
		CASE(periods_that_went_by_unnoticed_are_one_interrupt_and_keep_their_beat),
		CASE(the_shortest_periods_do_not_keep_the_host_busy),
		CASE(a_masked_timer_counts_and_arms_nothing),
		CASE(a_shot_that_fell_while_masked_is_gone),
		CASE(a_count_of_zero_stops_it),
		CASE(a_new_divider_goes_on_from_the_count),
		CASE(a_tsc_deadline_interrupts_once_and_reads_as_zero_then),
		CASE(a_tsc_deadline_in_the_past_interrupts_at_once),
		CASE(a_tsc_deadline_follows_a_tsc_that_is_set),
		CASE(leaving_the_deadline_mode_disarms),
		CASE(a_processor_without_deadlines_has_no_such_mode),
		CASE(a_state_goes_on_counting_where_it_was),
		CASE(a_shot_whose_count_the_state_does_not_tell_is_due_at_once),
		CASE(init_stops_it),
		CASE(a_state_has_no_tsc_deadline_which_an_msr_brings_after_it),
		CASE(a_timer_that_stands_stands_in_its_state_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
