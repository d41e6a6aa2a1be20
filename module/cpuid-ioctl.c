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

/* Takes the entries over, which are freed. */
static int take(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 count)
{
	const struct kvm_cpuid_entry2 *entry;
	int error = cpuid_set(&vcpu->cpuid, entries, count);

	kvfree(entries);
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

	if (get_user(count, &from->nent))
		return -EFAULT;
	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	entries = vmemdup_user(from->entries, array_size(count, sizeof(*entries)));
	return IS_ERR(entries) ? PTR_ERR(entries) : take(vcpu, entries, count);
}

/* KVM_SET_CPUID: entries without an index. */
int cpuid_put_old(struct vcpu *vcpu, struct kvm_cpuid __user *from)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry old;
	u32 count, i;

	if (get_user(count, &from->nent))
		return -EFAULT;
	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	entries = kvcalloc(count, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (copy_from_user(&old, &from->entries[i], sizeof(old))) {
			kvfree(entries);
			return -EFAULT;
		}
		entries[i].function = old.function;
		entries[i].eax = old.eax;
		entries[i].ebx = old.ebx;
		entries[i].ecx = old.ecx;
		entries[i].edx = old.edx;
	}
	return take(vcpu, entries, count);
}

int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 __user *to)
{
	u32 room;

	if (get_user(room, &to->nent))
		return -EFAULT;
	return give(to, room, vcpu->cpuid.entries, vcpu->cpuid.count);
}
