// SPDX-License-Identifier: GPL-2.0-or-later
/* AMD-V on each processor: turned on, the control block, and the loop that runs the root. */
#include "hypervisor/amd/svm.h"

#include "hypervisor/amd/traps.h"
#include "hypervisor/amd/vcpu.h"
#include "hypervisor/core/apic.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/pool.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/x86.h"

#define ROOT_ASID       1
#define TLB_FLUSH_GUEST 3
#define MSR_PAT         0x277u

/* Attributes of a segment: type, S, DPL, P, AVL, L, D, G, in 12 bits. */
#define CODE_32  0xC9B
#define DATA_32  0xC93
#define CODE_16  0x9B
#define DATA_16  0x93
#define LDT      0x82
#define TSS_BUSY 0x8B

struct svm_features svm_features;

static struct {
	uint8_t *io, *msr; /* permission maps, for all processors */
	uint64_t nested;
} shared;

static bool present(struct sentence *why)
{
	struct cpuid first = cpuid(0, 0);
	uint64_t control = 0;

	/* "Auth…cAMD", "Hygo…uine" */
	if (!(first.b == 0x68747541 && first.c == 0x444D4163) &&
	    !(first.b == 0x6F677948 && first.c == 0x656E6975))
		return say(why, "this processor is not AMD's");
	if (cpuid(0x80000000, 0).a < CPUID_SVM || !(cpuid(0x80000001, 0).c & 1u << 2))
		return say(why, "this processor has no AMD-V");
	if (rdmsr_safe(MSR_VM_CR, &control) && (control & VM_CR_SVMDIS))
		return say(why, "AMD-V (SVM) is turned off in the firmware's settings");
	if (!(cpuid(CPUID_SVM, 0).d & SVM_NESTED_PAGING))
		return say(why, "this processor's AMD-V has no nested paging");
	return true;
}

static void setup(uint64_t nested)
{
	uint32_t features = cpuid(CPUID_SVM, 0).d;

	svm_features.next_rip = features & SVM_NEXT_RIP;
	svm_features.virtual_nmi = features & SVM_VNMI;
	svm_features.flush_by_asid = features & SVM_FLUSH_BY_ASID;
	svm_features.decode_assists = features & SVM_DECODE_ASSISTS;
	svm_features.asids = cpuid(CPUID_SVM, 0).b;
	shared.nested = nested;
	shared.io = pool_pages(3);
	shared.msr = pool_pages(2);
	svm_msr_map(shared.msr);
	svm_vcpus_setup();
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int byte = 0; byte < 2 && machine.sleep_port[i] != 0; byte++) {
			uint32_t port = machine.sleep_port[i] + byte;

			shared.io[port / 8] |= (uint8_t)(1 << port % 8);
		}
	}
}

#define INTERCEPT(word, bit, handler, what, why) vmcb->intercepts[WORD_##word] |= 1u << (bit);

static void fill(struct vmcb *vmcb)
{
	vmcb->iopm = pool_address(shared.io);
	vmcb->msrpm = pool_address(shared.msr);
	vmcb->asid = ROOT_ASID;
	vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->nested_enable = 1;
	vmcb->nested_cr3 = shared.nested;
	vmcb->pat = rdmsr(MSR_PAT);
	if (svm_features.virtual_nmi)
		vmcb->interrupt_control |= CONTROL_V_NMI_ON;
}

static bool cpu_start(struct cpu *cpu, struct sentence *why)
{
	struct svm *svm = pool_pages(1);
	void *save = pool_pages(1);
	uint64_t control;

	if (!present(why))
		return false;
	svm->vmcb = pool_pages(1);
	svm->vmcb_address = pool_address(svm->vmcb);
	svm->host_save = pool_address(save);
	svm_tags_start(svm);
	cpu->vendor = svm;
	fill(svm->vmcb);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, svm->host_save);
	/* An INIT that passes all our traps becomes an exception instead of a reset. */
	if (rdmsr_safe(MSR_VM_CR, &control))
		wrmsr_safe(MSR_VM_CR, control | VM_CR_R_INIT);
	__asm__ volatile("clgi");
	return true;
}

static struct vmcb_segment segment(uint16_t selector, uint16_t attributes, uint32_t limit,
                                   uint64_t base)
{
	return (struct vmcb_segment){ selector, attributes, limit, base };
}

