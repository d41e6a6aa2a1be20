// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSRs with an effect.  Those that only keep a value are in msr-table.c.  Of the first, the
 * processor serves FS, GS and kernel GS base, the system call and the SYSENTER MSRs itself: only
 * the VMM comes here for them.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <linux/kvm_para.h>
#include <linux/uaccess.h>

#include "module/irqchip.h"
#include "module/vcpu.h"

#define MCG_BANKS_MAX 32
/* MCG_CTL_P, MCG_SER_P, MCG_LMCE_P, and the count */
#define MCG_KNOWN 0x90001ffull

/* Where the shared page has an MSR, and of which group it is; NULL. */
static u64 *in_state(struct vcpu *vcpu, u32 index, u32 *ret_group)
{
	struct sill_vcpu *state = vcpu->state;

	*ret_group = SILL_GROUP_CALLS;
	switch (index) {
	case MSR_STAR:
		return &state->calls.star;
	case MSR_LSTAR:
		return &state->calls.lstar;
	case MSR_CSTAR:
		return &state->calls.cstar;
	case MSR_SYSCALL_MASK:
		return &state->calls.sfmask;
	case MSR_KERNEL_GS_BASE:
		return &state->calls.kernel_gs_base;
	case MSR_IA32_SYSENTER_CS:
		return &state->calls.sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &state->calls.sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &state->calls.sysenter_eip;
	case MSR_FS_BASE:
		*ret_group = SILL_GROUP_SEGMENTS;
		return &state->segments[SILL_FS].base;
	case MSR_GS_BASE:
		*ret_group = SILL_GROUP_SEGMENTS;
		return &state->segments[SILL_GS].base;
	default:
		return NULL;
	}
}

static bool is_canonical(u64 address)
{
	return (u64)((s64)address << 7 >> 7) == address;
}

static enum msr_answer write_state(struct vcpu *vcpu, u32 index, u64 value, u64 *place, u32 group)
{
	bool address =
		index != MSR_STAR && index != MSR_SYSCALL_MASK && index != MSR_IA32_SYSENTER_CS;

	if (address && !is_canonical(value))
		return MSR_FAULT;
	vcpu_want(vcpu, group);
	*place = value;
	vcpu_changed(vcpu, group);
	return MSR_OK;
}

static enum msr_answer write_efer(struct vcpu *vcpu, u64 value, bool by_host)
{
	u64 *efer = &vcpu->state->system.efer, old = *efer & ~(u64)EFER_SVME;
	const u64 known = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_FFXSR;

	if (value & ~known)
		return MSR_FAULT;
	if (!by_host) {
		/* LMA is the processor's, and LME stays as it is while paging is on. */
		if (((value ^ old) & EFER_LME) && (vcpu->state->system.cr0 & X86_CR0_PG))
			return MSR_FAULT;
		value = (value & ~(u64)EFER_LMA) | (old & EFER_LMA);
	}
	*efer = value;
	vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
	return MSR_OK;
}

static enum msr_answer write_pat(struct vcpu *vcpu, u64 value)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type > 7 || type == 2 || type == 3)
			return MSR_FAULT;
	}
	vcpu->state->system.pat = value;
	vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
	return MSR_OK;
}

bool msr_apic_base_is_sound(struct vcpu *vcpu, u64 value)
{
	u64 high = ~0ull << cpuid_address_bits(&vcpu->cpuid);

	/* Bits 0 to 7 and 9 are reserved; x2APIC needs the APIC on. */
	return !(value & (high | 0x2ff)) &&
	       (value & (X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE)) != X2APIC_ENABLE;
}

static enum msr_answer write_apic_base(struct vcpu *vcpu, u64 value, bool by_host)
{
	if (vcpu->irq)
		return irqchip_set_base(vcpu, value, by_host) ? MSR_OK : MSR_FAULT;
	if (!msr_apic_base_is_sound(vcpu, value))
		return MSR_FAULT;
	vcpu->apic_base = value;
	return MSR_OK;
}

/* Registers of an x2APIC, and the timer's deadline. */
static bool is_apic(const struct vcpu *vcpu, u32 index)
{
	return vcpu->irq && ((index >= 0x800 && index <= 0x8ff) || index == MSR_IA32_TSC_DEADLINE);
}

/* What the VMM does not want the guest to have. */
static bool is_hidden(const struct vcpu *vcpu, u32 index)
{
	const struct kvm_cpuid_entry2 *entry;
	u32 feature;

	switch (index) {
	case MSR_PLATFORM_INFO:
		return vcpu->vm->no_platform_info;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		feature = KVM_FEATURE_CLOCKSOURCE;
		break;
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
		feature = KVM_FEATURE_CLOCKSOURCE2;
		break;
	default:
		return false;
	}
	entry = cpuid_find(&vcpu->cpuid, KVM_CPUID_FEATURES, 0);
	return vcpu->pv_enforced && !(entry && (entry->eax >> feature & 1));
}

