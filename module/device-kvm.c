// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/kvm: system ioctls and what KVM_CHECK_EXTENSION answers (Documentation/virt/kvm/api.rst).
 */
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "module/irqchip.h"
#include "module/vcpu.h"

/* What is in neither table is not there.  Those of the first say 1. */
static const u16 plain[] = {
	/* Memory. */
	KVM_CAP_USER_MEMORY, KVM_CAP_DESTROY_MEMORY_REGION_WORKS, KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
	KVM_CAP_SYNC_MMU, KVM_CAP_READONLY_MEM, KVM_CAP_SET_TSS_ADDR, KVM_CAP_SET_IDENTITY_MAP_ADDR,
	/* A virtual processor and its state. */
	KVM_CAP_SET_BOOT_CPU_ID, KVM_CAP_EXT_CPUID, KVM_CAP_EXT_EMUL_CPUID,
	KVM_CAP_GET_MSR_FEATURES, KVM_CAP_MP_STATE, KVM_CAP_USER_NMI, KVM_CAP_INTERNAL_ERROR_DATA,
	KVM_CAP_VCPU_EVENTS, KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_DEBUGREGS,
	KVM_CAP_X86_ROBUST_SINGLESTEP, KVM_CAP_SET_GUEST_DEBUG, KVM_CAP_XSAVE, KVM_CAP_XCRS,
	KVM_CAP_SREGS2, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_GET_TSC_KHZ, KVM_CAP_VCPU_ATTRIBUTES,
	/* MSRs, and what is shown of us. */
	KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_X86_USER_SPACE_MSR,
	KVM_CAP_X86_MSR_FILTER,
	/* Interrupts and timers. */
	KVM_CAP_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_IRQ_INJECT_STATUS, KVM_CAP_SIGNAL_MSI,
	KVM_CAP_IRQFD, KVM_CAP_IRQFD_RESAMPLE, KVM_CAP_PIT, KVM_CAP_PIT2, KVM_CAP_PIT_STATE2,
	KVM_CAP_REINJECT_CONTROL, KVM_CAP_TSC_DEADLINE_TIMER,
	/* The ABI itself, and what goes by without the VMM. */
	KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_ENABLE_CAP, KVM_CAP_ENABLE_CAP_VM,
	KVM_CAP_DISABLE_QUIRKS, KVM_CAP_BINARY_STATS_FD, KVM_CAP_IOEVENTFD,
	KVM_CAP_IOEVENTFD_NO_LENGTH, KVM_CAP_IOEVENTFD_ANY_LENGTH, KVM_CAP_COALESCED_PIO
};

/* And what says how many there are, or which. */
static const struct {
	u16 capability;
	u32 value;
} capabilities[] = {
	{ KVM_CAP_NR_MEMSLOTS, SLOTS_MAX },
	{ KVM_CAP_NR_VCPUS, VM_VCPUS_MAX },
	{ KVM_CAP_MAX_VCPUS, VM_VCPUS_MAX },
	{ KVM_CAP_MAX_VCPU_ID, VM_VCPU_ID_MAX },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_MCE, 32 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_DISABLE_QUIRKS2,
	  KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |
	          KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS },
	{ KVM_CAP_IRQ_ROUTING, ROUTE_MAX },
	{ KVM_CAP_X2APIC_API,
	  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
};

long kvm_capability(unsigned long capability)
{
	unsigned int i;

	/* The size of the largest state that KVM_GET_XSAVE2 can have. */
	if (capability == KVM_CAP_XSAVE2)
		return sizeof(struct kvm_xsave);
	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		if (plain[i] == capability)
			return 1;
	}
	for (i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (capabilities[i].capability == capability)
			return capabilities[i].value;
	}
	return 0;
}

/* KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. */
static long get_msr_list(struct kvm_msr_list __user *user, bool features)
{
	u32 room, index;
	unsigned int count = 0, n;

	if (get_user(room, &user->nmsrs))
		return -EFAULT;
	while (msr_list(features, count, &index))
		count++;
	if (put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	for (n = 0; n < count; n++) {
		msr_list(features, n, &index);
		if (put_user(index, &user->indices[n]))
			return -EFAULT;
	}
	return 0;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	u64 mce = 0x1000100 | 32; /* MCG_CTL_P, MCG_SER_P, and how many banks */

	switch (command) {
	case KVM_GET_API_VERSION:
		return argument ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_create(argument);
	case KVM_CHECK_EXTENSION:
		return kvm_capability(argument);
	case KVM_GET_VCPU_MMAP_SIZE:
		return argument ? -EINVAL : (KVM_COALESCED_MMIO_PAGE_OFFSET + 1) * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return cpuid_get_supported(user);
	case KVM_GET_EMULATED_CPUID:
		/* Features that only we make, and that cost much: none. */
		return put_user(0, &((struct kvm_cpuid2 __user *)user)->nent);
	case KVM_GET_MSR_INDEX_LIST:
		return get_msr_list(user, false);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return get_msr_list(user, true);
	case KVM_GET_MSRS:
		return msr_transfer(NULL, user, false);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return copy_to_user(user, &mce, sizeof(mce)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

struct miscdevice kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &operations,
};
