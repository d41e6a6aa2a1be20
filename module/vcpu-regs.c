// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * XCR0, debug registers, and events under way, as KVM's structures have them.
 */
#include "module/vcpu.h"

#define XCR0_X87    1ull
#define XCR0_SSE    2ull
#define XCR0_AVX    4ull
#define XCR0_AVX512 0xe0ull

/* What XSETBV takes: APM volume 2, 11.5.2. */
int vcpu_set_xcr0(struct vcpu *vcpu, u64 value)
{
	if (!(value & XCR0_X87) || (value & ~cpuid_host_xcr0()))
		return -EINVAL;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return -EINVAL;
	if ((value & XCR0_AVX512) && ((value & XCR0_AVX512) != XCR0_AVX512 || !(value & XCR0_AVX)))
		return -EINVAL;
	vcpu->xcr0 = value;
	return 0;
}

u64 vcpu_guest_dr7(const struct vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ? vcpu->guest_dr7
	                                                  : vcpu->state->system.dr7;
}

void vcpu_set_guest_dr7(struct vcpu *vcpu, u64 value)
{
	value = (value & 0xffffffff) | 0x400;
	vcpu->guest_dr7 = value;
	if (!(vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP))
		vcpu->state->system.dr7 = value;
	vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
}

void vcpu_update_traps(struct vcpu *vcpu)
{
	/*
	 * A guest can have the processor deliver #DB or #AC for ever, with no interrupt between:
	 * they exit, and are injected.  #UD may be another vendor's hypercall.
	 */
	u32 exceptions = BIT(DB_VECTOR) | BIT(AC_VECTOR) | BIT(UD_VECTOR);
	u32 traps = SILL_TRAP_HLT | SILL_TRAP_MWAIT;

	if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(BP_VECTOR);
	if (!vcpu->debug_live)
		traps |= SILL_TRAP_DR;
	if (rcu_access_pointer(vcpu->vm->filter))
		traps |= SILL_TRAP_MSR;
	vcpu->state->settings.exceptions = exceptions;
	vcpu->state->settings.traps = traps;
	vcpu_changed(vcpu, SILL_GROUP_SETTINGS);
}

void vcpu_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *regs)
{
	memcpy(regs->db, vcpu->debug_address, sizeof(regs->db));
	regs->dr6 = vcpu->state->system.dr6;
	regs->dr7 = vcpu_guest_dr7(vcpu);
}

int vcpu_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *regs)
{
	if (regs->flags || (regs->dr6 >> 32) || (regs->dr7 >> 32))
		return -EINVAL;
	memcpy(vcpu->debug_address, regs->db, sizeof(regs->db));
	vcpu->state->system.dr6 = regs->dr6;
	vcpu_set_guest_dr7(vcpu, regs->dr7);
	return 0;
}

int vcpu_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *debug)
{
	const u32 known = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP |
	                  KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |
	                  KVM_GUESTDBG_BLOCKIRQ;
	u64 guest_dr7 = vcpu_guest_dr7(vcpu);

	if (debug->control & ~known)
		return -EINVAL;
	if (debug->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (vcpu->events.exception_pending)
			return -EBUSY;
		if (debug->control & KVM_GUESTDBG_INJECT_DB) {
			event_exception(vcpu, DB_VECTOR, NO_CODE);
		} else {
			/* Its handler finds the address behind INT3. */
			vcpu->state->rip++;
			event_exception(vcpu, BP_VECTOR, NO_CODE);
		}
	}
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vcpu->state->rflags &= ~(u64)X86_EFLAGS_TF;
	vcpu->guest_debug = debug->control & KVM_GUESTDBG_ENABLE ? debug->control : 0;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vcpu->state->rflags |= X86_EFLAGS_TF;
	memcpy(vcpu->debugger_address, debug->arch.debugreg, sizeof(vcpu->debugger_address));
	vcpu->debugger_dr7 = debug->arch.debugreg[7] | 0x400;
	vcpu_set_guest_dr7(vcpu, guest_dr7);
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP)
		vcpu->state->system.dr7 = vcpu->debugger_dr7;
	vcpu_update_traps(vcpu);
	return 0;
}

