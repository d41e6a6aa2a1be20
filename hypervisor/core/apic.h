/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC (APM volume 2 chapter 16; SDM volume 3 chapter 11): ours for sending NMIs and
 * starting processors, the root's for everything else.  The root's writes come here so that INIT
 * and SIPI do not reach the hardware.
 */
#ifndef HYPERVISOR_CORE_APIC_H
#define HYPERVISOR_CORE_APIC_H

#include <stdbool.h>
#include <stdint.h>

#define APIC_BASE_DEFAULT 0xFEE00000u
#define APIC_EOI          0x0B0u
#define APIC_ICR          0x300u
#define APIC_ICR_HIGH     0x310u

#define ICR_NMI           0x00000400u
#define ICR_INIT          0x00000500u
#define ICR_SIPI          0x00000600u
#define ICR_ASSERT        0x00004000u
#define ICR_LEVEL         0x00008000u

struct cpu;

/* This processor's APIC ID, in either mode. */
uint32_t apic_id(void);

/* An interprocessor interrupt to one processor; waits until it is on its way. */
void apic_send(uint32_t id, uint32_t command);

/* The root stored 32 bits at an offset of its APIC page. */
void apic_root_write(struct cpu *cpu, uint32_t offset, uint32_t value);

/* The root wrote the ICR in x2APIC mode. */
void apic_root_icr(struct cpu *cpu, uint64_t value);

/* What INIT does to a local APIC, here. */
void apic_reset(void);

/*
 * What an ICR command means for each processor; for the caller above, and for tests.  `to` has the
 * target: INIT, SIPI (with its vector), or nothing of ours.
 */
enum apic_act { APIC_PASS, APIC_IGNORE, APIC_REFUSE, APIC_INIT, APIC_SIPI };
enum apic_act apic_command(uint32_t low);
bool apic_is_target(uint32_t low, uint32_t destination, bool x2, uint32_t own_id, uint32_t id);

#endif
