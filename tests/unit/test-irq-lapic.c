// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "tests/unit/lapic-board.h"

TEST(the_highest_vector_comes_first_and_holds_its_class_back)
{
	struct board b;

	board_enable(&b, 0);
	assert_int_equal(board_fixed(&b, 0, 0x41, false), 1);
	assert_int_equal(board_fixed(&b, 0, 0x45, false), 1);
	assert_int_equal(board_fixed(&b, 0, 0x45, false), IRQ_COALESCED);
	assert_int_equal(b.cpu[0].events[LAPIC_INTERRUPT], 2);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x45);
	assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	board_fixed(&b, 0, 0x50, false);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x50);
	board_put(&b, 0, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	board_put(&b, 0, LAPIC_EOI, 0);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x41);
}

TEST(task_priority_holds_its_class_back)
{
	struct board b;

	board_enable(&b, 0);
	board_fixed(&b, 0, 0x4F, false);
	lapic_set_cr8(&b.lapic[0], 4);
	assert_int_equal(board_get(&b, 0, LAPIC_TPR), 0x40);
	assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	board_put(&b, 0, LAPIC_TPR, 0x3F);
	assert_int_equal(lapic_cr8(&b.lapic[0]), 3);
	assert_int_equal(lapic_pending(&b.lapic[0]), 0x4F);
}

TEST(processor_priority_is_the_higher_of_task_and_service)
{
	struct board b;

	board_enable(&b, 0);
	board_fixed(&b, 0, 0x43, false);
	lapic_acknowledge(&b.lapic[0]);
	assert_int_equal(board_get(&b, 0, LAPIC_PPR), 0x40);
	board_put(&b, 0, LAPIC_TPR, 0x47);
	assert_int_equal(board_get(&b, 0, LAPIC_PPR), 0x47);
	board_put(&b, 0, LAPIC_TPR, 0x38);
	assert_int_equal(board_get(&b, 0, LAPIC_PPR), 0x40);
}

/* What is slow and plain: 256 flags of each kind. */
struct model {
	bool irr[256], isr[256], level[256];
	unsigned int tpr;
};

static int top(const bool *set)
{
	for (int i = 255; i >= 0; i--)
		if (set[i])
			return i;
	return -1;
}

static int model_pending(const struct model *model)
{
	int served = top(model->isr), vector = top(model->irr);
	int task = (int)model->tpr / 16, held = served < 0 ? 0 : served / 16;

	return vector >= 0 && vector / 16 > (task > held ? task : held) ? vector : -1;
}

static void compare(struct board *board, const struct model *model)
{
	static const unsigned int banks[] = { LAPIC_IRR, LAPIC_ISR, LAPIC_TMR };
	const bool *sets[] = { model->irr, model->isr, model->level };

	assert_int_equal(lapic_pending(&board->lapic[0]), model_pending(model));
	for (unsigned int bank = 0; bank < 3; bank++) {
		for (unsigned int word = 0; word < 8; word++) {
			uint32_t expected = 0;

			for (unsigned int bit = 0; bit < 32; bit++)
				expected |= (uint32_t)sets[bank][word * 32 + bit] << bit;
			assert_int_equal(board_get(board, 0, banks[bank] + word), expected);
		}
	}
}

TEST(random_interrupts_are_served_as_by_a_slow_and_plain_model)
{
	struct model model = { .tpr = 0 };
	uint32_t seed = 7;
	struct board b;
	int vector;

	board_enable(&b, 0);
	for (unsigned int i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		/* Now all vectors, now few classes. */
		vector = (int)(seed >> 16 & (i & 4096 ? 0xFF : 0x37)) | 16;
		switch (seed >> 28) {
		case 0 ... 6:
			assert_int_equal(board_fixed(&b, 0, (uint8_t)vector, seed >> 27 & 1),
			                 !model.irr[vector]);
			model.irr[vector] = true;
			model.level[vector] = seed >> 27 & 1;
			break;
		case 7 ... 10:
			vector = model_pending(&model);
			assert_int_equal(lapic_acknowledge(&b.lapic[0]), vector);
			if (vector >= 0) {
				model.irr[vector] = false;
				model.isr[vector] = true;
			}
			break;
		case 11 ... 14:
			b.cpu[0].ended = 0;
			lapic_end(&b.lapic[0]);
			vector = top(model.isr);
			if (vector < 0)
				break;
			model.isr[vector] = false;
			assert_int_equal(b.cpu[0].ended, model.level[vector]);
			if (model.level[vector])
				assert_int_equal(b.cpu[0].ended_vector, vector);
			break;
		default:
			model.tpr = seed >> 16 & 0x7F;
			board_put(&b, 0, LAPIC_TPR, model.tpr);
		}
		compare(&b, &model);
	}
}

