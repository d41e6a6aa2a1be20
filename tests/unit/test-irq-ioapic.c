// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <string.h>

#include "module/irqchip/ioapic.h"

#define LEVEL   0x8000u
#define MASKED  0x10000u
#define WAITING 0x4000u

struct board {
	struct ioapic ioapic;
	struct irq_message last;
	unsigned int sent, ended, let_go; /* let_go: pins of which source 1 lets go when they end */
	int taken;
};

static int send_message(void *ctx, const struct irq_message *message)
{
	struct board *board = ctx;

	board->last = *message;
	board->sent++;
	return board->taken;
}

static void ended(void *ctx, unsigned int pin)
{
	struct board *board = ctx;

	board->ended |= 1u << pin;
	if (board->let_go >> pin & 1)
		ioapic_set(&board->ioapic, pin, 1, false);
}

static const struct ioapic_ops ops = { .send = send_message, .ended = ended };

static void start(struct board *board)
{
	memset(board, 0, sizeof(*board));
	board->taken = 1;
	ioapic_init(&board->ioapic, &ops, board);
}

static void put(struct board *board, uint8_t reg, uint32_t value)
{
	ioapic_write(&board->ioapic, 0, reg);
	ioapic_write(&board->ioapic, 0x10, value);
}

static uint32_t get(struct board *board, uint8_t reg)
{
	ioapic_write(&board->ioapic, 0, reg);
	return ioapic_read(&board->ioapic, 0x10);
}

static void entry(struct board *board, unsigned int pin, uint32_t low, uint8_t destination)
{
	put(board, (uint8_t)(0x11 + 2 * pin), (uint32_t)destination << 24);
	put(board, (uint8_t)(0x10 + 2 * pin), low);
}

TEST(an_edge_is_one_message_with_what_its_entry_says)
{
	struct board b;

	start(&b);
	entry(&b, 4, 0x931, 0x0F);
	assert_int_equal(ioapic_set(&b.ioapic, 4, 0, true), 1);
	assert_int_equal(b.sent, 1);
	assert_int_equal(b.last.vector, 0x31);
	assert_int_equal(b.last.mode, IRQ_LOWEST);
	assert_int_equal(b.last.destination, 0x0F);
	assert_true(b.last.logical);
	assert_false(b.last.level);
	assert_int_equal(ioapic_set(&b.ioapic, 4, 0, true), IRQ_COALESCED);
	assert_int_equal(b.sent, 1);
}

TEST(an_edge_at_a_masked_pin_is_lost)
{
	struct board b;

	start(&b);
	entry(&b, 4, MASKED | 0x31, 0);
	assert_int_equal(ioapic_set(&b.ioapic, 4, 0, true), IRQ_IGNORED);
	entry(&b, 4, 0x31, 0);
	assert_int_equal(b.sent, 0);
}

TEST(a_level_at_a_masked_pin_is_sent_when_it_is_unmasked)
{
	struct board b;

	start(&b);
	entry(&b, 9, MASKED | LEVEL | 0x41, 0);
	assert_int_equal(ioapic_set(&b.ioapic, 9, 0, true), IRQ_IGNORED);
	entry(&b, 9, LEVEL | 0x41, 0);
	assert_int_equal(b.sent, 1);
	assert_true(b.last.level);
}

TEST(a_level_is_sent_again_after_each_end_while_it_is_high)
{
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 0);
	ioapic_set(&b.ioapic, 9, 0, true);
	assert_int_equal(ioapic_set(&b.ioapic, 9, 0, true), IRQ_COALESCED);
	assert_int_equal(get(&b, 0x22), LEVEL | WAITING | 0x41);
	ioapic_end(&b.ioapic, 0x41, true);
	assert_int_equal(b.sent, 2);
	ioapic_set(&b.ioapic, 9, 0, false);
	ioapic_end(&b.ioapic, 0x41, true);
	assert_int_equal(b.sent, 2);
	assert_int_equal(get(&b, 0x22), LEVEL | 0x41);
}

TEST(the_end_of_another_vector_ends_nothing)
{
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 0);
	ioapic_set(&b.ioapic, 9, 0, true);
	ioapic_end(&b.ioapic, 0x42, true);
	assert_int_equal(get(&b, 0x22), LEVEL | WAITING | 0x41);
	assert_int_equal(b.ended, 0);
}

TEST(an_end_that_is_not_broadcast_leaves_the_level_waiting)
{
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 0);
	ioapic_set(&b.ioapic, 9, 0, true);
	ioapic_end(&b.ioapic, 0x41, false);
	assert_int_equal(get(&b, 0x22), LEVEL | WAITING | 0x41);
}

TEST(who_resamples_an_edge_is_told_of_its_end)
{
	struct board b;

	start(&b);
	entry(&b, 2, 0x30, 0);
	ioapic_set(&b.ioapic, 2, 0, true);
	ioapic_end(&b.ioapic, 0x30, false);
	assert_int_equal(b.ended, 1u << 2);
}

TEST(a_pin_that_its_resampler_lets_go_of_is_not_sent_again)
{
	struct board b;

	start(&b);
	b.let_go = 1u << 9;
	entry(&b, 9, LEVEL | 0x41, 0);
	ioapic_set(&b.ioapic, 9, 1, true);
	ioapic_end(&b.ioapic, 0x41, true);
	assert_int_equal(b.sent, 1);
	/* Another source still holds it. */
	ioapic_set(&b.ioapic, 9, 0, true);
	ioapic_set(&b.ioapic, 9, 1, true);
	ioapic_end(&b.ioapic, 0x41, true);
	assert_int_equal(b.sent, 3);
}

