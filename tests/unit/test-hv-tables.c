// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page tables against a slow model: an array with what each page of a small address space is mapped
 * to.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "hypervisor/core/tables.h"
#include "hypervisor/core/x86.h"

#define ALL   (PTE_P | PTE_W | PTE_U)
#define READ  (PTE_P | PTE_U)
#define SPACE (3 * GIB)
#define PAGES (SPACE / PAGE_SIZE)

static uint64_t *pages[4096];
static unsigned int pages_used, pages_allowed;

static uint64_t *page(void *unused)
{
	(void)unused;
	if (pages_used == pages_allowed)
		return NULL;
	pages[pages_used] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	return memset(pages[pages_used++], 0, PAGE_SIZE);
}

static struct tables make(unsigned int largest, unsigned int allowed)
{
	pages_used = 0;
	pages_allowed = allowed;
	return (struct tables){ .root = page(NULL),
		                .largest = largest,
		                .table_bits = ALL,
		                .large_bits = PTE_PS,
		                .page = page };
}

static void release(void)
{
	while (pages_used > 0)
		free(pages[--pages_used]);
}

/* The processor's walk: the entry that maps an address, 0 for none, and the bytes it stands for. */
static uint64_t look(const struct tables *tables, uint64_t address, uint64_t *ret_span)
{
	const uint64_t *table = tables->root;

	for (unsigned int shift = 39;; shift -= 9) {
		uint64_t entry = table[address >> shift & 511];

		*ret_span = UINT64_C(1) << shift;
		if (shift == 12 || entry == 0 || (entry & PTE_PS))
			return entry;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): an entry has an address */
		table = (const uint64_t *)(entry & PTE_ADDRESS);
	}
}

/* What one 4 KiB page is mapped to, with its rights; 0 for nothing. */
static uint64_t seen(const struct tables *tables, uint64_t address)
{
	uint64_t span, entry = look(tables, address, &span);

	if (entry == 0)
		return 0;
	return (entry & ~(uint64_t)PTE_PS) + (address & (span - 1));
}

TEST(a_whole_gib_is_one_entry)
{
	struct tables t = make(2, 16);
	uint64_t span;

	assert_true(tables_map(&t, GIB, GIB, GIB, ALL));
	assert_int_equal(look(&t, GIB + 5 * MIB, &span), GIB | ALL | PTE_PS);
	assert_int_equal(span, GIB);
	assert_int_equal(pages_used, 2);
	release();
}

TEST(without_gib_pages_a_gib_is_512_entries)
{
	struct tables t = make(1, 16);
	uint64_t span;

	assert_true(tables_map(&t, GIB, GIB, GIB, ALL));
	assert_int_equal(look(&t, GIB + 5 * MIB, &span), (GIB + 4 * MIB) | ALL | PTE_PS);
	assert_int_equal(span, 2 * MIB);
	release();
}

TEST(a_hole_splits_only_what_it_touches)
{
	struct tables t = make(2, 16);
	uint64_t span;

	assert_true(tables_map(&t, 0, 0, 2 * GIB, ALL));
	assert_true(tables_map(&t, GIB + 6 * MIB, 0, PAGE_SIZE, 0));
	assert_int_equal(look(&t, GIB + 6 * MIB, &span), 0);
	assert_int_equal(span, PAGE_SIZE);
	assert_int_equal(look(&t, GIB + 6 * MIB + PAGE_SIZE, &span),
	                 (GIB + 6 * MIB + PAGE_SIZE) | ALL);
	look(&t, GIB + 8 * MIB, &span);
	assert_int_equal(span, 2 * MIB);
	look(&t, 0, &span);
	assert_int_equal(span, GIB);
	assert_int_equal(pages_used, 4);
	release();
}

TEST(an_address_of_the_upper_half_is_found_again)
{
	struct tables t = make(1, 16);
	uint64_t span;

	assert_true(tables_map(&t, 0xffffffff80000000, 0x4000000, 2 * MIB, READ));
	assert_int_equal(look(&t, 0xffffffff80001000 & 0xffffffffffff, &span),
	                 0x4000000 | READ | PTE_PS);
	release();
}

