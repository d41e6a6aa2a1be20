// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <string.h>

#include "module/irqchip/pic.h"

struct board {
	struct pic pic;
	bool output;
	unsigned int outputs;      /* times that the wire changed */
	unsigned int ended[16];    /* times that the service of a line ended */
	unsigned int hold_in_call; /* lines that a callback raises again, a bit each */
};

static void output(void *ctx, bool high)
{
	struct board *board = ctx;

	board->output = high;
	board->outputs++;
}

static void ended(void *ctx, unsigned int line)
{
	struct board *board = ctx;

	assert_true(line < 16);
	board->ended[line]++;
	if (board->hold_in_call >> line & 1) {
		pic_set(&board->pic, line, 0, false);
		pic_set(&board->pic, line, 0, true);
	}
}

static const struct pic_ops ops = { .output = output, .ended = ended };

static void out(struct board *board, uint16_t port, uint8_t value)
{
	assert_true(pic_write(&board->pic, port, value));
}

static uint8_t in(struct board *board, uint16_t port)
{
	uint8_t value = 0;

	assert_true(pic_read(&board->pic, port, &value));
	return value;
}

/* A PC's controllers as its firmware leaves them: vectors 8 and 70h up, nothing masked. */
static void start_with(struct board *board, uint8_t icw4)
{
	memset(board, 0, sizeof(*board));
	pic_init(&board->pic, &ops, board);
	for (unsigned int n = 0; n < 2; n++) {
		uint16_t port = n ? 0xA0 : 0x20;

		out(board, port, 0x11);
		out(board, port + 1, n ? 0x70 : 0x08);
		out(board, port + 1, n ? 0x02 : 0x04);
		out(board, port + 1, icw4);
	}
}

static void start(struct board *board)
{
	start_with(board, 0x01);
}

TEST(an_edge_interrupts_once)
{
	struct board b;

	start(&b);
	assert_int_equal(pic_set(&b.pic, 3, 0, true), 1);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 0x0B);
	assert_false(b.output);
	out(&b, 0x20, 0x20);
	assert_false(b.output);
	assert_int_equal(b.ended[3], 1);
}

TEST(a_second_edge_before_the_acknowledge_is_coalesced)
{
	struct board b;

	start(&b);
	assert_int_equal(pic_set(&b.pic, 3, 0, true), 1);
	pic_set(&b.pic, 3, 0, false);
	assert_int_equal(pic_set(&b.pic, 3, 0, true), 0);
}

TEST(an_edge_that_fell_again_is_still_delivered)
{
	struct board b;

	start(&b);
	pic_set(&b.pic, 1, 0, true);
	pic_set(&b.pic, 1, 0, false);
	assert_int_equal(pic_acknowledge(&b.pic), 9);
}

TEST(a_masked_line_is_told_as_ignored_and_interrupts_when_unmasked)
{
	struct board b;

	start(&b);
	out(&b, 0x21, 0xFF);
	assert_int_equal(pic_set(&b.pic, 5, 0, true), -1);
	assert_false(b.output);
	out(&b, 0x21, 0xDF);
	assert_true(b.output);
}

TEST(a_level_line_asks_again_after_its_end_while_it_is_high)
{
	struct board b;

	start(&b);
	out(&b, 0x4D1, 0x04);
	pic_set(&b.pic, 10, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 0x72);
	assert_false(b.output);
	out(&b, 0xA0, 0x20);
	out(&b, 0x20, 0x20);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 0x72);
	pic_set(&b.pic, 10, 0, false);
	out(&b, 0xA0, 0x20);
	out(&b, 0x20, 0x20);
	assert_false(b.output);
	assert_int_equal(b.ended[10], 2);
}

TEST(a_shared_line_is_high_until_its_last_source_lets_go)
{
	struct board b;

	start(&b);
	out(&b, 0x4D0, 0x20);
	pic_set(&b.pic, 5, 0, true);
	pic_set(&b.pic, 5, 7, true);
	pic_set(&b.pic, 5, 0, false);
	assert_true(b.output);
	pic_set(&b.pic, 5, 7, false);
	assert_false(b.output);
}

TEST(lower_lines_wait_and_higher_ones_interrupt_the_service)
{
	struct board b;

	start(&b);
	pic_set(&b.pic, 4, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 12);
	pic_set(&b.pic, 6, 0, true);
	assert_false(b.output);
	pic_set(&b.pic, 0, 0, true);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 8);
	out(&b, 0x20, 0x20);
	out(&b, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&b.pic), 14);
}

TEST(an_acknowledge_without_a_request_is_line_seven_and_not_in_service)
{
	struct board b;

	start(&b);
	assert_int_equal(pic_acknowledge(&b.pic), 15);
	out(&b, 0x20, 0x0B);
	assert_int_equal(in(&b, 0x20), 0);
}

