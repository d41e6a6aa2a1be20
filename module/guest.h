/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory as a virtual processor sees it: linear addresses, and the instruction it is at.
 */
#ifndef MODULE_GUEST_H
#define MODULE_GUEST_H

#include "module/emulate/insn.h"
#include "module/vcpu.h"
#include "module/walk.h"

/* As walk_translate(), with the virtual processor's registers. */
int guest_translate(struct vcpu *vcpu, u64 linear, unsigned int access, u64 *ret_guest,
                    u32 *ret_code);

/*
 * Bytes of the instruction at RIP, up to INSN_MAX.  Their number; 0 when a page fault is pending
 * now; -errno when there is no memory.
 */
int guest_fetch(struct vcpu *vcpu, u8 *bytes);

/* Size of addresses in the code that runs: 2, 4 or 8 bytes. */
unsigned int guest_code_size(const struct vcpu *vcpu);

/*
 * The instruction at RIP.  1; 0 when an exception is pending instead; -errno when it is not known.
 */
int guest_decode(struct vcpu *vcpu, struct insn *ret);

#endif
