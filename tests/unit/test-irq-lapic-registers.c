// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "tests/unit/lapic-board.h"

#define MSR(reg) (0x800 + (uint32_t)(reg))

static uint32_t load(const struct kvm_lapic_state *saved, unsigned int reg)
{
	uint32_t value;

	memcpy(&value, saved->regs + reg * 16, sizeof(value));
	return value;
}

static void store(struct kvm_lapic_state *saved, unsigned int reg, uint32_t value)
{
	memcpy(saved->regs + reg * 16, &value, sizeof(value));
}

TEST(at_power_on_all_registers_are_as_the_manual_says)
{
	struct board b;

	board_start(&b, 0);
	assert_int_equal(b.lapic[0].base, 0xFEE00900);
	assert_int_equal(b.lapic[1].base, 0xFEE00800);
	for (unsigned int reg = 0; reg < LAPIC_REGISTERS; reg++) {
		uint32_t expected = 0;

		if (reg == LAPIC_ID)
			expected = 1u << 24;
		else if (reg == LAPIC_VERSION)
			expected = 0x50014;
		else if (reg == LAPIC_DFR)
			expected = 0xFFFFFFFF;
		else if (reg == LAPIC_SVR)
			expected = 0xFF;
		else if (reg >= LAPIC_TIMER && reg <= LAPIC_ERROR)
			expected = LAPIC_LVT_MASKED;
		assert_int_equal(board_get(&b, 1, reg), expected);
	}
}

TEST(what_is_read_only_or_reserved_does_not_change)
{
	static const struct {
		unsigned int reg;
		uint32_t bits;
	} writable[] = {
		{ LAPIC_VERSION, 0 },     { LAPIC_PPR, 0 },           { LAPIC_APR, 0 },
		{ LAPIC_RRD, 0 },         { LAPIC_ISR + 3, 0 },       { LAPIC_IRR + 3, 0 },
		{ LAPIC_TMR + 3, 0 },     { LAPIC_CURRENT, 0 },       { LAPIC_LDR, 0xFF000000 },
		{ LAPIC_SVR, 0x3FF },     { LAPIC_ICR2, 0xFF000000 }, { LAPIC_TIMER, 0x300FF },
		{ LAPIC_ERROR, 0x100FF }, { LAPIC_DIVIDE, 0xB },      { LAPIC_PERF, 0x107FF },
		{ LAPIC_LINT0, 0x1A7FF }, { LAPIC_LINT1, 0x1A7FF },   { LAPIC_THERMAL, 0x107FF },
	};

	for (unsigned int i = 0; i < sizeof(writable) / sizeof(*writable); i++) {
		uint32_t before;
		struct board b;

		board_enable(&b, 0);
		board_put(&b, 0, writable[i].reg, 0);
		before = board_get(&b, 0, writable[i].reg);
		board_put(&b, 0, writable[i].reg, 0xFFFFFFFF);
		assert_int_equal(before ^ board_get(&b, 0, writable[i].reg), writable[i].bits);
	}
}

TEST(only_aligned_writes_of_a_whole_register_count)
{
	const uint64_t value = 0x50;
	struct board b;

	board_enable(&b, 0);
	assert_true(lapic_mmio_write(&b.lapic[0], 0x80, 1, &value));
	assert_true(lapic_mmio_write(&b.lapic[0], 0x80, 8, &value));
	assert_true(lapic_mmio_write(&b.lapic[0], 0x84, 4, &value));
	assert_int_equal(board_get(&b, 0, LAPIC_TPR), 0);
	assert_true(lapic_mmio_write(&b.lapic[0], 0x80, 4, &value));
	assert_int_equal(board_get(&b, 0, LAPIC_TPR), 0x50);
}

TEST(parts_of_a_register_can_be_read)
{
	uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct board b;

	board_start(&b, 0);
	assert_true(lapic_mmio_read(&b.lapic[0], 0x32, 8, bytes));
	assert_int_equal(bytes[0], 5);
	for (unsigned int i = 1; i < 8; i++)
		assert_int_equal(bytes[i], 0);
	assert_true(lapic_mmio_read(&b.lapic[0], 0xFFF, 8, bytes));
	assert_false(lapic_mmio_read(&b.lapic[0], 0x1000, 4, bytes));
	assert_false(lapic_mmio_read(&b.lapic[0], 0, 9, bytes));
}

TEST(an_access_to_no_register_is_an_error)
{
	static const unsigned int none[] = { 0x00, 0x01, 0x2F, 0x3D, LAPIC_SELF, 0x40, 0xFF };
	struct board b;

	for (unsigned int i = 0; i < 2 * sizeof(none) / sizeof(*none); i++) {
		board_enable(&b, 0);
		if (i & 1)
			board_put(&b, 0, none[i / 2], 0x51);
		else
			assert_int_equal(board_get(&b, 0, none[i / 2]), 0);
		board_put(&b, 0, LAPIC_ESR, 0);
		assert_int_equal(board_get(&b, 0, LAPIC_ESR), LAPIC_NO_REGISTER);
		assert_int_equal(lapic_pending(&b.lapic[0]), -1);
	}
}

