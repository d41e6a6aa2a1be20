// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <string.h>

#include "module/irqchip/pit.h"

#define BOOT 1000000

struct board {
	struct pit pit;
	uint64_t now, armed;
	unsigned int ticks;
	int taken;
};

static uint64_t now(void *ctx)
{
	return ((const struct board *)ctx)->now;
}

static void arm(void *ctx, uint64_t at)
{
	((struct board *)ctx)->armed = at;
}

static int tick(void *ctx)
{
	struct board *board = ctx;

	board->ticks++;
	return board->taken;
}

static const struct pit_ops ops = { .now = now, .arm = arm, .tick = tick };

static void start(struct board *board)
{
	memset(board, 0, sizeof(*board));
	board->now = BOOT;
	board->taken = 1;
	pit_init(&board->pit, &ops, board, true);
}

static void out(struct board *board, uint16_t port, uint8_t value)
{
	assert_true(pit_write(&board->pit, port, value));
}

static uint8_t in(struct board *board, uint16_t port)
{
	uint8_t value = 0;

	assert_true(pit_read(&board->pit, port, &value));
	return value;
}

/* Both bytes of a count, in this mode. */
static void program(struct board *board, unsigned int channel, unsigned int mode, uint16_t count)
{
	out(board, 0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
	out(board, (uint16_t)(0x40 + channel), (uint8_t)count);
	out(board, (uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static uint16_t count_of(struct board *board, unsigned int channel)
{
	uint16_t port = (uint16_t)(0x40 + channel);
	uint8_t low;

	out(board, 0x43, (uint8_t)(channel << 6));
	low = in(board, port);
	return (uint16_t)(in(board, port) << 8 | low);
}

static bool output_of(struct board *board, unsigned int channel)
{
	out(board, 0x43, (uint8_t)(0xE0 | 2u << channel));
	return in(board, (uint16_t)(0x40 + channel)) >> 7;
}

/* The clock goes on, and what was asked for by then happens at its time. */
static void run(struct board *board, uint64_t ns)
{
	uint64_t end = board->now + ns;
	unsigned int guard = 0;

	while (board->armed && board->armed <= end) {
		assert_true(guard++ < 100000);
		if (board->armed > board->now)
			board->now = board->armed;
		pit_expire(&board->pit);
	}
	board->now = end;
}

TEST(a_periodic_channel_ticks_at_its_rate)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	run(&b, 10000000000);
	assert_int_equal(b.ticks, 999);
	start(&b);
	program(&b, 0, 3, 0);
	run(&b, 10000000000);
	assert_int_equal(b.ticks, 182);
}

TEST(mode_0_ticks_once)
{
	struct board b;

	start(&b);
	program(&b, 0, 0, 1193);
	run(&b, 999000);
	assert_int_equal(b.ticks, 0);
	run(&b, 1000);
	assert_int_equal(b.ticks, 1);
	run(&b, 1000000000);
	assert_int_equal(b.ticks, 1);
}

TEST(mode_4_ticks_when_its_strobe_ends)
{
	struct board b;

	start(&b);
	program(&b, 0, 4, 1193);
	run(&b, 1000100);
	pit_expire(&b.pit);
	assert_int_equal(b.ticks, 0);
	run(&b, 1000);
	assert_int_equal(b.ticks, 1);
}

TEST(a_control_word_alone_stops_the_ticks)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	out(&b, 0x43, 0x30);
	assert_int_equal(b.armed, 0);
	assert_false(output_of(&b, 0));
}

TEST(ticks_that_meet_one_that_waits_are_owed_and_come_with_its_end)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	run(&b, 10100000);
	b.taken = 0;
	run(&b, 30000000);
	assert_int_equal(b.ticks, 4);
	b.taken = 1;
	for (unsigned int i = 0; i < 10; i++)
		pit_ended(&b.pit);
	assert_int_equal(b.ticks, 7);
}

TEST(ticks_of_a_host_that_came_late_are_owed)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	b.now += 50100000;
	pit_expire(&b.pit);
	for (unsigned int i = 0; i < 10; i++)
		pit_ended(&b.pit);
	assert_int_equal(b.ticks, 5);
}

TEST(without_reinjection_nothing_is_owed)
{
	struct board b;

	start(&b);
	pit_set_reinject(&b.pit, false);
	program(&b, 0, 2, 11932);
	b.taken = 0;
	b.now += 50100000;
	pit_expire(&b.pit);
	pit_ended(&b.pit);
	assert_int_equal(b.ticks, 1);
}

TEST(a_masked_line_is_owed_nothing)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	b.taken = -1;
	run(&b, 100000000);
	b.ticks = 0;
	pit_ended(&b.pit);
	assert_int_equal(b.ticks, 0);
}

