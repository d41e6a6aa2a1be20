/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What code that knows no vendor may know of a guest: enough to find and decode the instruction it
 * is at.
 */
#ifndef HYPERVISOR_CORE_GUEST_H
#define HYPERVISOR_CORE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/phys.h"

struct guest_state {
	uint64_t rip, rsp, rflags;
	uint64_t cr0, cr3, cr4, efer;
	uint64_t cs_base;      /* added to rip; 0 in 64-bit mode */
	bool code_64, code_32; /* size of the code segment; neither: 16 bits */
	uint8_t cpl;
};

/* The order of the encoding, so that a register number out of an instruction is an index. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R10 = 10 };
struct guest_regs {
	uint64_t r[16]; /* r[REG_RSP] is not used: rsp is in the guest's state */
};

#define INSTRUCTION_MAX 15

/*
 * Guest-linear to guest-physical by the guest's own page tables (none, 32-bit, PAE, 4- or 5-level),
 * for a fetch.  Does not set accessed bits.  False where the guest would fault or its tables are
 * not in memory that `phys` has.
 */
bool guest_walk(const struct phys *phys, const struct guest_state *state, uint64_t linear,
                uint64_t *ret_physical);

/*
 * Bytes of the instruction at cs:rip, up to 15; fewer where the next page is not there.  Returns
 * how many; 0: none.
 */
unsigned int guest_fetch(const struct phys *phys, const struct guest_state *state,
                         uint8_t bytes[static INSTRUCTION_MAX]);

/*
 * The length of an instruction whose opcode is known (after legacy and REX prefixes): `opcode` of
 * `opcode_size` bytes without operands, such as 0F A2.  0: the bytes are something else.
 */
unsigned int decode_plain(const struct guest_state *state, const uint8_t *bytes, unsigned int count,
                          const uint8_t *opcode, unsigned int opcode_size);

/*
 * A store of 32 bits to memory: MOV r/m32, r32; MOV r/m32, imm32; MOV moffs32, EAX; XCHG r/m32,
 * r32.  Sets length and value, and for XCHG the register that gets the old value.  Any other
 * instruction, or another width: false.
 */
struct store {
	unsigned int length;
	uint32_t value;
	int exchange; /* register number, or -1; REG_RSP is the state's */
};
bool decode_store(const struct guest_state *state, const struct guest_regs *regs,
                  const uint8_t *bytes, unsigned int count, struct store *ret);

#endif
