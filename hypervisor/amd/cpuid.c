// SPDX-License-Identifier: GPL-2.0-or-later
/* The processor that the root sees: its own, without AMD-V, and with our leaves. */
#include "hypervisor/amd/svm.h"

#include "hypervisor/core/string.h"
#include "hypervisor/core/version.h"
#include "hypervisor/core/x86.h"

#define C1_OSXSAVE       (1u << 27)
#define C1_HYPERVISOR    (1u << 31)
#define D1_APIC          (1u << 9)
#define C7_OSPKE         (1u << 4)
#define C80000001_SVM    (1u << 2)
#define C80000001_SKINIT (1u << 12)
#define LEAF_ENCRYPTION  0x8000001Fu

static uint32_t with_bit(uint32_t word, uint32_t bit, bool set)
{
	return set ? word | bit : word & ~bit;
}

void svm_cpuid(struct cpu *cpu)
{
	const struct svm *svm = svm_of(cpu);
	uint32_t leaf = (uint32_t)svm->vmcb->rax, sub = (uint32_t)cpu->regs.r[REG_RCX];
	struct cpuid r = { 0, 0, 0, 0 };

	if (leaf >> 28 != 4)
		r = cpuid(leaf, sub);
	switch (leaf) {
	case 1:
		r.c = with_bit(r.c, C1_OSXSAVE, svm->vmcb->cr4 & CR4_OSXSAVE) | C1_HYPERVISOR;
		if (svm->apic_off)
			r.d &= ~D1_APIC;
		break;
	case 7:
		if (sub == 0)
			r.c = with_bit(r.c, C7_OSPKE, svm->vmcb->cr4 & CR4_PKE);
		break;
	case 0x80000001:
		r.c &= ~(C80000001_SVM | C80000001_SKINIT);
		break;
	case CPUID_SVM:
	case LEAF_ENCRYPTION:
		r = (struct cpuid){ 0, 0, 0, 0 };
		break;
	case SILL_CPUID_BASE:
		r.a = SILL_CPUID_VERSION;
		memcpy(&r.b, &SILL_CPUID_SIGNATURE[0], 4);
		memcpy(&r.c, &SILL_CPUID_SIGNATURE[4], 4);
		memcpy(&r.d, &SILL_CPUID_SIGNATURE[8], 4);
		break;
	case SILL_CPUID_VERSION:
		r.a = SILL_ABI;
		r.b = SILL_RELEASE;
		break;
	default:
		break;
	}
	svm->vmcb->rax = r.a;
	cpu->regs.r[REG_RBX] = r.b;
	cpu->regs.r[REG_RCX] = r.c;
	cpu->regs.r[REG_RDX] = r.d;
}
