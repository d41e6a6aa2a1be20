// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions that touch devices: the emulator's (module/emulate.h) hands and eyes.  What is a
 * device of ours is served at once; for the others the VMM is asked, and the instruction goes on in
 * the next KVM_RUN.
 */
#include "module/emulation.h"

#include <asm/fpu/api.h>
#include <linux/slab.h>

#include "module/guest.h"
#include "module/io.h"

/* Iterations of a repeated instruction, before the thread looks for other work. */
#define ITERATIONS 512u

/* Where XSAVE's standard format has vector registers: APM volume 2, 11.4.4 and CPUID leaf Dh. */
#define XMM_OFFSET    160u
#define HEADER_OFFSET 512u
#define YMM_OFFSET    576u
#define XSTATE_SSE    2ull
#define XSTATE_YMM    4ull

static int translate(void *context, u64 linear, unsigned int access, u64 *ret_physical,
                     u32 *ret_code)
{
	struct vcpu *vcpu = context;
	unsigned int walk = 0;
	int result;

	if (access & EMULATE_WRITE)
		walk |= WALK_WRITE;
	if (access & EMULATE_FETCH)
		walk |= WALK_FETCH;
	if (!(access & EMULATE_USER))
		walk |= WALK_SUPERVISOR;
	result = guest_translate(vcpu, linear, walk, ret_physical, ret_code);
	return result == 1 ? EMULATE_FAULT : result;
}

static int read(void *context, u64 physical, void *data, unsigned int size)
{
	struct vcpu *vcpu = context;
	int result = memory_read(vcpu->vm, physical, data, size);

	if (result != MEMORY_DEVICE)
		return result;
	return io_read(vcpu, IO_MEMORY, physical, data, size) ? 0 : EMULATE_DEVICE;
}

static int write(void *context, u64 physical, const void *data, unsigned int size)
{
	struct vcpu *vcpu = context;
	int result = memory_write(vcpu->vm, physical, data, size);

	if (result != MEMORY_DEVICE)
		return result;
	return io_write(vcpu, IO_MEMORY, physical, data, size) ? 0 : EMULATE_DEVICE;
}

/* An exchange that no single instruction of ours does: two accesses, as on a bus without locks. */
static int exchange_in_two(struct vcpu *vcpu, u64 physical, const void *expected,
                           const void *wanted, unsigned int size)
{
	u8 now[16];
	int result = memory_read(vcpu->vm, physical, now, size);

	if (result)
		return result == MEMORY_DEVICE ? EMULATE_DEVICE : result;
	if (memcmp(now, expected, size))
		return EMULATE_AGAIN;
	return write(vcpu, physical, wanted, size);
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

static int port_in(void *context, u16 port, void *data, unsigned int size)
{
	return io_read(context, IO_PORT, port, data, size) ? 0 : EMULATE_DEVICE;
}

static int port_out(void *context, u16 port, const void *data, unsigned int size)
{
	return io_write(context, IO_PORT, port, data, size) ? 0 : EMULATE_DEVICE;
}

/*
 * The guest's vector registers in the standard format.  While KVM_RUN is under way they may be in
 * the processor: whoever takes the FPU for the kernel has them saved, and loaded again before the
 * guest runs.
 */
static u8 *vector_state(struct vcpu *vcpu)
{
	u8 *area = kzalloc(sizeof(struct kvm_xsave), GFP_KERNEL | __GFP_NOFAIL);

	kernel_fpu_begin();
	kernel_fpu_end();
	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, area, sizeof(struct kvm_xsave),
	                               vcpu->fpu.fpstate->user_xfeatures, 0);
	return area;
}

static void vector_read(void *context, unsigned int number, u8 *data, unsigned int size)
{
	u8 *area = vector_state(context);

	memcpy(data, area + XMM_OFFSET + 16 * number, 16);
	if (size > 16)
		memcpy(data + 16, area + YMM_OFFSET + 16 * number, 16);
	kfree(area);
}

