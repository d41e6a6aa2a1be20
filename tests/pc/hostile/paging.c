// SPDX-License-Identifier: GPL-2.0-or-later
/* The window: two pages side by side in every mode's tables, where tests put what they want. */
#include "tests/pc/hostile/hostile.h"

#define ENTRY      0x7u /* present, writable, for ring 3 too */
#define ENTRY_PAGE (ENTRY | (uint32_t)PTE_PS)

static struct {
	uint64_t pd[512], pt[512];
} wide __attribute__((aligned(4096))); /* long mode, below page_tables */

static struct {
	uint64_t pdpt[512], pd_low[512], pd[512], pt[512];
} pae __attribute__((aligned(4096)));

static struct {
	uint32_t pd[1024], pt[1024];
} narrow __attribute__((aligned(4096)));

static uint32_t at(const void *table)
{
	return (uint32_t)(uintptr_t)table;
}

static uint32_t bytes(uint32_t size)
{
	static const uint32_t all[] = { [PAGE_4K] = 0x1000,
		                        [PAGE_2M] = 0x200000,
		                        [PAGE_4M] = 0x400000,
		                        [PAGE_1G] = 0x40000000 };

	return all[size];
}

static void window_32(uint32_t size, uint32_t page)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t *large = &narrow.pd[(WINDOW >> 22) + i];

		*large = size == PAGE_4M ? (page + i * bytes(size)) | ENTRY_PAGE : 0;
		narrow.pt[i] = (page + i * bytes(size)) | ENTRY;
	}
	if (size != PAGE_4M)
		narrow.pd[WINDOW >> 22] = at(narrow.pt) | ENTRY;
}

static void window_wide(uint64_t *pd, uint64_t *pt, uint32_t size, uint32_t page)
{
	for (uint32_t i = 0; i < 2; i++) {
		pd[i] = size == PAGE_2M ? (page + i * bytes(size)) | ENTRY_PAGE : 0;
		pt[i] = (page + i * bytes(size)) | ENTRY;
	}
	if (size != PAGE_2M)
		pd[0] = at(pt) | ENTRY;
}

static void window_pae(uint32_t size, uint32_t page)
{
	pae.pdpt[WINDOW >> 30] = at(pae.pd) | 1;
	window_wide(pae.pd, pae.pt, size, page);
}

static void window_long(uint32_t size, uint32_t page)
{
	uint64_t *pdpt = page_tables + 512;

	window_wide(wide.pd, wide.pt, size, page);
	pdpt[WINDOW >> 30] = size == PAGE_1G ? page | ENTRY_PAGE : at(wide.pd) | ENTRY;
	write_cr3(read_cr3());
}

uint32_t window(uint32_t mode, uint32_t size, uint32_t physical)
{
	uint32_t page = physical & ~(bytes(size) - 1);

	if (mode <= MODE_FLAT)
		return physical;
	if (mode == MODE_32)
		window_32(size, page);
	else if (mode == MODE_PAE)
		window_pae(size, page);
	else
		window_long(size, page);
	return WINDOW | (physical - page);
}

void window_table(uint32_t mode, uint32_t level, uint32_t physical)
{
	window(mode, PAGE_4K, 0);
	if (mode == MODE_32)
		narrow.pd[WINDOW >> 22] = physical | ENTRY;
	else if (mode == MODE_PAE && level == 1)
		pae.pd[0] = physical | ENTRY;
	else if (mode == MODE_PAE)
		pae.pdpt[WINDOW >> 30] = physical | 1;
	else if (level == 1)
		wide.pd[0] = physical | ENTRY;
	else if (level == 2)
		page_tables[512 + (WINDOW >> 30)] = physical | ENTRY;
	else
		page_tables[1] = physical | ENTRY;
	write_cr3(read_cr3());
}

static uint32_t foreign;

void window_foreign(uint32_t physical)
{
	foreign = physical;
}

uint32_t window_root(uint32_t mode)
{
	if (foreign)
		return foreign;
	/* What runs in these modes is below 1 MiB. */
	narrow.pd[0] = ENTRY_PAGE;
	pae.pdpt[0] = at(pae.pd_low) | 1;
	pae.pd_low[0] = ENTRY_PAGE;
	return mode == MODE_32 ? at(narrow.pd) : at(pae.pdpt);
}

uint32_t window_pair(uint32_t first, uint32_t second)
{
	window(MODE_LONG, PAGE_4K, first);
	wide.pt[1] = second | ENTRY;
	write_cr3(read_cr3());
	return WINDOW;
}

uint32_t window_far(uint64_t physical)
{
	uint64_t inside = physical % GIB;

	page_tables[512 + (WINDOW >> 30)] = (physical - inside) | ENTRY_PAGE;
	write_cr3(read_cr3());
	return WINDOW | (uint32_t)inside;
}
