// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session's virtual processor: its control block, its state to and from the shared page, and the
 * loop in which it runs.  The page is the root's, which may write it at any time: what is looked at
 * twice is read once.  Its general registers are loaded and stored in place, since they are the
 * session's and nobody else's concern.
 */
#include "hypervisor/amd/vcpu.h"

#include "hypervisor/amd/session-traps.h"
#include "hypervisor/core/pool.h"
#include "hypervisor/core/string.h"

#define FIRST_ASID 2 /* 0 is ours, 1 the root's */

/* The first has all bits set, and is the map of a session of which all MSRs trap, too. */
static uint8_t *io_map, *msr_map;

static_assert(sizeof(struct sill_segment) == sizeof(struct vmcb_segment), "the same segments");

void svm_vcpus_setup(void)
{
	static const uint32_t own[] = SESSION_MSRS;

	io_map = pool_pages(3);
	msr_map = pool_pages(2);
	memset(io_map, 0xFF, 3 * PAGE_SIZE);
	memset(msr_map, 0xFF, 2 * PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_LEN(own); i++)
		svm_msr_map_set(msr_map, own[i], 0);
}

static void apply_settings(struct svm *svm, uint32_t traps, uint32_t exceptions)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->exceptions = (exceptions & ~(1u << VECTOR_NMI)) | 1u << VECTOR_MC;
	vmcb->intercepts[WORD_EXCEPTIONS] = svm->exceptions;
	vmcb->intercepts[WORD_MISC1] = SESSION_MISC1;
	vmcb->intercepts[WORD_MISC2] = 0;
#define INTERCEPT(word, bit, kind, info, asks) \
	if ((asks) == 0 || (traps & (asks)))   \
		vmcb->intercepts[WORD_##word] |= 1u << (bit);
	SESSION_TRAPS(INTERCEPT)
	vmcb->dr_read = vmcb->dr_write = traps & SILL_TRAP_DR ? 0xFFFF : 0;
	vmcb->cr_read = vmcb->cr_write = traps & SILL_TRAP_CR3 ? 1 << 3 : 0;
	vmcb->msrpm = pool_address(traps & SILL_TRAP_MSR ? io_map : msr_map);
}

void svm_vcpu_setup(struct vcpu *vcpu)
{
	struct svm *svm = (struct svm *)vcpu->vendor;
	struct vmcb *vmcb = vcpu->control;

	svm->vmcb = vmcb;
	svm->vmcb_address = pool_address(vmcb);
	vmcb->iopm = pool_address(io_map);
	vmcb->nested_enable = 1;
	vmcb->nested_cr3 = pool_address(vcpu->session->tables.root);
	vmcb->efer = EFER_SVME;
	apply_settings(svm, 0, 0);
}

static void put_groups(struct svm *svm, const struct sill_vcpu *page, uint32_t groups)
{
	struct vmcb *vmcb = svm->vmcb;

	if (groups & SILL_GROUP_SYSTEM) {
		vmcb->cr0 = page->system.cr0;
		vmcb->cr2 = page->system.cr2;
		vmcb->cr3 = page->system.cr3;
		vmcb->cr4 = page->system.cr4;
		vmcb->efer = page->system.efer | EFER_SVME;
		vmcb->dr6 = page->system.dr6;
		vmcb->dr7 = page->system.dr7;
		vmcb->pat = page->system.pat;
		vmcb->debug_control = page->system.debug_control;
	}
	if (groups & SILL_GROUP_SEGMENTS) {
		memcpy(&vmcb->es, &page->segments[SILL_ES], 6 * sizeof(vmcb->es));
		memcpy(&vmcb->ldtr, &page->segments[SILL_LDTR], sizeof(vmcb->ldtr));
		memcpy(&vmcb->tr, &page->segments[SILL_TR], sizeof(vmcb->tr));
		vmcb->gdtr.base = page->gdt.base;
		vmcb->gdtr.limit = page->gdt.limit;
		vmcb->idtr.base = page->idt.base;
		vmcb->idtr.limit = page->idt.limit;
		vmcb->cpl = page->cpl & 3;
	}
	if (groups & SILL_GROUP_CALLS) {
		vmcb->star = page->calls.star;
		vmcb->lstar = page->calls.lstar;
		vmcb->cstar = page->calls.cstar;
		vmcb->sfmask = page->calls.sfmask;
		vmcb->kernel_gs_base = page->calls.kernel_gs_base;
		vmcb->sysenter_cs = page->calls.sysenter_cs;
		vmcb->sysenter_esp = page->calls.sysenter_esp;
		vmcb->sysenter_eip = page->calls.sysenter_eip;
	}
	if (groups & SILL_GROUP_SETTINGS) {
		vmcb->tsc_offset = page->settings.tsc_offset;
		apply_settings(svm, ONCE(page->settings.traps), page->settings.exceptions);
	}
}