TEST(the_end_of_a_level_is_told_and_that_of_an_edge_is_not)
{
	struct board b;

	board_enable(&b, 0);
	board_fixed(&b, 0, 0x61, true);
	lapic_acknowledge(&b.lapic[0]);
	lapic_end(&b.lapic[0]);
	assert_int_equal(b.cpu[0].ended, 1);
	assert_int_equal(b.cpu[0].ended_vector, 0x61);
	assert_true(b.cpu[0].ended_level);
	board_fixed(&b, 0, 0x61, false);
	lapic_acknowledge(&b.lapic[0]);
	lapic_end(&b.lapic[0]);
	assert_int_equal(b.cpu[0].ended, 1);
}

TEST(the_end_of_an_edge_is_told_where_someone_waits_for_it)
{
	const uint32_t ends[8] = { [1] = 1 };
	struct board b;

	board_enable(&b, 0);
	b.lapic[0].ends = ends;
	board_fixed(&b, 0, 0x20, false);
	lapic_acknowledge(&b.lapic[0]);
	lapic_end(&b.lapic[0]);
	assert_int_equal(b.cpu[0].ended, 1);
	assert_false(b.cpu[0].ended_level);
}

TEST(a_suppressed_broadcast_is_no_level_to_the_io_apic)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_DIRECTED);
	assert_int_equal(board_get(&b, 0, LAPIC_VERSION), 0x1050014);
	board_put(&b, 0, LAPIC_SVR, 0x11FF);
	board_fixed(&b, 0, 0x61, true);
	lapic_acknowledge(&b.lapic[0]);
	lapic_end(&b.lapic[0]);
	assert_int_equal(b.cpu[0].ended, 1);
	assert_false(b.cpu[0].ended_level);
}

TEST(an_end_without_a_service_does_nothing)
{
	struct board b;

	board_enable(&b, 0);
	board_fixed(&b, 0, 0x61, false);
	lapic_end(&b.lapic[0]);
	assert_int_equal(lapic_pending(&b.lapic[0]), 0x61);
}

TEST(software_disabled_it_takes_no_vectors_and_still_nmi_init_and_sipi)
{
	struct irq_message message = { .vector = 0x51 };
	struct board b;

	board_start(&b, 0);
	assert_int_equal(lapic_accept(&b.lapic[1], &message), IRQ_IGNORED);
	message.mode = IRQ_NMI;
	assert_int_equal(lapic_accept(&b.lapic[1], &message), 1);
	message.mode = IRQ_INIT;
	assert_int_equal(lapic_accept(&b.lapic[1], &message), 1);
	message.mode = IRQ_SIPI;
	assert_int_equal(lapic_accept(&b.lapic[1], &message), 1);
	message.mode = IRQ_SMI;
	assert_int_equal(lapic_accept(&b.lapic[1], &message), 1);
	assert_int_equal(b.cpu[1].events[LAPIC_NMI], 1);
	assert_int_equal(b.cpu[1].events[LAPIC_INIT], 1);
	assert_int_equal(b.cpu[1].events[LAPIC_SMI], 1);
	assert_int_equal(b.cpu[1].events[LAPIC_SIPI], 1);
	assert_int_equal(b.cpu[1].sipi_vector, 0x51);
}

TEST(software_disabling_masks_the_local_lines)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LINT1, IRQ_NMI << 8);
	board_put(&b, 0, LAPIC_SVR, 0xFF);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT1), 0x10400);
	board_put(&b, 0, LAPIC_LINT1, IRQ_NMI << 8);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT1), 0x10400);
}

TEST(vectors_below_sixteen_are_errors_that_the_esr_shows_when_written)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_ERROR, 0x33);
	assert_int_equal(board_fixed(&b, 0, 15, false), IRQ_IGNORED);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), 0);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x33);
	board_put(&b, 0, LAPIC_ESR, 0);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), LAPIC_RECEIVED_ILLEGAL);
	board_put(&b, 0, LAPIC_ESR, 0);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), 0);
}

TEST(an_error_line_with_an_illegal_vector_ends_there)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_ERROR, 3);
	board_put(&b, 0, LAPIC_ICR, 5);
	board_put(&b, 0, LAPIC_ESR, 0);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), LAPIC_SENT_ILLEGAL | LAPIC_RECEIVED_ILLEGAL);
}

TEST(the_wire_of_the_8259_passes_an_open_lint0_or_an_apic_that_is_off)
{
	struct board b;

	board_start(&b, 0);
	assert_false(lapic_takes_pic(&b.lapic[0]));
	lapic_set_base(&b.lapic[0], LAPIC_BASE, false);
	assert_true(lapic_takes_pic(&b.lapic[0]));
	board_start(&b, LAPIC_LINT0_OPEN);
	assert_true(lapic_takes_pic(&b.lapic[0]));
	assert_false(lapic_takes_pic(&b.lapic[1]));
	lapic_line(&b.lapic[0], 0, true);
	assert_int_equal(b.cpu[0].events[LAPIC_INTERRUPT], 1);
}

