// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "module/walk.h"

#define MEMORY 0x8000u
#define TABLES 0x1000u

#define P      1u
#define W      2u
#define U      4u
#define A      0x20u
#define D      0x40u
#define PS     0x80u
#define NX     (UINT64_C(1) << 63)

static uint8_t memory[MEMORY];
static unsigned int interferences; /* an entry changes below the walk so often */

static int read_entry(void *context, uint64_t guest, unsigned int size, uint64_t *ret)
{
	(void)context;
	*ret = 0;
	if (guest > MEMORY - size)
		return -EFAULT;
	memcpy(ret, memory + guest, size);
	return 0;
}

static int set_entry(void *context, uint64_t guest, unsigned int size, uint64_t old, uint64_t new)
{
	(void)context;
	if (interferences > 0) {
		interferences--;
		return -EAGAIN;
	}
	if (memcmp(memory + guest, &old, size) != 0)
		return -EAGAIN;
	memcpy(memory + guest, &new, size);
	return 0;
}

static void put(uint64_t at, uint64_t entry)
{
	memcpy(memory + at, &entry, sizeof(entry));
}

static uint64_t entry_at(uint64_t at)
{
	uint64_t entry;

	memcpy(&entry, memory + at, sizeof(entry));
	return entry;
}

/* Long mode: 0x400000 + n pages lead through tables at 1000h, 2000h, 3000h, 4000h. */
static struct walk walk;

static int long_mode(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	interferences = 0;
	put(0x1000, 0x2000 | P | W | U);
	put(0x2000, 0x3000 | P | W | U);
	put(0x3000 + 2 * 8, 0x4000 | P | W | U);
	put(0x4000, 0x123000 | P | W | U);
	put(0x4008, 0x124000 | P);
	put(0x4010, 0x125000 | P | U | NX);
	put(0x3000 + 3 * 8, 0x40600000 | P | W | PS);
	put(0x2000 + 8, 0xc0000000 | P | W | U | PS);
	walk = (struct walk){ .cr0 = 0x80010001,
		              .cr3 = 0x1000,
		              .cr4 = 0x20,
		              .efer = 0xd00,
		              .address_bits = 40,
		              .read = read_entry,
		              .set = set_entry };
	return 0;
}

static int translate(uint64_t linear, unsigned int access, uint64_t *ret_guest, uint32_t *ret_code)
{
	*ret_guest = *ret_code = 0;
	return walk_translate(&walk, linear, access, ret_guest, ret_code);
}

TEST(pages_of_three_sizes_are_found)
{
	uint64_t guest;
	uint32_t code;

	assert_int_equal(translate(0x400abc, 0, &guest, &code), 0);
	assert_int_equal(guest, 0x123abc);
	assert_int_equal(translate(0x612345, 0, &guest, &code), 0);
	assert_int_equal(guest, 0x40612345);
	assert_int_equal(translate(0x40000000 + 0x3123456, 0, &guest, &code), 0);
	assert_int_equal(guest, 0xc0000000 + 0x3123456);
}

TEST(accessed_and_dirty_bits_are_set_as_the_processor_does)
{
	uint64_t guest;
	uint32_t code;

	assert_int_equal(translate(0x400000, 0, &guest, &code), 0);
	assert_int_equal(entry_at(0x1000) & (A | D), A);
	assert_int_equal(entry_at(0x4000) & (A | D), A);
	assert_int_equal(translate(0x400000, WALK_WRITE, &guest, &code), 0);
	assert_int_equal(entry_at(0x3010) & (A | D), A);
	assert_int_equal(entry_at(0x4000) & (A | D), A | D);
	/* Not where the access is refused. */
	assert_int_equal(translate(0x401000, WALK_USER, &guest, &code), 1);
	assert_int_equal(entry_at(0x4008) & A, 0);
}

TEST(faults_have_the_processors_code)
{
	uint64_t guest;
	uint32_t code;

	assert_int_equal(translate(0x403000, WALK_WRITE, &guest, &code), 1);
	assert_int_equal(code, WALK_WRITE);
	assert_int_equal(translate(0x401000, WALK_WRITE, &guest, &code), 1);
	assert_int_equal(code, WALK_PRESENT | WALK_WRITE);
	assert_int_equal(translate(0x402000, WALK_FETCH, &guest, &code), 1);
	assert_int_equal(code, WALK_PRESENT | WALK_FETCH);
	assert_int_equal(translate(0x401000, WALK_USER, &guest, &code), 1);
	assert_int_equal(code, WALK_PRESENT | WALK_USER);
	assert_int_equal(translate(0x401000, 0, &guest, &code), 0);
	put(0x4000, UINT64_C(1) << 45 | P);
	assert_int_equal(translate(0x400000, WALK_USER, &guest, &code), 1);
	assert_int_equal(code, WALK_PRESENT | WALK_RESERVED | WALK_USER);
}

