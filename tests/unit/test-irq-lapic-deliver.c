// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "tests/unit/lapic-board.h"

/* Who got a vector, a bit a processor; it is taken and ended there. */
static unsigned int who(struct board *board)
{
	unsigned int got = 0;

	for (unsigned int i = 0; i < BOARD_CPUS; i++) {
		if (lapic_acknowledge(&board->lapic[i]) < 0)
			continue;
		lapic_end(&board->lapic[i]);
		got |= 1u << i;
	}
	return got;
}

static int send_to(struct board *board, uint32_t destination, bool logical)
{
	const struct irq_message message = { .destination = destination,
		                             .logical = logical,
		                             .vector = 0x51 };

	return lapic_bus_send(&board->bus, NULL, &message, LAPIC_NAMED);
}

static void command(struct board *board, uint32_t high, uint32_t low)
{
	board_put(board, 0, LAPIC_ICR2, high);
	board_put(board, 0, LAPIC_ICR, low);
}

TEST(a_physical_destination_is_one_processor_or_with_all_ones_everyone)
{
	struct board b;

	board_enable(&b, 0);
	assert_int_equal(send_to(&b, 2, false), 1);
	assert_int_equal(who(&b), 1u << 2);
	assert_int_equal(send_to(&b, 0xFF, false), 4);
	assert_int_equal(who(&b), 0xF);
	assert_int_equal(send_to(&b, 9, false), IRQ_IGNORED);
	assert_int_equal(who(&b), 0);
}

TEST(an_xapic_answers_to_the_identification_that_it_was_given)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 2, LAPIC_ID, 9u << 24);
	assert_int_equal(send_to(&b, 2, false), IRQ_IGNORED);
	assert_int_equal(send_to(&b, 9, false), 1);
	assert_int_equal(who(&b), 1u << 2);
}

TEST(a_flat_logical_destination_is_a_set_of_processors)
{
	struct board b;

	board_enable(&b, 0);
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		board_put(&b, i, LAPIC_LDR, 1u << (24 + i));
	assert_int_equal(send_to(&b, 0x5, true), 2);
	assert_int_equal(who(&b), 0x5);
	assert_int_equal(send_to(&b, 0xF0, true), IRQ_IGNORED);
}

TEST(a_cluster_destination_is_a_set_in_one_cluster)
{
	struct board b;

	board_enable(&b, 0);
	for (unsigned int i = 0; i < BOARD_CPUS; i++) {
		board_put(&b, i, LAPIC_DFR, 0);
		board_put(&b, i, LAPIC_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
	}
	assert_int_equal(send_to(&b, 0x13, true), 2);
	assert_int_equal(who(&b), 0xC);
	assert_int_equal(send_to(&b, 0x02, true), 1);
	assert_int_equal(who(&b), 0x2);
}

TEST(an_x2apic_belongs_to_a_cluster_of_sixteen)
{
	struct irq_message message = { .logical = true, .vector = 0x51, .wide = true };
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	b.lapic[3].id = 0x13;
	board_x2(&b);
	message.destination = 0x5;
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 2);
	assert_int_equal(who(&b), 0x5);
	message.destination = 0x1000F;
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 1);
	assert_int_equal(who(&b), 1u << 3);
}

TEST(a_destination_of_32_bits_is_no_set_of_xapics)
{
	const struct irq_message message = {
		.destination = 0x101, .logical = true, .vector = 0x51, .wide = true
	};
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LDR, 0x01000000);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), IRQ_IGNORED);
}

TEST(eight_ones_are_everyone_to_x2apics_unless_that_is_switched_off)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	b.lapic[3].id = 0xFF;
	board_x2(&b);
	assert_int_equal(send_to(&b, 0xFF, false), 4);
	assert_int_equal(who(&b), 0xF);
	b.bus.narrow_is_id = true;
	assert_int_equal(send_to(&b, 0xFF, false), 1);
	assert_int_equal(who(&b), 1u << 3);
	assert_int_equal(send_to(&b, IRQ_EVERYONE, false), 4);
}

TEST(a_processor_that_had_it_already_does_not_count)
{
	struct board b;

	board_enable(&b, 0);
	assert_int_equal(send_to(&b, 1, false), 1);
	assert_int_equal(send_to(&b, 1, false), IRQ_COALESCED);
	assert_int_equal(send_to(&b, 0xFF, false), 3);
}

TEST(lowest_priority_goes_to_the_one_that_does_least_and_equals_take_turns)
{
	const struct irq_message message = { .destination = 0xFF,
		                             .mode = IRQ_LOWEST,
		                             .vector = 0x51 };
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TPR, 0x20);
	board_put(&b, 2, LAPIC_TPR, 0x30);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 1);
	assert_int_equal(who(&b), 1u << 1);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 1);
	assert_int_equal(who(&b), 1u << 3);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 1);
	assert_int_equal(who(&b), 1u << 1);
}

TEST(lowest_priority_passes_over_apics_that_software_has_disabled)
{
	const struct irq_message message = { .destination = 0xFF,
		                             .mode = IRQ_LOWEST,
		                             .vector = 0x51 };
	struct board b;

	board_start(&b, 0);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), IRQ_IGNORED);
	board_put(&b, 3, LAPIC_SVR, 0x1FF);
	assert_int_equal(lapic_bus_send(&b.bus, NULL, &message, LAPIC_NAMED), 1);
	assert_int_equal(who(&b), 1u << 3);
}

