// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CPUID's ioctls: the tables of cpuid.c, to and from the VMM.
 */
#include <asm/fpu/xcr.h>
#include <asm/processor.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "module/irqchip.h"
#include "module/vcpu.h"

/* Protection keys are not switched. */
#define XCR0_SWITCHED 0xe7ull

u64 xcr0_of_linux;

static void read_host(u32 leaf, u32 index, struct cpuid_result *ret)
{
	cpuid_count(leaf, index, &ret->eax, &ret->ebx, &ret->ecx, &ret->edx);
}

/* What of XSAVE a guest may use; 0 without XSAVE. */
u64 cpuid_host_xcr0(void)
{
	return xcr0_of_linux & XCR0_SWITCHED;
}

static int give(struct kvm_cpuid2 __user *to, u32 room, const struct kvm_cpuid_entry2 *entries,
                int count)
{
	if (count < 0 || count > room)
		return -E2BIG;
	if (put_user(count, &to->nent) ||
	    copy_to_user(to->entries, entries, count * sizeof(*entries)))
		return -EFAULT;
	return 0;
}

int cpuid_get_supported(struct kvm_cpuid2 __user *to)
{
	struct cpuid_host host = {
		.read = read_host,
		.xcr0 = cpuid_host_xcr0(),
		.tsc_stable = clock_tsc_stable(),
	};
	struct kvm_cpuid_entry2 *entries;
	u32 room;
	int error;

	if (get_user(room, &to->nent))
		return -EFAULT;
	entries = kvcalloc(CPUID_ENTRIES_MAX, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	error = give(to, room, entries, cpuid_supported(&host, entries, CPUID_ENTRIES_MAX));
	kvfree(entries);
	return error;
}

/* Features that only we make, and that cost much: none. */
int cpuid_get_emulated(struct kvm_cpuid2 __user *to)
{
	return put_user(0, &to->nent) ? -EFAULT : 0;
}

static int take(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 count)
{
	const struct kvm_cpuid_entry2 *entry;
	int error = cpuid_set(&vcpu->cpuid, entries, count);

	if (error)
		return error;
	entry = cpuid_find(&vcpu->cpuid, 0x80000001, 0);
	vcpu->has_rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP) && entry && (entry->edx >> 27 & 1);
	irqchip_set_features(vcpu);
	return 0;
}

int cpuid_put(struct vcpu *vcpu, struct kvm_cpuid2 __user *from)
{
	struct kvm_cpuid_entry2 *entries;
	u32 count;
	int error;

	if (get_user(count, &from->nent))
		return -EFAULT;
	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	entries = vmemdup_user(from->entries, array_size(count, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	error = take(vcpu, entries, count);
	kvfree(entries);
	return error;
}

/* KVM_SET_CPUID: entries without an index. */
int cpuid_put_old(struct vcpu *vcpu, struct kvm_cpuid __user *from)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry old;
	u32 count, i;
	int error = 0;

	if (get_user(count, &from->nent))
		return -EFAULT;
	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	entries = kvcalloc(count, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < count && !error; i++) {
		if (copy_from_user(&old, &from->entries[i], sizeof(old)))
			error = -EFAULT;
		entries[i] = (struct kvm_cpuid_entry2){
			.function = old.function,
			.eax = old.eax,
			.ebx = old.ebx,
			.ecx = old.ecx,
			.edx = old.edx,
		};
	}
	if (!error)
		error = take(vcpu, entries, count);
	kvfree(entries);
	return error;
}

int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 __user *to)
{
	u32 room;

	if (get_user(room, &to->nent))
		return -EFAULT;
	return give(to, room, vcpu->cpuid.entries, vcpu->cpuid.count);
}