static void root_start(struct cpu *cpu, const struct cpu_start *start)
{
	struct svm *svm = svm_of(cpu);
	struct vmcb *vmcb = svm->vmcb;
	struct vmcb_segment data;

	/*
	 * Brings the MSRs that INIT does not change into the block, from which VMLOAD takes them
	 * again below.
	 */
	__asm__ volatile("vmsave %0" ::"a"(svm->vmcb_address) : "memory");
	memset(&cpu->regs, 0, sizeof(cpu->regs));
	if (start->sipi) {
		vmcb->cs = segment((uint16_t)(start->vector << 8), CODE_16, 0xFFFF,
		                   (uint64_t)start->vector << 12);
		data = segment(0, DATA_16, 0xFFFF, 0);
		vmcb->cr0 = CR0_ET;
		vmcb->rip = 0;
		cpu->regs.r[REG_RDX] = cpuid(1, 0).a;
	} else {
		vmcb->cs = segment(SELECTOR_CODE, CODE_32, 0xFFFFFFFF, 0);
		data = segment(SELECTOR_DATA, DATA_32, 0xFFFFFFFF, 0);
		vmcb->cr0 = CR0_PE | CR0_ET;
		vmcb->rip = start->entry;
		cpu->regs.r[REG_RSI] = start->params;
	}
	vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = data;
	vmcb->gdtr = vmcb->idtr = segment(0, 0, 0xFFFF, 0);
	vmcb->ldtr = segment(0, LDT, 0xFFFF, 0);
	vmcb->tr = segment(0, TSS_BUSY, 0xFFFF, 0);
	vmcb->cpl = 0;
	vmcb->efer = EFER_SVME;
	vmcb->cr2 = vmcb->cr3 = vmcb->cr4 = 0;
	vmcb->dr6 = DR6_CLEAR;
	vmcb->dr7 = 0x400;
	vmcb->rflags = RFLAGS_FIXED;
	vmcb->rsp = vmcb->rax = 0;
	vmcb->event = 0;
	vmcb->interrupt_shadow = 0;
	vmcb->interrupt_control &= CONTROL_V_NMI_ON;
	vmcb->intercepts[WORD_EXCEPTIONS] = vmcb->intercepts[WORD_MISC1] =
		vmcb->intercepts[WORD_MISC2] = 0;
	AMD_TRAPS(INTERCEPT)
	svm->nmi_masked = svm->steps = false;
	__asm__ volatile("vmload %0" ::"a"(svm->vmcb_address) : "memory");
}

__attribute__((noreturn)) static void root_run(struct cpu *cpu)
{
	struct svm *svm = svm_of(cpu);
	uint64_t since;

	for (;;) {
		if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) != SILL_CPU_RUNNING) {
			struct cpu_start start = { .sipi = true };

			apic_reset();
			start.vector = cpu_wait_for_sipi(cpu);
			root_start(cpu, &start);
		}
		if (cpu->nmi_pending)
			svm_give_nmi(cpu);
		svm_enter(&cpu->regs, svm->vmcb_address);
		svm->vmcb->tlb_control = TLB_KEEP;
		/* The way of every session's every exit: kept short. */
		if (svm_runs_session(cpu, svm->vmcb))
			continue;
		since = rdtsc();
		svm_exit(cpu);
		cpu->stats.cycles += rdtsc() - since;
	}
}

void svm_state(const struct cpu *cpu, struct guest_state *ret)
{
	const struct vmcb *vmcb = svm_of(cpu)->vmcb;
	bool long_mode = vmcb->efer & EFER_LMA;

	*ret = (struct guest_state){
		.rip = vmcb->rip,
		.rsp = vmcb->rsp,
		.rflags = vmcb->rflags,
		.cr0 = vmcb->cr0,
		.cr3 = vmcb->cr3,
		.cr4 = vmcb->cr4,
		.efer = vmcb->efer,
		.code_64 = long_mode && (vmcb->cs.attributes & 1u << 9),
		.code_32 = vmcb->cs.attributes & 1u << 10,
		.cpl = vmcb->cpl,
	};
	ret->cs_base = ret->code_64 ? 0 : vmcb->cs.base;
}

static void flush(struct cpu *cpu)
{
	svm_of(cpu)->vmcb->tlb_control =
		svm_features.flush_by_asid ? TLB_FLUSH_GUEST : TLB_FLUSH_ALL;
}

const struct vendor amd_vendor = {
	.id = SILL_VENDOR_AMD,
	.name = "AMD-V",
	.pages_per_cpu = 2 + 1,
	.pages = 10,
	.present = present,
	.setup = setup,
	.cpu_start = cpu_start,
	.root_start = root_start,
	.root_run = root_run,
	.vcpu_setup = svm_vcpu_setup,
	.vcpu_run = svm_vcpu_run,
	.vcpu_fetch = svm_vcpu_fetch,
	.state = svm_state,
	.flush = flush,
};