TEST(the_shortest_period_does_not_keep_the_host_busy)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 2);
	for (unsigned int i = 0; i < 10; i++) {
		uint64_t before = b.now;

		b.now = b.armed;
		assert_true(b.now >= before + 100000 - 1000);
		pit_expire(&b.pit);
	}
}

TEST(the_hpet_in_its_place_silences_channel_0)
{
	struct kvm_pit_state2 saved;
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	pit_get_state(&b.pit, &saved);
	saved.flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	pit_set_state(&b.pit, &saved);
	assert_int_equal(b.armed, 0);
	program(&b, 0, 2, 11932);
	assert_int_equal(b.armed, 0);
	b.now += 100000000;
	pit_expire(&b.pit);
	assert_int_equal(b.ticks, 0);
}

TEST(an_alarm_that_comes_early_is_no_tick)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 11932);
	b.now += 5000000;
	pit_expire(&b.pit);
	assert_int_equal(b.ticks, 0);
}

TEST(a_control_word_takes_latches_away)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 0x1234);
	out(&b, 0x43, 0xC2);
	program(&b, 0, 2, 0x5678);
	assert_int_equal(in(&b, 0x40), 0x78);
}

TEST(a_new_count_of_a_triggered_channel_waits_for_the_next_trigger)
{
	struct board b;

	start(&b);
	program(&b, 2, 1, 1000);
	out(&b, 0x61, 0x01);
	assert_false(output_of(&b, 2));
	out(&b, 0x42, 0x10);
	out(&b, 0x42, 0x00);
	b.now += 1000000;
	assert_true(output_of(&b, 2));
	out(&b, 0x61, 0x00);
	out(&b, 0x61, 0x01);
	assert_false(output_of(&b, 2));
	b.now += 20000;
	assert_true(output_of(&b, 2));
}

TEST(a_latched_count_stands_until_it_is_read)
{
	struct board b;

	start(&b);
	program(&b, 0, 2, 0x8000);
	out(&b, 0x43, 0x00);
	b.now += 5000000;
	out(&b, 0x43, 0x00);
	assert_int_equal(in(&b, 0x40), 0x00);
	assert_int_equal(in(&b, 0x40), 0x80);
	assert_int_not_equal(count_of(&b, 0), 0x8000);
}

TEST(decimal_counts_are_decimal)
{
	struct board b;

	start(&b);
	out(&b, 0x43, 0x31);
	out(&b, 0x40, 0x00);
	out(&b, 0x40, 0x10);
	assert_int_equal(count_of(&b, 0), 0x1000);
	b.now += 839;
	assert_int_equal(count_of(&b, 0), 0x0999);
	b.now += 838500;
	assert_int_equal(count_of(&b, 0), 0x9999);
}

TEST(port_61h_has_gate_data_output_and_refresh)
{
	struct board b;
	uint8_t first;

	start(&b);
	out(&b, 0x61, 0x03);
	assert_int_equal(in(&b, 0x61) & 0x0F, 0x03);
	program(&b, 2, 0, 100);
	assert_int_equal(in(&b, 0x61) & 0x20, 0);
	b.now += 100000;
	assert_int_equal(in(&b, 0x61) & 0x20, 0x20);
	first = in(&b, 0x61) & 0x10;
	b.now += 15100;
	assert_int_not_equal(in(&b, 0x61) & 0x10, first);
	b.pit.speaker = false;
	assert_false(pit_read(&b.pit, 0x61, &first));
	assert_false(pit_write(&b.pit, 0x61, 0));
}