TEST(x2apic_registers_fault_where_the_manual_says_so)
{
	enum { NEITHER, READS = 1, WRITES = 2 };
	static const uint8_t expected[LAPIC_REGISTERS] = {
		[LAPIC_ID] = READS,
		[LAPIC_VERSION] = READS,
		[LAPIC_TPR] = READS | WRITES,
		[LAPIC_PPR] = READS,
		[LAPIC_EOI] = WRITES,
		[LAPIC_LDR] = READS,
		[LAPIC_SVR] = READS | WRITES,
		[LAPIC_ISR... LAPIC_IRR + 7] = READS,
		[LAPIC_ESR] = READS | WRITES,
		[LAPIC_ICR] = READS | WRITES,
		[LAPIC_TIMER... LAPIC_INITIAL] = READS | WRITES,
		[LAPIC_CURRENT] = READS,
		[LAPIC_DIVIDE] = READS | WRITES,
		[LAPIC_SELF] = WRITES,
	};
	uint64_t value;
	struct board b;

	board_start(&b, LAPIC_HAS_X2);
	board_x2(&b);
	for (unsigned int reg = 0; reg < 0x100; reg++) {
		uint8_t how = reg < LAPIC_REGISTERS ? expected[reg] : NEITHER;

		assert_int_equal(lapic_msr_read(&b.lapic[0], MSR(reg), &value), how & READS);
		assert_int_equal(lapic_msr_write(&b.lapic[0], MSR(reg), 0), (how & WRITES) != 0);
	}
	assert_false(lapic_msr_read(&b.lapic[0], 0x7FF, &value));
}

TEST(x2apic_reserved_bits_fault)
{
	static const struct {
		unsigned int reg;
		uint64_t allowed;
	} rows[] = {
		{ LAPIC_TPR, 0xFF },
		{ LAPIC_EOI, 0 },
		{ LAPIC_SVR, 0x3FF },
		{ LAPIC_ESR, 0 },
		{ LAPIC_ICR, UINT64_C(0xFFFFFFFF000CDFFF) },
		{ LAPIC_TIMER, 0x310FF },
		{ LAPIC_LINT0, 0x1F7FF },
		{ LAPIC_PERF, 0x117FF },
		{ LAPIC_ERROR, 0x110FF },
		{ LAPIC_INITIAL, 0xFFFFFFFF },
		{ LAPIC_DIVIDE, 0xB },
		{ LAPIC_SELF, 0xFF },
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (unsigned int bit = 0; bit < 64; bit++) {
			struct board b;

			board_enable(&b, LAPIC_HAS_X2);
			board_x2(&b);
			assert_int_equal(
				lapic_msr_write(&b.lapic[0], MSR(rows[i].reg), UINT64_C(1) << bit),
				rows[i].allowed >> bit & 1);
		}
	}
}

TEST(an_xapic_has_no_msrs_and_an_x2apic_no_page)
{
	uint64_t value;
	struct board b;

	board_start(&b, LAPIC_HAS_X2);
	assert_false(lapic_msr_read(&b.lapic[0], MSR(LAPIC_VERSION), &value));
	assert_false(lapic_msr_write(&b.lapic[0], MSR(LAPIC_TPR), 0));
	board_x2(&b);
	assert_false(lapic_mmio_read(&b.lapic[0], 0x30, 4, &value));
	assert_false(lapic_mmio_write(&b.lapic[0], 0x80, 4, &value));
}

TEST(the_base_goes_from_mode_to_mode_only_as_the_manual_draws_it)
{
	enum { OFF, X, INVALID, X2 };
	/* Of row and column, may a guest go? */
	static const bool may[4][4] = {
		[OFF] = { [OFF] = true, [X] = true },
		[X] = { [OFF] = true, [X] = true, [X2] = true },
		[X2] = { [OFF] = true, [X2] = true },
	};

	for (unsigned int from = OFF; from <= X2; from++) {
		for (unsigned int to = OFF; from != INVALID && to <= X2; to++) {
			uint64_t base = LAPIC_BASE | (to & 1 ? 0x800 : 0) | (to & 2 ? 0x400 : 0);
			struct board b;

			board_start(&b, LAPIC_HAS_X2);
			assert_true(lapic_set_base(&b.lapic[1],
			                           LAPIC_BASE | (from & 1 ? 0x800 : 0) |
			                                   (from & 2 ? 0x400 : 0),
			                           true));
			assert_int_equal(lapic_set_base(&b.lapic[1], base, false), may[from][to]);
			assert_int_equal(lapic_set_base(&b.lapic[1], base, true), to != INVALID);
		}
	}
}

