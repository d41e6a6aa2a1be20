// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's ioctls.  Arguments are copied once and then checked.
 */
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "include/sill/device.h"
#include "module/hypercall.h"
#include "module/io.h"
#include "module/irqchip.h"
#include "module/vcpu.h"

static long set_boot_id(struct vm *vm, u32 id)
{
	guard(mutex)(&vm->lock);
	if (vm->vcpu_count)
		return -EBUSY;
	vm->boot_id = id;
	return 0;
}

/* Identifications of 32 bits in MSIs and in KVM_GET_LAPIC. */
static long set_x2apic_format(struct vm *vm, u64 value)
{
	struct irqchip *irqchip = smp_load_acquire(&vm->irqchip);

	if (value & ~(u64)(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return -EINVAL;
	if (!irqchip)
		return -ENXIO;
	guard(spinlock_irqsave)(&irqchip->lock);
	if (value & KVM_X2APIC_API_USE_32BIT_IDS)
		irqchip->format |= ROUTE_WIDE_MSI;
	if (value & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		irqchip->bus.narrow_is_id = true;
	return 0;
}

static long set_id_max(struct vm *vm, u64 value)
{
	guard(mutex)(&vm->lock);
	if (!value || value > VM_VCPU_ID_MAX || (vm->vcpu_id_max && vm->vcpu_id_max != value))
		return -EINVAL;
	vm->vcpu_id_max = value;
	return 0;
}

static long enable(struct vm *vm, const struct kvm_enable_cap *capability)
{
	u64 value = capability->args[0];
	long result;

	if (capability->flags)
		return -EINVAL;
	switch (capability->cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		if ((value &
		     ~(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)) ||
		    value == KVM_DIRTY_LOG_INITIALLY_SET)
			return -EINVAL;
		scoped_guard(rwsem_write, &vm->slots_lock)
		{
			vm->manual_dirty_log = value & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
			vm->dirty_initially_set = value & KVM_DIRTY_LOG_INITIALLY_SET;
		}
		return 0;
	case KVM_CAP_SPLIT_IRQCHIP:
		if (value > ROUTE_MAX)
			return -EINVAL;
		mutex_lock(&vm->lock);
		result = irqchip_create(vm, true, value);
		mutex_unlock(&vm->lock);
		return result;
	case KVM_CAP_X2APIC_API:
		return set_x2apic_format(vm, value);
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (value & ~(u64)(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
		                   KVM_MSR_EXIT_REASON_FILTER))
			return -EINVAL;
		WRITE_ONCE(vm->user_msr, value);
		return 0;
	case KVM_CAP_DISABLE_QUIRKS2:
		if (value & ~(u64)kvm_capability(KVM_CAP_DISABLE_QUIRKS2))
			return -EINVAL;
		fallthrough;
	case KVM_CAP_DISABLE_QUIRKS:
		vm->disabled_quirks = value;
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		return set_id_max(vm, value);
	case KVM_CAP_MSR_PLATFORM_INFO:
		vm->no_platform_info = !value;
		return 0;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = value;
		return 0;
	default:
		return -EINVAL;
	}
}

long vm_session_stats(struct vm *vm, struct sill_session_stats *stats)
{
	return hypercall_errno(hypercall_patient(SILL_CALL_SESSION, vm->session,
	                                         virt_to_phys(stats), sizeof(*stats), 0));
}

static int take_range(struct msr_filter *filter, const struct kvm_msr_filter_range *from)
{
	struct msr_filter_range *range = &filter->ranges[filter->count];

	if (from->flags & ~(u32)(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE))
		return -EINVAL;
	if (!from->nmsrs)
		return 0;
	if (!from->flags || from->nmsrs > 8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	if (copy_from_user(range->bitmap, (void __user *)from->bitmap,
	                   DIV_ROUND_UP(from->nmsrs, 8)))
		return -EFAULT;
	range->flags = from->flags;
	range->base = from->base;
	range->count = from->nmsrs;
	filter->count++;
	return 0;
}

static long set_filter(struct vm *vm, const struct kvm_msr_filter *argument)
{
	struct msr_filter *filter;
	unsigned int i;
	int error = 0;

	filter = kvzalloc(struct_size(filter, ranges, KVM_MSR_FILTER_MAX_RANGES),
	                  GFP_KERNEL_ACCOUNT);
	if (!filter || argument->flags & ~(u32)KVM_MSR_FILTER_DEFAULT_DENY)
		error = filter ? -EINVAL : -ENOMEM;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && !error; i++)
		error = take_range(filter, &argument->ranges[i]);
	if (!error) {
		filter->allow = !(argument->flags & KVM_MSR_FILTER_DEFAULT_DENY);
		/* To deny everything and to name nothing makes no sense. */
		if (!filter->allow && !filter->count)
			error = -EINVAL;
	}
	if (!error) {
		scoped_guard(mutex, &vm->lock) filter =
			rcu_replace_pointer(vm->filter, filter, lockdep_is_held(&vm->lock));
		synchronize_rcu();
		/* MSRs that are the processor's own exit from now on. */
		for (i = 0; i < vm_vcpu_count(vm); i++)
			vcpu_request(vm->vcpus[i], VCPU_REQUEST_TRAPS);
	}
	kvfree(filter);
	return error;
}

/* KVM_X86_SET_MSR_FILTER of a 32-bit VMM, whose number has another size in it. */
struct narrow_filter {
	u32 flags;
	struct {
		u32 flags, nmsrs, base, bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};
#define SET_NARROW_FILTER _IOW(KVMIO, _IOC_NR(KVM_X86_SET_MSR_FILTER), struct narrow_filter)

static long set_narrow_filter(struct vm *vm, const struct narrow_filter *argument)
{
	struct kvm_msr_filter filter = { .flags = argument->flags };
	unsigned int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter.ranges[i] = (struct kvm_msr_filter_range){
			.flags = argument->ranges[i].flags,
			.nmsrs = argument->ranges[i].nmsrs,
			.base = argument->ranges[i].base,
			.bitmap = (u8 *)(unsigned long)argument->ranges[i].bitmap,
		};
	return set_filter(vm, &filter);
}

long vm_ioctl_copied(void *object, unsigned int command, void __user *user, size_t size,
                     long (*call)(void *object, unsigned int command, void *argument))
{
	/* Two numbers have the wrong direction in them. */
	bool set = command == KVM_SET_IRQCHIP || command == KVM_SET_PIT;
	void *argument = kzalloc(max_t(size_t, size, VM_IOCTL_ROOM), GFP_KERNEL);
	long result;

	if (!argument)
		return -ENOMEM;
	if ((set || _IOC_DIR(command) != _IOC_READ) && copy_from_user(argument, user, size))
		result = -EFAULT;
	else
		result = call(object, command, argument);
	if (result >= 0 && !set && (_IOC_DIR(command) & _IOC_READ) &&
	    copy_to_user(user, argument, size))
		result = -EFAULT;
	kfree(argument);
	return result;
}

/* The ioctls that take a structure: `argument` is a copy of it. */
static long with_structure(void *vm, unsigned int command, void *argument)
{
	switch (command) {
	case KVM_SET_USER_MEMORY_REGION:
		return region_set(vm, argument);
	case KVM_GET_DIRTY_LOG:
		return dirty_get(vm, argument);
	case KVM_CLEAR_DIRTY_LOG:
		return dirty_clear(vm, argument);
	/* Where Intel's real mode has pages, which AMD-V does not need: only the ABI's rule is kept. */
	case KVM_SET_IDENTITY_MAP_ADDR:
		return vm_vcpu_count(vm) ? -EINVAL : 0;
	case KVM_X86_SET_MSR_FILTER:
		return set_filter(vm, argument);
	case SET_NARROW_FILTER:
		return set_narrow_filter(vm, argument);
	case SILL_GET_SESSION:
		return vm_session_stats(vm, argument);
	case KVM_GET_CLOCK:
		return clock_get(vm, argument);
	case KVM_SET_CLOCK:
		return clock_set(vm, argument);
	case KVM_IOEVENTFD:
		return io_set_watch(vm, argument);
	case KVM_REGISTER_COALESCED_MMIO:
		return io_set_zone(vm, argument, true);
	case KVM_UNREGISTER_COALESCED_MMIO:
		return io_set_zone(vm, argument, false);
	case KVM_ENABLE_CAP:
		return enable(vm, argument);
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
	case KVM_SIGNAL_MSI:
	case KVM_IRQFD:
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
	case KVM_CREATE_PIT2:
	case KVM_GET_PIT:
	case KVM_SET_PIT:
	case KVM_GET_PIT2:
	case KVM_SET_PIT2:
	case KVM_REINJECT_CONTROL:
		return irqchip_ioctl(vm, command, argument);
	default:
		return -ENOTTY;
	}
}

long vm_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct vm *vm = file->private_data;
	void __user *user = (void __user *)argument;

	if (current->mm != vm->mm)
		return -EIO;
	switch (command) {
	case KVM_CREATE_VCPU:
		return argument > UINT_MAX ? -EINVAL : vcpu_create(vm, argument);
	case KVM_CHECK_EXTENSION:
		return kvm_capability(argument);
	case KVM_SET_TSS_ADDR:
		return argument > UINT_MAX - 3 * PAGE_SIZE ? -EINVAL : 0;
	case KVM_GET_STATS_FD:
		return stats_open(vm, NULL);
	case KVM_SET_BOOT_CPU_ID:
		return set_boot_id(vm, argument);
	/* There are no shadow page tables to limit. */
	case KVM_SET_NR_MMU_PAGES:
		return argument < 64 ? -EINVAL : 0;
	case KVM_CREATE_IRQCHIP:
	case KVM_CREATE_PIT:
	case KVM_SET_GSI_ROUTING:
		return irqchip_create_ioctl(vm, command, user);
	/* A number without a size. */
	case KVM_REINJECT_CONTROL:
		return vm_ioctl_copied(vm, command, user, sizeof(struct kvm_reinject_control),
		                       with_structure);
	default:
		return vm_ioctl_copied(vm, command, user, _IOC_SIZE(command), with_structure);
	}
}
