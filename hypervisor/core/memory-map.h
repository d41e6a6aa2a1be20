/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map: what firmware says of physical addresses (E820 types, ACPI 6.5 section 15),
 * sorted, without overlaps, neighbours of one kind joined.  Hostile maps (overlapping, unsorted,
 * wrapping, endless) are made sane or refused here, and nowhere else.  Boot processor only.
 */
#ifndef HYPERVISOR_CORE_MEMORY_MAP_H
#define HYPERVISOR_CORE_MEMORY_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/say.h"

enum memory_kind {
	MEMORY_USABLE = 1,
	MEMORY_RESERVED = 2,
	MEMORY_ACPI = 3,
	MEMORY_NVS = 4,
	MEMORY_BAD = 5,
};

#define MEMORY_MAP_MAX 512

struct memory_range {
	uint64_t base, size; /* bytes */
	uint32_t kind;
};

struct memory_map {
	uint32_t count;
	struct memory_range range[MEMORY_MAP_MAX];
};

/*
 * Adds a range.  Where ranges overlap the more restrictive kind wins (usable is the least; unknown
 * kinds count as reserved).  Empty ranges are left out; one that reaches 2^64 is cut a byte before
 * it, so that base + size never wraps.  False when the map is full: then part of the change may
 * have been made.
 */
bool memory_map_add(struct memory_map *map, uint64_t base, uint64_t size, uint32_t kind,
                    struct sentence *why);

/* Gives [base, base + size) a kind, holes too, splitting what straddles it.  Same errors. */
bool memory_map_set(struct memory_map *map, uint64_t base, uint64_t size, uint32_t kind,
                    struct sentence *why);

/* Bytes that are usable, and the end of the highest usable, ACPI or NVS range: the end of RAM. */
uint64_t memory_map_usable(const struct memory_map *map);
uint64_t memory_map_end(const struct memory_map *map);

/* The range that holds an address, or NULL in a hole. */
const struct memory_range *memory_map_at(const struct memory_map *map, uint64_t address);

/*
 * A free place of `size` bytes at a multiple of `align` (a power of two), all of it usable, not
 * under `floor`, below `limit` (exclusive end), outside the `avoid` ranges (kinds there do not
 * matter): the highest such, or the lowest if `lowest`.  False if there is none; says nothing.
 */
struct memory_wish {
	uint64_t size, align, floor, limit;
	bool lowest;
	const struct memory_range *avoid;
	uint32_t avoids;
};
bool memory_map_find(const struct memory_map *map, const struct memory_wish *wish,
                     uint64_t *ret_base);

#endif
