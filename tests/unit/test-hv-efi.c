// SPDX-License-Identifier: GPL-2.0-or-later
/* UEFI's memory map, against one byte for each page. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "hypervisor/boot/efi.h"
#include "tests/unit/hv-memory.h"

#define BASE  0x100000u
#define PAGE  4096u
#define PAGES 64u
#define MANY  40u
#define STEP  48u

static uint8_t bytes[MANY * STEP];
static struct hv_memory memory = { { hv_memory_window }, BASE, sizeof(bytes), bytes };
static struct boot_efi efi;
static struct memory_map map;

/* The copy is as large as it says it may be, to the byte. */
static uint8_t *copy;
static uint32_t copied;

static void begin(void)
{
	efi = (struct boot_efi){ 1, BASE, 0, STEP, 1 };
}

static void add(uint32_t type, uint64_t base, uint64_t pages, uint64_t attributes)
{
	uint8_t *to = memory.bytes + efi.map_size;

	store_le32(to, type);
	store_le64(to + 8, base);
	store_le64(to + 16, 0);
	store_le64(to + 24, pages);
	store_le64(to + 32, attributes);
	/* What a longer descriptor has is kept too. */
	store_le64(to + 40, ~attributes);
	efi.map_size += STEP;
}

static void copy_map(uint64_t own, uint64_t own_pages, uint64_t params, uint64_t params_pages)
{
	const struct memory_range claims[EFI_CLAIMS] = {
		{ own * PAGE, own_pages * PAGE, EFI_RESERVED },
		{ params * PAGE, params_pages * PAGE, EFI_LOADER_DATA },
	};

	free(copy);
	copy = malloc(efi_map_room(&efi));
	assert_non_null(copy);
	copied = efi_map_copy(&memory.phys, &efi, claims, copy);
	assert_int_equal(copied % STEP, 0);
	assert_true(copied <= efi_map_room(&efi));
}

static void assert_copied(uint32_t i, uint32_t type, uint64_t page, uint64_t pages)
{
	const uint8_t *from = copy + (size_t)i * STEP;

	assert_true((i + 1) * STEP <= copied);
	assert_int_equal(load_le32(from), type);
	assert_int_equal(load_le64(from + 8), page * PAGE);
	assert_int_equal(load_le64(from + 24), pages);
}

TEST(a_map_that_nobody_claims_from_is_copied_as_it_is)
{
	begin();
	add(7, 0, 16, 0xF);
	add(6, 20 * PAGE, 4, UINT64_C(1) << 63 | 0xF);
	copy_map(40, 2, 50, 0);
	assert_int_equal(copied, efi.map_size);
	assert_memory_equal(copy, memory.bytes, copied);
	copy_map(4, 0, 22, 0);
	assert_int_equal(copied, efi.map_size);
	assert_memory_equal(copy, memory.bytes, copied);
}

TEST(a_claim_splits_the_descriptor_around_it)
{
	begin();
	add(7, 0, 16, 0xF);
	copy_map(4, 2, 10, 6);
	assert_int_equal(copied, 4 * STEP);
	assert_copied(0, 7, 0, 4);
	assert_copied(1, EFI_RESERVED, 4, 2);
	assert_copied(2, 7, 6, 4);
	assert_copied(3, EFI_LOADER_DATA, 10, 6);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(load_le64(copy + i * STEP + 32), 0xF);
		assert_int_equal(load_le64(copy + i * STEP + 40), ~UINT64_C(0xF));
	}
}

TEST(a_claim_over_several_descriptors_takes_its_part_of_each)
{
	begin();
	add(7, 0, 4, 0);
	add(4, 4 * PAGE, 4, 0);
	add(7, 8 * PAGE, 4, 0);
	copy_map(3, 6, 0, 0);
	assert_int_equal(copied, 5 * STEP);
	assert_copied(0, 7, 0, 3);
	assert_copied(1, EFI_RESERVED, 3, 1);
	assert_copied(2, EFI_RESERVED, 4, 4);
	assert_copied(3, EFI_RESERVED, 8, 1);
	assert_copied(4, 7, 9, 3);
}

TEST(descriptors_that_make_no_sense_are_copied_as_they_are)
{
	begin();
	add(7, 0, 0, 0);
	add(7, 3 * PAGE, UINT64_MAX, 0);
	add(7, 3 * PAGE, UINT64_C(1) << 52, 0);
	add(7, UINT64_MAX - PAGE + 1, 2, 0);
	add(7, 3 * PAGE + 8, 5, 0);
	copy_map(4, 2, 7, 2);
	assert_int_equal(copied, efi.map_size);
	assert_memory_equal(copy, memory.bytes, copied);
}

