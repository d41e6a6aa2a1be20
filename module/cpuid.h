/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: which features a guest may have, and what one has.  Pure.
 */
#ifndef MODULE_CPUID_H
#define MODULE_CPUID_H

#include "module/port.h"

#include <linux/kvm.h>

#define CPUID_ENTRIES_MAX 256u

/* Leaves that are found by index: 0 to 3Fh, 40000000h to 4000003Fh, 80000000h to 8000003Fh. */
#define CPUID_DIRECT 64u

struct cpuid_table {
	uint32_t count;
	/* The place of a leaf's first entry, plus 1; 0: there is none. */
	uint16_t first[3][CPUID_DIRECT];
	uint32_t highest[3]; /* highest leaf of each range; 0 if there is none */
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
};

struct cpuid_result {
	uint32_t eax, ebx, ecx, edx;
};

/* What of a guest's state shows in CPUID. */
struct cpuid_state {
	uint64_t cr4, xcr0, xss;
	bool apic_enabled;
	/* IA32_MISC_ENABLE says whether there are MONITOR and MWAIT, and what it says. */
	bool mwait_switched, mwait;
};

/* The processor's own CPUID, and what Linux uses of it. */
struct cpuid_host {
	void (*read)(uint32_t leaf, uint32_t index, struct cpuid_result *ret);
	uint64_t xcr0; /* features of XSAVE that Linux keeps */
	bool tsc_stable;
};

/* Leaf 40000001h, and the MSRs behind it, that we have. */
#define CPUID_PARAVIRT 0x40000000u

/*
 * Writes the leaves that a guest may have; their number, or -E2BIG when there are more than `room`.
 */
int cpuid_supported(const struct cpuid_host *host, struct kvm_cpuid_entry2 *entries, uint32_t room);

/* Takes entries over.  0, or -EINVAL for two of one leaf and index, -E2BIG. */
int cpuid_set(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries, uint32_t count);

/* Does what it shows depend on CR4? */
static inline bool cpuid_shows_cr4(uint32_t leaf)
{
	return leaf == 1 || leaf == 7;
}

/* What the instruction returns. */
void cpuid_execute(const struct cpuid_table *table, const struct cpuid_state *state, uint32_t leaf,
                   uint32_t index, struct cpuid_result *ret);

/* The same in registers, by their numbers, if nothing of the guest's state shows in the leaf. */
bool cpuid_plain(const struct cpuid_table *table, uint64_t gpr[4]);

/* The entry itself, or NULL. */
const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t leaf,
                                          uint32_t index);

/* The bits of CR4 that the features shown have. */
uint64_t cpuid_cr4(const struct cpuid_table *table);

/* Bits of physical addresses: 36 if it does not say. */
unsigned int cpuid_address_bits(const struct cpuid_table *table);

#endif