void vcpu_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *to)
{
	const struct vcpu_events *events = &vcpu->events;
	u64 kind = events->injected & SILL_EVENT_KIND;
	bool injected = events->injected & SILL_EVENT_VALID;

	memset(to, 0, sizeof(*to));
	to->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (injected && kind == SILL_EVENT_FAULT) {
		to->exception.injected = 1;
		to->exception.nr = events->injected;
		to->exception.has_error_code = (events->injected & SILL_EVENT_HAS_CODE) != 0;
		to->exception.error_code = events->injected >> 32;
	} else if (events->exception_pending) {
		/* A VMM that knows of payloads is told of what has not begun. */
		to->exception.injected = !vcpu->vm->exception_payload;
		to->exception.pending = vcpu->vm->exception_payload;
		to->exception.nr = events->exception;
		to->exception.has_error_code = events->exception_has_code;
		to->exception.error_code = events->exception_code;
		to->exception_has_payload =
			vcpu->vm->exception_payload && events->exception_has_payload;
		to->exception_payload = to->exception_has_payload ? events->exception_payload : 0;
	}
	if (vcpu->vm->exception_payload)
		to->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (events->interrupt_pending) {
		to->interrupt.injected = 1;
		to->interrupt.nr = events->interrupt;
	} else if (injected && kind == SILL_EVENT_EXTERNAL) {
		to->interrupt.injected = 1;
		to->interrupt.nr = events->injected;
	}
	to->interrupt.shadow = vcpu->state->shadow ? KVM_X86_SHADOW_INT_STI : 0;
	to->nmi.injected = injected && kind == SILL_EVENT_NMI;
	to->nmi.pending = events->nmi_pending != 0;
	to->nmi.masked = vcpu->state->nmi_masked != 0;
	to->sipi_vector = events->sipi_vector;
}

static bool events_are_sound(struct vcpu *vcpu, const struct kvm_vcpu_events *from)
{
	const u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
	                  KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_PAYLOAD;
	bool exception = from->exception.injected ||
	                 (from->exception.pending && (from->flags & KVM_VCPUEVENT_VALID_PAYLOAD));

	if (from->flags & ~known)
		return false;
	if ((from->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !vcpu->vm->exception_payload)
		return false;
	if (from->exception.injected && (from->flags & KVM_VCPUEVENT_VALID_PAYLOAD) &&
	    from->exception.pending)
		return false;
	return !exception || (from->exception.nr < 32 && from->exception.nr != 2);
}

int vcpu_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *from)
{
	struct vcpu_events *events = &vcpu->events;

	if (!events_are_sound(vcpu, from))
		return -EINVAL;
	events->injected = 0;
	events->exception_pending = events->interrupt_pending = false;
	if (from->exception.injected) {
		events->injected = SILL_EVENT_VALID | SILL_EVENT_FAULT | from->exception.nr;
		if (from->exception.has_error_code)
			events->injected |= SILL_EVENT_HAS_CODE | (u64)from->exception.error_code
			                                                  << 32;
	} else if (from->exception.pending && (from->flags & KVM_VCPUEVENT_VALID_PAYLOAD)) {
		events->exception_pending = true;
		events->exception = from->exception.nr;
		events->exception_has_code = from->exception.has_error_code;
		events->exception_code = from->exception.error_code;
		events->exception_has_payload = from->exception_has_payload;
		events->exception_payload = from->exception_payload;
	}
	if (from->interrupt.injected) {
		events->interrupt_pending = true;
		events->interrupt = from->interrupt.nr;
	}
	if (from->nmi.injected && !events->injected)
		events->injected = SILL_EVENT_VALID | SILL_EVENT_NMI | 2;
	if (from->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		events->nmi_pending = from->nmi.pending;
	vcpu->state->nmi_masked = from->nmi.masked != 0;
	if (from->flags & KVM_VCPUEVENT_VALID_SHADOW)
		vcpu->state->shadow = from->interrupt.shadow != 0;
	if (from->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		events->sipi_vector = from->sipi_vector;
	return 0;
}
