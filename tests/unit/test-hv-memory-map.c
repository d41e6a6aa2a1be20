// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/bits.h"
#include "tests/unit/hv-map-model.h"

static struct memory_map map;
static struct sentence why;

static void add(uint64_t base, uint64_t size, uint32_t kind)
{
	assert_true(memory_map_add(&map, base, size, kind, &why));
}

static void assert_range(uint32_t i, uint64_t base, uint64_t size, uint32_t kind)
{
	assert_true(i < map.count);
	assert_int_equal(map.range[i].base, base);
	assert_int_equal(map.range[i].size, size);
	assert_int_equal(map.range[i].kind, kind);
}

TEST(ranges_in_any_order_come_out_sorted_and_joined)
{
	map.count = 0;
	add(0x3000, 0x1000, MEMORY_USABLE);
	add(0x1000, 0x1000, MEMORY_RESERVED);
	add(0x2000, 0x1000, MEMORY_USABLE);
	add(0x8000, 0x1000, MEMORY_USABLE);
	assert_int_equal(map.count, 3);
	assert_range(0, 0x1000, 0x1000, MEMORY_RESERVED);
	assert_range(1, 0x2000, 0x2000, MEMORY_USABLE);
	assert_range(2, 0x8000, 0x1000, MEMORY_USABLE);
}

TEST(where_ranges_overlap_the_more_restrictive_kind_wins)
{
	static const uint32_t order[] = { MEMORY_USABLE, MEMORY_ACPI, MEMORY_NVS, MEMORY_RESERVED,
		                          MEMORY_BAD };

	for (unsigned int a = 0; a < 5; a++) {
		for (unsigned int b = 0; b < 5; b++) {
			map.count = 0;
			add(0, 0x2000, order[a]);
			add(0x1000, 0x2000, order[b]);
			assert_int_equal(memory_map_at(&map, 0x1800)->kind, order[max_u64(a, b)]);
			assert_int_equal(memory_map_at(&map, 0x800)->kind, order[a]);
			assert_int_equal(memory_map_at(&map, 0x2800)->kind, order[b]);
		}
	}
}

TEST(a_kind_nobody_knows_is_reserved)
{
	map.count = 0;
	add(0, 0x1000, 0);
	add(0x1000, 0x1000, 6);
	add(0x2000, 0x1000, UINT32_MAX);
	assert_int_equal(map.count, 1);
	assert_range(0, 0, 0x3000, MEMORY_RESERVED);
}

TEST(an_empty_range_is_left_out)
{
	map.count = 0;
	add(0x1000, 0, MEMORY_USABLE);
	add(UINT64_MAX, 1, MEMORY_USABLE);
	assert_int_equal(map.count, 0);
	assert_null(memory_map_at(&map, 0x1000));
	assert_int_equal(memory_map_end(&map), 0);
}

TEST(a_range_that_wraps_is_cut_at_the_end_of_addresses)
{
	map.count = 0;
	add(0x1000, UINT64_MAX, MEMORY_RESERVED);
	assert_int_equal(map.count, 1);
	assert_range(0, 0x1000, UINT64_MAX - 0x1000, MEMORY_RESERVED);
	assert_null(memory_map_at(&map, 0));
}

TEST(reserving_the_middle_of_a_range_splits_it)
{
	map.count = 0;
	add(0, 0x10000, MEMORY_USABLE);
	assert_true(memory_map_set(&map, 0x4000, 0x2000, MEMORY_RESERVED, &why));
	assert_int_equal(map.count, 3);
	assert_range(0, 0, 0x4000, MEMORY_USABLE);
	assert_range(1, 0x4000, 0x2000, MEMORY_RESERVED);
	assert_range(2, 0x6000, 0xa000, MEMORY_USABLE);
	/* And back. */
	assert_true(memory_map_set(&map, 0x4000, 0x2000, MEMORY_USABLE, &why));
	assert_int_equal(map.count, 1);
	assert_int_equal(memory_map_usable(&map), 0x10000);
}

TEST(the_end_of_memory_is_that_of_its_highest_ram)
{
	map.count = 0;
	add(0, 0x1000, MEMORY_USABLE);
	add(0x5000, 0x1000, MEMORY_NVS);
	add(0x8000, 0x1000, MEMORY_RESERVED);
	add(0x9000, 0x1000, MEMORY_BAD);
	assert_int_equal(memory_map_end(&map), 0x6000);
	add(0x20000, 0x1000, MEMORY_ACPI);
	assert_int_equal(memory_map_end(&map), 0x21000);
}

TEST(an_endless_map_is_refused_and_stays_sorted)
{
	uint32_t i;

	map.count = 0;
	for (i = 0; i < 2 * MEMORY_MAP_MAX; i++) {
		if (!memory_map_add(&map, i * UINT64_C(0x2000), 0x1000, MEMORY_USABLE, &why))
			break;
	}
	assert_int_equal(i, MEMORY_MAP_MAX);
	assert_string_equal(why.text, "the memory map has more than 512 ranges");
	assert_int_equal(map.count, MEMORY_MAP_MAX);
	/* A split has no room either; what needs none still works. */
	assert_false(memory_map_set(&map, 0x2100, 0x100, MEMORY_RESERVED, &why));
	assert_true(memory_map_set(&map, 0x2000, 0x1000, MEMORY_RESERVED, &why));
	assert_int_equal(map.count, MEMORY_MAP_MAX);
	assert_range(0, 0, 0x1000, MEMORY_USABLE);
	assert_range(1, 0x2000, 0x1000, MEMORY_RESERVED);
}