void svm_vcpu_fetch(struct vcpu *vcpu, uint32_t groups)
{
	const struct vmcb *vmcb = vcpu->control;
	struct sill_vcpu *page = vcpu->page;

	if (groups & SILL_GROUP_SYSTEM) {
		page->system.cr0 = vmcb->cr0;
		page->system.cr2 = vmcb->cr2;
		page->system.cr3 = vmcb->cr3;
		page->system.cr4 = vmcb->cr4;
		page->system.efer = vmcb->efer & ~(uint64_t)EFER_SVME;
		page->system.dr6 = vmcb->dr6;
		page->system.dr7 = vmcb->dr7;
		page->system.pat = vmcb->pat;
		page->system.debug_control = vmcb->debug_control;
	}
	if (groups & SILL_GROUP_SEGMENTS) {
		memcpy(&page->segments[SILL_ES], &vmcb->es, 6 * sizeof(vmcb->es));
		memcpy(&page->segments[SILL_LDTR], &vmcb->ldtr, sizeof(vmcb->ldtr));
		memcpy(&page->segments[SILL_TR], &vmcb->tr, sizeof(vmcb->tr));
		page->gdt.base = vmcb->gdtr.base;
		page->gdt.limit = vmcb->gdtr.limit;
		page->idt.base = vmcb->idtr.base;
		page->idt.limit = vmcb->idtr.limit;
		page->cpl = vmcb->cpl;
	}
	if (groups & SILL_GROUP_CALLS) {
		page->calls.star = vmcb->star;
		page->calls.lstar = vmcb->lstar;
		page->calls.cstar = vmcb->cstar;
		page->calls.sfmask = vmcb->sfmask;
		page->calls.kernel_gs_base = vmcb->kernel_gs_base;
		page->calls.sysenter_cs = vmcb->sysenter_cs;
		page->calls.sysenter_esp = vmcb->sysenter_esp;
		page->calls.sysenter_eip = vmcb->sysenter_eip;
	}
}

/*
 * Is there such an event?  Others the processor would have to refuse, and not all do.  The
 * contract's have the control block's form.
 */
static bool is_event(uint64_t event)
{
	unsigned int vector = event & 0xFF;

	switch (event & SILL_EVENT_KIND) {
	case SILL_EVENT_EXTERNAL:
	case SILL_EVENT_SOFTWARE:
		return true;
	case SILL_EVENT_NMI:
		return vector == VECTOR_NMI;
	case SILL_EVENT_FAULT:
		return vector < VECTOR_COUNT && vector != VECTOR_NMI;
	default:
		return false;
	}
}

/* Everything that is taken on every entry.  False: the event is none. */
static bool put(struct svm *svm, struct sill_vcpu *page)
{
	struct vmcb *vmcb = svm->vmcb;
	uint32_t groups = ONCE(page->put) & SILL_GROUPS;
	uint64_t event = ONCE(page->event) & EVENT_BITS;

	if (groups) {
		put_groups(svm, page, groups);
		page->put = 0;
	}
	vmcb->rax = page->gpr[REG_RAX];
	vmcb->rsp = page->gpr[REG_RSP];
	vmcb->rip = page->rip;
	vmcb->rflags = page->rflags | RFLAGS_FIXED;
	vmcb->interrupt_shadow = page->shadow & 1;
	vmcb->interrupt_control = CONTROL_V_MASKING | (page->tpr & CONTROL_V_TPR);
	svm->windows = ONCE(page->windows);
	if (svm->windows & SILL_WINDOW_INTERRUPT)
		vmcb->interrupt_control |= CONTROL_V_IRQ | CONTROL_V_IGNORE_TPR;
	svm->nmi_masked = page->nmi_masked & 1;
	/* Once more than there is something to watch: then the traps go. */
	svm->watched |= svm->nmi_masked || svm->windows || (event & EVENT_VALID);
	page->length = page->fetched = 0;
	if (!(event & EVENT_VALID)) {
		vmcb->event = vmcb->exit_interrupt = svm->injected = 0;
		return true;
	}
	page->event = 0;
	/* Where an instruction's interrupt returns to, on processors that want to know. */
	vmcb->next_rip = vmcb->rip;
	/* Until it runs, the event is what it was interrupted in. */
	vmcb->event = vmcb->exit_interrupt = svm->injected = event;
	return is_event(event);
}

/* It leaves before the step is done. */
static void cancel_step(struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->steps = false;
	if (!svm->traces)
		vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
	vmcb->dr6 |= svm->dr6;
	vmcb->intercepts[WORD_EXCEPTIONS] = svm->exceptions;
}

