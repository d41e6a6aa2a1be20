// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "module/slots.h"

#define PAGE 0x1000u

static struct slot_table table;
static struct slot slots[SLOTS_MAX];

static struct kvm_userspace_memory_region region(uint32_t id, uint64_t guest, uint64_t size)
{
	return (struct kvm_userspace_memory_region){ .slot = id,
		                                     .guest_phys_addr = guest,
		                                     .memory_size = size,
		                                     .userspace_addr = 0x10000000 + guest };
}

static int apply(const struct kvm_userspace_memory_region *wanted)
{
	struct slot *old;
	int plan = slot_plan(&table, wanted, &old);

	if (plan == SLOT_DELETE || plan == SLOT_MOVE)
		slot_remove(&table, old);
	if (plan == SLOT_CREATE || plan == SLOT_MOVE) {
		slots[wanted->slot] = (struct slot){ .guest = wanted->guest_phys_addr,
			                             .size = wanted->memory_size,
			                             .user = wanted->userspace_addr,
			                             .id = wanted->slot,
			                             .flags = wanted->flags };
		slot_insert(&table, &slots[wanted->slot]);
	}
	return plan;
}

static int set(uint32_t id, uint64_t guest, uint64_t size)
{
	struct kvm_userspace_memory_region wanted = region(id, guest, size);

	return apply(&wanted);
}

static int empty(void **state)
{
	(void)state;
	table.count = 0;
	return 0;
}

TEST(an_address_is_found_in_its_slot_and_nowhere_else)
{
	assert_int_equal(set(1, 4 * PAGE, 4 * PAGE), SLOT_CREATE);
	assert_int_equal(set(0, 0, 2 * PAGE), SLOT_CREATE);
	assert_ptr_equal(slot_find(&table, 2 * PAGE - 1), &slots[0]);
	assert_null(slot_find(&table, 2 * PAGE));
	assert_null(slot_find(&table, 4 * PAGE - 1));
	assert_ptr_equal(slot_find(&table, 4 * PAGE), &slots[1]);
	assert_null(slot_find(&table, 8 * PAGE));
}

TEST(slots_do_not_overlap)
{
	assert_int_equal(set(1, 4 * PAGE, 4 * PAGE), SLOT_CREATE);
	assert_int_equal(set(2, 7 * PAGE, PAGE), -EEXIST);
	assert_int_equal(set(2, 0, 5 * PAGE), -EEXIST);
	assert_int_equal(set(2, 0, 100 * PAGE), -EEXIST);
	assert_int_equal(set(2, 8 * PAGE, PAGE), SLOT_CREATE);
	/* It may move over its own place, but not over another's. */
	assert_int_equal(set(2, 0, PAGE), -EINVAL);
}

TEST(only_place_and_dirty_log_change)
{
	struct kvm_userspace_memory_region wanted = region(1, 4 * PAGE, 4 * PAGE);

	assert_int_equal(apply(&wanted), SLOT_CREATE);
	assert_int_equal(apply(&wanted), SLOT_NOTHING);
	wanted.flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(apply(&wanted), SLOT_FLAGS);
	wanted.flags = KVM_MEM_READONLY;
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted.flags = 0;
	wanted.guest_phys_addr = 6 * PAGE;
	assert_int_equal(apply(&wanted), SLOT_MOVE);
	assert_null(slot_find(&table, 4 * PAGE));
	wanted.memory_size = 5 * PAGE;
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted.memory_size = 0;
	assert_int_equal(apply(&wanted), SLOT_DELETE);
	assert_int_equal(apply(&wanted), -EINVAL);
}

TEST(what_makes_no_sense_is_refused)
{
	struct kvm_userspace_memory_region wanted = region(1, PAGE, PAGE);

	wanted.guest_phys_addr++;
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1, PAGE, PAGE + 1);
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1, (UINT64_C(1) << 48) - PAGE, 2 * PAGE);
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1, UINT64_MAX - PAGE + 1, PAGE);
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1 << 16, PAGE, PAGE);
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1, PAGE, PAGE);
	wanted.userspace_addr = UINT64_MAX - PAGE + 1;
	wanted.memory_size = 2 * PAGE;
	assert_int_equal(apply(&wanted), -EINVAL);
	wanted = region(1, PAGE, PAGE);
	wanted.flags = 4;
	assert_int_equal(apply(&wanted), -EINVAL);
}

TEST(a_full_table_says_so)
{
	uint32_t i;

	for (i = 0; i < SLOTS_MAX; i++)
		assert_int_equal(set(i, (uint64_t)i * PAGE, PAGE), SLOT_CREATE);
	assert_int_equal(set(SLOTS_MAX, (uint64_t)SLOTS_MAX * PAGE, PAGE), -ENOSPC);
}

TEST(a_large_page_lies_inside_its_slot_and_is_aligned_alike)
{
	struct slot slot = { .guest = 0x100000, .size = 0x40000000, .user = 0x7f0000100000 };

	assert_int_equal(slot_level(&slot, 0x150000, 2), 0); /* begins before the slot */
	assert_int_equal(slot_level(&slot, 0x250000, 2), 1);
	assert_int_equal(slot_level(&slot, 0x250000, 0), 0);
	assert_int_equal(slot_level(&slot, 0x400fffff, 2), 0); /* ends behind it */
	slot.user += PAGE;
	assert_int_equal(slot_level(&slot, 0x250000, 2), 0);
	slot = (struct slot){ .guest = 0, .size = 0x80000000, .user = 0x40000000 };
	assert_int_equal(slot_level(&slot, 0x7fffffff, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_address_is_found_in_its_slot_and_nowhere_else, empty),
		cmocka_unit_test_setup(slots_do_not_overlap, empty),
		cmocka_unit_test_setup(only_place_and_dirty_log_change, empty),
		cmocka_unit_test_setup(what_makes_no_sense_is_refused, empty),
		cmocka_unit_test_setup(a_full_table_says_so, empty),
		CASE(a_large_page_lies_inside_its_slot_and_is_aligned_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