static void vector_write(void *context, unsigned int number, const u8 *data, unsigned int size,
                         bool clear)
{
	struct vcpu *vcpu = context;
	u8 *area = vector_state(vcpu);
	u64 *present = (u64 *)(area + HEADER_OFFSET);
	u32 pkru = 0;

	memcpy(area + XMM_OFFSET + 16 * number, data, 16);
	*present |= XSTATE_SSE;
	if (size > 16) {
		memcpy(area + YMM_OFFSET + 16 * number, data + 16, 16);
		*present |= XSTATE_YMM;
	} else if (clear) {
		memset(area + YMM_OFFSET + 16 * number, 0, 16);
	}
	fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, area, cpuid_host_xcr0() | XSTATE_SSE, &pkru);
	kfree(area);
}

static const struct emulate_ops ops = {
	.translate = translate,
	.read = read,
	.write = write,
	.exchange = exchange,
	.port_in = port_in,
	.port_out = port_out,
	.vector_read = vector_read,
	.vector_write = vector_write,
};

static struct emulate_segment segment(const struct sill_segment *from)
{
	return (struct emulate_segment){
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.attributes = from->attributes,
	};
}

static void take_registers(struct vcpu *vcpu)
{
	static const u8 order[] = { SILL_ES, SILL_CS, SILL_SS, SILL_DS, SILL_FS, SILL_GS };
	const struct sill_vcpu *state = vcpu->state;
	struct emulate_cpu *cpu = &vcpu->emulation->cpu;
	unsigned int i;

	memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
	cpu->rip = state->rip;
	cpu->rflags = state->rflags;
	cpu->cr0 = state->system.cr0;
	cpu->cr4 = state->system.cr4;
	cpu->efer = state->system.efer;
	cpu->xcr0 = vcpu->xcr0;
	for (i = 0; i < ARRAY_SIZE(order); i++)
		cpu->segment[i] = segment(&state->segments[order[i]]);
	cpu->tr = segment(&state->segments[SILL_TR]);
	cpu->cpl = state->cpl;
}

static void put_registers(struct vcpu *vcpu)
{
	const struct emulate_cpu *cpu = &vcpu->emulation->cpu;

	memcpy(vcpu->state->gpr, cpu->gpr, sizeof(cpu->gpr));
	vcpu->state->rip = cpu->rip;
	vcpu->state->rflags = cpu->rflags;
}

static int go_on(struct vcpu *vcpu);

/* The VMM has done the access. */
static int answered(struct vcpu *vcpu)
{
	struct emulate *e = &vcpu->emulation->emulate;

	if (e->access.kind == EMULATE_MEMORY_READ)
		memcpy(e->access.data, vcpu->run->mmio.data, 8);
	else if (e->access.kind == EMULATE_PORT_IN)
		memcpy(e->access.data, vcpu->pio, 8);
	emulate_answer(e);
	take_registers(vcpu);
	return go_on(vcpu);
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
		run->io.count = 1;
		run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
		memcpy(vcpu->pio, access->data, sizeof(access->data));
	} else {
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = access->address;
		run->mmio.len = access->size;
		run->mmio.is_write = access->kind == EMULATE_MEMORY_WRITE;
		memcpy(run->mmio.data, access->data, sizeof(access->data));
	}
	vcpu_complete_with(vcpu, answered);
	return 0;
}

static int inject(struct vcpu *vcpu, const struct emulate_exception *exception)
{
	if (exception->vector == PF_VECTOR)
		event_page_fault(vcpu, exception->address, exception->code);
	else
		event_exception(vcpu, exception->vector,
		                exception->has_code ? exception->code : NO_CODE);
	return 1;
}

static int go_on(struct vcpu *vcpu)
{
	struct emulate *e = &vcpu->emulation->emulate;
	int result = emulate_run(e, ITERATIONS);

	/* Iterations that are done count, whatever came of the next. */
	put_registers(vcpu);
	switch (result) {
	case EMULATE_DONE:
		return exit_finish(vcpu);
	case EMULATE_AGAIN:
		/* The guest meets the instruction again. */
		return 1;
	case EMULATE_DEVICE:
		return ask(vcpu, &e->access);
	case EMULATE_FAULT:
		return inject(vcpu, &e->exception);
	case EMULATE_UNKNOWN:
		return exit_emulation_error(vcpu);
	default:
		return result;
	}
}

int exit_emulate(struct vcpu *vcpu)
{
	take_registers(vcpu);
	emulate_begin(&vcpu->emulation->emulate, &vcpu->emulation->cpu, &ops, vcpu,
	              vcpu->state->bytes, vcpu->state->fetched);
	return go_on(vcpu);
}