static void get(struct vcpu *vcpu, struct svm *svm, struct sill_vcpu *page)
{
	struct vmcb *vmcb = svm->vmcb;
	uint32_t groups = ONCE(page->get) & SILL_GROUPS;

	if (svm->steps)
		cancel_step(svm);
	if ((vmcb->exit_interrupt & EVENT_VALID) && svm_is_lost(svm, vmcb->exit_interrupt)) {
		page->delivering = vmcb->exit_interrupt & EVENT_BITS;
		/* One that was not delivered masks none. */
		if ((vmcb->exit_interrupt & SILL_EVENT_KIND) == SILL_EVENT_NMI)
			svm->nmi_masked = false;
	} else {
		page->delivering = 0;
	}
	page->gpr[REG_RAX] = vmcb->rax;
	page->gpr[REG_RSP] = vmcb->rsp;
	page->rip = vmcb->rip;
	page->rflags = vmcb->rflags;
	page->shadow = vmcb->interrupt_shadow & 1;
	page->tpr = vmcb->interrupt_control & CONTROL_V_TPR;
	page->mode = vmcb->efer >> 10 & vmcb->cs.attributes >> 9 & SILL_MODE_64;
	page->nmi_masked = svm->nmi_masked;
	if (groups)
		svm_vcpu_fetch(vcpu, groups);
}

void svm_tags_start(struct svm *root)
{
	root->next_asid = FIRST_ASID;
	root->generation = 1; /* virtual processors begin with 0 */
}

/* An address space number whose translations are all still true. */
static void choose_tag(struct cpu *cpu, struct vcpu *vcpu, struct vmcb *vmcb)
{
	struct svm *root = svm_of(cpu);
	uint64_t flushes = __atomic_load_n(&vcpu->session->flushes, __ATOMIC_SEQ_CST);

	if (vcpu->tag_flushes == flushes && vcpu->tag_cpu == cpu->index &&
	    vcpu->tag_generation == root->generation)
		return;
	if (root->next_asid >= svm_features.asids) {
		root->next_asid = FIRST_ASID;
		root->generation++;
		vmcb->tlb_control = TLB_FLUSH_ALL;
	}
	vmcb->asid = root->next_asid++;
	vcpu->tag_cpu = cpu->index;
	vcpu->tag_generation = root->generation;
	vcpu->tag_flushes = flushes;
}

/* The root wants to know when an NMI can come.  True: it can, now. */
static bool nmi_window(struct cpu *cpu, struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (!(svm->windows & SILL_WINDOW_NMI) || svm->nmi_masked || svm->steps)
		return false;
	if (vmcb->event & EVENT_VALID) {
		/* After what is delivered first: an NMI of our own waits for it. */
		if (EVENT_IS(vmcb->event, EVENT_NMI))
			return false;
		cpu_request(cpu, REQUEST_LOOK);
		return false;
	}
	if (vmcb->interrupt_shadow & 1) {
		svm_step(svm);
		return false;
	}
	return true;
}

/* Traps for the windows that the root asks for, and for the end of an NMI. */
static void watch(struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (EVENT_IS(vmcb->event, EVENT_NMI))
		svm->nmi_masked = true;
	vmcb->intercepts[WORD_MISC1] &= ~(MISC1_IRET | MISC1_VINTR);
	if (svm->nmi_masked && !svm->steps)
		vmcb->intercepts[WORD_MISC1] |= MISC1_IRET;
	if (svm->windows & SILL_WINDOW_INTERRUPT)
		vmcb->intercepts[WORD_MISC1] |= MISC1_VINTR;
	vmcb->cr_write =
		(vmcb->cr_write & (1 << 3)) | (svm->windows & SILL_WINDOW_CR8 ? 1 << 8 : 0);
	svm->watched = svm->nmi_masked || svm->windows || svm->steps;
}

/* One entry and its exit; VCPU_AGAIN when there was nothing in it for the root. */
static enum sill_run run_once(struct cpu *cpu, struct vcpu *vcpu, struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) != SILL_CPU_RUNNING)
		return SILL_RUN_INTERRUPT;
	if (svm->watched) {
		if (nmi_window(cpu, svm))
			return svm_window(svm, vcpu->page, SILL_WINDOW_NMI);
		watch(svm);
	}
	choose_tag(cpu, vcpu, vmcb);
	svm_enter((struct guest_regs *)vcpu->page->gpr, svm->vmcb_address);
	vmcb->tlb_control = TLB_KEEP;
	return svm_vcpu_exit(cpu, vcpu, svm);
}

enum sill_run svm_vcpu_run(struct cpu *cpu, struct vcpu *vcpu)
{
	struct svm *svm = (struct svm *)vcpu->vendor;
	struct sill_vcpu *page = vcpu->page;
	enum sill_run why = SILL_RUN_INVALID;
	bool good = put(svm, page);

	/* FS, GS, TR, LDTR and what SESSION_MSRS has. */
	__asm__ volatile("vmsave %0" ::"a"(svm_of(cpu)->vmcb_address) : "memory");
	__asm__ volatile("vmload %0" ::"a"(svm->vmcb_address) : "memory");
	while (good && (why = run_once(cpu, vcpu, svm)) == VCPU_AGAIN)
		;
	__asm__ volatile("vmsave %0" ::"a"(svm->vmcb_address) : "memory");
	__asm__ volatile("vmload %0" ::"a"(svm_of(cpu)->vmcb_address) : "memory");
	/* What the processor refused is as it was. */
	if (why != SILL_RUN_INVALID)
		get(vcpu, svm, page);
	page->exit = why;
	return why;
}
