// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Registers: between KVM's structures and the page that is shared with the hypervisor.
 */
#include "module/vcpu.h"

#include "module/irqchip.h"

#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/processor.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define PAT_RESET 0x0007040600070406ull
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u

/* Attributes of struct sill_segment. */
#define TYPE     0x00f
#define S        0x010
#define DPL(n)   ((n) << 5)
#define PRESENT  0x080
#define AVL      0x100
#define LONG     0x200
#define BIG      0x400
#define GRANULAR 0x800

/* The order of struct kvm_regs, up to RIP, and of struct kvm_sregs. */
static const u8 order[16] = {
	RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP, 8, 9, 10, 11, 12, 13, 14, 15
};
static const u8 segment_order[SILL_SEGMENTS] = { SILL_CS, SILL_DS, SILL_ES, SILL_FS,
	                                         SILL_GS, SILL_SS, SILL_TR, SILL_LDTR };
static_assert(offsetof(struct kvm_regs, rip) == sizeof(u64) * ARRAY_SIZE(order));
static_assert(offsetof(struct kvm_sregs, gdt) == sizeof(struct kvm_segment) * SILL_SEGMENTS);

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	const struct sill_vcpu *state = vcpu->state;
	u64 *to = (u64 *)regs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		to[i] = state->gpr[order[i]];
	regs->rip = state->rip;
	regs->rflags = state->rflags;
	/* The debugger's step is not the guest's. */
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		regs->rflags &= ~X86_EFLAGS_TF;
}

void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	struct sill_vcpu *state = vcpu->state;
	const u64 *from = (const u64 *)regs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		state->gpr[order[i]] = from[i];
	state->rip = regs->rip;
	state->rflags = regs->rflags | X86_EFLAGS_FIXED;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		state->rflags |= X86_EFLAGS_TF;
	vcpu->events.exception_pending = false;
}

static struct kvm_segment get_segment(const struct sill_segment *from)
{
	u16 attributes = from->attributes;
	struct kvm_segment to = {
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.type = attributes & TYPE,
		.s = (attributes & S) != 0,
		.dpl = attributes >> 5 & 3,
		.present = (attributes & PRESENT) != 0,
		.avl = (attributes & AVL) != 0,
		.l = (attributes & LONG) != 0,
		.db = (attributes & BIG) != 0,
		.g = (attributes & GRANULAR) != 0,
		.unusable = (attributes & PRESENT) == 0,
	};

	return to;
}

static struct sill_segment set_segment(const struct kvm_segment *from)
{
	struct sill_segment to = {
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
	};

	to.attributes = (from->type & TYPE) | (from->s ? S : 0) | DPL(from->dpl & 3) |
	                (from->present && !from->unusable ? PRESENT : 0) | (from->avl ? AVL : 0) |
	                (from->l ? LONG : 0) | (from->db ? BIG : 0) | (from->g ? GRANULAR : 0);
	return to;
}

/* struct kvm_sregs2 begins as struct kvm_sregs does, up to apic_base. */
#define COMMON offsetof(struct kvm_sregs, interrupt_bitmap)
static_assert(COMMON == offsetof(struct kvm_sregs2, flags), "the two begin alike");

static void get_common(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct sill_vcpu *state = vcpu->state;
	unsigned int i;

	memset(sregs, 0, COMMON);
	for (i = 0; i < SILL_SEGMENTS; i++)
		(&sregs->cs)[i] = get_segment(&state->segments[segment_order[i]]);
	/* The processor keeps the privilege level apart; KVM shows it as SS's. */
	sregs->ss.dpl = state->cpl & 3;
	sregs->gdt.base = state->gdt.base;
	sregs->gdt.limit = state->gdt.limit;
	sregs->idt.base = state->idt.base;
	sregs->idt.limit = state->idt.limit;
	sregs->cr0 = state->system.cr0;
	sregs->cr2 = state->system.cr2;
	sregs->cr3 = state->system.cr3;
	sregs->cr4 = state->system.cr4;
	sregs->cr8 = state->tpr;
	sregs->efer = state->system.efer & ~(u64)EFER_SVME;
	sregs->apic_base = vcpu->apic_base;
}

/* Could a processor be in this state?  APM volume 2, 14.6. */
static bool is_sound(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	u64 address_mask = ~0ull << cpuid_address_bits(&vcpu->cpuid);

	if (sregs->cr8 > 15 || (sregs->cr0 >> 32) || (sregs->cr4 & ~vcpu_cr4_allowed(vcpu)) ||
	    !msr_apic_base_is_sound(vcpu, sregs->apic_base))
		return false;
	/* Paging needs protection; NW needs CD. */
	if ((sregs->cr0 & X86_CR0_PG) && !(sregs->cr0 & X86_CR0_PE))
		return false;
	if ((sregs->cr0 & X86_CR0_NW) && !(sregs->cr0 & X86_CR0_CD))
		return false;
	if ((sregs->efer & EFER_LME) && (sregs->cr0 & X86_CR0_PG))
		return (sregs->cr4 & X86_CR4_PAE) && (sregs->efer & EFER_LMA) &&
		       !(sregs->cr3 & address_mask & ~(1ull << 63));
	return !(sregs->efer & EFER_LMA) && !sregs->cs.l;
}

