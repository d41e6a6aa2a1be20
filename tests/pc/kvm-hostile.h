/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of kvm-hostile.  Each runs in a process of its own, and returns when it has done what
 * it was asked for; that it returns, and what is left behind, is the test.  False: it could not
 * even begin.
 */
#ifndef TESTS_PC_KVM_HOSTILE_H
#define TESTS_PC_KVM_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

/* A VMM that makes ioctls with anything, from several threads. */
bool fuzz_vmm(uint64_t seed, unsigned int steps);
/* A guest of two virtual processors that does anything to what it can reach. */
bool fuzz_guest(uint64_t seed, unsigned int rounds);
/* From now on a signal comes to this thread all the time, so that no call lasts. */
void interrupt_me(void);

#endif
