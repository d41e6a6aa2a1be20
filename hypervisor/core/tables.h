/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables of four levels: our own, and the nested ones of both vendors, which differ in a few
 * bits.  Always the largest page that fits; a larger one that is in the way is split.  A split
 * makes the new table whole before it takes the place of the large page, so that a processor that
 * walks meanwhile sees one or the other.
 */
#ifndef HYPERVISOR_CORE_TABLES_H
#define HYPERVISOR_CORE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#define TABLES_TOP     3u /* the level of the root */
#define TABLES_ADDRESS UINT64_C(0x000FFFFFFFFFF000)

struct tables {
	uint64_t *root;
	uint64_t offset;                  /* virtual minus physical address of the tables */
	unsigned int largest;             /* level of the largest page: 0 4 KiB, 1 2 MiB, 2 1 GiB */
	uint64_t table_bits;              /* of an entry that points to a table */
	uint64_t large_bits;              /* of a large page, besides its own */
	uint64_t *(*page)(void *context); /* a page of zeros for a table, or NULL */
	void *context;
};

/* Bytes that an entry of a level stands for. */
static inline uint64_t tables_span(unsigned int level)
{
	return UINT64_C(4096) << (9 * level);
}

/* Does an entry of a level point to a table?  The table. */
static inline bool tables_is_table(const struct tables *tables, uint64_t entry, unsigned int level)
{
	return level > 0 && entry != 0 && !(entry & tables->large_bits);
}

static inline uint64_t *tables_below(const struct tables *tables, uint64_t entry)
{
	return (uint64_t *)((entry & TABLES_ADDRESS) + tables->offset);
}

/* Makes the table for what an entry of `level` maps now, and puts it there; NULL: no page. */
uint64_t *tables_split(struct tables *tables, uint64_t *entry, unsigned int level);

/*
 * Maps [from, from + size) to physical `to` on, all multiples of 4 KiB and inside 2^48, with the
 * bits `leaf` in each entry; `leaf` 0 takes the mapping away.  False when there is no page for a
 * table; what was done until then stays.
 */
bool tables_map(struct tables *tables, uint64_t from, uint64_t to, uint64_t size, uint64_t leaf);

/*
 * No more tables than this are needed for a mapping made piece by piece with `borders` borders
 * between pieces up to `end`.
 */
uint64_t tables_need(uint64_t end, uint64_t borders, unsigned int largest);

#endif
