/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of physical memory for what reaches it through struct phys.  It is of its exact size, so
 * that AddressSanitizer sees every byte too far.
 */
#ifndef TESTS_UNIT_HV_MEMORY_H
#define TESTS_UNIT_HV_MEMORY_H

#include <stdlib.h>

#include "base/bits.h"
#include "hypervisor/core/phys.h"

struct hv_memory {
	struct phys phys;
	uint64_t base, size;
	uint8_t *bytes;
};

static inline void *hv_memory_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	const struct hv_memory *memory = container_of(phys, const struct hv_memory, phys);

	/* A base below ours wraps to an offset that is inside nothing. */
	if (!range_inside(base - memory->base, size, memory->size))
		return NULL;
	return memory->bytes + (base - memory->base);
}

static inline struct hv_memory hv_memory_new(uint64_t base, uint64_t size)
{
	struct hv_memory memory = { { hv_memory_window }, base, size, calloc(1, size) };

	if (!memory.bytes)
		abort();
	return memory;
}

#endif
