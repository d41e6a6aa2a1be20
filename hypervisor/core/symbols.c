// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/symbols.h"

#include "base/endian.h"
#include "hypervisor/core/layout.h"

#define HEADER 4u
#define ENTRY  8u

extern const uint8_t symbols_start[], symbols_end[];

const char *symbol_find(const uint8_t *table, size_t size, uint64_t address, uint64_t *ret_offset)
{
	uint32_t count, first = 0, after, low = (uint32_t)address, name, start;
	const uint8_t *entry;

	if (size < HEADER || address >> 32 != IMAGE_BASE >> 32)
		return NULL;
	count = load_le32(table);
	if (count > (size - HEADER) / ENTRY)
		return NULL;
	/* What is before `first` is not above the address, what is from `after` on is. */
	for (after = count; first < after;) {
		uint32_t middle = first + (after - first) / 2;

		if (load_le32(table + HEADER + (size_t)middle * ENTRY) <= low)
			first = middle + 1;
		else
			after = middle;
	}
	if (first == 0)
		return NULL;
	entry = table + HEADER + (size_t)(first - 1) * ENTRY;
	start = load_le32(entry);
	name = load_le32(entry + 4);
	if (name >= size || table[name] == 0)
		return NULL;
	for (size_t end = name; table[end] != 0;) {
		if (++end == size)
			return NULL;
	}
	*ret_offset = low - start;
	return (const char *)table + name;
}

const char *symbol_at(uint64_t address, uint64_t *ret_offset)
{
	return symbol_find(symbols_start, (uintptr_t)symbols_end - (uintptr_t)symbols_start,
	                   address, ret_offset);
}