enum msr_answer msr_read(struct vcpu *vcpu, u32 index, bool by_host, u64 *ret)
{
	u32 group;
	const u64 *place = in_state(vcpu, index, &group);

	if (place) {
		vcpu_want(vcpu, group);
		*ret = *place;
		return MSR_OK;
	}
	if (is_apic(vcpu, index))
		return irqchip_msr_read(vcpu, index, ret) ? MSR_OK : MSR_FAULT;
	if (!by_host && is_hidden(vcpu, index))
		return MSR_FAULT;
	vcpu_want(vcpu, SILL_GROUP_SYSTEM);
	switch (index) {
	case MSR_EFER:
		*ret = vcpu->state->system.efer & ~(u64)EFER_SVME;
		return MSR_OK;
	case MSR_IA32_CR_PAT:
		*ret = vcpu->state->system.pat;
		return MSR_OK;
	case MSR_IA32_DEBUGCTLMSR:
		*ret = vcpu->state->system.debug_control;
		return MSR_OK;
	case MSR_IA32_APICBASE:
		*ret = vcpu->apic_base;
		return MSR_OK;
	case MSR_IA32_TSC:
		*ret = clock_guest_tsc(vcpu);
		return MSR_OK;
	case MSR_IA32_TSC_ADJUST:
		*ret = vcpu->tsc_adjust;
		return MSR_OK;
	case MSR_TSC_AUX:
		if (!by_host && !vcpu->has_rdtscp)
			return MSR_FAULT;
		*ret = vcpu->tsc_aux;
		return MSR_OK;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*ret = vcpu->vm->wall_clock;
		return MSR_OK;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*ret = vcpu->clock_msr;
		return MSR_OK;
	default:
		return msr_values_read(&vcpu->msrs, index, ret);
	}
}

enum msr_answer msr_write(struct vcpu *vcpu, u32 index, u64 value, bool by_host)
{
	u32 group;
	u64 *place = in_state(vcpu, index, &group);

	if (place)
		return write_state(vcpu, index, value, place, group);
	if (is_apic(vcpu, index))
		return irqchip_msr_write(vcpu, index, value) ? MSR_OK : MSR_FAULT;
	if (!by_host && is_hidden(vcpu, index))
		return MSR_FAULT;
	vcpu_want(vcpu, SILL_GROUP_SYSTEM);
	switch (index) {
	case MSR_EFER:
		return write_efer(vcpu, value, by_host);
	case MSR_IA32_CR_PAT:
		return write_pat(vcpu, value);
	case MSR_IA32_DEBUGCTLMSR:
		/* Last branches are not recorded; single steps on branches are the processor's. */
		if (value & ~(u64)DEBUGCTLMSR_BTF)
			return MSR_FAULT;
		vcpu->state->system.debug_control = value;
		vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
		return MSR_OK;
	case MSR_IA32_APICBASE:
		return write_apic_base(vcpu, value, by_host);
	case MSR_IA32_TSC:
		clock_set_tsc(vcpu, value, by_host);
		return MSR_OK;
	case MSR_IA32_TSC_ADJUST:
		clock_set_adjust(vcpu, value, by_host);
		return MSR_OK;
	case MSR_TSC_AUX:
		if ((!by_host && !vcpu->has_rdtscp) || value >> 32)
			return MSR_FAULT;
		vcpu->tsc_aux = value;
		return MSR_OK;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		return clock_set_wall_msr(vcpu, value) ? MSR_FAULT : MSR_OK;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		clock_set_system_msr(vcpu, value);
		return MSR_OK;
	default:
		return msr_values_write(&vcpu->msrs, index, value, by_host);
	}
}

int msr_setup_mce(struct vcpu *vcpu, u64 capability)
{
	unsigned int banks = capability & 0xff;

	if (!banks || banks > MCG_BANKS_MAX || (capability & ~MCG_KNOWN))
		return -EINVAL;
	msr_values_setup_mce(&vcpu->msrs, capability);
	return 0;
}

/* False: it is not there, or does not take the value. */
static bool transfer(struct vcpu *vcpu, struct kvm_msr_entry *entry, bool set)
{
	if (!vcpu)
		return msr_feature(entry->index, &entry->data);
	return (set ? msr_write(vcpu, entry->index, entry->data, true)
	            : msr_read(vcpu, entry->index, true, &entry->data)) == MSR_OK;
}

long msr_transfer(struct vcpu *vcpu, struct kvm_msrs __user *user, bool set)
{
	struct kvm_msr_entry entry;
	u32 count, i;

	if (get_user(count, &user->nmsrs))
		return -EFAULT;
	if (count > 256)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		if (copy_from_user(&entry, &user->entries[i], sizeof(entry)))
			return -EFAULT;
		if (!transfer(vcpu, &entry, set))
			break;
		if (!set && copy_to_user(&user->entries[i], &entry, sizeof(entry)))
			return -EFAULT;
	}
	return i;
}
