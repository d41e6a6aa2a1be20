/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share: a processor's control block, and the answers to its exits.
 */
#ifndef HYPERVISOR_AMD_SVM_H
#define HYPERVISOR_AMD_SVM_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/amd/vmcb.h"
#include "hypervisor/core/cpu.h"

struct svm {
	struct vmcb *vmcb;
	uint64_t vmcb_address; /* physical */
	uint64_t host_save;
	bool nmi_masked;   /* the root is in its NMI handler */
	bool root_steps;   /* the trap flag was its own when we stepped over its IRET */
	uint64_t root_dr6; /* and what DR6 had before */
	bool apic_off;     /* the root thinks that it has turned its local APIC off */
};

#define MISC1_IRET   (1u << 20)
#define EXCEPTION_DB (1u << VECTOR_DB)
#define DR6_CLEAR    0xFFFF0FF0u
#define DR6_BS       (1u << 14)
#define DR6_CAUSES   0xE00Fu /* a step, breakpoints, DR7.GD, a task switch */

/* What this PC's processors have; the same on all of them. */
struct svm_features {
	bool next_rip, virtual_nmi, flush_by_asid;
};
extern struct svm_features svm_features;

static inline struct svm *svm_of(const struct cpu *cpu)
{
	return cpu->vendor;
}

/* exits.c: what an exit asks for.  Afterwards the guest can go on. */
void svm_exit(struct cpu *cpu);

/* inject.c */
void svm_inject(struct cpu *cpu, unsigned int vector, uint32_t code);
void svm_advance(struct cpu *cpu, unsigned int length);
/* Past the trapped instruction with this opcode; #UD when it is no longer there. */
void svm_skip(struct cpu *cpu, const uint8_t *opcode, unsigned int opcode_size);
/* Delivers a waiting NMI if the guest can take it now. */
void svm_give_nmi(struct cpu *cpu);
/*
 * The guest does something it should not: counted, and #GP(0), or what follows when an exception
 * was being delivered.
 */
void svm_deny(struct cpu *cpu);
/* The exit came while an event was being delivered, and the guest tries again. */
void svm_redeliver(struct svm *svm);

/* msr.c: RDMSR or WRMSR of one that traps; the permission map's bits. */
void svm_msr(struct cpu *cpu, bool write);
void svm_msr_map(uint8_t map[static 8192]);

/* cpuid.c */
void svm_cpuid(struct cpu *cpu);

void svm_state(const struct cpu *cpu, struct guest_state *ret);

#endif
