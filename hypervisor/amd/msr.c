// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/amd/svm.h"

#include "hypervisor/amd/traps.h"
#include "hypervisor/core/apic.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/x86.h"

/* SYSCFG: what TOP_MEM and TOP_MEM2 say, then SME, SNP and its virtual machine protection. */
#define SYSCFG_MEMORY                            (UINT64_C(0x3F) << 20)

#define LIST_MSR(number, read, write, name, why) { number, read, write },
static const struct {
	uint32_t number;
	bool read, write;
} trapped[] = { AMD_MSRS(LIST_MSR) };

/* Three ranges of 2 KiB, two bits an MSR: read, write (APM volume 2, 15.11). */
void svm_msr_map_set(uint8_t map[static 8192], uint32_t msr, unsigned int bits)
{
	uint32_t range = msr >> 16 == 0xC000 ? 1 : msr >> 16 == 0xC001 ? 2 : 0;
	uint32_t bit = (msr & 0x1FFF) * 2;
	uint8_t *byte = &map[range * 2048 + bit / 8];

	*byte = (uint8_t)((*byte & ~(3u << bit % 8)) | bits << bit % 8);
}

void svm_msr_map(uint8_t map[static 8192])
{
	for (unsigned int i = 0; i < ARRAY_LEN(trapped); i++)
		svm_msr_map_set(map, trapped[i].number,
		                trapped[i].read | (unsigned int)trapped[i].write << 1);
}

/*
 * The processor says itself which bits it has: it is asked on our own EFER, where these must stay
 * set meanwhile.
 */
static bool write_efer(struct vmcb *vmcb, uint64_t value)
{
	const uint64_t guests = EFER_LME | EFER_NXE, ours = guests | EFER_LMA | EFER_SVME;
	uint64_t own = rdmsr(MSR_EFER), taken;

	if ((value & EFER_SVME) || (((value ^ vmcb->efer) & EFER_LME) && (vmcb->cr0 & CR0_PG)) ||
	    !wrmsr_safe(MSR_EFER, value | ours))
		return false;
	taken = rdmsr(MSR_EFER);
	wrmsr(MSR_EFER, own);
	if (value & ~taken)
		return false;
	/* LMA is the processor's. */
	vmcb->efer = (taken & ~ours) | (value & guests) | (vmcb->efer & EFER_LMA) | EFER_SVME;
	return true;
}

static bool write_apic_base(struct svm *svm, uint64_t value)
{
	uint64_t now = rdmsr(MSR_APIC_BASE);

	if ((value ^ now) & (APIC_BASE_ADDRESS | APIC_BASE_BSP))
		return false;
	if (!(value & APIC_BASE_EN)) {
		if (value & APIC_BASE_EXTD)
			return false;
		/* We need it for our NMIs: it stays on, and the root does not see that. */
		svm->apic_off = true;
		return true;
	}
	/* The way from x2APIC back leads over off (SDM volume 3, 11.12.5). */
	if ((now & APIC_BASE_EXTD) && !(value & APIC_BASE_EXTD)) {
		if (!svm->apic_off)
			return false;
		wrmsr(MSR_APIC_BASE, now & ~(uint64_t)(APIC_BASE_EN | APIC_BASE_EXTD));
	}
	if (!wrmsr_safe(MSR_APIC_BASE, value))
		return false;
	svm->apic_off = false;
	return true;
}

/* False: #GP. */
static bool write_msr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
	struct svm *svm = svm_of(cpu);
	uint64_t now;

	switch (msr) {
	case MSR_EFER:
		return write_efer(svm->vmcb, value);
	case MSR_APIC_BASE:
		return write_apic_base(svm, value);
	case MSR_X2APIC_ICR:
		if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD))
			return false;
		apic_root_icr(cpu, value);
		return true;
	case MSR_SYSCFG:
		if (!rdmsr_safe(msr, &now) || ((value ^ now) & SYSCFG_MEMORY))
			return false;
		return wrmsr_safe(msr, value);
	case MSR_TOP_MEM:
	case MSR_TOP_MEM2:
	case MSR_SMM_BASE:
	case MSR_SMM_ADDRESS:
	case MSR_SMM_MASK:
		return rdmsr_safe(msr, &now) && value == now;
	case MSR_VM_CR:
	case MSR_VM_HSAVE_PA:
	case MSR_SVM_KEY:
		return false;
	default: /* outside the map */
		return wrmsr_safe(msr, value);
	}
}

static bool read_msr(struct cpu *cpu, uint32_t msr, uint64_t *ret)
{
	struct svm *svm = svm_of(cpu);

	switch (msr) {
	case MSR_EFER:
		*ret = svm->vmcb->efer & ~(uint64_t)EFER_SVME;
		return true;
	case MSR_APIC_BASE:
		*ret = rdmsr(msr);
		if (svm->apic_off)
			*ret &= ~(uint64_t)(APIC_BASE_EN | APIC_BASE_EXTD);
		return true;
	case MSR_VM_CR:
	case MSR_VM_HSAVE_PA:
	case MSR_SVM_KEY:
		return false;
	default:
		return rdmsr_safe(msr, ret);
	}
}

/* MSRs that have a rule of ours; for others a #GP is the hardware's own. */
static bool has_rule(uint32_t msr)
{
	for (unsigned int i = 0; i < ARRAY_LEN(trapped); i++) {
		if (trapped[i].number == msr)
			return true;
	}
	return false;
}

void svm_msr(struct cpu *cpu, bool write)
{
	static const uint8_t rdmsr_opcode[] = { 0x0F, 0x32 }, wrmsr_opcode[] = { 0x0F, 0x30 };
	struct vmcb *vmcb = svm_of(cpu)->vmcb;
	uint32_t msr = (uint32_t)cpu->regs.r[REG_RCX];
	uint64_t value = (uint32_t)cpu->regs.r[REG_RDX] * (UINT64_C(1) << 32) + (uint32_t)vmcb->rax;

	if (write ? write_msr(cpu, msr, value) : read_msr(cpu, msr, &value)) {
		if (!write) {
			vmcb->rax = (uint32_t)value;
			cpu->regs.r[REG_RDX] = value >> 32;
		}
		svm_skip(cpu, write ? wrmsr_opcode : rdmsr_opcode, 2);
		return;
	}
	if (has_rule(msr)) {
		log_limited("the root may not %s MSR %x", write ? "write" : "read", msr);
		svm_deny(cpu);
	} else {
		svm_inject(cpu, VECTOR_GP, 0);
	}
}
