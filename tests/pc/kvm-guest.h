/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that goes over pages of its memory, writes them and looks what is there: kvm-guest.S.
 */
#ifndef TESTS_PC_KVM_GUEST_H
#define TESTS_PC_KVM_GUEST_H

#include "tests/pc/kvm-machine.h"

#define PAGE 4096u
/* Where the pages begin in the guest. */
#define AREA 0x10000000u

/* Its routines. */
extern const uint8_t guest_code[], guest_code_end[], guest_fill[], guest_same[], guest_check[],
	guest_any[], guest_churn[];

/* A machine with the routines, and with the area as slot 1. */
bool guest_start(struct machine *machine, uint32_t flags, void *area, size_t size);
/* The next KVM_RUN begins with a routine, on so many pages from that one of the area on. */
bool guest_prepare(struct machine *machine, const uint8_t *routine, uint32_t first, uint32_t pages,
                   uint32_t key);
/* What the routine writes to its port; the test fails if anything else happens. */
uint32_t guest_call(struct machine *machine, const uint8_t *routine, uint32_t first, uint32_t pages,
                    uint32_t key);

#endif
