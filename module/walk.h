/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's own page tables, walked as its processor would, with rights and accessed bits.  Pure.
 */
#ifndef MODULE_WALK_H
#define MODULE_WALK_H

#include "module/port.h"

#define WALK_WRITE 1u
#define WALK_FETCH 2u
#define WALK_SUPERVISOR \
	4u /* on behalf of the processor: descriptor tables, whatever the privilege is */

/* Error code of a page fault. */
#define WALK_PRESENT  1u
#define WALK_FAULT_W  2u
#define WALK_FAULT_U  4u
#define WALK_RESERVED 8u
#define WALK_FAULT_I  16u

struct walk {
	uint64_t cr0, cr3, cr4, efer;
	bool user;            /* CPL 3 */
	bool alignment_check; /* RFLAGS.AC: SMAP does not count */
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
