/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory as the code sees it that is also compiled for the host: a window, or NULL.
 */
#ifndef HYPERVISOR_CORE_PHYS_H
#define HYPERVISOR_CORE_PHYS_H

#include <stdint.h>

struct phys {
	/* [base, base + size) for reading and writing, or NULL when not all of it may be touched.
	 * size is at least 1; base + size may have wrapped: check. */
	void *(*window)(const struct phys *phys, uint64_t base, uint64_t size);
};

static inline void *phys_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	return phys->window(phys, base, size);
}

#endif