TEST(a_slave_that_took_its_request_back_gives_its_own_spurious_vector)
{
	struct board b;

	start(&b);
	out(&b, 0x4D1, 0x04);
	pic_set(&b.pic, 10, 0, true);
	pic_set(&b.pic, 10, 0, false);
	/* The master has latched the edge of the cascade. */
	assert_int_equal(pic_acknowledge(&b.pic), 0x77);
}

TEST(automatic_end_leaves_nothing_in_service)
{
	struct board b;

	start_with(&b, 0x03);
	pic_set(&b.pic, 12, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 0x74);
	assert_int_equal(b.ended[12], 1);
	out(&b, 0xA0, 0x0B);
	assert_int_equal(in(&b, 0xA0), 0);
}

TEST(two_lines_of_a_slave_with_automatic_end_both_arrive)
{
	struct board b;

	start_with(&b, 0x03);
	pic_set(&b.pic, 12, 0, true);
	pic_set(&b.pic, 9, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 0x71);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 0x74);
	assert_false(b.output);
}

TEST(rotation_on_automatic_end_makes_the_served_line_the_last)
{
	struct board b;

	start_with(&b, 0x03);
	out(&b, 0x20, 0x80);
	pic_set(&b.pic, 0, 0, true);
	pic_acknowledge(&b.pic);
	pic_set(&b.pic, 0, 0, false);
	pic_set(&b.pic, 0, 0, true);
	pic_set(&b.pic, 1, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 9);
	assert_int_equal(pic_acknowledge(&b.pic), 8);
}

TEST(rotation_on_an_end_makes_that_line_the_last)
{
	struct board b;

	start(&b);
	pic_set(&b.pic, 3, 0, true);
	pic_acknowledge(&b.pic);
	/* The line that this command names does not matter. */
	out(&b, 0x20, 0xA1);
	pic_set(&b.pic, 0, 0, true);
	pic_set(&b.pic, 4, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 12);
}

TEST(a_specific_end_ends_that_line_only)
{
	struct board b;

	start(&b);
	pic_set(&b.pic, 5, 0, true);
	pic_acknowledge(&b.pic);
	pic_set(&b.pic, 1, 0, true);
	pic_acknowledge(&b.pic);
	out(&b, 0x20, 0x65);
	out(&b, 0x20, 0x0B);
	assert_int_equal(in(&b, 0x20), 1u << 1);
	assert_int_equal(b.ended[5], 1);
	assert_int_equal(b.ended[1], 0);
}

TEST(in_special_mask_mode_a_masked_service_holds_nothing_back)
{
	struct board b;

	start(&b);
	pic_set(&b.pic, 1, 0, true);
	pic_acknowledge(&b.pic);
	pic_set(&b.pic, 6, 0, true);
	out(&b, 0x21, 0x02);
	assert_false(b.output);
	out(&b, 0x20, 0x68);
	assert_true(b.output);
	/* Nor does an end that names no line end it. */
	out(&b, 0x20, 0x20);
	out(&b, 0x20, 0x0B);
	assert_int_equal(in(&b, 0x20), 1u << 1);
}

TEST(fully_nested_special_lets_a_slave_interrupt_its_own_service)
{
	struct board b;

	start_with(&b, 0x11);
	pic_set(&b.pic, 12, 0, true);
	pic_acknowledge(&b.pic);
	pic_set(&b.pic, 8, 0, true);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 0x70);
}

TEST(a_poll_acknowledges_and_names_the_line)
{
	struct board b;

	start(&b);
	out(&b, 0x20, 0x0C);
	assert_int_equal(in(&b, 0x20), 0);
	pic_set(&b.pic, 3, 0, true);
	out(&b, 0x20, 0x0C);
	assert_int_equal(in(&b, 0x20), 0x83);
	assert_false(b.output);
	assert_int_equal(in(&b, 0x20), 0);
}

TEST(initialisation_forgets_edges_and_keeps_levels)
{
	struct board b;

	start(&b);
	out(&b, 0x4D0, 0x20);
	pic_set(&b.pic, 5, 0, true);
	pic_set(&b.pic, 6, 0, true);
	out(&b, 0x20, 0x11);
	assert_int_equal(in(&b, 0x20), 0x20);
	assert_int_equal(in(&b, 0x4D0), 0x20);
}

TEST(timer_keyboard_clock_and_coprocessor_lines_are_edges_for_ever)
{
	struct board b;

	start(&b);
	out(&b, 0x4D0, 0xFF);
	out(&b, 0x4D1, 0xFF);
	assert_int_equal(in(&b, 0x4D0), 0xF8);
	assert_int_equal(in(&b, 0x4D1), 0xDE);
}

