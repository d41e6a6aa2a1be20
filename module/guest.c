// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory as a virtual processor sees it.  In its thread.
 */
#include "module/vcpu.h"

#include <asm/processor-flags.h>

#include "module/walk.h"

static int read_entry(void *context, u64 guest, unsigned int size, u64 *ret)
{
	struct vcpu *vcpu = context;

	*ret = 0;
	return memory_read(vcpu->vm, guest, ret, size) ? -EFAULT : 0;
}

static int set_entry(void *context, u64 guest, unsigned int size, u64 old, u64 new)
{
	struct vcpu *vcpu = context;
	int result = memory_exchange(vcpu->vm, guest, &old, new, size);

	/* Tables in read-only memory keep their bits. */
	return result == MEMORY_DEVICE ? 0 : result;
}

int guest_translate(void *context, u64 linear, unsigned int access, u64 *ret_guest, u32 *ret_code)
{
	struct vcpu *vcpu = context;
	const struct sill_vcpu *state = vcpu->state;
	struct walk walk = {
		.cr0 = state->system.cr0,
		.cr3 = state->system.cr3,
		.cr4 = state->system.cr4,
		.efer = state->system.efer,
		.smap_off = state->cpl < 3 && state->rflags & X86_EFLAGS_AC,
		.address_bits = cpuid_address_bits(&vcpu->cpuid),
		.context = vcpu,
		.read = read_entry,
		.set = set_entry,
	};

	return walk_translate(&walk, linear, access, ret_guest, ret_code);
}
