// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "hypervisor/core/guest.h"
#include "tests/unit/hv-memory.h"

#define BASE UINT64_C(0x40000)
#define SIZE UINT64_C(0x10000)
#define P    1u
#define PS   0x80u

/*
 * A paging mode as the manual's pictures have it: of each level the shift and bits of the index,
 * and may its entry map?
 */
struct mode {
	const char *name;
	uint64_t cr4, efer, cr3_mask;
	unsigned int entry, levels, canonical;
	struct {
		unsigned int shift, bits;
		bool large;
	} level[5];
};

static const struct mode modes[] = {
	{ "32-bit", 0, 0, 0xFFFFF000, 4, 2, 0, { { 22, 10, false }, { 12, 10, true } } },
	{ "PSE", 0x10, 0, 0xFFFFF000, 4, 2, 0, { { 22, 10, true }, { 12, 10, true } } },
	{ "PAE",
	  0x20,
	  0,
	  0xFFFFFFE0,
	  8,
	  3,
	  0,
	  { { 30, 2, false }, { 21, 9, true }, { 12, 9, true } } },
	{ "4-level",
	  0x20,
	  0x500,
	  0xFFFFFFFFFF000,
	  8,
	  4,
	  48,
	  { { 39, 9, false }, { 30, 9, true }, { 21, 9, true }, { 12, 9, true } } },
	{ "5-level",
	  0x1020,
	  0x500,
	  0xFFFFFFFFFF000,
	  8,
	  5,
	  57,
	  { { 48, 9, false },
	    { 39, 9, false },
	    { 30, 9, true },
	    { 21, 9, true },
	    { 12, 9, true } } },
};

static struct guest_state state_of(const struct mode *mode, uint64_t cr3)
{
	return (struct guest_state){ .cr0 = 0x80000001,
		                     .cr3 = cr3,
		                     .cr4 = mode->cr4,
		                     .efer = mode->efer,
		                     .code_64 = mode->efer != 0,
		                     .code_32 = mode->efer == 0 };
}

static uint64_t entry_get(const struct hv_memory *memory, const struct mode *mode, uint64_t at)
{
	const uint8_t *p = memory->bytes + (at - BASE);

	return mode->entry == 4 ? load_le32(p) : load_le64(p);
}

static void entry_set(const struct hv_memory *memory, const struct mode *mode, uint64_t at,
                      uint64_t value)
{
	uint8_t *p = memory->bytes + (at - BASE);

	if (mode->entry == 4)
		store_le32(p, (uint32_t)value);
	else
		store_le64(p, value);
}

static uint64_t index_of(const struct mode *mode, unsigned int level, uint64_t linear)
{
	return (linear >> mode->level[level].shift) % (UINT64_C(1) << mode->level[level].bits);
}

/* Tables for one address, the n-th page of memory for the n-th level; its entry at `leaf` maps. */
static void map(const struct hv_memory *memory, const struct mode *mode, uint64_t linear,
                unsigned int leaf, uint64_t target)
{
	memset(memory->bytes, 0, SIZE);
	for (unsigned int level = 0; level <= leaf; level++) {
		uint64_t at = BASE + level * 0x1000 + index_of(mode, level, linear) * mode->entry;

		if (level < leaf)
			entry_set(memory, mode, at, (BASE + (level + 1) * 0x1000) | P | 0x66);
		else
			entry_set(memory, mode, at,
			          target | P | (leaf + 1 < mode->levels ? PS : 0));
	}
}

static uint64_t random_linear(const struct mode *mode)
{
	uint64_t r = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();

	if (!mode->canonical)
		return (uint32_t)r;
	return (uint64_t)((int64_t)(r << (64 - mode->canonical)) >> (64 - mode->canonical));
}

TEST(every_page_size_of_every_mode_is_found)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	unsigned int found = 0;

	for (const struct mode *mode = modes; mode < modes + ARRAY_LEN(modes); mode++) {
		for (unsigned int i = 0; i < 200; i++) {
			unsigned int leaf = i % mode->levels;
			uint64_t linear = random_linear(mode), physical, inside;
			uint64_t target = mode->entry == 4 ? 0xDEC00000 : 0x9ABCDEC0000000;
			struct guest_state guest = state_of(mode, BASE);

			if (!mode->level[leaf].large)
				continue;
			inside = (UINT64_C(1) << mode->level[leaf].shift) - 1;
			map(&memory, mode, linear, leaf, target & 0xFFFFFFFFFF000 & ~inside);
			assert_true(guest_walk(&memory.phys, &guest, linear, &physical));
			assert_true(physical ==
			            ((target & 0xFFFFFFFFFF000 & ~inside) | (linear & inside)));
			found++;
		}
	}
	/* 4 KiB in five modes; 4 MiB, 2 MiB in three, 1 GiB in two. */
	assert_int_equal(found, 100 + 100 + 100 + 67 + 66 + 50 * 3 + 40 * 3);
	free(memory.bytes);
}

