// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is delivered to the guest next.  One event at a time: what was being delivered when an exit
 * came, then an exception, an NMI, an interrupt.  For what has to wait, a window is asked for.
 */
#include "module/irqchip.h"
#include "module/vcpu.h"

#include <asm/processor-flags.h>

#define DOUBLE_FAULT 8

/* Exceptions that make a double fault of two: APM volume 2, 8.2.9. */
static bool contributes(u8 vector)
{
	return vector == DE_VECTOR || (vector >= TS_VECTOR && vector <= GP_VECTOR);
}

/* What becomes of an exception during the delivery of another; false: a shutdown. */
static bool combine(u8 first, u8 *second, s64 *code)
{
	if (first == DOUBLE_FAULT && (contributes(*second) || *second == PF_VECTOR))
		return false;
	if ((contributes(first) && contributes(*second)) ||
	    (first == PF_VECTOR && (contributes(*second) || *second == PF_VECTOR))) {
		*second = DOUBLE_FAULT;
		*code = 0;
	}
	return true;
}

void event_exception(struct vcpu *vcpu, u8 vector, s64 code)
{
	struct vcpu_events *events = &vcpu->events;
	bool delivering = (events->injected & SILL_EVENT_VALID) &&
	                  (events->injected & SILL_EVENT_KIND) == SILL_EVENT_FAULT;

	if (delivering && !combine(events->injected & 0xff, &vector, &code)) {
		vcpu_request(vcpu, VCPU_REQUEST_SHUTDOWN);
		return;
	}
	/* The first comes again when the instruction does. */
	if (delivering)
		events->injected = 0;
	events->exception_pending = true;
	events->exception = vector;
	events->exception_has_code = code != NO_CODE;
	events->exception_code = code == NO_CODE ? 0 : code;
	events->exception_has_payload = false;
}

void event_page_fault(struct vcpu *vcpu, u64 address, u32 code)
{
	event_exception(vcpu, PF_VECTOR, code);
	if (vcpu->events.exception == PF_VECTOR) {
		vcpu->events.exception_has_payload = true;
		vcpu->events.exception_payload = address;
	}
}

/* The hypervisor leaves out what comes again by itself, since the instruction does. */
void event_take_back(struct vcpu *vcpu)
{
	u64 event = vcpu->state->delivering;

	vcpu->events.injected = event & SILL_EVENT_VALID ? event : 0;
}

bool event_interrupt_allowed(const struct vcpu *vcpu)
{
	return (vcpu->state->rflags & X86_EFLAGS_IF) && !vcpu->state->shadow &&
	       !vcpu->events.injected && !vcpu->events.exception_pending &&
	       !(vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ);
}

static bool nmi_allowed(const struct vcpu *vcpu)
{
	return !vcpu->state->nmi_masked && !vcpu->state->shadow;
}

/* The exception that is pending, as an event; what it leaves in registers is put there. */
static u64 take_exception(struct vcpu *vcpu)
{
	struct vcpu_events *events = &vcpu->events;
	u64 event = SILL_EVENT_VALID | SILL_EVENT_FAULT | events->exception;

	if (events->exception_has_code)
		event |= SILL_EVENT_HAS_CODE | (u64)events->exception_code << 32;
	if (events->exception_has_payload)
		vcpu_want(vcpu, SILL_GROUP_SYSTEM);
	if (events->exception_has_payload && events->exception == PF_VECTOR) {
		vcpu->state->system.cr2 = events->exception_payload;
		vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
	} else if (events->exception_has_payload && events->exception == DB_VECTOR) {
		vcpu->state->system.dr6 |= events->exception_payload;
		vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
	}
	events->exception_pending = false;
	return event;
}

/* The interrupt that is delivered now, which can be; -1. */
static int next_interrupt(struct vcpu *vcpu)
{
	if (vcpu->events.interrupt_pending) {
		vcpu->events.interrupt_pending = false;
		return vcpu->events.interrupt;
	}
	return vcpu->irq ? irqchip_take(vcpu) : -1;
}

/* A window that nothing can use would come again and again, and the guest no further. */
static bool wants_window(struct vcpu *vcpu)
{
	if (vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ)
		return false;
	if (vcpu->events.interrupt_pending || (vcpu->irq && irqchip_has_interrupt(vcpu)))
		return true;
	return vcpu->run->request_interrupt_window && (!vcpu->irq || irqchip_takes_pic(vcpu));
}

void event_prepare(struct vcpu *vcpu)
{
	struct vcpu_events *events = &vcpu->events;
	u64 event = events->injected;
	u32 windows = 0;

	if (!event && events->exception_pending) {
		event = take_exception(vcpu);
	} else if (!event && events->nmi_pending && nmi_allowed(vcpu)) {
		event = SILL_EVENT_VALID | SILL_EVENT_NMI | 2;
		events->nmi_pending--;
	} else if (!event && event_interrupt_allowed(vcpu)) {
		int vector = next_interrupt(vcpu);

		if (vector >= 0)
			event = SILL_EVENT_VALID | SILL_EVENT_EXTERNAL | vector;
	}
	if (events->nmi_pending)
		windows |= SILL_WINDOW_NMI;
	/* QEMU 7.2 falls over a write of CR8 with a window open, if nobody intercepts it. */
	if (wants_window(vcpu))
		windows |= SILL_WINDOW_INTERRUPT | SILL_WINDOW_CR8;
	else if (!vcpu->irq || irqchip_holds_back(vcpu))
		windows |= SILL_WINDOW_CR8;
	if (vcpu->irq)
		irqchip_load_tpr(vcpu);
	vcpu->state->event = event;
	vcpu->state->windows = windows;
}

bool event_wakes(struct vcpu *vcpu)
{
	if (vcpu->mp_state != KVM_MP_STATE_HALTED)
		return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
	return vcpu->events.nmi_pending || vcpu->events.exception_pending ||
	       (event_interrupt_allowed(vcpu) &&
	        (vcpu->events.interrupt_pending || (vcpu->irq && irqchip_has_interrupt(vcpu))));
}