TEST(descriptors_that_overlap_stay_within_the_room)
{
	begin();
	for (unsigned int i = 0; i < MANY; i++)
		add(7, 0, 60, 0);
	copy_map(4, 2, 10, 6);
	assert_int_equal(copied, efi_map_room(&efi));
	assert_copied(1, EFI_RESERVED, 4, 2);
	assert_copied(MANY + 3, 7, 0, 60);
}

/* Descriptors one after the other, with gaps, in each of which every page is of one type. */
static void make_random(uint8_t types[static PAGES])
{
	uint64_t page = 0;

	begin();
	memset(types, 0xFF, PAGES);
	while (page < PAGES && efi.map_size < MANY * STEP) {
		uint64_t pages = 1 + (uint64_t)(rand() % 8);
		uint32_t type = (uint32_t)(rand() % 8);

		if (page + pages > PAGES)
			break;
		add(type, page * PAGE, pages, (uint64_t)rand());
		memset(types + page, (int)type, pages);
		page += pages + (rand() % 3 == 0);
	}
}

TEST(any_copy_says_of_each_page_what_it_should)
{
	for (unsigned int round = 0; round < 5000; round++) {
		uint8_t types[PAGES], found[PAGES];
		uint64_t own = (uint64_t)rand() % (PAGES / 2), own_pages = (uint64_t)rand() % 8;
		uint64_t params = PAGES / 2 + (uint64_t)rand() % (PAGES / 4);
		uint64_t params_pages = (uint64_t)rand() % 8;

		make_random(types);
		copy_map(own, own_pages, params, params_pages);
		memset(found, 0xFF, sizeof(found));
		for (uint32_t at = 0; at < copied; at += STEP) {
			uint64_t first = load_le64(copy + at + 8) / PAGE;

			for (uint64_t i = 0; i < load_le64(copy + at + 24); i++) {
				assert_true(first + i < PAGES);
				assert_int_equal(found[first + i], 0xFF);
				found[first + i] = copy[at];
			}
		}
		for (uint64_t page = 0; page < PAGES; page++) {
			int want = types[page];

			if (want != 0xFF && page - own < own_pages)
				want = EFI_RESERVED;
			if (want != 0xFF && page - params < params_pages)
				want = EFI_LOADER_DATA;
			assert_int_equal(found[page], want);
		}
	}
}

static bool is_clear(const uint8_t *types, uint64_t page, uint64_t pages)
{
	for (uint64_t i = page; i < page + pages; i++) {
		if (types[i] == EFI_BOOT_CODE || types[i] == EFI_BOOT_DATA)
			return false;
	}
	return true;
}

TEST(a_place_is_clear_of_boot_services_if_any_is)
{
	struct sentence why;

	map.count = 0;
	assert_true(memory_map_add(&map, 0, PAGES * PAGE, MEMORY_USABLE, &why));
	for (unsigned int round = 0; round < 5000; round++) {
		uint8_t types[PAGES];
		uint64_t pages = 1 + (uint64_t)rand() % 12, found, want = UINT64_MAX;
		struct memory_wish wish = { .size = pages * PAGE,
			                    .align = PAGE,
			                    .limit = UINT64_MAX,
			                    .lowest = rand() % 2 };

		make_random(types);
		for (uint64_t page = 0; page + pages <= PAGES; page++) {
			if (is_clear(types, page, pages) && (want == UINT64_MAX || !wish.lowest))
				want = page;
		}
		if (want == UINT64_MAX)
			want = wish.lowest ? 0 : PAGES - pages;
		assert_true(efi_find(&memory.phys, &efi, &map, &wish, &found));
		assert_int_equal(found, want * PAGE);
	}
}

TEST(without_uefi_a_place_is_what_the_map_says)
{
	struct memory_wish wish = { .size = PAGE, .align = PAGE, .limit = UINT64_MAX };
	struct sentence why;
	uint64_t found;

	efi = (struct boot_efi){ 0 };
	map.count = 0;
	assert_true(memory_map_add(&map, 0, PAGES * PAGE, MEMORY_USABLE, &why));
	assert_true(efi_find(&memory.phys, &efi, &map, &wish, &found));
	assert_int_equal(found, (PAGES - 1) * PAGE);
	assert_int_equal(efi_map_room(&efi), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_map_that_nobody_claims_from_is_copied_as_it_is),
		CASE(a_claim_splits_the_descriptor_around_it),
		CASE(a_claim_over_several_descriptors_takes_its_part_of_each),
		CASE(descriptors_that_make_no_sense_are_copied_as_they_are),
		CASE(descriptors_that_overlap_stay_within_the_room),
		CASE(any_copy_says_of_each_page_what_it_should),
		CASE(a_place_is_clear_of_boot_services_if_any_is),
		CASE(without_uefi_a_place_is_what_the_map_says),
	};
	int failed = cmocka_run_group_tests_name("hv-efi", tests, NULL, NULL);

	free(copy);
	return failed;
}