TEST(pse_36_reaches_above_4_gib)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	struct guest_state guest = state_of(&modes[1], BASE);
	uint64_t physical;

	map(&memory, &modes[1], 0xC0123456, 0, 0x5A << 13 | 0x00400000);
	assert_true(guest_walk(&memory.phys, &guest, 0xC0123456, &physical));
	assert_true(physical == 0x5A00523456);
	free(memory.bytes);
}

TEST(what_is_not_present_at_any_level_is_not_found)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);

	for (const struct mode *mode = modes; mode < modes + ARRAY_LEN(modes); mode++) {
		for (unsigned int level = 0; level < mode->levels; level++) {
			uint64_t linear = random_linear(mode), physical, at;
			struct guest_state guest = state_of(mode, BASE);

			map(&memory, mode, linear, mode->levels - 1, 0x7000);
			assert_true(guest_walk(&memory.phys, &guest, linear, &physical));
			at = BASE + level * 0x1000 + index_of(mode, level, linear) * mode->entry;
			entry_set(&memory, mode, at, entry_get(&memory, mode, at) & ~UINT64_C(1));
			physical = 42;
			assert_false(guest_walk(&memory.phys, &guest, linear, &physical));
			assert_int_equal(physical, 42);
		}
	}
	free(memory.bytes);
}

TEST(a_table_outside_memory_ends_the_walk)
{
	static const uint64_t wrong[] = { 0, BASE - 0x1000, BASE + SIZE, 0xFFFFF000,
		                          0x00FFFFFFFFFFF000 };
	struct hv_memory memory = hv_memory_new(BASE, SIZE);

	for (const struct mode *mode = modes; mode < modes + ARRAY_LEN(modes); mode++) {
		for (unsigned int level = 0; level + 1 < mode->levels; level++) {
			for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
				uint64_t linear = random_linear(mode), physical;
				struct guest_state guest = state_of(mode, BASE);

				map(&memory, mode, linear, mode->levels - 1, 0x7000);
				entry_set(&memory, mode,
				          BASE + level * 0x1000 +
				                  index_of(mode, level, linear) * mode->entry,
				          wrong[i] | P);
				assert_false(guest_walk(&memory.phys, &guest, linear, &physical));
				guest.cr3 = wrong[i];
				assert_false(guest_walk(&memory.phys, &guest, linear, &physical));
			}
		}
	}
	free(memory.bytes);
}

TEST(an_address_that_is_not_canonical_is_not_found)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	struct guest_state guest = state_of(&modes[3], BASE);
	uint64_t physical;

	map(&memory, &modes[3], 0xFFFF800000001000, 3, 0x7000);
	assert_true(guest_walk(&memory.phys, &guest, 0xFFFF800000001000, &physical));
	assert_false(guest_walk(&memory.phys, &guest, 0x0000800000001000, &physical));
	guest = state_of(&modes[4], BASE);
	map(&memory, &modes[4], 0x0000800000001000, 4, 0x7000);
	assert_true(guest_walk(&memory.phys, &guest, 0x0000800000001000, &physical));
	assert_false(guest_walk(&memory.phys, &guest, 0x0100800000001000, &physical));
	free(memory.bytes);
}

TEST(without_paging_the_address_is_itself)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	struct guest_state guest = { .cr0 = 1, .code_32 = true };
	uint64_t physical;

	assert_true(guest_walk(&memory.phys, &guest, 0x12345678, &physical));
	assert_int_equal(physical, 0x12345678);
	/* Segment base and offset wrap at 4 GiB. */
	assert_true(guest_walk(&memory.phys, &guest, 0x100000010, &physical));
	assert_int_equal(physical, 0x10);
	free(memory.bytes);
}

/* Compatibility mode: 32-bit code under the tables of long mode. */
TEST(code_of_32_bits_in_long_mode_has_addresses_of_32_bits)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	struct guest_state guest = state_of(&modes[3], BASE);
	uint64_t physical;

	guest.code_64 = false;
	guest.code_32 = true;
	map(&memory, &modes[3], 0x80001000, 3, 0x7000);
	assert_true(guest_walk(&memory.phys, &guest, 0xFFFFFFFF80001234, &physical));
	assert_int_equal(physical, 0x7234);
	free(memory.bytes);
}

/* The manual's pictures, followed step by step. */
static bool model(const struct hv_memory *memory, const struct mode *mode, uint64_t cr3,
                  uint64_t linear, uint64_t *ret)
{
	uint64_t table = cr3 & mode->cr3_mask;

	for (unsigned int level = 0; level < mode->levels; level++) {
		uint64_t at = table + index_of(mode, level, linear) * mode->entry, entry, inside;
		bool last = level + 1 == mode->levels;

		if (at < BASE || at + mode->entry > BASE + SIZE)
			return false;
		entry = entry_get(memory, mode, at);
		if (entry % 2 == 0)
			return false;
		inside = (UINT64_C(1) << mode->level[level].shift) - 1;
		table = entry & 0xFFFFFFFFFF000;
		/* Without PSE the bit means nothing in a table of 32-bit entries. */
		if (last || (entry / 128 % 2 && !(mode->entry == 4 && !mode->level[0].large))) {
			*ret = (table & ~inside) + (linear & inside);
			if (!last && mode->entry == 4)
				*ret += (entry >> 13 & 255) << 32;
			return mode->level[level].large || last;
		}
	}
	return false;
}

