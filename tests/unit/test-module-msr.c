// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "module/msr.h"

static struct msr_values values;

static int reset(void **state)
{
	(void)state;
	msr_values_reset(&values);
	return 0;
}

static uint64_t value_of(uint32_t index)
{
	uint64_t value;

	assert_int_equal(msr_values_read(&values, index, &value), MSR_OK);
	return value;
}

TEST(all_values_have_their_place)
{
	uint64_t value;
	uint32_t i, count = 0;

	for (i = 0; i < 0x2000; i++) {
		count += msr_values_read(&values, i, &value) != MSR_UNKNOWN;
		count += msr_values_read(&values, 0xc0010000 + i, &value) != MSR_UNKNOWN;
	}
	assert_true(count > 100 && count <= MSR_VALUES);
}

TEST(a_value_that_was_written_is_read_and_no_other_changes)
{
	uint64_t before = value_of(0x202);

	assert_int_equal(msr_values_write(&values, 0x201, 0x1234, false), MSR_OK);
	assert_int_equal(value_of(0x201), 0x1234);
	assert_int_equal(value_of(0x202), before);
}

TEST(a_guest_cannot_write_what_is_fixed_and_a_vmm_can_restore_it)
{
	uint64_t cap = value_of(0xfe);

	assert_int_equal(msr_values_write(&values, 0xfe, cap, false), MSR_FAULT);
	assert_int_equal(msr_values_write(&values, 0xfe, cap, true), MSR_OK);
	assert_int_equal(msr_values_write(&values, 0xfe, cap + 1, true), MSR_FAULT);
}

TEST(reserved_bits_fault)
{
	assert_int_equal(msr_values_write(&values, 0x2ff, 0xc06, false), MSR_OK);
	assert_int_equal(msr_values_write(&values, 0x2ff, 0x1000, false), MSR_FAULT);
	assert_int_equal(value_of(0x2ff), 0xc06);
}

TEST(what_is_ignored_keeps_its_value)
{
	uint64_t before = value_of(0x8b);

	assert_int_equal(msr_values_write(&values, 0x8b, 0, false), MSR_OK);
	assert_int_equal(value_of(0x8b), before);
}

TEST(banks_beyond_those_that_are_counted_are_not_there)
{
	uint64_t value;

	msr_values_setup_mce(&values, 0x1000100 | 2);
	assert_int_equal(value_of(0x404), UINT64_MAX);
	assert_int_equal(msr_values_read(&values, 0x408, &value), MSR_FAULT);
	assert_int_equal(msr_values_write(&values, 0x408, 0, true), MSR_FAULT);
}

TEST(a_guest_clears_a_banks_status_and_sets_it_only_when_it_may)
{
	assert_int_equal(msr_values_write(&values, 0x401, 0, false), MSR_OK);
	assert_int_equal(msr_values_write(&values, 0x401, 5, false), MSR_FAULT);
	assert_int_equal(msr_values_write(&values, 0xc0010015, 1 << 18, false), MSR_OK);
	assert_int_equal(msr_values_write(&values, 0x401, 5, false), MSR_OK);
	assert_int_equal(msr_values_write(&values, 0x400, 5, false), MSR_FAULT);
	assert_int_equal(msr_values_write(&values, 0x400, UINT64_MAX, false), MSR_OK);
}

TEST(the_list_names_each_msr_once)
{
	uint32_t list[256], index;
	uint64_t value;
	unsigned int count = 0, i;

	while (msr_list(false, count, &index)) {
		for (i = 0; i < count; i++)
			assert_int_not_equal(list[i], index);
		assert_true(count < 256);
		list[count++] = index;
	}
	assert_true(count > 40);
	assert_true(msr_list(true, 0, &index));
	assert_true(msr_feature(index, &value));
	assert_false(msr_feature(0xc0000080, &value));
	assert_int_equal(msr_values_write(&values, index, value_of(index), true), MSR_OK);
}

TEST(a_filter_decides_by_range_then_by_default)
{
	struct msr_filter *filter = calloc(1, sizeof(*filter) + 2 * sizeof(filter->ranges[0]));

	assert_non_null(filter);
	filter->allow = true;
	filter->count = 1;
	filter->ranges[0] = (struct msr_filter_range){
		.flags = KVM_MSR_FILTER_READ, .base = 0x174, .count = 10, .bitmap = { 0x01, 0x02 }
	};
	assert_true(msr_filter_allows(filter, 0x174, false));
	assert_false(msr_filter_allows(filter, 0x175, false));
	assert_true(msr_filter_allows(filter, 0x17d, false));
	assert_true(msr_filter_allows(filter, 0x175, true)); /* not a range for writes */
	assert_true(msr_filter_allows(filter, 0x17e, false));
	assert_true(msr_filter_allows(filter, 0x173, false));
	filter->allow = false;
	assert_false(msr_filter_allows(filter, 0x17e, false));
	assert_true(msr_filter_allows(filter, 0x808, true));
	assert_true(msr_filter_allows(NULL, 0x17e, true));
	free(filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_values_have_their_place, reset),
		cmocka_unit_test_setup(a_value_that_was_written_is_read_and_no_other_changes,
		                       reset),
		cmocka_unit_test_setup(a_guest_cannot_write_what_is_fixed_and_a_vmm_can_restore_it,
		                       reset),
		cmocka_unit_test_setup(reserved_bits_fault, reset),
		cmocka_unit_test_setup(what_is_ignored_keeps_its_value, reset),
		cmocka_unit_test_setup(banks_beyond_those_that_are_counted_are_not_there, reset),
		cmocka_unit_test_setup(a_guest_clears_a_banks_status_and_sets_it_only_when_it_may,
		                       reset),
		cmocka_unit_test_setup(the_list_names_each_msr_once, reset),
		CASE(a_filter_decides_by_range_then_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
