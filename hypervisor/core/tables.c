// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/tables.h"

#include "base/bits.h"
#include "hypervisor/core/x86.h"

uint64_t *tables_split(struct tables *tables, uint64_t *entry, unsigned int level)
{
	uint64_t *table, old = *entry;

	if (tables_is_table(tables, old, level))
		return tables_below(tables, old);
	table = tables->page(tables->context);
	if (!table)
		return NULL;
	if (old != 0) {
		if (level == 1)
			old &= ~tables->large_bits;
		for (unsigned int i = 0; i < 512; i++)
			table[i] = old + i * tables_span(level - 1);
	}
	__atomic_store_n(entry, ((uint64_t)table - tables->offset) | tables->table_bits,
	                 __ATOMIC_RELEASE);
	return table;
}

/* One level of tables_map: [from, end) lies inside what `table` stands for. */
static bool map_level(struct tables *tables, uint64_t *table, unsigned int level, uint64_t from,
                      uint64_t end, uint64_t to, uint64_t leaf)
{
	uint64_t span = tables_span(level), stop, bits = leaf;

	if (leaf != 0 && level > 0)
		bits |= tables->large_bits;
	for (; from < end; to += stop - from, from = stop) {
		uint64_t *entry = &table[from / span % 512];

		stop = min_u64(round_down(from, span) + span, end);
		if (level == 0 || (stop - from == span && level <= tables->largest &&
		                   (leaf == 0 || (to & (span - 1)) == 0) &&
		                   !tables_is_table(tables, *entry, level))) {
			__atomic_store_n(entry, leaf == 0 ? 0 : to | bits, __ATOMIC_RELEASE);
			continue;
		}
		if (leaf == 0 && *entry == 0)
			continue;
		uint64_t *below = tables_split(tables, entry, level);
		if (!below || !map_level(tables, below, level - 1, from, stop, to, leaf))
			return false;
	}
	return true;
}

bool tables_map(struct tables *tables, uint64_t from, uint64_t to, uint64_t size, uint64_t leaf)
{
	from &= (UINT64_C(1) << 48) - 1;
	return map_level(tables, tables->root, TABLES_TOP, from, from + size, to, leaf);
}

uint64_t tables_need(uint64_t end, uint64_t borders, unsigned int largest)
{
	uint64_t fixed = 1 + div_round_up(end, tables_span(3));

	/* Without 1 GiB pages every GiB has a table; a border splits one page a size at most. */
	if (largest < 2)
		fixed += div_round_up(end, tables_span(2));
	return fixed + 2 * borders;
}
