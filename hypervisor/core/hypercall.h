/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doing what include/sill/hypercall.h says.  Arguments are a hostile root's: checked here, once,
 * before any use.
 */
#ifndef HYPERVISOR_CORE_HYPERCALL_H
#define HYPERVISOR_CORE_HYPERCALL_H

#include <stdint.h>

#include "hypervisor/core/phys.h"

struct call_buffer {
	void *at;
	uint64_t size;
};

/* Is it a buffer of the root's, at least `least` bytes?  0 and *ret, or SILL_E…. */
int call_buffer(const struct phys *root, uint64_t address, uint64_t size, uint64_t least,
                struct call_buffer *ret);

/* As much of a structure as the caller has room for, which is its whole size. */
int64_t call_answer(const void *what, uint64_t what_size, uint64_t address, uint64_t size);

/* The result of call `number`, any but RUN, which is the vendor's: what the root finds in RAX. */
int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

#endif