TEST(random_tables_lead_where_the_manual_says)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	unsigned int found = 0;

	srand(7);
	for (unsigned int round = 0; round < 300; round++) {
		const struct mode *mode = &modes[round % ARRAY_LEN(modes)];

		for (uint64_t at = BASE; at < BASE + SIZE; at += mode->entry) {
			uint64_t entry =
				(uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ (uint64_t)rand();

			/* Mostly a table that is there, at times anywhere. */
			if (rand() % 16)
				entry = (BASE + (entry % SIZE & ~0xFFFull)) | (entry & 0xF7E);
			if (rand() % 4 == 0)
				entry |= PS;
			if (rand() % 16)
				entry |= P;
			entry_set(&memory, mode, at, entry);
		}
		for (unsigned int i = 0; i < 1000; i++) {
			uint64_t linear = random_linear(mode), ours = 0, theirs = 0;
			uint64_t cr3 = BASE + (uint64_t)rand() % SIZE;
			struct guest_state guest = state_of(mode, cr3);
			bool is = model(&memory, mode, cr3, linear, &theirs);

			assert_int_equal(guest_walk(&memory.phys, &guest, linear, &ours), is);
			if (is) {
				assert_true(ours == theirs);
				found++;
			}
		}
	}
	assert_true(found > 50000);
	free(memory.bytes);
}

/* Two code pages that are neighbours for the guest only. */
static struct hv_memory code_pages(struct guest_state *ret_state, bool second)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);

	map(&memory, &modes[3], 0x400000, 3, BASE + 0x9000);
	if (second)
		entry_set(&memory, &modes[3],
		          BASE + 3 * 0x1000 + index_of(&modes[3], 3, 0x401000) * 8,
		          (BASE + 0x7000) | P);
	for (unsigned int i = 0; i < 0x1000; i++) {
		memory.bytes[0x9000 + i] = (uint8_t)i;
		memory.bytes[0x7000 + i] = 0xC0;
	}
	*ret_state = state_of(&modes[3], BASE);
	return memory;
}

TEST(an_instruction_across_two_pages_is_fetched_from_both)
{
	struct guest_state guest;
	struct hv_memory memory = code_pages(&guest, true);
	uint8_t bytes[INSTRUCTION_MAX];

	guest.rip = 0x400FFD;
	assert_int_equal(guest_fetch(&memory.phys, &guest, bytes), INSTRUCTION_MAX);
	assert_memory_equal(bytes, "\xFD\xFE\xFF\xC0\xC0\xC0\xC0\xC0\xC0\xC0\xC0\xC0\xC0\xC0\xC0",
	                    15);
	free(memory.bytes);
}

TEST(a_page_that_is_not_there_ends_the_fetch)
{
	struct guest_state guest;
	struct hv_memory memory = code_pages(&guest, false);
	uint8_t bytes[INSTRUCTION_MAX];

	guest.rip = 0x400FFD;
	assert_int_equal(guest_fetch(&memory.phys, &guest, bytes), 3);
	assert_memory_equal(bytes, "\xFD\xFE\xFF", 3);
	guest.rip = 0x401000;
	assert_int_equal(guest_fetch(&memory.phys, &guest, bytes), 0);
	free(memory.bytes);
}

TEST(a_fetch_in_real_mode_goes_by_the_base_of_cs)
{
	struct hv_memory memory = hv_memory_new(BASE, SIZE);
	struct guest_state guest = { .cr0 = 0x10, .cs_base = BASE, .rip = 0x1234 };
	uint8_t bytes[INSTRUCTION_MAX];

	memory.bytes[0x1234] = 0xF4;
	assert_int_equal(guest_fetch(&memory.phys, &guest, bytes), INSTRUCTION_MAX);
	assert_int_equal(bytes[0], 0xF4);
	/* Behind the end of memory. */
	guest.rip = SIZE;
	assert_int_equal(guest_fetch(&memory.phys, &guest, bytes), 0);
	free(memory.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_page_size_of_every_mode_is_found),
		CASE(pse_36_reaches_above_4_gib),
		CASE(what_is_not_present_at_any_level_is_not_found),
		CASE(a_table_outside_memory_ends_the_walk),
		CASE(an_address_that_is_not_canonical_is_not_found),
		CASE(without_paging_the_address_is_itself),
		CASE(code_of_32_bits_in_long_mode_has_addresses_of_32_bits),
		CASE(random_tables_lead_where_the_manual_says),
		CASE(an_instruction_across_two_pages_is_fetched_from_both),
		CASE(a_page_that_is_not_there_ends_the_fetch),
		CASE(a_fetch_in_real_mode_goes_by_the_base_of_cs),
	};

	return cmocka_run_group_tests_name("hv-walk", tests, NULL, NULL);
}