TEST(a_lint0_that_is_masked_or_something_else_keeps_the_8259_out)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LINT0, LAPIC_LVT_MASKED | IRQ_EXTINT << 8);
	assert_false(lapic_takes_pic(&b.lapic[0]));
	board_put(&b, 0, LAPIC_LINT0, 0x38);
	assert_false(lapic_takes_pic(&b.lapic[0]));
}

TEST(only_a_fixed_level_at_a_line_waits_for_its_end)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LINT0, 0x38);
	board_put(&b, 0, LAPIC_LINT1, LAPIC_LVT_LEVEL | IRQ_NMI << 8);
	lapic_line(&b.lapic[0], 0, true);
	lapic_line(&b.lapic[0], 1, true);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT0), 0x38);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT1), LAPIC_LVT_LEVEL | IRQ_NMI << 8);
}

TEST(lint1_is_an_nmi_at_each_rise)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LINT1, IRQ_NMI << 8);
	lapic_line(&b.lapic[0], 1, true);
	lapic_line(&b.lapic[0], 1, true);
	assert_int_equal(b.cpu[0].events[LAPIC_NMI], 1);
	lapic_line(&b.lapic[0], 1, false);
	lapic_line(&b.lapic[0], 1, true);
	assert_int_equal(b.cpu[0].events[LAPIC_NMI], 2);
}

TEST(a_level_at_lint0_comes_again_after_its_end_while_it_is_high)
{
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_LINT0, LAPIC_LVT_LEVEL | 0x38);
	lapic_line(&b.lapic[0], 0, true);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT0), LAPIC_LVT_REMOTE | LAPIC_LVT_LEVEL | 0x38);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x38);
	lapic_end(&b.lapic[0]);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), 0x38);
	lapic_line(&b.lapic[0], 0, false);
	lapic_end(&b.lapic[0]);
	assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	assert_int_equal(b.cpu[0].ended, 0);
}

TEST(a_level_that_rose_behind_the_mask_comes_when_it_is_unmasked)
{
	struct board b;

	board_enable(&b, 0);
	lapic_line(&b.lapic[0], 0, true);
	board_put(&b, 0, LAPIC_LINT0, LAPIC_LVT_LEVEL | 0x38);
	assert_int_equal(lapic_pending(&b.lapic[0]), 0x38);
}

TEST(performance_counters_interrupt_as_their_entry_says)
{
	struct board b;

	board_enable(&b, 0);
	assert_int_equal(lapic_local(&b.lapic[0], LAPIC_PERF), IRQ_IGNORED);
	board_put(&b, 0, LAPIC_PERF, IRQ_NMI << 8);
	assert_int_equal(lapic_local(&b.lapic[0], LAPIC_PERF), 1);
	assert_int_equal(b.cpu[0].events[LAPIC_NMI], 1);
	board_put(&b, 0, LAPIC_THERMAL, 0xFA);
	assert_int_equal(lapic_local(&b.lapic[0], LAPIC_THERMAL), 1);
	assert_int_equal(lapic_pending(&b.lapic[0]), 0xFA);
}

TEST(init_forgets_all_but_base_mode_and_identification)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	board_x2(&b);
	board_fixed(&b, 1, 0x51, false);
	lapic_reset(&b.lapic[1]);
	assert_int_equal(lapic_pending(&b.lapic[1]), -1);
	assert_true(lapic_is_x2(&b.lapic[1]));
	assert_false(lapic_is_enabled(&b.lapic[1]));
	assert_int_equal(b.lapic[1].id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_highest_vector_comes_first_and_holds_its_class_back),
		CASE(task_priority_holds_its_class_back),
		CASE(processor_priority_is_the_higher_of_task_and_service),
		CASE(random_interrupts_are_served_as_by_a_slow_and_plain_model),
		CASE(the_end_of_a_level_is_told_and_that_of_an_edge_is_not),
		CASE(the_end_of_an_edge_is_told_where_someone_waits_for_it),
		CASE(a_suppressed_broadcast_is_no_level_to_the_io_apic),
		CASE(an_end_without_a_service_does_nothing),
		CASE(software_disabled_it_takes_no_vectors_and_still_nmi_init_and_sipi),
		CASE(software_disabling_masks_the_local_lines),
		CASE(vectors_below_sixteen_are_errors_that_the_esr_shows_when_written),
		CASE(an_error_line_with_an_illegal_vector_ends_there),
		CASE(the_wire_of_the_8259_passes_an_open_lint0_or_an_apic_that_is_off),
		CASE(lint1_is_an_nmi_at_each_rise),
		CASE(a_level_at_lint0_comes_again_after_its_end_while_it_is_high),
		CASE(a_level_that_rose_behind_the_mask_comes_when_it_is_unmasked),
		CASE(performance_counters_interrupt_as_their_entry_says),
		CASE(init_forgets_all_but_base_mode_and_identification),
		CASE(a_lint0_that_is_masked_or_something_else_keeps_the_8259_out),
		CASE(only_a_fixed_level_at_a_line_waits_for_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
