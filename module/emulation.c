// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions that touch devices: the emulator's (module/emulate.h) hands and eyes.  What is a
 * device of ours is served at once; for the others the VMM is asked, and the instruction goes on in
 * the next KVM_RUN.
 */
#include "module/emulate.h"

#include "module/io.h"

/* Iterations of a repeated instruction, before the thread looks for other work. */
#define ITERATIONS 512u

static int access(void *context, struct emulate_access *access)
{
	enum io_space space = access->kind >= EMULATE_PORT_IN ? IO_PORT : IO_MEMORY;
	bool writes = emulate_writes(access), done;
	struct vcpu *vcpu = context;
	int result = MEMORY_DEVICE;

	if (access->kind == EMULATE_PORT_IN && vcpu->ahead) {
		memcpy(access->data, vcpu->pio + vcpu->ahead_at, access->size);
		vcpu->ahead_at += access->size;
		vcpu->ahead--;
		return 0;
	}
	if (space == IO_MEMORY)
		result =
			writes ? memory_write(vcpu->vm, access->address, access->data, access->size)
			       : memory_read(vcpu->vm, access->address, access->data, access->size);
	if (result != MEMORY_DEVICE)
		return result;
	done = writes ? io_write(vcpu, space, access->address, access->data, access->size)
	              : irqchip_read(vcpu, space, access->address, access->data, access->size);
	return done ? 0 : EMULATE_DEVICE;
}

/* An exchange that no single instruction of ours does: two accesses, as on a bus without locks. */
static int exchange_in_two(struct vcpu *vcpu, u64 physical, const void *expected,
                           const void *wanted, unsigned int size)
{
	u8 now[16];
	int result = memory_read(vcpu->vm, physical, now, size);

	if (!result && memcmp(now, expected, size))
		return EMULATE_AGAIN;
	if (!result)
		result = memory_write(vcpu->vm, physical, wanted, size);
	return result == MEMORY_DEVICE ? EMULATE_DEVICE : result;
}

static int exchange(void *context, u64 physical, const void *expected, const void *wanted,
                    unsigned int size)
{
	struct vcpu *vcpu = context;
	u64 old = 0, new = 0;
	int result;

	if (size > 8 || !is_power_of_2(size) || physical % size)
		return exchange_in_two(vcpu, physical, expected, wanted, size);
	memcpy(&old, expected, size);
	memcpy(&new, wanted, size);
	result = memory_exchange(vcpu->vm, physical, &old, new, size);
	if (result == -EAGAIN)
		return EMULATE_AGAIN;
	return result == MEMORY_DEVICE ? EMULATE_DEVICE : result;
}

static const struct emulate_ops ops = {
	.translate = guest_translate,
	.access = access,
	.exchange = exchange,
	.vector_read = vcpu_vector_read,
	.vector_write = vcpu_vector_write,
};

static int go_on(struct vcpu *vcpu);

/* The VMM has done the access. */
static int answered(struct vcpu *vcpu)
{
	struct emulate *e = vcpu->emulate;

	if (e->access.kind == EMULATE_MEMORY_READ)
		memcpy(e->access.data, vcpu->run->mmio.data, 8);
	else if (e->access.kind == EMULATE_PORT_IN)
		memcpy(e->access.data, vcpu->pio, 8);
	emulate_answer(e);
	return go_on(vcpu);
}

/*
 * How often the VMM is to read the port at once: of a repeated INS as often as its page has room
 * for, so that nothing that was read can get lost on the way to it.
 */
static u32 inputs(const struct vcpu *vcpu, unsigned int size)
{
	const struct insn *insn = &vcpu->emulate->insn;
	const struct sill_vcpu *state = vcpu->state;
	u64 mask = ~0ull >> (64 - 8 * insn->address_size), to = state->gpr[INSN_RDI] & mask;

	if (insn->op != INSN_INS || !insn->repeat || (state->rflags & X86_EFLAGS_DF))
		return 1;
	if (!vcpu_long_code(vcpu))
		to += state->segments[SILL_ES].base;
	return clamp_t(u64,
	               min(state->gpr[INSN_RCX] & mask, (PAGE_SIZE - offset_in_page(to)) / size), 1,
	               ITERATIONS);
}

/* Asks the VMM for it. */
static int ask(struct vcpu *vcpu, const struct emulate_access *access)
{
	struct kvm_run *run = vcpu->run;

	if (access->kind == EMULATE_PORT_IN || access->kind == EMULATE_PORT_OUT) {
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction =
			access->kind == EMULATE_PORT_IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
		run->io.port = access->address;
		run->io.size = access->size;
		vcpu->ahead = access->kind == EMULATE_PORT_IN ? inputs(vcpu, access->size) - 1 : 0;
		vcpu->ahead_at = access->size;
		run->io.count = vcpu->ahead + 1;
		run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
		memcpy(vcpu->pio, access->data, 8);
	} else {
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = access->address;
		run->mmio.len = access->size;
		run->mmio.is_write = access->kind == EMULATE_MEMORY_WRITE;
		memcpy(run->mmio.data, access->data, 8);
	}
	vcpu_complete_with(vcpu, answered);
	return 0;
}

/* What a result of the emulator's means, as exits do. */
static int outcome(struct vcpu *vcpu, int result)
{
	const struct emulate_exception *exception = &vcpu->emulate->exception;

	switch (result) {
	case EMULATE_DONE:
		return exit_finish(vcpu);
	case EMULATE_AGAIN:
		/* The guest meets the instruction again. */
		return 1;
	case EMULATE_DEVICE:
		return ask(vcpu, &vcpu->emulate->access);
	case EMULATE_FAULT:
		if (exception->vector == PF_VECTOR)
			event_page_fault(vcpu, exception->address, exception->code);
		else
			event_exception(vcpu, exception->vector,
			                exception->has_code ? exception->code : NO_CODE);
		return 1;
	case EMULATE_UNKNOWN:
		return exit_emulation_error(vcpu);
	default:
		return result;
	}
}

static int go_on(struct vcpu *vcpu)
{
	return outcome(vcpu, emulate_run(vcpu->emulate, ITERATIONS));
}

static int begin(struct vcpu *vcpu)
{
	vcpu_want(vcpu, SILL_GROUP_SYSTEM | SILL_GROUP_SEGMENTS);
	vcpu->ahead = 0;
	emulate_begin(vcpu->emulate, vcpu->state, vcpu->xcr0, &ops, vcpu);
	return emulate_decode(vcpu->emulate);
}

int exit_emulate(struct vcpu *vcpu)
{
	int result = begin(vcpu);

	return result ? outcome(vcpu, result) : go_on(vcpu);
}

const struct insn *exit_decode(struct vcpu *vcpu, int *ret_result)
{
	int result = begin(vcpu);

	if (!result)
		return &vcpu->emulate->insn;
	*ret_result = outcome(vcpu, result);
	return NULL;
}

int exit_emulation_error(struct vcpu *vcpu)
{
	const struct emulate *e = vcpu->emulate;
	struct kvm_run *run = vcpu->run;

	/* For its bytes, whatever they mean. */
	begin(vcpu);
	memset(&run->internal, 0, sizeof(run->internal));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 1;
	if (e->count > 0) {
		run->emulation_failure.ndata = 3;
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = e->count;
		memcpy(run->emulation_failure.insn_bytes, e->bytes, e->count);
	}
	return 0;
}