TEST(a_level_that_nobody_took_does_not_wait_for_an_end)
{
	struct board b;

	start(&b);
	b.taken = IRQ_IGNORED;
	entry(&b, 9, LEVEL | 0x41, 0);
	assert_int_equal(ioapic_set(&b.ioapic, 9, 0, true), IRQ_IGNORED);
	assert_int_equal(get(&b, 0x22), LEVEL | 0x41);
	b.taken = 1;
	assert_int_equal(ioapic_set(&b.ioapic, 9, 0, true), 1);
}

TEST(an_nmi_is_never_a_level)
{
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x400, 0);
	ioapic_set(&b.ioapic, 9, 0, true);
	assert_false(b.last.level);
	assert_int_equal(get(&b, 0x22), LEVEL | 0x400);
}

TEST(making_a_pin_an_edge_ends_its_interrupt)
{
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 0);
	ioapic_set(&b.ioapic, 9, 0, true);
	put(&b, 0x22, MASKED | 0x41);
	put(&b, 0x22, LEVEL | 0x41);
	assert_int_equal(b.sent, 2);
}

TEST(there_are_twenty_four_pins_of_version_eleven)
{
	struct board b;

	start(&b);
	assert_int_equal(get(&b, 1), 0x170011);
	put(&b, 0, 0xFF000000);
	assert_int_equal(get(&b, 0), 0x0F000000);
	assert_int_equal(get(&b, 2), 0x0F000000);
	assert_int_equal(get(&b, 0x40), 0);
	assert_int_equal(ioapic_set(&b.ioapic, 24, 0, true), IRQ_IGNORED);
	assert_int_equal(ioapic_read(&b.ioapic, 0x40), 0);
}

TEST(a_state_goes_to_another_controller_and_interrupts_there)
{
	struct kvm_ioapic_state saved;
	struct board b, c;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 3);
	entry(&b, 4, 0x31, 3);
	ioapic_set(&b.ioapic, 9, 5, true);
	ioapic_set(&b.ioapic, 4, 0, true);
	ioapic_get_state(&b.ioapic, &saved);
	/* The edge has been delivered, the level waits for its end. */
	assert_int_equal(saved.irr, 1u << 9);
	start(&c);
	ioapic_set_state(&c.ioapic, &saved);
	assert_int_equal(c.sent, 0);
	ioapic_end(&c.ioapic, 0x41, true);
	assert_int_equal(c.sent, 1);
	ioapic_set(&c.ioapic, 9, 0, false);
	ioapic_end(&c.ioapic, 0x41, true);
	assert_int_equal(c.sent, 1);
}

TEST(an_edge_that_a_vmm_puts_into_the_state_is_sent)
{
	struct kvm_ioapic_state saved;
	struct board b;

	start(&b);
	entry(&b, 4, 0x31, 3);
	ioapic_get_state(&b.ioapic, &saved);
	saved.irr = 1u << 4;
	ioapic_set_state(&b.ioapic, &saved);
	assert_int_equal(b.sent, 1);
}

TEST(a_level_that_a_vmm_raises_in_the_state_is_sent_once)
{
	struct kvm_ioapic_state saved;
	struct board b;

	start(&b);
	entry(&b, 9, LEVEL | 0x41, 3);
	ioapic_get_state(&b.ioapic, &saved);
	saved.irr = 1u << 9;
	ioapic_set_state(&b.ioapic, &saved);
	assert_int_equal(b.sent, 1);
	assert_int_equal(get(&b, 0x22), LEVEL | WAITING | 0x41);
}

TEST(a_state_brings_no_bits_that_a_guest_could_not_set)
{
	struct kvm_ioapic_state saved;
	struct board b;

	start(&b);
	memset(&saved, 0xFF, sizeof(saved));
	ioapic_set_state(&b.ioapic, &saved);
	assert_int_equal(get(&b, 0x10), 0x1EFFF);
	assert_int_equal(get(&b, 0x11), 0xFF000000);
	assert_int_equal(get(&b, 0), 0x0F000000);
	ioapic_get_state(&b.ioapic, &saved);
	assert_int_equal(saved.irr, 0xFFFFFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_edge_is_one_message_with_what_its_entry_says),
		CASE(an_edge_at_a_masked_pin_is_lost),
		CASE(a_level_at_a_masked_pin_is_sent_when_it_is_unmasked),
		CASE(a_level_is_sent_again_after_each_end_while_it_is_high),
		CASE(the_end_of_another_vector_ends_nothing),
		CASE(an_end_that_is_not_broadcast_leaves_the_level_waiting),
		CASE(who_resamples_an_edge_is_told_of_its_end),
		CASE(a_pin_that_its_resampler_lets_go_of_is_not_sent_again),
		CASE(a_level_that_nobody_took_does_not_wait_for_an_end),
		CASE(an_nmi_is_never_a_level),
		CASE(making_a_pin_an_edge_ends_its_interrupt),
		CASE(there_are_twenty_four_pins_of_version_eleven),
		CASE(a_state_goes_to_another_controller_and_interrupts_there),
		CASE(an_edge_that_a_vmm_puts_into_the_state_is_sent),
		CASE(a_level_that_a_vmm_raises_in_the_state_is_sent_once),
		CASE(a_state_brings_no_bits_that_a_guest_could_not_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
