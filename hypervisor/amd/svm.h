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

/* A processor of the root, or a virtual one of a session. */
struct svm {
	struct vmcb *vmcb;
	uint64_t vmcb_address; /* physical */
	bool nmi_masked;       /* the guest is in its NMI handler */
	bool steps;            /* we step over an instruction, mostly the IRET that ends it */
	bool traces;           /* the trap flag was the guest's own before */
	uint64_t dr6;          /* and what DR6 had */
	uint32_t exceptions;   /* that exit always */

	/* The root's. */
	uint64_t host_save;
	bool apic_off;       /* the root thinks that it has turned its local APIC off */
	uint32_t next_asid;  /* for sessions on this processor; */
	uint64_t generation; /* how often they began anew */

	/* A session's, while it runs. */
	uint32_t windows;  /* SILL_WINDOW_… */
	bool watched;      /* for one of these, or for the end of an NMI */
	uint64_t injected; /* the event that the root gave */
};

#define EXCEPTION_DB (1u << VECTOR_DB)
#define DR6_CLEAR    0xFFFF0FF0u
#define DR6_BS       (1u << 14)
#define DR6_CAUSES   0xE000u /* a step, DR7.GD, a task switch; breakpoints are below */

/* What this PC's processors have; the same on all of them. */
struct svm_features {
	bool next_rip, virtual_nmi, flush_by_asid, decode_assists;
	uint32_t asids;
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
/* INT n, INT3 and INTO: interrupted, they start again by themselves. */
bool svm_starts_again(uint64_t event);
/*
 * The guest does one instruction and then #DB exits: svm_stepped has the causes that are the
 * guest's own, as bits of DR6.  NMIs are open afterwards.
 */
void svm_step(struct svm *svm);
uint64_t svm_stepped(struct svm *svm);
/* INIT came from neither of us. */
void svm_device_init(struct cpu *cpu);

/* msr.c: RDMSR or WRMSR of one that traps; the permission map's bits. */
void svm_msr(struct cpu *cpu, bool write);
void svm_msr_map(uint8_t map[static 8192]);
/* Bits: 1 traps reads, 2 writes. */
void svm_msr_map_set(uint8_t map[static 8192], uint32_t msr, unsigned int bits);

/* cpuid.c */
void svm_cpuid(struct cpu *cpu);

/* svm.c, enter.S */
void svm_enter(struct guest_regs *regs, uint64_t vmcb);
void svm_state(const struct cpu *cpu, struct guest_state *ret);

#endif