TEST(the_base_has_no_reserved_bits_and_no_mode_that_the_processor_lacks)
{
	struct board b;

	board_start(&b, 0);
	b.lapic[0].physical_bits = 40;
	assert_false(lapic_set_base(&b.lapic[0], LAPIC_BASE | 0x801, false));
	assert_false(lapic_set_base(&b.lapic[0], LAPIC_BASE | 0xA00, true));
	assert_false(lapic_set_base(&b.lapic[0], UINT64_C(1) << 40 | 0x800, true));
	assert_false(lapic_set_base(&b.lapic[0], LAPIC_BASE | 0xC00, true));
	assert_true(lapic_set_base(&b.lapic[0], UINT64_C(1) << 39 | 0x800, false));
}

TEST(turning_the_apic_off_resets_it)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	board_put(&b, 1, LAPIC_ID, 7u << 24);
	board_put(&b, 1, LAPIC_TPR, 0x50);
	board_fixed(&b, 1, 0x61, false);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE, false));
	assert_int_equal(board_fixed(&b, 1, 0x71, false), IRQ_IGNORED);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE | 0x800, false));
	assert_int_equal(board_get(&b, 1, LAPIC_TPR), 0);
	assert_int_equal(board_get(&b, 1, LAPIC_SVR), 0xFF);
	assert_int_equal(board_get(&b, 1, LAPIC_ID), 1u << 24);
	assert_int_equal(lapic_pending(&b.lapic[1]), -1);
}

TEST(an_x2apic_has_its_processors_number_and_a_logical_id_out_of_it)
{
	uint64_t value;
	struct board b;

	board_start(&b, LAPIC_HAS_X2);
	lapic_init(&b.lapic[1], &board_ops, &b.cpu[1], 0x12345, false, LAPIC_HAS_X2);
	board_x2(&b);
	assert_true(lapic_msr_read(&b.lapic[1], MSR(LAPIC_ID), &value));
	assert_int_equal(value, 0x12345);
	assert_true(lapic_msr_read(&b.lapic[1], MSR(LAPIC_LDR), &value));
	assert_int_equal(value, 0x12340020);
}

TEST(an_xapic_keeps_its_interrupt_command_as_it_was_written_but_idle)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_ICR2, 0xA5A5A5A5);
	board_put(&b, 0, LAPIC_ICR, 0xA5A5B8A5);
	lapic_get_state(&b.lapic[0], &saved);
	assert_int_equal(load(&saved, LAPIC_ICR), 0xA5A5A8A5);
	assert_int_equal(load(&saved, LAPIC_ICR2), 0xA5000000);
}

TEST(an_x2apic_state_has_the_command_in_two_halves)
{
	struct kvm_lapic_state saved;
	uint64_t value;
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	board_x2(&b);
	assert_true(lapic_msr_write(&b.lapic[0], MSR(LAPIC_ICR), UINT64_C(0x12345678000840FE)));
	lapic_get_state(&b.lapic[0], &saved);
	assert_int_equal(load(&saved, LAPIC_ICR), 0x840FE);
	assert_int_equal(load(&saved, LAPIC_ICR2), 0x12345678);
	lapic_set_state(&b.lapic[1], &saved);
	assert_true(lapic_msr_read(&b.lapic[1], MSR(LAPIC_ICR), &value));
	assert_int_equal(value, UINT64_C(0x12345678000840FE));
}

TEST(a_state_holds_the_identification_in_the_format_that_was_asked_for)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_start(&b, LAPIC_HAS_X2);
	lapic_get_state(&b.lapic[3], &saved);
	assert_int_equal(load(&saved, LAPIC_ID), 3u << 24);
	board_x2(&b);
	lapic_get_state(&b.lapic[3], &saved);
	assert_int_equal(load(&saved, LAPIC_ID), 3u << 24);
	b.lapic[3].features |= LAPIC_WIDE_IDS;
	lapic_get_state(&b.lapic[3], &saved);
	assert_int_equal(load(&saved, LAPIC_ID), 3);
	assert_int_equal(load(&saved, LAPIC_LDR), 8);
}