TEST(an_interrupt_raised_while_its_end_is_told_is_not_lost)
{
	struct board b;

	start(&b);
	b.hold_in_call = 1u << 4;
	pic_set(&b.pic, 4, 0, true);
	pic_acknowledge(&b.pic);
	out(&b, 0x20, 0x20);
	assert_true(b.output);
	assert_int_equal(pic_acknowledge(&b.pic), 12);
}

TEST(a_state_goes_to_another_controller_and_interrupts_there)
{
	struct board b, c;
	struct kvm_pic_state saved;

	start(&b);
	pic_set(&b.pic, 14, 0, true);
	memset(&c, 0, sizeof(c));
	pic_init(&c.pic, &ops, &c);
	for (unsigned int n = 0; n < 2; n++) {
		pic_get_state(&b.pic, n, &saved);
		pic_set_state(&c.pic, n, &saved);
	}
	assert_true(c.output);
	assert_int_equal(pic_acknowledge(&c.pic), 0x76);
	/* The line is high there too. */
	assert_int_equal(pic_set(&c.pic, 14, 0, true), 0);
}

TEST(a_hostile_state_is_brought_within_bounds)
{
	struct kvm_pic_state saved;
	struct board b;

	start(&b);
	memset(&saved, 0xFE, sizeof(saved));
	pic_set_state(&b.pic, 0, &saved);
	pic_get_state(&b.pic, 0, &saved);
	assert_int_equal(saved.priority_add, 6);
	assert_int_equal(saved.irq_base, 0xF8);
	assert_int_equal(saved.read_reg_select, 0);
	assert_int_equal(saved.poll, 1);
	assert_int_equal(saved.special_mask, 1);
	assert_int_equal(saved.init_state, 2);
	assert_int_equal(saved.auto_eoi, 1);
	assert_int_equal(saved.rotate_on_auto_eoi, 1);
	assert_int_equal(saved.special_fully_nested_mode, 1);
	assert_int_equal(saved.init4, 1);
	assert_int_equal(saved.elcr, 0xF8);
	assert_int_equal(saved.elcr_mask, 0xF8);
}

TEST(other_ports_are_not_its_own)
{
	uint8_t value;
	struct board b;

	start(&b);
	assert_false(pic_read(&b.pic, 0x22, &value));
	assert_false(pic_write(&b.pic, 0x4D2, 0));
}

TEST(there_is_no_cascade_line_to_pull)
{
	struct board b;

	start(&b);
	assert_int_equal(pic_set(&b.pic, 2, 0, true), -1);
	assert_int_equal(pic_set(&b.pic, 16, 0, true), -1);
	assert_false(b.output);
}

TEST(a_slave_is_nested_as_ever_whatever_the_mode_of_its_master)
{
	struct board b;

	start_with(&b, 0x11);
	pic_set(&b.pic, 10, 0, true);
	assert_int_equal(pic_acknowledge(&b.pic), 0x72);
	pic_set(&b.pic, 12, 0, true);
	assert_false(b.output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_edge_interrupts_once),
		CASE(a_second_edge_before_the_acknowledge_is_coalesced),
		CASE(an_edge_that_fell_again_is_still_delivered),
		CASE(a_masked_line_is_told_as_ignored_and_interrupts_when_unmasked),
		CASE(a_level_line_asks_again_after_its_end_while_it_is_high),
		CASE(a_shared_line_is_high_until_its_last_source_lets_go),
		CASE(lower_lines_wait_and_higher_ones_interrupt_the_service),
		CASE(an_acknowledge_without_a_request_is_line_seven_and_not_in_service),
		CASE(a_slave_that_took_its_request_back_gives_its_own_spurious_vector),
		CASE(automatic_end_leaves_nothing_in_service),
		CASE(two_lines_of_a_slave_with_automatic_end_both_arrive),
		CASE(rotation_on_automatic_end_makes_the_served_line_the_last),
		CASE(rotation_on_an_end_makes_that_line_the_last),
		CASE(a_specific_end_ends_that_line_only),
		CASE(in_special_mask_mode_a_masked_service_holds_nothing_back),
		CASE(fully_nested_special_lets_a_slave_interrupt_its_own_service),
		CASE(a_poll_acknowledges_and_names_the_line),
		CASE(initialisation_forgets_edges_and_keeps_levels),
		CASE(timer_keyboard_clock_and_coprocessor_lines_are_edges_for_ever),
		CASE(an_interrupt_raised_while_its_end_is_told_is_not_lost),
		CASE(a_state_goes_to_another_controller_and_interrupts_there),
		CASE(a_hostile_state_is_brought_within_bounds),
		CASE(other_ports_are_not_its_own),
		CASE(there_is_no_cascade_line_to_pull),
		CASE(a_slave_is_nested_as_ever_whatever_the_mode_of_its_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
