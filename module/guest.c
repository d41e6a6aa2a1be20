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
	int result;

	*ret = 0;
	result = memory_read(vcpu->vm, guest, ret, size);
	/* Where there is no memory a bus reads ones. */
	if (result == MEMORY_DEVICE)
		*ret = ~0ull;
	return result < 0 ? -EFAULT : 0;
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
	struct walk walk;

	vcpu_want(vcpu, SILL_GROUP_SYSTEM | SILL_GROUP_SEGMENTS);
	walk = (struct walk){
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

/*
 * The bytes tell whether an entry is still right.  That RIP's page has been mapped elsewhere since
 * only a walk would tell; but then too both places have the same instruction, unless the guest puts
 * a useless prefix before the one of them, and its own RIP a byte aside.
 */
static struct guest_length *length_at(struct vcpu *vcpu)
{
	u64 rip = vcpu->state->rip;

	return &vcpu->lengths[(rip ^ rip >> 6) % GUEST_LENGTHS];
}

unsigned int guest_known_length(struct vcpu *vcpu)
{
	const struct guest_length *known = length_at(vcpu);
	u32 bytes;
	int error;

	if (known->rip != vcpu->state->rip || known->reason != vcpu->state->exit)
		return 0;
	pagefault_disable();
	error = __get_user(bytes, (const u32 __user *)known->place);
	pagefault_enable();
	return error || ((bytes ^ known->bytes) & known->mask) ? 0 : known->length;
}

void guest_learn_length(struct vcpu *vcpu, unsigned int length)
{
	struct guest_length known = {
		.rip = vcpu->state->rip,
		.mask = ~0u >> (8 * (4 - length) & 31),
		.length = length,
		.reason = vcpu->state->exit,
	};
	u64 guest, linear = vcpu_linear_rip(vcpu);
	u32 code;

	/* Four bytes of one page are looked at. */
	if (length > 4 || (linear & ~PAGE_MASK) > PAGE_SIZE - 4)
		return;
	vcpu_want(vcpu, SILL_GROUP_SEGMENTS);
	if (guest_translate(vcpu, linear, WALK_FETCH | (vcpu->state->cpl == 3 ? WALK_USER : 0),
	                    &guest, &code))
		return;
	known.place = (const u8 __user *)memory_user(vcpu->vm, guest);
	if (known.place && !get_user(known.bytes, (const u32 __user *)known.place))
		*length_at(vcpu) = known;
}