TEST(a_state_goes_on_counting_where_it_was)
{
	struct kvm_pit_state2 saved;
	struct board b, c;

	start(&b);
	program(&b, 0, 2, 11932);
	program(&b, 2, 0, 1000);
	out(&b, 0x61, 0x03);
	run(&b, 254000);
	out(&b, 0x61, 0x02);
	run(&b, 1000000);
	pit_get_state(&b.pit, &saved);
	assert_int_equal(saved.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	start(&c);
	c.now = b.now;
	pit_set_state(&c.pit, &saved);
	assert_int_equal(c.armed, b.armed);
	assert_int_equal(count_of(&c, 0), count_of(&b, 0));
	assert_int_equal(count_of(&c, 2), count_of(&b, 2));
	run(&c, 5000);
	assert_int_equal(count_of(&c, 2), count_of(&b, 2));
	out(&c, 0x61, 0x01);
	run(&c, 5000);
	assert_int_not_equal(count_of(&c, 2), count_of(&b, 2));
}

TEST(a_hostile_state_is_brought_within_bounds)
{
	struct kvm_pit_state2 saved;
	struct board b;

	start(&b);
	memset(&saved, 0xFF, sizeof(saved));
	pit_set_state(&b.pit, &saved);
	pit_get_state(&b.pit, &saved);
	assert_int_equal(saved.channels[1].count, 10000);
	assert_int_equal(saved.channels[2].mode, 3);
	assert_int_equal(saved.channels[2].count_load_time, BOOT);
	memset(&saved, 0, sizeof(saved));
	pit_set_state(&b.pit, &saved);
	pit_get_state(&b.pit, &saved);
	assert_int_equal(saved.channels[0].count, 65536);
}

/* What is slow and plain: a channel of the data sheet, clock by clock. */
struct model {
	unsigned int mode, count, left;
	bool out, gate, counting;
};

static void model_load(struct model *model)
{
	model->counting = true;
	model->left = model->mode == 3 ? model->count & ~1u : model->count;
	model->out = model->mode != 0 && model->mode != 1;
}

static void model_gate(struct model *model, bool high)
{
	bool rose = high && !model->gate;

	model->gate = high;
	if (!high && (model->mode == 2 || model->mode == 3))
		model->out = true;
	if (rose && model->mode != 0 && model->mode != 4)
		model_load(model);
}

static void model_clock(struct model *model)
{
	bool odd = model->count & 1;

	if (!model->counting || (!model->gate && model->mode != 1 && model->mode != 5))
		return;
	if (model->mode == 3) {
		if (odd && model->out && model->left == 0) {
			model->out = false;
			model->left = model->count - 1;
			return;
		}
		model->left -= 2;
		if (model->left == 0 && !(odd && model->out)) {
			model->out = !model->out;
			model->left = model->count & ~1u;
		}
		return;
	}
	model->left = (model->left - 1) & 0xFFFF;
	if (model->mode == 2) {
		model->out = model->left != 1;
		if (model->left == 0)
			model->left = model->count;
	} else if (model->mode == 0 || model->mode == 1) {
		model->out |= model->left == 0;
	} else {
		/* The strobe is low once, not again after the counter went round. */
		model->out = model->left != 0;
	}
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

TEST(every_mode_counts_as_a_slow_and_plain_model_does)
{
	uint32_t seed = 3;

	for (unsigned int round = 0; round < 300; round++) {
		struct model model = { .mode = round % 6 };
		struct board b;

		start(&b);
		out(&b, 0x61, model.gate = next(&seed) & 1);
		model.count = 2 + next(&seed) % 60;
		program(&b, 2, model.mode, (uint16_t)model.count);
		model.out = true;
		if (model.mode != 1 && model.mode != 5)
			model_load(&model);
		for (uint64_t clock = 0; clock < 300; clock++) {
			uint64_t begin = BOOT + (clock * 1000000000 + PIT_HZ - 1) / PIT_HZ;

			if (clock)
				model_clock(&model);
			/*
			 * Load, rise, fall and look in this order in a clock: rounding does not
			 * matter.
			 */
			if (next(&seed) % 40 == 0) {
				bool high = next(&seed) & 1;

				b.now = begin + (high ? 250 : 270);
				out(&b, 0x61, high);
				model_gate(&model, high);
			}
			b.now = begin + 400;
			assert_int_equal(output_of(&b, 2), model.out);
			/* Where a high gate has to come first, the count is not defined before. */
			if (model.counting && (model.gate || model.mode == 0 || model.mode == 4))
				assert_int_equal(count_of(&b, 2), model.left);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_periodic_channel_ticks_at_its_rate),
		CASE(mode_0_ticks_once),
		CASE(mode_4_ticks_when_its_strobe_ends),
		CASE(a_control_word_alone_stops_the_ticks),
		CASE(ticks_that_meet_one_that_waits_are_owed_and_come_with_its_end),
		CASE(ticks_of_a_host_that_came_late_are_owed),
		CASE(without_reinjection_nothing_is_owed),
		CASE(a_masked_line_is_owed_nothing),
		CASE(the_shortest_period_does_not_keep_the_host_busy),
		CASE(the_hpet_in_its_place_silences_channel_0),
		CASE(an_alarm_that_comes_early_is_no_tick),
		CASE(a_control_word_takes_latches_away),
		CASE(a_new_count_of_a_triggered_channel_waits_for_the_next_trigger),
		CASE(a_latched_count_stands_until_it_is_read),
		CASE(decimal_counts_are_decimal),
		CASE(port_61h_has_gate_data_output_and_refresh),
		CASE(a_state_goes_on_counting_where_it_was),
		CASE(a_hostile_state_is_brought_within_bounds),
		CASE(every_mode_counts_as_a_slow_and_plain_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
