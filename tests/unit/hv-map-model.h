/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map again, one byte for each of a few addresses: too slow and too simple to be wrong.
 */
#ifndef TESTS_UNIT_HV_MAP_MODEL_H
#define TESTS_UNIT_HV_MAP_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "hypervisor/core/memory-map.h"

#define MODEL_SIZE 256u

/* Address i of the model is `start` + i of the map.  Kind 0 is a hole. */
struct map_model {
	uint64_t start;
	uint8_t kind[MODEL_SIZE];
};

static inline int model_rank(uint32_t kind)
{
	static const int ranks[] = { [MEMORY_USABLE] = 1,
		                     [MEMORY_ACPI] = 2,
		                     [MEMORY_NVS] = 3,
		                     [MEMORY_RESERVED] = 4,
		                     [MEMORY_BAD] = 5 };

	return ranks[kind];
}

static inline void model_change(struct map_model *model, uint64_t base, uint64_t size,
                                uint32_t kind, bool replace)
{
	if (kind < 1 || kind > 5)
		kind = MEMORY_RESERVED;
	for (uint32_t i = 0; i < MODEL_SIZE; i++) {
		uint64_t address = model->start + i;

		/* The last address of all is in no range. */
		if (address < base || address - base >= size || address == UINT64_MAX)
			continue;
		if (replace || model_rank(kind) > model_rank(model->kind[i]))
			model->kind[i] = (uint8_t)kind;
	}
}

/* Does the map say the same, and is it sorted, without overlaps, and joined? */
static inline bool model_agrees(const struct map_model *model, const struct memory_map *map)
{
	uint64_t usable = 0, end = 0;

	for (uint32_t i = 0; i < MODEL_SIZE; i++) {
		const struct memory_range *at = memory_map_at(map, model->start + i);

		if ((at ? at->kind : 0) != model->kind[i])
			return false;
		usable += model->kind[i] == MEMORY_USABLE;
		if (model->kind[i] == MEMORY_USABLE || model->kind[i] == MEMORY_ACPI ||
		    model->kind[i] == MEMORY_NVS)
			end = model->start + i + 1;
	}
	for (uint32_t i = 0; i < map->count; i++) {
		const struct memory_range *range = &map->range[i];

		if (range->size == 0 || range->base + range->size < range->base)
			return false;
		if (i > 0 && (range->base < range[-1].base + range[-1].size ||
		              (range->base == range[-1].base + range[-1].size &&
		               range->kind == range[-1].kind)))
			return false;
	}
	return memory_map_usable(map) == usable && memory_map_end(map) == end;
}

static inline bool model_fits(const struct map_model *model, const struct memory_wish *wish,
                              uint64_t base)
{
	for (uint64_t i = 0; i < wish->size; i++) {
		uint64_t address = base + i;

		if (address < base || address < model->start ||
		    address - model->start >= MODEL_SIZE || address < wish->floor ||
		    address >= wish->limit || model->kind[address - model->start] != MEMORY_USABLE)
			return false;
		for (uint32_t a = 0; a < wish->avoids; a++) {
			if (address >= wish->avoid[a].base &&
			    address - wish->avoid[a].base < wish->avoid[a].size)
				return false;
		}
	}
	return wish->size > 0 && base % wish->align == 0;
}

static inline bool model_find(const struct map_model *model, const struct memory_wish *wish,
                              uint64_t *ret_base)
{
	for (uint32_t i = 0; i < MODEL_SIZE; i++) {
		uint64_t base = model->start + (wish->lowest ? i : MODEL_SIZE - 1 - i);

		if (model_fits(model, wish, base)) {
			*ret_base = base;
			return true;
		}
	}
	return false;
}

#endif