static int set_common(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct sill_vcpu *state = vcpu->state;
	unsigned int i;

	if (!is_sound(vcpu, sregs))
		return -EINVAL;
	if (vcpu->irq && !irqchip_set_base(vcpu, sregs->apic_base, true))
		return -EINVAL;
	vcpu->apic_base = sregs->apic_base;
	for (i = 0; i < SILL_SEGMENTS; i++)
		state->segments[segment_order[i]] = set_segment(&(&sregs->cs)[i]);
	state->cpl = sregs->ss.dpl & 3;
	state->gdt.base = sregs->gdt.base;
	state->gdt.limit = sregs->gdt.limit;
	state->idt.base = sregs->idt.base;
	state->idt.limit = sregs->idt.limit;
	state->system.cr0 = sregs->cr0 | X86_CR0_ET;
	state->system.cr2 = sregs->cr2;
	state->system.cr3 = sregs->cr3;
	state->system.cr4 = sregs->cr4;
	state->system.efer = sregs->efer & ~(u64)EFER_SVME;
	state->tpr = sregs->cr8;
	vcpu->run->cr8 = sregs->cr8;
	if (vcpu->irq)
		irqchip_store_tpr(vcpu);
	vcpu_changed(vcpu, SILL_GROUP_SYSTEM | SILL_GROUP_SEGMENTS);
	return 0;
}

void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct vcpu_events *events = &vcpu->events;

	memset(sregs, 0, sizeof(*sregs));
	get_common(vcpu, sregs);
	if (events->interrupt_pending)
		__set_bit(events->interrupt, (unsigned long *)sregs->interrupt_bitmap);
}

int vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	unsigned long vector;
	int error = set_common(vcpu, sregs);

	if (error)
		return error;
	vector = find_first_bit((const unsigned long *)sregs->interrupt_bitmap, KVM_NR_INTERRUPTS);
	if (vector < KVM_NR_INTERRUPTS) {
		vcpu->events.interrupt = vector;
		vcpu->events.interrupt_pending = true;
	}
	return 0;
}

void vcpu_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	/*
	 * The pointers of PAE are read by the processor from memory when they are used: none are
	 * kept.
	 */
	memset(sregs, 0, sizeof(*sregs));
	get_common(vcpu, (struct kvm_sregs *)sregs);
}

int vcpu_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	if (sregs->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	return set_common(vcpu, (const struct kvm_sregs *)sregs);
}

/* What both power-on and INIT set: APM volume 2, 14.1.3. */
static void init_registers(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *version = cpuid_find(&vcpu->cpuid, 1, 0);
	struct sill_vcpu *state = vcpu->state;
	unsigned int i;

	memset(state->gpr, 0, sizeof(state->gpr));
	state->gpr[RDX] = version ? version->eax : 0x600;
	state->rip = 0xfff0;
	state->rflags = X86_EFLAGS_FIXED;
	state->shadow = state->nmi_masked = 0;
	for (i = 0; i < SILL_SEGMENTS; i++) {
		state->segments[i] = (struct sill_segment){
			.attributes = PRESENT | S | 3,
			.limit = 0xffff,
		};
	}
	state->segments[SILL_CS].selector = 0xf000;
	state->segments[SILL_CS].base = 0xffff0000;
	state->segments[SILL_CS].attributes = PRESENT | S | 0xb;
	state->segments[SILL_LDTR].attributes = PRESENT | 2;
	state->segments[SILL_TR].attributes = PRESENT | 0xb;
	state->gdt.base = state->idt.base = state->cpl = 0;
	state->gdt.limit = state->idt.limit = 0xffff;
	state->system.cr0 = (state->system.cr0 & (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET;
	state->system.cr2 = state->system.cr3 = state->system.cr4 = state->system.efer = 0;
	state->system.dr6 = DR6_RESET;
	memset(vcpu->debug_address, 0, sizeof(vcpu->debug_address));
	vcpu_set_guest_dr7(vcpu, DR7_RESET);
	vcpu_changed(vcpu, SILL_GROUP_SYSTEM | SILL_GROUP_SEGMENTS);
	memset(&vcpu->events, 0, sizeof(vcpu->events));
	vcpu->complete = NULL;
}

void vcpu_reset(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;

	vcpu->have = SILL_GROUPS;
	state->system.cr0 = X86_CR0_CD | X86_CR0_NW;
	init_registers(vcpu);
	state->system.pat = PAT_RESET;
	vcpu_changed(vcpu, SILL_GROUPS);
	vcpu_update_traps(vcpu);
	vcpu->xcr0 = 1;
	msr_values_reset(&vcpu->msrs);
	vcpu->apic_base = 0xfee00800 | (vcpu->id == vcpu->vm->boot_id ? 0x100 : 0);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

void vcpu_init(struct vcpu *vcpu)
{
	vcpu_want(vcpu, SILL_GROUPS);
	irqchip_reset_vcpu(vcpu);
	init_registers(vcpu);
	/* The boot processor begins anew; the others wait for their start. */
	vcpu->mp_state = vcpu->apic_base & MSR_IA32_APICBASE_BSP ? KVM_MP_STATE_RUNNABLE
	                                                         : KVM_MP_STATE_INIT_RECEIVED;
}

void vcpu_start(struct vcpu *vcpu, u8 vector)
{
	struct sill_segment *cs = &vcpu->state->segments[SILL_CS];

	if (vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	vcpu_want(vcpu, SILL_GROUP_SEGMENTS);
	cs->selector = vector << 8;
	cs->base = vector << 12;
	vcpu->state->rip = 0;
	vcpu_changed(vcpu, SILL_GROUP_SEGMENTS);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}
