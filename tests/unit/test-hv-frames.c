// SPDX-License-Identifier: GPL-2.0-or-later
/* Owners of frames, the buffers a root may name, and the commands of its APIC. */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/bits.h"
#include "hypervisor/core/apic.h"
#include "hypervisor/core/frames.h"
#include "hypervisor/core/hypercall.h"
#include "hypervisor/core/x86.h"
#include "include/sill/hypercall.h"

#define FRAMES 64

static uint16_t words[FRAMES];
static struct frames frames;

/* 0…15 RAM, 16…19 reserved, 20…39 RAM of which 24…27 are ours, 40…63 device. */
static void make(void)
{
	static struct memory_map map = { .count = 3,
		                         .range = { { 0, 16 * 4096, MEMORY_USABLE },
		                                    { 16 * 4096, 4 * 4096, MEMORY_RESERVED },
		                                    { 20 * 4096, 20 * 4096, MEMORY_USABLE } } };

	frames_init(&frames, words, FRAMES, &map);
	frames_take(&frames, 24 * 4096, 4 * 4096);
}

TEST(frames_belong_to_whom_the_map_says)
{
	make();
	assert_int_equal(frames_state(&frames, 0), FRAME_ROOT);
	assert_int_equal(frames_state(&frames, 16), FRAME_DEVICE);
	assert_int_equal(frames_state(&frames, 23), FRAME_ROOT);
	assert_int_equal(frames_state(&frames, 24), FRAME_HYPERVISOR);
	assert_int_equal(frames_state(&frames, 27), FRAME_HYPERVISOR);
	assert_int_equal(frames_state(&frames, 28), FRAME_ROOT);
	assert_int_equal(frames_state(&frames, 40), FRAME_DEVICE);
	assert_int_equal(frames_state(&frames, 1 << 20), FRAME_DEVICE);
}

TEST(a_frame_that_is_only_partly_ram_is_a_devices)
{
	struct memory_map map = { .count = 1, .range = { { 100, 3 * 4096, MEMORY_USABLE } } };

	frames_init(&frames, words, FRAMES, &map);
	assert_int_equal(frames_state(&frames, 0), FRAME_DEVICE);
	assert_int_equal(frames_state(&frames, 1), FRAME_ROOT);
	assert_int_equal(frames_state(&frames, 2), FRAME_ROOT);
	assert_int_equal(frames_state(&frames, 3), FRAME_DEVICE);
}

TEST(a_frame_is_lent_as_often_as_it_is_mapped)
{
	make();
	assert_true(frame_lend(&frames, 3));
	assert_true(frame_lend(&frames, 3));
	assert_int_equal(frames.lent, 1);
	assert_false(frame_donate(&frames, 3, 1));
	assert_true(frame_unlend(&frames, 3));
	assert_int_equal(frames_state(&frames, 3), FRAME_LENT);
	assert_true(frame_unlend(&frames, 3));
	assert_int_equal(frames_state(&frames, 3), FRAME_ROOT);
	assert_false(frame_unlend(&frames, 3));
	assert_int_equal(frames.lent, 0);
}

TEST(a_frame_is_not_lent_more_often_than_can_be_counted)
{
	make();
	for (unsigned int i = 0; i < FRAME_COUNT_MAX; i++)
		assert_true(frame_lend(&frames, 3));
	assert_false(frame_lend(&frames, 3));
	assert_int_equal(frames_state(&frames, 3), FRAME_LENT);
	for (unsigned int i = 0; i < FRAME_COUNT_MAX; i++)
		assert_true(frame_unlend(&frames, 3));
	assert_int_equal(frames_state(&frames, 3), FRAME_ROOT);
}

TEST(a_donated_frame_comes_back_only_from_its_session)
{
	make();
	assert_true(frame_donate(&frames, 5, 7));
	assert_int_equal(frames.donated, 1);
	assert_false(frame_donate(&frames, 5, 7));
	assert_false(frame_lend(&frames, 5));
	assert_false(frame_reclaim(&frames, 5, 8));
	assert_true(frame_reclaim(&frames, 5, 7));
	assert_int_equal(frames_state(&frames, 5), FRAME_ROOT);
	assert_int_equal(frames.donated, 0);
}

TEST(nobody_gets_frames_of_devices_or_the_hypervisor)
{
	static const uint64_t wrong[] = { 16, 24, 40, FRAMES, UINT64_MAX };

	make();
	for (unsigned int i = 0; i < ARRAY_LEN(wrong); i++) {
		uint16_t before[FRAMES];

		memcpy(before, words, sizeof(words));
		assert_false(frame_lend(&frames, wrong[i]));
		assert_false(frame_unlend(&frames, wrong[i]));
		assert_false(frame_donate(&frames, wrong[i], 1));
		assert_false(frame_reclaim(&frames, wrong[i], 1));
		assert_memory_equal(before, words, sizeof(words));
	}
	assert_false(frame_donate(&frames, 0, 0));
	assert_false(frame_donate(&frames, 0, FRAME_COUNT_MAX + 1));
}