TEST(a_state_goes_to_another_apic_with_all_that_is_pending_and_in_service)
{
	struct kvm_lapic_state saved, again;
	struct board b, c;

	board_enable(&b, 0);
	board_put(&b, 0, LAPIC_TPR, 0x20);
	board_put(&b, 0, LAPIC_LINT0, 0x700);
	board_put(&b, 0, LAPIC_LDR, 0x02000000);
	board_fixed(&b, 0, 0x51, true);
	lapic_acknowledge(&b.lapic[0]);
	board_fixed(&b, 0, 0x61, false);
	lapic_get_state(&b.lapic[0], &saved);
	board_start(&c, 0);
	lapic_set_state(&c.lapic[0], &saved);
	assert_int_equal(c.cpu[0].events[LAPIC_INTERRUPT], 1);
	lapic_get_state(&c.lapic[0], &again);
	assert_memory_equal(&saved, &again, sizeof(saved));
	assert_int_equal(lapic_acknowledge(&c.lapic[0]), 0x61);
	lapic_end(&c.lapic[0]);
	lapic_end(&c.lapic[0]);
	assert_int_equal(c.cpu[0].ended_vector, 0x51);
}

TEST(a_hostile_state_brings_no_reserved_bits)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_start(&b, 0);
	memset(&saved, 0xFF, sizeof(saved));
	store(&saved, LAPIC_IRR, 0x10000);
	for (unsigned int i = 1; i < 8; i++)
		store(&saved, LAPIC_IRR + i, 0);
	lapic_set_state(&b.lapic[0], &saved);
	assert_int_equal(board_get(&b, 0, LAPIC_IRR), 0x10000);
	assert_int_equal(board_get(&b, 0, LAPIC_TPR), 0xFF);
	assert_int_equal(board_get(&b, 0, LAPIC_SVR), 0x3FF);
	assert_int_equal(board_get(&b, 0, LAPIC_LINT0), 0x1E7FF);
	assert_int_equal(board_get(&b, 0, LAPIC_DIVIDE), 0xB);
	assert_int_equal(board_get(&b, 0, LAPIC_ESR), 0xFF);
	assert_int_equal(board_get(&b, 0, LAPIC_ICR), 0xFFFFEFFF);
}

TEST(illegal_vectors_that_a_vmm_sets_are_kept_and_never_delivered)
{
	struct kvm_lapic_state saved;
	struct board b;

	board_start(&b, 0);
	board_enable(&b, 0);
	lapic_get_state(&b.lapic[0], &saved);
	store(&saved, LAPIC_IRR, 0xFFFF);
	lapic_set_state(&b.lapic[0], &saved);
	assert_int_equal(board_get(&b, 0, LAPIC_IRR), 0xFFFF);
	assert_int_equal(lapic_acknowledge(&b.lapic[0]), -1);
}

TEST(a_vmm_turns_it_off_and_on_and_nothing_is_lost_but_nothing_comes_meanwhile)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	board_fixed(&b, 1, 0x61, false);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE, true));
	assert_int_equal(lapic_pending(&b.lapic[1]), -1);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE | 0x800, true));
	assert_int_equal(lapic_pending(&b.lapic[1]), 0x61);
}

TEST(an_identification_of_its_own_lasts_until_the_mode_changes)
{
	struct board b;

	board_enable(&b, LAPIC_HAS_X2);
	board_put(&b, 1, LAPIC_ID, 9u << 24);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE | 0x900, false));
	assert_int_equal(board_get(&b, 1, LAPIC_ID), 9u << 24);
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE | 0xC00, false));
	assert_true(lapic_set_base(&b.lapic[1], LAPIC_BASE | 0x800, true));
	assert_int_equal(board_get(&b, 1, LAPIC_ID), 1u << 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(at_power_on_all_registers_are_as_the_manual_says),
		CASE(what_is_read_only_or_reserved_does_not_change),
		CASE(only_aligned_writes_of_a_whole_register_count),
		CASE(parts_of_a_register_can_be_read),
		CASE(an_access_to_no_register_is_an_error),
		CASE(x2apic_registers_fault_where_the_manual_says_so),
		CASE(x2apic_reserved_bits_fault),
		CASE(an_xapic_has_no_msrs_and_an_x2apic_no_page),
		CASE(the_base_goes_from_mode_to_mode_only_as_the_manual_draws_it),
		CASE(the_base_has_no_reserved_bits_and_no_mode_that_the_processor_lacks),
		CASE(turning_the_apic_off_resets_it),
		CASE(an_x2apic_has_its_processors_number_and_a_logical_id_out_of_it),
		CASE(an_xapic_keeps_its_interrupt_command_as_it_was_written_but_idle),
		CASE(an_x2apic_state_has_the_command_in_two_halves),
		CASE(a_state_holds_the_identification_in_the_format_that_was_asked_for),
		CASE(a_state_goes_to_another_apic_with_all_that_is_pending_and_in_service),
		CASE(a_hostile_state_brings_no_reserved_bits),
		CASE(illegal_vectors_that_a_vmm_sets_are_kept_and_never_delivered),
		CASE(a_vmm_turns_it_off_and_on_and_nothing_is_lost_but_nothing_comes_meanwhile),
		CASE(an_identification_of_its_own_lasts_until_the_mode_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