TEST(a_large_page_that_does_not_lie_on_its_multiple_is_made_of_small_ones)
{
	struct tables t = make(2, 16);
	uint64_t span;

	assert_true(tables_map(&t, 2 * MIB, 4 * MIB + PAGE_SIZE, 2 * MIB, ALL));
	assert_int_equal(look(&t, 2 * MIB + PAGE_SIZE, &span), (4 * MIB + 2 * PAGE_SIZE) | ALL);
	assert_int_equal(span, PAGE_SIZE);
	release();
}

TEST(without_a_page_for_a_table_the_mapping_fails)
{
	struct tables t = make(2, 2);

	assert_true(tables_map(&t, 0, 0, GIB, ALL));
	assert_false(tables_map(&t, 4 * MIB, 0, PAGE_SIZE, 0));
	/* and what was mapped still is */
	assert_int_equal(seen(&t, 4 * MIB), 4 * MIB | ALL);
	release();
}

/* 3,000 random pieces over 3 GiB, compared page by page. */
TEST(random_pieces_agree_with_the_model)
{
	uint64_t *model = calloc(PAGES, sizeof(*model));
	unsigned int seed = 1;

	for (unsigned int largest = 0; largest <= 2; largest++) {
		struct tables t = make(largest, 4096);

		memset(model, 0, PAGES * sizeof(*model));
		for (int i = 0; i < 1000; i++) {
			static const uint64_t units[] = { PAGE_SIZE, PAGE_SIZE, 2 * MIB, 2 * MIB,
				                          GIB };
			uint64_t unit = units[(unsigned int)rand_r(&seed) % 5], leaf, to;
			uint64_t from = (uint64_t)rand_r(&seed) % (SPACE / unit) * unit;
			uint64_t size =
				min_u64((1 + (uint64_t)rand_r(&seed) % 3) * unit, SPACE - from);

			leaf = (uint64_t[]){ 0, READ, ALL }[(unsigned int)rand_r(&seed) % 3];
			to = rand_r(&seed) % 4 == 0
			             ? from + 7 * GIB + (uint64_t)(rand_r(&seed) % 2) * PAGE_SIZE
			             : from;
			if (largest == 0)
				size = min_u64(size, 8 * MIB);
			assert_true(tables_map(&t, from, to, size, leaf));
			for (uint64_t p = from / PAGE_SIZE; p < (from + size) / PAGE_SIZE; p++)
				model[p] = leaf == 0 ? 0 : (to + (p * PAGE_SIZE - from)) | leaf;
			if (i % 100 == 0) {
				for (uint64_t p = 0; p < PAGES; p++) {
					if (seen(&t, p * PAGE_SIZE) != model[p])
						assert_int_equal(seen(&t, p * PAGE_SIZE), model[p]);
				}
			}
		}
		release();
	}
	free(model);
}

TEST(no_more_tables_are_used_than_were_said_to_be_needed)
{
	unsigned int seed = 7;

	for (int round = 0; round < 200; round++) {
		unsigned int largest = 1 + (unsigned int)round % 2;
		struct tables t = make(largest, 4096);
		uint64_t at = 0, borders = 0;

		while (at < SPACE) {
			uint64_t to = min_u64(
				at + (1 + (uint64_t)rand_r(&seed) % 300000) * PAGE_SIZE, SPACE);

			assert_true(tables_map(&t, at, at, to - at, ALL));
			borders++;
			at = to;
		}
		assert_in_range(pages_used, 1, tables_need(SPACE, borders, largest));
		release();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_whole_gib_is_one_entry),
		CASE(without_gib_pages_a_gib_is_512_entries),
		CASE(a_hole_splits_only_what_it_touches),
		CASE(an_address_of_the_upper_half_is_found_again),
		CASE(a_large_page_that_does_not_lie_on_its_multiple_is_made_of_small_ones),
		CASE(without_a_page_for_a_table_the_mapping_fails),
		CASE(random_pieces_agree_with_the_model),
		CASE(no_more_tables_are_used_than_were_said_to_be_needed),
	};

	return cmocka_run_group_tests_name("hv-tables", tests, NULL, NULL);
}
