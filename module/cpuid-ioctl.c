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

/* Bits of CR4 that a guest may have at all. */
static u64 cr4_supported;

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

/* What a guest may have: the number of entries, -errno. */
static int supported(struct kvm_cpuid_entry2 **ret_entries)
{
	struct cpuid_host host = {
		.read = read_host,
		.xcr0 = cpuid_host_xcr0(),
		.tsc_stable = clock_tsc_stable(),
	};

	*ret_entries = kvcalloc(CPUID_ENTRIES_MAX, sizeof(**ret_entries), GFP_KERNEL);
	return *ret_entries ? cpuid_supported(&host, *ret_entries, CPUID_ENTRIES_MAX) : -ENOMEM;
}

int cpuid_setup(void)
{
	struct cpuid_table *table = kvzalloc(sizeof(*table), GFP_KERNEL);
	struct kvm_cpuid_entry2 *entries;
	int result;

	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		xcr0_of_linux = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	result = supported(&entries);
	if (!table)
		result = -ENOMEM;
	if (result >= 0)
		result = cpuid_set(table, entries, result);
	if (!result)
		cr4_supported = cpuid_cr4(table);
	kvfree(entries);
	kvfree(table);
	return result;
}

struct cpuid_state cpuid_state_of(const struct vcpu *vcpu)
{
	struct cpuid_state state = {
		.cr4 = vcpu->state->system.cr4,
		.xcr0 = vcpu->xcr0,
		.xss = vcpu->xss,
		.apic_enabled = (vcpu->apic_base & MSR_IA32_APICBASE_ENABLE) != 0,
		.mwait_switched =
			(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT) != 0,
	};
	u64 misc;

	if (state.mwait_switched &&
	    msr_values_read(&vcpu->msrs, MSR_IA32_MISC_ENABLE, &misc) == MSR_OK)
		state.mwait = (misc & MSR_IA32_MISC_ENABLE_MWAIT) != 0;
	return state;
}

u64 vcpu_cr4_allowed(const struct vcpu *vcpu)
{
	return vcpu->cpuid.count ? cr4_supported & cpuid_cr4(&vcpu->cpuid) : cr4_supported;
}

int cpuid_get_supported(struct kvm_cpuid2 __user *to)
{
	struct kvm_cpuid_entry2 *entries;
	u32 room;
	int result;

	if (get_user(room, &to->nent))
		return -EFAULT;
	result = supported(&entries);
	if (result != -ENOMEM)
		result = give(to, room, entries, result);
	kvfree(entries);
	return result;
}

/* Does the guest find the same in the other table? */
static bool shows_the_same(const struct vcpu *vcpu, const struct cpuid_table *other)
{
	const struct cpuid_table *table = &vcpu->cpuid;
	struct cpuid_state state = cpuid_state_of(vcpu);
	struct cpuid_result before, after;
	u32 i;

	for (i = 0; i < table->count && table->count == other->count; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];

		cpuid_execute(table, &state, entry->function, entry->index, &before);
		cpuid_execute(other, &state, entry->function, entry->index, &after);
		if (memcmp(&before, &after, sizeof(before)))
			break;
	}
	return i == other->count;
}

/* Takes the entries over, which are freed.  A guest that has run keeps its features. */
static int take(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 count)
{
	struct cpuid_table *table = kvzalloc(sizeof(*table), GFP_KERNEL);
	const struct kvm_cpuid_entry2 *entry;
	int error;

	error = table ? cpuid_set(table, entries, count) : -ENOMEM;
	if (!error && vcpu->exits && !shows_the_same(vcpu, table))
		error = -EINVAL;
	if (!error)
		vcpu->cpuid = *table;
	kvfree(table);
	kvfree(entries);
	if (error)
		return error;
	entry = cpuid_find(&vcpu->cpuid, 0x80000001, 0);
	vcpu->has_rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP) && entry && (entry->edx >> 27 & 1);
	irqchip_set_features(vcpu);
	return 0;
}

int cpuid_put(struct vcpu *vcpu, void __user *from, bool old)
{
	const struct kvm_cpuid_entry __user *old_entries =
		((struct kvm_cpuid __user *)from)->entries;
	struct kvm_cpuid2 __user *head = from;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry one;
	u32 count, i;

	if (get_user(count, &head->nent))
		return -EFAULT;
	if (count > CPUID_ENTRIES_MAX)
		return -E2BIG;
	entries = kvcalloc(count, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (old ? copy_from_user(&one, &old_entries[i], sizeof(one))
		        : copy_from_user(&entries[i], &head->entries[i], sizeof(*entries))) {
			kvfree(entries);
			return -EFAULT;
		}
		if (old)
			entries[i] =
				(struct kvm_cpuid_entry2){ one.function, 0,       0,      one.eax,
				                           one.ebx,      one.ecx, one.edx };
	}
	return take(vcpu, entries, count);
}

/* As the guest finds it now. */
int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 __user *to)
{
	const struct cpuid_table *table = &vcpu->cpuid;
	struct cpuid_state state = cpuid_state_of(vcpu);
	struct kvm_cpuid_entry2 entry;
	struct cpuid_result result;
	u32 room, i;

	if (get_user(room, &to->nent))
		return -EFAULT;
	if (room < table->count)
		return -E2BIG;
	for (i = 0; i < table->count; i++) {
		entry = table->entries[i];
		cpuid_execute(table, &state, entry.function, entry.index, &result);
		entry.eax = result.eax;
		entry.ebx = result.ebx;
		entry.ecx = result.ecx;
		entry.edx = result.edx;
		if (copy_to_user(&to->entries[i], &entry, sizeof(entry)))
			return -EFAULT;
	}
	return put_user(table->count, &to->nent) ? -EFAULT : 0;
}
