/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions of our own code.  There are only a few that are not a panic: an NMI in the two places
 * that wait for one, and a #GP of rdmsr_safe() and its like.
 */
#ifndef HYPERVISOR_CORE_TRAP_H
#define HYPERVISOR_CORE_TRAP_H

#include <stdint.h>

/* What trap-entry.S leaves on the stack. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills the IDT, once, on the boot processor; and loads GDT and IDT on this one. */
void traps_setup(void);
void traps_load(void);

/* Called by trap-entry.S. */
void trap_handle(struct trap_frame *frame);

#endif
