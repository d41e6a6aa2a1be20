// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtual processor's ioctls, and the pages that it shares with the VMM.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "module/hypercall.h"
#include "module/irqchip.h"
#include "module/vcpu.h"

static long set_signal_mask(struct vcpu *vcpu, struct kvm_signal_mask __user *user)
{
	sigset_t mask;
	u32 length;

	if (!user) {
		vcpu->has_signal_mask = false;
		return 0;
	}
	if (get_user(length, &user->len))
		return -EFAULT;
	if (length != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&mask, user->sigset, sizeof(mask)))
		return -EFAULT;
	sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->signal_mask = mask;
	vcpu->has_signal_mask = true;
	return 0;
}

static long set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr == 0)
			return vcpu_set_xcr0(vcpu, xcrs->xcrs[i].value);
	}
	return 0;
}

static long set_mp_state(struct vcpu *vcpu, const struct kvm_mp_state *state)
{
	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
		/* Without an APIC here nothing would ever wake it. */
		if (!vcpu->irq)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = state->mp_state;
	return 0;
}

static long interrupt(struct vcpu *vcpu, const struct kvm_interrupt *interrupt)
{
	if (interrupt->irq > 255)
		return -EINVAL;
	/* The 8259A is here. */
	if (vcpu->irq && !vcpu->vm->irqchip->split)
		return -ENXIO;
	if (vcpu->events.interrupt_pending)
		return -EEXIST;
	vcpu->events.interrupt = interrupt->irq;
	vcpu->events.interrupt_pending = true;
	return 0;
}

union argument {
	struct kvm_lapic_state lapic;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_sregs2 sregs2;
	struct kvm_fpu fpu;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_guest_debug debug;
	struct kvm_interrupt interrupt;
	struct kvm_translation translation;
	struct kvm_vapic_addr vapic;
	struct kvm_enable_cap capability;
	struct kvm_device_attr attribute;
	u64 number;
};
static_assert(sizeof(union argument) <= VM_IOCTL_ROOM);

