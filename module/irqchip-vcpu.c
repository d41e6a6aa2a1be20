// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a virtual processor's thread asks of its interrupt controllers.
 */
#include "module/irqchip.h"
#include "module/vcpu.h"

static struct irqchip *chip_of(const struct vcpu *vcpu)
{
	return vcpu->vm->irqchip;
}

bool irqchip_has_interrupt(struct vcpu *vcpu)
{
	struct irqchip *irqchip = chip_of(vcpu);
	unsigned long flags;
	bool result;

	spin_lock_irqsave(&irqchip->lock, flags);
	result = lapic_pending(&vcpu->irq->lapic) >= 0 ||
	         (irqchip->pic.output && lapic_takes_pic(&vcpu->irq->lapic));
	spin_unlock_irqrestore(&irqchip->lock, flags);
	return result;
}

bool irqchip_takes_pic(struct vcpu *vcpu)
{
	struct irqchip *irqchip = chip_of(vcpu);
	unsigned long flags;
	bool result;

	if (!irqchip->split)
		return false;
	spin_lock_irqsave(&irqchip->lock, flags);
	result = lapic_takes_pic(&vcpu->irq->lapic);
	spin_unlock_irqrestore(&irqchip->lock, flags);
	return result;
}

int irqchip_take(struct vcpu *vcpu)
{
	struct irqchip *irqchip = chip_of(vcpu);
	struct lapic *lapic = &vcpu->irq->lapic;
	unsigned long flags;
	int vector = -1;

	spin_lock_irqsave(&irqchip->lock, flags);
	/* The 8259A's come first, as ExtINT does. */
	if (irqchip->pic.output && lapic_takes_pic(lapic))
		vector = pic_acknowledge(&irqchip->pic);
	else if (lapic_pending(lapic) >= 0)
		vector = lapic_acknowledge(lapic);
	spin_unlock_irqrestore(&irqchip->lock, flags);
	return vector;
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
	unsigned long flags;

	if (lapic_cr8(lapic) == (vcpu->state->tpr & 15))
		return;
	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	lapic_set_cr8(lapic, vcpu->state->tpr);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
}

int irqchip_next_end(struct vcpu *vcpu)
{
	unsigned long flags, vector;

	if (!vcpu->irq || find_first_bit(vcpu->irq->ended, 256) == 256)
		return -1;
	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	vector = find_first_bit(vcpu->irq->ended, 256);
	__clear_bit(vector, vcpu->irq->ended);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
	return vector;
}

bool irqchip_set_base(struct vcpu *vcpu, u64 base, bool by_host)
{
	unsigned long flags;
	bool result;

	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	result = lapic_set_base(&vcpu->irq->lapic, base, by_host);
	vcpu->apic_base = vcpu->irq->lapic.base;
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
	return result;
}

bool irqchip_msr_read(struct vcpu *vcpu, u32 index, u64 *ret)
{
	struct lapic *lapic = &vcpu->irq->lapic;
	unsigned long flags;
	bool result = true;

	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	if (index == MSR_IA32_TSC_DEADLINE)
		*ret = lapic_tsc_deadline(lapic);
	else
		result = lapic_msr_read(lapic, index, ret);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
	return result;
}

bool irqchip_msr_write(struct vcpu *vcpu, u32 index, u64 value)
{
	struct lapic *lapic = &vcpu->irq->lapic;
	unsigned long flags;
	bool result = true;

	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	if (index == MSR_IA32_TSC_DEADLINE)
		lapic_set_tsc_deadline(lapic, value);
	else
		result = lapic_msr_write(lapic, index, value);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
	return result;
}

void irqchip_tsc_changed(struct vcpu *vcpu)
{
	unsigned long flags;

	if (!vcpu->irq)
		return;
	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	lapic_timer_tsc_changed(&vcpu->irq->lapic);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
}

void irqchip_reset_vcpu(struct vcpu *vcpu)
{
	unsigned long flags;

	spin_lock_irqsave(&chip_of(vcpu)->lock, flags);
	lapic_reset(&vcpu->irq->lapic);
	spin_unlock_irqrestore(&chip_of(vcpu)->lock, flags);
}
