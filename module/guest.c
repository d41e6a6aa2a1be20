// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory as a virtual processor sees it.  In its thread.
 */
#include "module/guest.h"

#include <asm/processor-flags.h>

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

int guest_translate(struct vcpu *vcpu, u64 linear, unsigned int access, u64 *ret_guest,
                    u32 *ret_code)
{
	const struct sill_vcpu *state = vcpu->state;
	struct walk walk = {
		.cr0 = state->system.cr0,
		.cr3 = state->system.cr3,
		.cr4 = state->system.cr4,
		.efer = state->system.efer,
		.user = state->cpl == 3,
		.alignment_check = (state->rflags & X86_EFLAGS_AC) != 0,
		.address_bits = cpuid_address_bits(&vcpu->cpuid),
		.context = vcpu,
		.read = read_entry,
		.set = set_entry,
	};

	return walk_translate(&walk, linear, access, ret_guest, ret_code);
}

unsigned int guest_code_size(const struct vcpu *vcpu)
{
	u16 attributes = vcpu->state->segments[SILL_CS].attributes;

	if (vcpu_long_code(vcpu))
		return 8;
	/* In real and virtual mode the bit is clear, or means what it says. */
	return attributes & 0x400 ? 4 : 2;
}

int guest_fetch(struct vcpu *vcpu, u8 *bytes)
{
	const struct sill_vcpu *state = vcpu->state;
	u64 linear = state->rip, guest;
	unsigned int count = 0;
	u32 code;
	int error;

	if (!vcpu_long_code(vcpu))
		linear = (u32)(linear + state->segments[SILL_CS].base);
	while (count < INSN_MAX) {
		u64 length = min_t(u64, INSN_MAX - count, PAGE_SIZE - (linear & ~PAGE_MASK));

		error = guest_translate(vcpu, linear, WALK_FETCH, &guest, &code);
		/* The next page may lack what the instruction does not need. */
		if (error && count)
			break;
		if (error == 1) {
			event_page_fault(vcpu, linear, code);
			return 0;
		}
		if (!error && memory_read(vcpu->vm, guest, bytes + count, length))
			error = -EFAULT;
		if (error && count)
			break;
		if (error)
			return error;
		count += length;
		linear += length;
	}
	return count;
}

int guest_decode(struct vcpu *vcpu, struct insn *ret)
{
	u8 bytes[INSN_MAX];
	int count = vcpu->state->fetched;

	if (count)
		memcpy(bytes, vcpu->state->bytes, count = min_t(int, count, INSN_MAX));
	if (!count || insn_decode(bytes, count, guest_code_size(vcpu), ret) == INSN_SHORT) {
		count = guest_fetch(vcpu, bytes);
		if (count <= 0)
			return count;
	}
	switch (insn_decode(bytes, count, guest_code_size(vcpu), ret)) {
	case INSN_OK:
		return 1;
	case INSN_TOO_LONG:
		event_exception(vcpu, GP_VECTOR, 0);
		return 0;
	case INSN_UNDEFINED:
		event_exception(vcpu, UD_VECTOR, NO_CODE);
		return 0;
	default:
		return -EINVAL;
	}
}