static long enable(struct vcpu *vcpu, const struct kvm_enable_cap *capability)
{
	if (capability->flags || capability->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->pv_enforced = capability->args[0] != 0;
	return 0;
}

/* The one attribute that there is: what is added to the processor's time stamp counter. */
static long tsc_attribute(struct vcpu *vcpu, unsigned int command,
                          const struct kvm_device_attr *attribute)
{
	u64 __user *user = (u64 __user *)attribute->addr;
	u64 offset;

	if (attribute->flags || attribute->group != KVM_VCPU_TSC_CTRL ||
	    attribute->attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	if (command == KVM_GET_DEVICE_ATTR)
		return put_user(vcpu->state->settings.tsc_offset, user);
	if (command == KVM_SET_DEVICE_ATTR) {
		if (get_user(offset, user))
			return -EFAULT;
		clock_set_tsc_offset(vcpu, offset);
	}
	return 0;
}

/* A linear address as the guest's supervisor reads it. */
static void translate(struct vcpu *vcpu, struct kvm_translation *translation)
{
	u32 code;

	translation->valid = !guest_translate(vcpu, translation->linear_address, 0,
	                                      &translation->physical_address, &code);
	if (!translation->valid)
		translation->physical_address = ~0ull;
	translation->writeable = 1;
	translation->usermode = 0;
}

/* ioctls that give a structure; -ENOTTY for others. */
static long getter(struct vcpu *vcpu, unsigned int command, union argument *argument)
{
	switch (command) {
	case KVM_GET_REGS:
		vcpu_get_regs(vcpu, &argument->regs);
		return 0;
	case KVM_GET_SREGS:
		vcpu_get_sregs(vcpu, &argument->sregs);
		return 0;
	case KVM_GET_SREGS2:
		vcpu_get_sregs2(vcpu, &argument->sregs2);
		return 0;
	case KVM_GET_FPU:
		return vcpu_get_fpu(vcpu, &argument->fpu);
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
		vcpu_get_xsave(vcpu, (struct kvm_xsave *)argument);
		return 0;
	case KVM_GET_LAPIC:
		return irqchip_transfer_lapic(vcpu, &argument->lapic, false);
	case KVM_GET_XCRS:
		argument->xcrs.nr_xcrs = 1;
		argument->xcrs.xcrs[0].value = vcpu->xcr0;
		return 0;
	case KVM_GET_DEBUGREGS:
		vcpu_get_debugregs(vcpu, &argument->debugregs);
		return 0;
	case KVM_GET_VCPU_EVENTS:
		vcpu_get_events(vcpu, &argument->events);
		return 0;
	case KVM_GET_MP_STATE:
		argument->mp_state.mp_state = vcpu->mp_state;
		return 0;
	case KVM_TRANSLATE:
		translate(vcpu, &argument->translation);
		return 0;
	default:
		return -ENOTTY;
	}
}

/* ioctls that take one; -ENOTTY for others. */
static long setter(struct vcpu *vcpu, unsigned int command, union argument *argument)
{
	switch (command) {
	case KVM_SET_REGS:
		vcpu_set_regs(vcpu, &argument->regs);
		return 0;
	case KVM_SET_SREGS:
		return vcpu_set_sregs(vcpu, &argument->sregs);
	case KVM_SET_SREGS2:
		return vcpu_set_sregs2(vcpu, &argument->sregs2);
	case KVM_SET_FPU:
		return vcpu_set_fpu(vcpu, &argument->fpu);
	case KVM_SET_XSAVE:
		return vcpu_set_xsave(vcpu, (const struct kvm_xsave *)argument);
	case KVM_SET_LAPIC:
		return irqchip_transfer_lapic(vcpu, &argument->lapic, true);
	case KVM_SET_XCRS:
		return set_xcrs(vcpu, &argument->xcrs);
	case KVM_SET_DEBUGREGS:
		return vcpu_set_debugregs(vcpu, &argument->debugregs);
	case KVM_SET_VCPU_EVENTS:
		return vcpu_set_events(vcpu, &argument->events);
	case KVM_SET_MP_STATE:
		return set_mp_state(vcpu, &argument->mp_state);
	case KVM_SET_GUEST_DEBUG:
		return vcpu_set_guest_debug(vcpu, &argument->debug);
	case KVM_INTERRUPT:
		return interrupt(vcpu, &argument->interrupt);
	/* A guest's TPR is the processor's own: there is no page for it to be switched on. */
	case KVM_SET_VAPIC_ADDR:
		return argument->vapic.vapic_addr ? -EINVAL : 0;
	case KVM_ENABLE_CAP:
		return enable(vcpu, &argument->capability);
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return tsc_attribute(vcpu, command, &argument->attribute);
	case KVM_X86_SETUP_MCE:
		return msr_setup_mce(vcpu, argument->number);
	default:
		return -ENOTTY;
	}
}

/* By the direction that the ioctl's number says. */
static long with_structure(void *vcpu, unsigned int command, void *argument)
{
	return _IOC_DIR(command) & _IOC_READ ? getter(vcpu, command, argument)
	                                     : setter(vcpu, command, argument);
}

static long locked_ioctl(struct vcpu *vcpu, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;

	if (command == KVM_RUN)
		return argument ? -EINVAL : vcpu_run(vcpu);
	vcpu_want(vcpu, SILL_GROUPS);
	switch (command) {
	case KVM_GET_MSRS:
		return msr_transfer(vcpu, user, false);
	case KVM_SET_MSRS:
		return msr_transfer(vcpu, user, true);
	case KVM_SET_CPUID:
		return cpuid_put(vcpu, user, true);
	case KVM_SET_CPUID2:
		return cpuid_put(vcpu, user, false);
	case KVM_GET_CPUID2:
		return cpuid_get(vcpu, user);
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, user);
	case KVM_NMI:
		if (vcpu->events.nmi_pending < 2)
			vcpu->events.nmi_pending++;
		return 0;
	case KVM_GET_TSC_KHZ:
		return tsc_khz;
	/* Only the processor's own rate. */
	case KVM_SET_TSC_KHZ:
		return argument == 0 || argument == tsc_khz ? 0 : -EINVAL;
	case KVM_GET_STATS_FD:
		return stats_open(vcpu->vm, vcpu);
	case KVM_KVMCLOCK_CTRL:
		return clock_pause(vcpu);
	default:
		return vm_ioctl_copied(vcpu, command, user, _IOC_SIZE(command), with_structure);
	}
}

static long vcpu_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct vcpu *vcpu = file->private_data;
	long result;

	if (current->mm != vcpu->vm->mm)
		return -EIO;
	if (_IOC_TYPE(command) != KVMIO)
		return -ENOTTY;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	result = locked_ioctl(vcpu, command, argument);
	mutex_unlock(&vcpu->mutex);
	return result;
}

static vm_fault_t page_fault(struct vm_fault *fault)
{
	struct vcpu *vcpu = fault->vma->vm_file->private_data;

	switch (fault->pgoff) {
	case 0:
		fault->page = virt_to_page(vcpu->run);
		break;
	case KVM_PIO_PAGE_OFFSET:
		fault->page = virt_to_page(vcpu->pio);
		break;
	case KVM_COALESCED_MMIO_PAGE_OFFSET:
		fault->page = vcpu->vm->coalesced;
		break;
	default:
		return VM_FAULT_SIGBUS;
	}
	get_page(fault->page);
	return 0;
}

static const struct vm_operations_struct mapping = { .fault = page_fault };

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &mapping;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

const struct file_operations vcpu_file_operations = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};