TEST(the_highest_place_is_found_below_the_limit)
{
	struct memory_wish wish = { .size = 2 * MIB, .align = 2 * MIB, .limit = 4 * GIB };
	uint64_t base;

	map.count = 0;
	add(0, 3 * GIB + 4097, MEMORY_USABLE);
	add(4 * GIB, 4 * GIB, MEMORY_USABLE);
	assert_true(memory_map_find(&map, &wish, &base));
	assert_int_equal(base, 3 * GIB - 2 * MIB);
	wish.limit = GIB + 1;
	assert_true(memory_map_find(&map, &wish, &base));
	assert_int_equal(base, GIB - 2 * MIB);
}

TEST(a_place_is_found_between_what_is_avoided)
{
	const struct memory_range avoid[] = { { 0x10000, 0x8000, 0 },
		                              { 0x1a000, 0x6000, 0 },
		                              { 0x4000, UINT64_MAX, 0 } };
	struct memory_wish wish = { .size = 0x2000,
		                    .align = 0x1000,
		                    .limit = GIB,
		                    .avoid = avoid,
		                    .avoids = 2,
		                    .floor = 0xf000 };
	uint64_t base;

	map.count = 0;
	add(0, 0x20000, MEMORY_USABLE);
	assert_true(memory_map_find(&map, &wish, &base));
	assert_int_equal(base, 0x18000);
	wish.floor = 0;
	wish.size = 0x3000;
	assert_true(memory_map_find(&map, &wish, &base));
	assert_int_equal(base, 0xd000);
	wish.avoids = 3;
	assert_true(memory_map_find(&map, &wish, &base));
	assert_int_equal(base, 0x1000);
	wish.size = 0x5000;
	assert_false(memory_map_find(&map, &wish, &base));
}

static struct map_model model;

static void assert_same_find(uint64_t start)
{
	const struct memory_range avoid[] = {
		{ start + (uint64_t)(rand() % 256), (uint64_t)(rand() % 64), 0 },
		{ start + (uint64_t)(rand() % 256), (uint64_t)(rand() % 64), 0 },
	};
	struct memory_wish wish = {
		.size = (uint64_t)(rand() % 24),
		.align = UINT64_C(1) << (rand() % 6),
		.floor = rand() % 2 ? 0 : start + (uint64_t)(rand() % 256),
		.limit = rand() % 2 ? UINT64_MAX : start + (uint64_t)(rand() % 256),
		.lowest = rand() % 2,
		.avoid = avoid,
		.avoids = (uint32_t)(rand() % 3),
	};
	uint64_t ours = 0, models = 0;
	bool found = memory_map_find(&map, &wish, &ours);

	assert_int_equal(found, model_find(&model, &wish, &models));
	assert_int_equal(ours, models);
}

TEST(any_map_is_what_a_byte_for_each_address_says)
{
	static const uint64_t starts[] = { 0, 0xfffff000, UINT64_MAX - MODEL_SIZE + 1 };

	for (unsigned int round = 0; round < 3000; round++) {
		uint64_t start = starts[round % ARRAY_LEN(starts)];

		map.count = 0;
		model = (struct map_model){ .start = start };
		for (unsigned int i = 0; i < 40; i++) {
			uint64_t offset = (uint64_t)(rand() % 256), base = start + offset;
			uint64_t size = min_u64((uint64_t)(rand() % 64), MODEL_SIZE - offset);
			uint32_t kind = (uint32_t)(rand() % 8);
			bool set = rand() % 4 == 0;

			if (start + MODEL_SIZE == 0 && rand() % 8 == 0)
				size = UINT64_MAX - (uint64_t)(rand() % 1000);
			model_change(&model, base, size, kind, set);
			assert_true(set ? memory_map_set(&map, base, size, kind, &why)
			                : memory_map_add(&map, base, size, kind, &why));
			assert_true(model_agrees(&model, &map));
			assert_same_find(start);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ranges_in_any_order_come_out_sorted_and_joined),
		CASE(where_ranges_overlap_the_more_restrictive_kind_wins),
		CASE(a_kind_nobody_knows_is_reserved),
		CASE(an_empty_range_is_left_out),
		CASE(a_range_that_wraps_is_cut_at_the_end_of_addresses),
		CASE(reserving_the_middle_of_a_range_splits_it),
		CASE(the_end_of_memory_is_that_of_its_highest_ram),
		CASE(an_endless_map_is_refused_and_stays_sorted),
		CASE(the_highest_place_is_found_below_the_limit),
		CASE(a_place_is_found_between_what_is_avoided),
		CASE(any_map_is_what_a_byte_for_each_address_says),
	};

	return cmocka_run_group_tests_name("hv-memory-map", tests, NULL, NULL);
}
