// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "module/cpuid.h"

/* A processor that has everything. */
static void all_ones(uint32_t leaf, uint32_t index, struct cpuid_result *ret)
{
	*ret = (struct cpuid_result){ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	if (leaf == 0xd && index >= 2)
		*ret = (struct cpuid_result){ .eax = 0x100, .ebx = 0x240 + (index - 2) * 0x100 };
}

static struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
static struct cpuid_table table;

static int fill(uint64_t xcr0, bool stable)
{
	struct cpuid_host host = { .read = all_ones, .xcr0 = xcr0, .tsc_stable = stable };
	int count = cpuid_supported(&host, entries, CPUID_ENTRIES_MAX);

	assert_true(count > 0);
	assert_int_equal(cpuid_set(&table, entries, (uint32_t)count), 0);
	return count;
}

static struct cpuid_result run(const struct cpuid_state *state, uint32_t leaf, uint32_t index)
{
	struct cpuid_result result;

	cpuid_execute(&table, state, leaf, index, &result);
	return result;
}

static const struct cpuid_state plain = { .xcr0 = 1, .apic_enabled = true };

TEST(virtualisation_and_what_is_not_switched_are_never_shown)
{
	struct cpuid_result result;

	fill(0xe7, true);
	result = run(&plain, 1, 0);
	assert_false(result.ecx >> 5 & 1); /* VMX */
	assert_false(result.ecx >> 3 & 1); /* MONITOR */
	assert_true(result.ecx >> 31 & 1); /* there is a hypervisor */
	result = run(&plain, 0x80000001, 0);
	assert_false(result.ecx >> 2 & 1); /* SVM */
	result = run(&plain, 7, 0);
	assert_false(result.ecx >> 3 & 1);  /* PKU */
	assert_false(result.edx >> 26 & 1); /* SPEC_CTRL */
	result = run(&plain, 0xd, 1);
	assert_false(result.eax >> 3 & 1); /* XSAVES */
}

TEST(a_leaf_whole_is_what_the_instruction_returns_in_any_state)
{
	static const struct cpuid_state states[] = {
		{ .xcr0 = 1 },
		{ .cr4 = UINT64_MAX,
		  .xcr0 = 0xe7,
		  .xss = 0x800,
		  .apic_enabled = true,
		  .mwait_switched = true,
		  .mwait = true },
	};
	static const uint32_t ranges[] = { 0,          0x40000000, 0x80000000,
		                           0x80000040, 0xc0000000, 0x10000000 };
	unsigned int whole = 0;

	fill(0xe7, true);
	for (uint32_t i = 0; i < 6 * 72 * 4; i++) {
		uint32_t leaf = ranges[i % 6] + i / 6 % 72, index = i / (6 * 72);
		uint64_t gpr[4] = { leaf, index, 17, 18 };

		if (!cpuid_plain(&table, gpr)) {
			assert_true(gpr[0] == leaf && gpr[1] == index && gpr[2] == 17 &&
			            gpr[3] == 18);
			continue;
		}
		whole++;
		for (unsigned int j = 0; j < 2; j++) {
			struct cpuid_result result = run(&states[j], leaf, index);

			assert_int_equal(gpr[0], result.eax);
			assert_int_equal(gpr[1], result.ecx);
			assert_int_equal(gpr[2], result.edx);
			assert_int_equal(gpr[3], result.ebx);
		}
	}
	assert_in_range(whole, 4 * 10, 4 * 64);
}

TEST(features_of_registers_that_linux_does_not_keep_are_not_shown)
{
	fill(3, true);
	assert_false(run(&plain, 1, 0).ecx >> 28 & 1);
	assert_false(run(&plain, 7, 0).ebx >> 5 & 1);
	fill(7, true);
	assert_true(run(&plain, 1, 0).ecx >> 28 & 1);
	assert_true(run(&plain, 7, 0).ebx >> 5 & 1);
	assert_false(run(&plain, 7, 0).ebx >> 16 & 1);
	fill(0, true);
	assert_false(run(&plain, 1, 0).ecx >> 26 & 1);
	assert_null(cpuid_find(&table, 0xd, 0));
}

TEST(too_little_room_is_said)
{
	struct cpuid_host host = { .read = all_ones, .xcr0 = 7 };
	int count = fill(7, false);

	assert_int_equal(cpuid_supported(&host, entries, (uint32_t)count), count);
	assert_int_equal(cpuid_supported(&host, entries, (uint32_t)count - 1), -E2BIG);
	assert_int_equal(cpuid_supported(&host, entries, 0), -E2BIG);
}

TEST(state_shows_where_the_manual_says)
{
	struct cpuid_state open = { .cr4 = 1 << 18, .xcr0 = 7, .apic_enabled = false };

	fill(7, true);
	assert_true(run(&open, 1, 0).ecx >> 27 & 1);
	assert_false(run(&open, 1, 0).edx >> 9 & 1);
	assert_int_equal(run(&open, 0xd, 0).ebx, 0x340);
	assert_int_equal(run(&open, 0xd, 1).ebx, 0x340);
	assert_false(run(&plain, 1, 0).ecx >> 27 & 1);
	assert_true(run(&plain, 1, 0).edx >> 9 & 1);
	assert_int_equal(run(&plain, 0xd, 0).ebx, 0x240);
}

TEST(a_leaf_that_is_not_there_is_zeros_or_intels_highest)
{
	struct kvm_cpuid_entry2 own[] = {
		{ .function = 0,
		  .eax = 2,
		  .ebx = 0x756e6547,
		  .edx = 0x49656e69,
		  .ecx = 0x6c65746e },
		{ .function = 2, .eax = 0x1234 },
	};

	assert_int_equal(cpuid_set(&table, own, 2), 0);
	assert_int_equal(run(&plain, 0x77, 0).eax, 0x1234);
	assert_int_equal(run(&plain, 1, 0).eax, 0);
	own[0].ebx = 0x68747541;
	assert_int_equal(cpuid_set(&table, own, 2), 0);
	assert_int_equal(run(&plain, 0x77, 0).eax, 0);
	assert_int_equal(run(&plain, UINT32_MAX, UINT32_MAX).eax, 0);
}

TEST(one_leaf_is_not_taken_twice)
{
	struct kvm_cpuid_entry2 own[] = {
		{ .function = 7, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 1 },
		{ .function = 7, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 2 },
	};

	assert_int_equal(cpuid_set(&table, own, 2), 0);
	assert_int_equal(run(&plain, 7, 1).eax, 2);
	assert_int_equal(run(&plain, 7, 2).eax, 0);
	own[1].index = 0;
	assert_int_equal(cpuid_set(&table, own, 2), -EINVAL);
	assert_int_equal(cpuid_set(&table, entries, CPUID_ENTRIES_MAX + 1), -E2BIG);
}

TEST(addresses_have_a_sensible_number_of_bits)
{
	struct kvm_cpuid_entry2 own = { .function = 0x80000008, .eax = 0xff };

	assert_int_equal(cpuid_set(&table, &own, 1), 0);
	assert_int_equal(cpuid_address_bits(&table), 52);
	assert_int_equal(cpuid_set(&table, entries, 0), 0);
	assert_int_equal(cpuid_address_bits(&table), 36);
	fill(7, true);
	assert_int_equal(cpuid_address_bits(&table), 48);
}

TEST(control_register_4_has_the_bits_of_features_that_are_shown)
{
	struct kvm_cpuid_entry2 own[] = {
		{ .function = 1, .ecx = 1u << 26 },
		{ .function = 7, .ebx = 1u << 7, .ecx = 1u << 3 },
	};

	assert_int_equal(cpuid_set(&table, own, 2), 0);
	/* VME to OSXMMEXCPT; OSXSAVE, SMEP, PKE */
	assert_int_equal(cpuid_cr4(&table), 0x7ff | 1 << 18 | 1 << 20 | 1 << 22);
	assert_int_equal(cpuid_set(&table, own, 0), 0);
	assert_int_equal(cpuid_cr4(&table), 0x7ff);
}

TEST(mwait_is_shown_as_the_msr_says_where_that_switches_it)
{
	struct cpuid_state switched = { .mwait_switched = true, .mwait = true };
	struct kvm_cpuid_entry2 own = { .function = 1, .ecx = 1u << 3 };

	fill(7, true);
	assert_true(run(&switched, 1, 0).ecx >> 3 & 1);
	assert_int_equal(cpuid_set(&table, &own, 1), 0);
	switched.mwait = false;
	assert_false(run(&switched, 1, 0).ecx >> 3 & 1);
	assert_true(run(&plain, 1, 0).ecx >> 3 & 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(virtualisation_and_what_is_not_switched_are_never_shown),
		CASE(a_leaf_whole_is_what_the_instruction_returns_in_any_state),
		CASE(features_of_registers_that_linux_does_not_keep_are_not_shown),
		CASE(too_little_room_is_said),
		CASE(state_shows_where_the_manual_says),
		CASE(a_leaf_that_is_not_there_is_zeros_or_intels_highest),
		CASE(one_leaf_is_not_taken_twice),
		CASE(addresses_have_a_sensible_number_of_bits),
		CASE(control_register_4_has_the_bits_of_features_that_are_shown),
		CASE(mwait_is_shown_as_the_msr_says_where_that_switches_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
