// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a virtual processor's thread asks of its interrupt controllers.
 */
#include "module/irqchip.h"
#include "module/vcpu.h"

/* The 8259A's wire is up, and reaches this processor.  With the lock, as the next. */
static bool has_pic_interrupt(const struct vcpu *vcpu)
{
	return vcpu->vm->irqchip->pic.output && lapic_takes_pic(&vcpu->irq->lapic);
}

bool irqchip_has_interrupt(struct vcpu *vcpu)
{
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	return lapic_pending(&vcpu->irq->lapic) >= 0 || has_pic_interrupt(vcpu);
}

bool irqchip_takes_pic(struct vcpu *vcpu)
{
	if (!vcpu->vm->irqchip->split)
		return false;
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	return lapic_takes_pic(&vcpu->irq->lapic);
}

int irqchip_take(struct vcpu *vcpu)
{
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	/* The 8259A's come first, as ExtINT does. */
	return has_pic_interrupt(vcpu) ? pic_acknowledge(&vcpu->vm->irqchip->pic)
	                               : lapic_acknowledge(&vcpu->irq->lapic);
}

bool irqchip_holds_back(const struct vcpu *vcpu)
{
	/* What comes later is asked about again: it makes a request. */
	return READ_ONCE(vcpu->irq->lapic.irr.used) != 0;
}

void irqchip_load_tpr(struct vcpu *vcpu)
{
	vcpu->state->tpr = lapic_cr8(&vcpu->irq->lapic);
}

void irqchip_store_tpr(struct vcpu *vcpu)
{
	struct lapic *lapic = &vcpu->irq->lapic;

	if (lapic_cr8(lapic) == (vcpu->state->tpr & 15))
		return;
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	lapic_set_cr8(lapic, vcpu->state->tpr);
}

int irqchip_next_end(struct vcpu *vcpu)
{
	unsigned long vector;

	if (!vcpu->irq || find_first_bit(vcpu->irq->ended, 256) == 256)
		return -1;
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	vector = find_first_bit(vcpu->irq->ended, 256);
	__clear_bit(vector, vcpu->irq->ended);
	return vector;
}

bool irqchip_set_base(struct vcpu *vcpu, u64 base, bool by_host)
{
	bool result;

	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	result = lapic_set_base(&vcpu->irq->lapic, base, by_host);
	vcpu->apic_base = vcpu->irq->lapic.base;
	return result;
}

bool irqchip_msr_read(struct vcpu *vcpu, u32 index, u64 *ret)
{
	struct lapic *lapic = &vcpu->irq->lapic;

	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	if (index != MSR_IA32_TSC_DEADLINE)
		return lapic_msr_read(lapic, index, ret);
	*ret = lapic_tsc_deadline(lapic);
	return true;
}

bool irqchip_msr_write(struct vcpu *vcpu, u32 index, u64 value)
{
	struct lapic *lapic = &vcpu->irq->lapic;
	bool result = true;

	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	if (index == MSR_IA32_TSC_DEADLINE)
		lapic_set_tsc_deadline(lapic, value);
	else
		result = lapic_msr_write(lapic, index, value);
	/* An end of interrupt lets the next one through. */
	if (lapic_pending(lapic) >= 0)
		set_bit(VCPU_REQUEST_EVENT, &vcpu->requests);
	return result;
}

void irqchip_tsc_changed(struct vcpu *vcpu)
{
	if (!vcpu->irq)
		return;
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	lapic_timer_tsc_changed(&vcpu->irq->lapic);
}

void irqchip_reset_vcpu(struct vcpu *vcpu)
{
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	lapic_reset(&vcpu->irq->lapic);
}
