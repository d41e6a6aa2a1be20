// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interrupt controllers' ioctls: Documentation/virt/kvm/api.rst.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "module/io.h"
#include "module/irqchip.h"
#include "module/vcpu.h"

extern const struct pit_ops irqchip_pit_ops;

static long create_pit(struct irqchip *irqchip, u32 options)
{
	if (options & ~(u32)KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	guard(spinlock_irqsave)(&irqchip->lock);
	if (irqchip->has_pit)
		return -EEXIST;
	pit_init(&irqchip->pit, &irqchip_pit_ops, irqchip, options & KVM_PIT_SPEAKER_DUMMY);
	irqchip->has_pit = true;
	return 0;
}

static long set_line(struct irqchip *irqchip, struct kvm_irq_level *level)
{
	if (level->irq >= ROUTE_MAX)
		return -EINVAL;
	guard(spinlock_irqsave)(&irqchip->lock);
	level->status = irqchip_set_line(irqchip, level->irq, IRQ_SOURCE_USER, level->level != 0);
	return 0;
}

static long transfer_chip(struct irqchip *irqchip, bool set, struct kvm_irqchip *chip)
{
	bool pic =
		chip->chip_id == KVM_IRQCHIP_PIC_MASTER || chip->chip_id == KVM_IRQCHIP_PIC_SLAVE;

	if (!pic && chip->chip_id != KVM_IRQCHIP_IOAPIC)
		return -EINVAL;
	guard(spinlock_irqsave)(&irqchip->lock);
	if (pic && set)
		pic_set_state(&irqchip->pic, chip->chip_id, &chip->chip.pic);
	else if (pic)
		pic_get_state(&irqchip->pic, chip->chip_id, &chip->chip.pic);
	else if (set)
		ioapic_set_state(&irqchip->ioapic, &chip->chip.ioapic);
	else
		ioapic_get_state(&irqchip->ioapic, &chip->chip.ioapic);
	return 0;
}

/*
 * Vectors of the VMM's I/O APIC that it wants to know the end of: its first routes, if they are
 * levels.
 */
static void find_ends(struct irqchip *irqchip, const struct kvm_irq_routing_entry *entries,
                      u32 count)
{
	struct irq_message message;
	u32 i;

	memset(irqchip->ends, 0, sizeof(irqchip->ends));
	for (i = 0; irqchip->split && i < count; i++) {
		const struct kvm_irq_routing_msi *msi = &entries[i].u.msi;

		if (entries[i].type == KVM_IRQ_ROUTING_MSI && entries[i].gsi < irqchip->pins &&
		    route_msi(msi->address_lo, msi->address_hi, msi->data, irqchip->format,
		              &message) &&
		    message.level)
			irqchip->ends[message.vector / 32] |= 1u << (message.vector % 32);
	}
}

static long set_routing(struct irqchip *irqchip, struct kvm_irq_routing __user *user)
{
	struct kvm_irq_routing_entry *entries;
	struct route_table *table, *old;
	struct kvm_irq_routing head;
	long result = -ENOMEM;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.flags || head.nr > ROUTE_MAX)
		return -EINVAL;
	entries = vmemdup_user(user->entries, array_size(head.nr, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	table = kvzalloc(route_size(head.nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		goto free_entries;
	result = -EINVAL;
	if (!route_build(table, entries, head.nr, irqchip->format)) {
		kvfree(table);
		goto free_entries;
	}
	scoped_guard(spinlock_irqsave, &irqchip->lock)
	{
		old = irqchip->routes;
		irqchip->routes = table;
		find_ends(irqchip, entries, head.nr);
	}
	kvfree(old);
	result = 0;
free_entries:
	kvfree(entries);
	return result;
}

static long signal_msi(struct irqchip *irqchip, const struct kvm_msi *msi)
{
	struct irq_message message;

	if (msi->flags ||
	    !route_msi(msi->address_lo, msi->address_hi, msi->data, irqchip->format, &message))
		return -EINVAL;
	guard(spinlock_irqsave)(&irqchip->lock);
	/* Nobody took it: for the VMM that is no error. */
	return max(lapic_bus_send(&irqchip->bus, NULL, &message, LAPIC_NAMED), 0);
}

union argument {
	struct kvm_irq_level level;
	struct kvm_irqchip chip;
	struct kvm_msi msi;
	struct kvm_irqfd fd;
	struct kvm_pit_config pit_config;
	struct kvm_pit_state2 pit;
	struct kvm_reinject_control reinject;
};
static_assert(sizeof(union argument) <= VM_IOCTL_ROOM);

static long with_pit(struct irqchip *irqchip, unsigned int command, union argument *argument)
{
	if (!irqchip->has_pit)
		return -ENXIO;
	guard(spinlock_irqsave)(&irqchip->lock);
	switch (command) {
	case KVM_REINJECT_CONTROL:
		pit_set_reinject(&irqchip->pit, argument->reinject.pit_reinject);
		return 0;
	case KVM_GET_PIT:
	case KVM_GET_PIT2:
		pit_get_state(&irqchip->pit, &argument->pit);
		return 0;
	case KVM_SET_PIT:
		argument->pit.flags = irqchip->pit.flags;
		fallthrough;
	default:
		pit_set_state(&irqchip->pit, &argument->pit);
		return 0;
	}
}

/* Those that need the 8259As, the I/O APIC or the 8254 here. */
static long with_chips(struct irqchip *irqchip, unsigned int command, union argument *argument)
{
	if (irqchip->split)
		return -ENXIO;
	switch (command) {
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		return transfer_chip(irqchip, command == KVM_SET_IRQCHIP, &argument->chip);
	case KVM_CREATE_PIT2:
		return create_pit(irqchip, argument->pit_config.flags);
	default:
		return with_pit(irqchip, command, argument);
	}
}

long irqchip_ioctl(struct vm *vm, unsigned int command, void *structure)
{
	union argument *argument = structure;

	guard(mutex)(&vm->lock);
	if (!vm->irqchip)
		return -ENXIO;
	switch (command) {
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		return set_line(vm->irqchip, &argument->level);
	case KVM_SIGNAL_MSI:
		return signal_msi(vm->irqchip, &argument->msi);
	case KVM_IRQFD:
		return irqfd_set(vm->irqchip, &argument->fd);
	default:
		return with_chips(vm->irqchip, command, argument);
	}
}

long irqchip_create_ioctl(struct vm *vm, unsigned int command, void __user *user)
{
	guard(mutex)(&vm->lock);
	switch (command) {
	case KVM_CREATE_IRQCHIP:
		return irqchip_create(vm, false, 0);
	case KVM_CREATE_PIT:
		return vm->irqchip && !vm->irqchip->split ? create_pit(vm->irqchip, 0) : -ENXIO;
	default:
		return vm->irqchip ? set_routing(vm->irqchip, user) : -ENXIO;
	}
}

int irqchip_transfer_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state, bool set)
{
	if (!vcpu->irq)
		return -EINVAL;
	guard(spinlock_irqsave)(&vcpu->vm->irqchip->lock);
	if (set)
		lapic_set_state(&vcpu->irq->lapic, state);
	else
		lapic_get_state(&vcpu->irq->lapic, state);
	return 0;
}
