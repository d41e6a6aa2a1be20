// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map is cut where a change begins and ends; then every range is either within the change or
 * not, the holes in it are filled, and what has become alike is joined.  No step needs more than a
 * walk.
 */
#include "hypervisor/core/memory-map.h"

#include "base/bits.h"
#include "hypervisor/core/string.h"

/* How much a kind forbids. */
static unsigned int rank(uint32_t kind)
{
	/* By kind: none, usable, reserved, ACPI, NVS, bad. */
	static const uint8_t ranks[] = { 0, 0, 3, 1, 2, 4 };

	return ranks[kind];
}

static uint32_t known_kind(uint32_t kind)
{
	return kind >= MEMORY_USABLE && kind <= MEMORY_BAD ? kind : MEMORY_RESERVED;
}

static uint64_t range_end(const struct memory_range *range)
{
	return range->base + range->size;
}

/* The end of what begins at `base`, so that no sum wraps. */
static uint64_t end_of(uint64_t base, uint64_t size)
{
	uint64_t end;

	return __builtin_add_overflow(base, size, &end) ? UINT64_MAX : end;
}

/* Index of the first range that ends behind the address. */
static uint32_t first_behind(const struct memory_map *map, uint64_t address)
{
	uint32_t i = 0;

	while (i < map->count && range_end(&map->range[i]) <= address)
		i++;
	return i;
}

static bool insert(struct memory_map *map, uint32_t at, uint64_t base, uint64_t end, uint32_t kind,
                   struct sentence *why)
{
	if (map->count >= MEMORY_MAP_MAX)
		return say(why, "the memory map has more than %u ranges", MEMORY_MAP_MAX);
	memmove(&map->range[at + 1], &map->range[at], (map->count - at) * sizeof(map->range[0]));
	map->range[at] = (struct memory_range){ base, end - base, kind };
	map->count++;
	return true;
}

/* Makes the address a border of the range that straddles it, if there is one. */
static bool cut(struct memory_map *map, uint64_t address, struct sentence *why)
{
	uint32_t at = first_behind(map, address);
	struct memory_range *range = &map->range[at];

	if (at == map->count || range->base >= address)
		return true;
	if (!insert(map, at, range->base, address, range->kind, why))
		return false;
	range[1].size -= address - range[1].base;
	range[1].base = address;
	return true;
}

static void join(struct memory_map *map)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < map->count; i++) {
		struct memory_range *last = &map->range[kept], *next = &map->range[i];

		if (next->kind == last->kind && next->base == range_end(last))
			last->size += next->size;
		else
			map->range[++kept] = *next;
	}
	if (map->count > 0)
		map->count = kept + 1;
}

/* `replace`: the new kind wins whatever there was. */
static bool change(struct memory_map *map, uint64_t base, uint64_t size, uint32_t kind,
                   bool replace, struct sentence *why)
{
	uint64_t end = end_of(base, size), at = base;

	kind = known_kind(kind);
	if (base == end)
		return true;
	if (!cut(map, base, why) || !cut(map, end, why))
		return false;
	for (uint32_t i = first_behind(map, base); at < end; i++) {
		struct memory_range *range = &map->range[i];
		uint64_t hole_end = i < map->count ? min_u64(range->base, end) : end;

		if (at < hole_end) {
			if (!insert(map, i, at, hole_end, kind, why))
				return false;
		} else if (replace || rank(kind) > rank(range->kind)) {
			range->kind = kind;
		}
		at = range_end(range);
	}
	join(map);
	return true;
}

bool memory_map_add(struct memory_map *map, uint64_t base, uint64_t size, uint32_t kind,
                    struct sentence *why)
{
	return change(map, base, size, kind, false, why);
}

bool memory_map_set(struct memory_map *map, uint64_t base, uint64_t size, uint32_t kind,
                    struct sentence *why)
{
	return change(map, base, size, kind, true, why);
}

uint64_t memory_map_usable(const struct memory_map *map)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		if (map->range[i].kind == MEMORY_USABLE)
			bytes += map->range[i].size;
	}
	return bytes;
}

uint64_t memory_map_end(const struct memory_map *map)
{
	for (uint32_t i = map->count; i > 0; i--) {
		if (rank(map->range[i - 1].kind) <= rank(MEMORY_NVS))
			return range_end(&map->range[i - 1]);
	}
	return 0;
}

const struct memory_range *memory_map_at(const struct memory_map *map, uint64_t address)
{
	uint32_t at = first_behind(map, address);

	return at < map->count && map->range[at].base <= address ? &map->range[at] : NULL;
}

/* The first of the wish's ranges to avoid that [base, base + size) touches, or NULL. */
static const struct memory_range *obstacle(const struct memory_wish *wish, uint64_t base)
{
	for (uint32_t i = 0; i < wish->avoids; i++) {
		const struct memory_range *avoid = &wish->avoid[i];

		if (avoid->size > 0 && base < end_of(avoid->base, avoid->size) &&
		    avoid->base < base + wish->size)
			return avoid;
	}
	return NULL;
}

/* In [from, to), all of it usable.  An obstacle is met once at most: the search goes on behind. */
static bool find_in(const struct memory_wish *wish, uint64_t from, uint64_t to, uint64_t *ret_base)
{
	const struct memory_range *avoid;

	for (;;) {
		if (from > UINT64_MAX - (wish->align - 1))
			return false;
		from = round_up(from, wish->align);
		if (from > to || to - from < wish->size)
			return false;
		*ret_base = wish->lowest ? from : round_down(to - wish->size, wish->align);
		avoid = obstacle(wish, *ret_base);
		if (!avoid)
			return true;
		if (wish->lowest)
			from = end_of(avoid->base, avoid->size);
		else
			to = avoid->base;
	}
}

bool memory_map_find(const struct memory_map *map, const struct memory_wish *wish,
                     uint64_t *ret_base)
{
	uint64_t base;

	for (uint32_t i = 0; i < map->count && wish->size > 0; i++) {
		const struct memory_range *range =
			&map->range[wish->lowest ? i : map->count - 1 - i];

		if (range->kind == MEMORY_USABLE &&
		    find_in(wish, max_u64(range->base, wish->floor),
		            min_u64(range_end(range), wish->limit), &base)) {
			*ret_base = base;
			return true;
		}
	}
	return false;
}