TEST(shorthands_are_the_sender_all_and_all_others)
{
	struct board b;

	board_enable(&b, 0);
	command(&b, 0, 1u << 18 | 0x4051);
	assert_int_equal(who(&b), 0x1);
	command(&b, 0, 2u << 18 | 0x4051);
	assert_int_equal(who(&b), 0xF);
	command(&b, 0, 3u << 18 | 0x4051);
	assert_int_equal(who(&b), 0xE);
}

TEST(a_command_to_a_destination_reaches_it)
{
	struct board b;

	board_enable(&b, 0);
	command(&b, 3u << 24, 0x4051);
	assert_int_equal(who(&b), 1u << 3);
	command(&b, 0xFFu << 24, 0x4051);
	assert_int_equal(who(&b), 0xF);
}

TEST(other_processors_are_started_with_init_and_sipi)
{
	struct board b;

	board_enable(&b, 0);
	command(&b, 1u << 24, 0x4500);
	assert_int_equal(b.cpu[1].events[LAPIC_INIT], 1);
	/* The de-assert is nothing. */
	command(&b, 1u << 24, 0x8500);
	assert_int_equal(b.cpu[1].events[LAPIC_INIT], 1);
	command(&b, 1u << 24, 0x4699);
	assert_int_equal(b.cpu[1].events[LAPIC_SIPI], 1);
	assert_int_equal(b.cpu[1].sipi_vector, 0x99);
	assert_int_equal(b.cpu[2].events[LAPIC_SIPI], 0);
}

TEST(nmi_to_all_others_reaches_them_whatever_their_priority)
{
	struct board b;

	board_start(&b, 0);
	board_put(&b, 2, LAPIC_TPR, 0xFF);
	command(&b, 0, 3u << 18 | 0x4400);
	assert_int_equal(b.cpu[0].events[LAPIC_NMI], 0);
	for (unsigned int i = 1; i < BOARD_CPUS; i++)
		assert_int_equal(b.cpu[i].events[LAPIC_NMI], 1);
}

TEST(a_command_with_an_illegal_vector_is_an_error_and_is_not_sent)
{
	struct board b;

	board_enable(&b, 0);
	command(&b, 1u << 24, 0x400F);
	assert_int_equal(who(&b), 0);
	board_put(&b, 0, LAPIC_ESR, 0);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), LAPIC_SENT_ILLEGAL);
	command(&b, 1u << 24, 0x4010);
	assert_int_equal(board_get(&b, 1, LAPIC_IRR), 0x10000);
}

TEST(an_x2apic_sends_to_itself_and_to_32_bits_of_destination)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	b.lapic[2].id = 0x10002;
	board_x2(&b);
	assert_true(lapic_msr_write(&b.lapic[0], 0x83F, 0x51));
	assert_int_equal(who(&b), 1);
	assert_true(lapic_msr_write(&b.lapic[0], 0x830, UINT64_C(0x1000200004051)));
	assert_int_equal(who(&b), 1u << 2);
	assert_true(lapic_msr_write(&b.lapic[0], 0x830, UINT64_C(0xFF00004051)));
	assert_int_equal(who(&b), 0);
	assert_true(lapic_msr_write(&b.lapic[0], 0x830, UINT64_C(0xFFFFFFFF00004051)));
	assert_int_equal(who(&b), 0xF);
}

TEST(an_apic_that_is_off_or_absent_gets_nothing)
{
	struct board b;

	board_enable(&b, 0);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE, false));
	b.list[2] = NULL;
	assert_int_equal(send_to(&b, 1, false), IRQ_IGNORED);
	assert_int_equal(send_to(&b, 2, false), IRQ_IGNORED);
	assert_int_equal(send_to(&b, 0xFF, false), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_physical_destination_is_one_processor_or_with_all_ones_everyone),
		CASE(an_xapic_answers_to_the_identification_that_it_was_given),
		CASE(a_flat_logical_destination_is_a_set_of_processors),
		CASE(a_cluster_destination_is_a_set_in_one_cluster),
		CASE(an_x2apic_belongs_to_a_cluster_of_sixteen),
		CASE(a_destination_of_32_bits_is_no_set_of_xapics),
		CASE(eight_ones_are_everyone_to_x2apics_unless_that_is_switched_off),
		CASE(a_processor_that_had_it_already_does_not_count),
		CASE(lowest_priority_goes_to_the_one_that_does_least_and_equals_take_turns),
		CASE(lowest_priority_passes_over_apics_that_software_has_disabled),
		CASE(shorthands_are_the_sender_all_and_all_others),
		CASE(a_command_to_a_destination_reaches_it),
		CASE(other_processors_are_started_with_init_and_sipi),
		CASE(nmi_to_all_others_reaches_them_whatever_their_priority),
		CASE(a_command_with_an_illegal_vector_is_an_error_and_is_not_sent),
		CASE(an_x2apic_sends_to_itself_and_to_32_bits_of_destination),
		CASE(an_apic_that_is_off_or_absent_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
