/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a panic shows of the processor it is on: registers, and who called whom.
 */
#ifndef HYPERVISOR_CORE_BACKTRACE_H
#define HYPERVISOR_CORE_BACKTRACE_H

#include <stdint.h>

#define BACKTRACE_MAX 24u

struct trap_frame;

/*
 * The callers' return addresses by the chain of frame pointers, the innermost first; returns how
 * many.  What is outside the stack [low, high), not aligned, or not further up than the one before
 * ends it.
 */
unsigned int backtrace_walk(uint64_t low, uint64_t high, uint64_t rbp,
                            uint64_t callers[static BACKTRACE_MAX]);

/* Lines with names: where rip is, and its callers on the stack this runs on. */
void backtrace_print(uint64_t rip, uint64_t rbp);

void registers_print(const struct trap_frame *frame);

#endif