TEST(write_protection_smep_and_smap_hold)
{
	uint64_t guest;
	uint32_t code;

	walk.cr0 &= ~UINT64_C(0x10000);
	assert_int_equal(translate(0x401000, WALK_WRITE, &guest, &code), 0);
	walk.cr4 |= 1u << 20;
	assert_int_equal(translate(0x400000, WALK_FETCH, &guest, &code), 1);
	assert_int_equal(code, WALK_PRESENT | WALK_FETCH);
	walk.cr4 |= 1u << 21;
	assert_int_equal(translate(0x400000, 0, &guest, &code), 1);
	walk.smap_off = true;
	assert_int_equal(translate(0x400000, 0, &guest, &code), 0);
}

TEST(an_entry_that_changes_below_the_walk_is_looked_at_again_but_not_for_ever)
{
	uint64_t guest;
	uint32_t code;

	interferences = 3;
	assert_int_equal(translate(0x400000, WALK_WRITE, &guest, &code), 0);
	assert_int_equal(guest, 0x123000);
	put(0x4000, 0x123000 | P | W | U);
	interferences = 1000;
	assert_int_equal(translate(0x400000, WALK_WRITE, &guest, &code), -EAGAIN);
}

TEST(two_levels_and_pae_are_walked_too)
{
	uint32_t small = 0x3000 | P | W | U, large = 0x80000000 | 5u << 13 | P | W | U | PS;
	uint64_t guest;
	uint32_t code;

	walk.efer = 0;
	walk.cr4 = 0x10;
	memset(memory, 0, sizeof(memory));
	memcpy(memory + 0x1000, &small, 4);
	memcpy(memory + 0x1004, &large, 4);
	memcpy(memory + 0x3000 + 4 * 4, (uint32_t[]){ 0x55000 | P | W | U }, 4);
	assert_int_equal(translate(UINT64_C(0xffffffff00004123), WALK_WRITE, &guest, &code), 0);
	assert_int_equal(guest, 0x55123);
	assert_int_equal(translate(0x400000 + 0x123456, 0, &guest, &code), 0);
	assert_int_equal(guest, UINT64_C(0x580123456));
	walk.cr4 = 0x20;
	walk.cr3 = 0x1020;
	put(0x1020 + 8, 0x2000 | P);
	put(0x2000 + 8, 0x600000 | P | W | U | PS);
	assert_int_equal(translate(0x40000000 + 0x234567, WALK_WRITE, &guest, &code), 0);
	assert_int_equal(guest, 0x634567);
	walk.cr0 = 1;
	assert_int_equal(translate(UINT64_C(0x1234567890), 0, &guest, &code), 0);
	assert_int_equal(guest, 0x34567890);
}

TEST(any_tables_end_the_walk)
{
	unsigned int i, j;
	uint64_t guest;
	uint32_t code;

	srand(11);
	for (i = 0; i < 50000; i++) {
		for (j = 0; j < 64; j++)
			memory[(unsigned int)rand() % MEMORY] = (uint8_t)rand();
		walk.cr3 = (uint64_t)rand() % MEMORY;
		walk.cr4 = (uint64_t)rand() & 0x301030;
		walk.efer = (uint64_t)rand() & 0xc00;
		(void)translate((uint64_t)rand() << 20 | (uint64_t)rand(),
		                (unsigned int)rand() & 0x16, &guest, &code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pages_of_three_sizes_are_found, long_mode),
		cmocka_unit_test_setup(accessed_and_dirty_bits_are_set_as_the_processor_does,
		                       long_mode),
		cmocka_unit_test_setup(faults_have_the_processors_code, long_mode),
		cmocka_unit_test_setup(write_protection_smep_and_smap_hold, long_mode),
		cmocka_unit_test_setup(
			an_entry_that_changes_below_the_walk_is_looked_at_again_but_not_for_ever,
			long_mode),
		cmocka_unit_test_setup(two_levels_and_pae_are_walked_too, long_mode),
		cmocka_unit_test_setup(any_tables_end_the_walk, long_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
