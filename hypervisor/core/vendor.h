/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a processor vendor's virtualisation does for the rest.  One table each; amd/ is the first.
 * Unless it says otherwise a function is called on the processor it is about, with the guest not
 * running.
 */
#ifndef HYPERVISOR_CORE_VENDOR_H
#define HYPERVISOR_CORE_VENDOR_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/cpu.h"
#include "hypervisor/core/guest.h"
#include "hypervisor/core/say.h"

/* How the root's processor starts: at the kernel's 32-bit entry, or in real mode after SIPI. */
struct cpu_start {
	bool sipi;
	uint8_t vector;
	uint32_t entry, params; /* not sipi: EIP and ESI */
};

struct vcpu;

struct vendor {
	enum sill_vendor id;
	const char *name;
	unsigned int pages_per_cpu; /* that cpu_start takes from the pool */
	unsigned int pages;         /* that setup takes */

	/* Can this processor do it?  May touch nothing. */
	bool (*present)(struct sentence *why);
	/*
	 * Once, before any cpu_start: what all processors share.  `nested` is the physical address
	 * of the nested tables.
	 */
	void (*setup)(uint64_t nested);
	/* Turns virtualisation on here and prepares the control block. */
	bool (*cpu_start)(struct cpu *cpu, struct sentence *why);
	/* Sets the guest's registers as `start` says; on its processor or before that has run. */
	void (*root_start)(struct cpu *cpu, const struct cpu_start *start);
	/* Runs the root for ever. */
	__attribute__((noreturn)) void (*root_run)(struct cpu *cpu);

	void (*state)(const struct cpu *cpu, struct guest_state *ret);
	/* Prepares the vendor's part of a virtual processor: its page, and `vendor`. */
	void (*vcpu_setup)(struct vcpu *vcpu);
	/* Runs it here until something needs the root; what that is, is in its shared page. */
	enum sill_run (*vcpu_run)(struct cpu *cpu, struct vcpu *vcpu);
	/* Writes these groups (SILL_GROUP_…) of its state to its shared page. */
	void (*vcpu_fetch)(struct vcpu *vcpu, uint32_t groups);

	/* Forgets nested translations of this processor at the next entry. */
	void (*flush)(struct cpu *cpu);
};

extern const struct vendor amd_vendor;
extern const struct vendor *vendor; /* the one of this PC */

#endif