TEST(only_ram_of_the_root_is_reachable)
{
	make();
	assert_true(frames_reachable(&frames, 0, 16 * 4096));
	assert_false(frames_reachable(&frames, 0, 16 * 4096 + 1));
	assert_true(frames_reachable(&frames, 23 * 4096, 4096));
	assert_false(frames_reachable(&frames, 24 * 4096 - 1, 2));
	assert_false(frames_reachable(&frames, 27 * 4096 + 4095, 1));
	assert_true(frames_reachable(&frames, 28 * 4096, 1));
	assert_false(frames_reachable(&frames, UINT64_MAX - 7, 8));
	assert_false(frames_reachable(&frames, UINT64_MAX - 7, 16));
	assert_false(frames_reachable(&frames, UINT64_MAX - 4096, UINT64_MAX));
	assert_true(frame_lend(&frames, 1));
	assert_true(frames_reachable(&frames, 4096, 1));
	assert_true(frame_donate(&frames, 2, 1));
	assert_false(frames_reachable(&frames, 0, 3 * 4096));
}

TEST(the_root_may_have_code_in_rom_and_not_in_what_is_ours)
{
	make();
	assert_true(frame_lend(&frames, 1));
	assert_true(frame_donate(&frames, 2, 1));
	assert_true(frames_fetchable(&frames, 0, 2 * 4096));
	assert_false(frames_fetchable(&frames, 2 * 4096 - 1, 2));
	assert_true(frames_fetchable(&frames, 3 * 4096, 21 * 4096));
	assert_false(frames_fetchable(&frames, 24 * 4096 - 1, 2));
	assert_true(frames_fetchable(&frames, UINT64_C(1) << 40, 15));
	assert_false(frames_fetchable(&frames, UINT64_MAX - 7, 16));
}

static void *window(const struct phys *phys, uint64_t base, uint64_t size)
{
	static char memory[64 * 4096];

	(void)phys;
	return frames_reachable(&frames, base, size) ? memory + base : NULL;
}

TEST(a_buffer_is_checked_before_it_is_used)
{
	static const struct {
		uint64_t at, size;
		int error;
	} rows[] = {
		{ 4096, 64, 0 },
		{ 4096, SILL_BUFFER_MAX - 4096, 0 },
		{ 4097, 64, SILL_EALIGN },
		{ 4100, 64, SILL_EALIGN },
		{ 4096, 63, SILL_EINVAL },
		{ 4096, 0, SILL_EINVAL },
		{ 4096, SILL_BUFFER_MAX + 1, SILL_EINVAL },
		{ 4096, UINT64_MAX, SILL_EINVAL },
		{ 23 * 4096 + 4088, 64, SILL_EFAULT },
		{ 24 * 4096, 64, SILL_EFAULT },
		{ 40 * 4096, 64, SILL_EFAULT },
		{ 16 * 4096, 64, SILL_EFAULT },
		{ UINT64_C(1) << 52, 64, SILL_EFAULT },
		{ UINT64_MAX - 7, 64, SILL_EFAULT },
	};
	struct phys phys = { window };
	struct call_buffer buffer;

	make();
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(call_buffer(&phys, rows[i].at, rows[i].size, 64, &buffer),
		                 rows[i].error);
}

TEST(init_and_sipi_are_told_from_everything_else)
{
	/* Every delivery mode with every destination mode, shorthand, level and trigger. */
	for (uint32_t low = 0; low < 1u << 20; low += 0x100) {
		uint32_t mode = low >> 8 & 7, shorthand = low >> 18 & 3;
		bool logical = low >> 11 & 1, deassert = (low & ICR_LEVEL) && !(low & ICR_ASSERT);
		enum apic_act expected = APIC_PASS;

		if (mode == 5)
			expected = deassert                ? APIC_IGNORE
			           : logical && !shorthand ? APIC_REFUSE
			                                   : APIC_INIT;
		if (mode == 6)
			expected = logical && !shorthand ? APIC_REFUSE : APIC_SIPI;
		assert_int_equal(apic_command(low), expected);
	}
}

TEST(shorthands_name_their_processors)
{
	assert_true(apic_is_target(0, 3, false, 0, 3));
	assert_false(apic_is_target(0, 3, false, 0, 2));
	assert_true(apic_is_target(0, 0xFF, false, 0, 2));
	assert_false(apic_is_target(0, 0xFF, true, 0, 2));
	assert_true(apic_is_target(0, 0xFFFFFFFF, true, 0, 2));
	assert_true(apic_is_target(1 << 18, 9, false, 4, 4));
	assert_false(apic_is_target(1 << 18, 9, false, 4, 9));
	assert_true(apic_is_target(2 << 18, 9, false, 4, 4));
	assert_true(apic_is_target(2 << 18, 9, false, 4, 5));
	assert_false(apic_is_target(3 << 18, 9, false, 4, 4));
	assert_true(apic_is_target(3 << 18, 9, false, 4, 5));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(frames_belong_to_whom_the_map_says),
		CASE(a_frame_that_is_only_partly_ram_is_a_devices),
		CASE(a_frame_is_lent_as_often_as_it_is_mapped),
		CASE(a_frame_is_not_lent_more_often_than_can_be_counted),
		CASE(a_donated_frame_comes_back_only_from_its_session),
		CASE(nobody_gets_frames_of_devices_or_the_hypervisor),
		CASE(only_ram_of_the_root_is_reachable),
		CASE(the_root_may_have_code_in_rom_and_not_in_what_is_ours),
		CASE(a_buffer_is_checked_before_it_is_used),
		CASE(init_and_sipi_are_told_from_everything_else),
		CASE(shorthands_name_their_processors),
	};

	return cmocka_run_group_tests_name("hv-frames", tests, NULL, NULL);
}
