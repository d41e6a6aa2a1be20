/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's own page tables, walked as its processor would, with rights and accessed bits.  Pure.
 */
#ifndef MODULE_WALK_H
#define MODULE_WALK_H

#include "module/port.h"

/* What an access is, and the error code of the page fault that it meets. */
#define WALK_PRESENT  1u
#define WALK_WRITE    2u
#define WALK_USER     4u /* at CPL 3; not the processor's own accesses to descriptor tables */
#define WALK_RESERVED 8u
#define WALK_FETCH    16u

struct walk {
	uint64_t cr0, cr3, cr4, efer;
	bool smap_off; /* RFLAGS.AC is set, and CPL is below 3 */
	unsigned int address_bits;
	void *context;
	/*
	 * `size` bytes (4 or 8) of guest-physical memory; 0, or an error, which the walk returns.
	 */
	int (*read)(void *context, uint64_t guest, unsigned int size, uint64_t *ret);
	/* Sets bits in an entry if it is still `old`: 0, -EAGAIN if it is not, or another error. */
	int (*set)(void *context, uint64_t guest, unsigned int size, uint64_t old, uint64_t new);
};

/*
 * 0 and the guest-physical address; 1 and the error code of the page fault; or an error of the
 * callbacks'.
 */
int walk_translate(const struct walk *walk, uint64_t linear, unsigned int access,
                   uint64_t *ret_guest, uint32_t *ret_code);

#endif
