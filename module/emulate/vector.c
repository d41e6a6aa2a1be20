// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moves between a vector register and memory, whole or in part (AMD64 Architecture Programmer's
 * Manual volume 4).
 */
#include "module/emulate/internal.h"

#define CR0_EM       0x00000004ull
#define CR0_TS       0x00000008ull
#define CR4_OSFXSR   0x00000200ull
#define CR4_OSXSAVE  0x00040000ull
#define XCR0_SSE_AVX 0x6ull

/* Volume 4, section 1.3: who may use these registers at all. */
static int check_enabled(struct emulate *e)
{
	const struct sill_vcpu *cpu = e->cpu;
	bool enabled;

	if (e->insn.vex)
		enabled = emulate_protected(cpu) && cpu->system.cr4 & CR4_OSXSAVE &&
		          (e->xcr0 & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	else
		enabled = cpu->system.cr4 & CR4_OSFXSR && !(cpu->system.cr0 & CR0_EM);
	if (!enabled)
		return emulate_raise(e, VECTOR_UD, 0);
	return cpu->system.cr0 & CR0_TS ? emulate_raise(e, VECTOR_NM, 0) : 0;
}

static int load(struct emulate *e, const struct place *place)
{
	const struct insn *in = &e->insn;
	unsigned int size = in->op == INSN_VMOV ? in->size : 16;
	uint8_t data[32] = { 0 };
	int error;

	if (in->op == INSN_VLOW || in->op == INSN_VHIGH)
		e->ops->vector_read(e->vcpu, in->reg, data, size);
	error = emulate_read(e, place, data + (in->op == INSN_VHIGH ? 8 : 0));
	if (!error)
		e->ops->vector_write(e->vcpu, in->reg, data, size, in->vex);
	return error;
}

static int store(struct emulate *e, const struct place *place)
{
	const struct insn *in = &e->insn;
	uint8_t data[32];

	e->ops->vector_read(e->vcpu, in->reg, data, in->op == INSN_VMOV ? in->size : 16);
	return emulate_write(e, place, data + (in->op == INSN_VHIGH ? 8 : 0));
}

int emulate_vector(struct emulate *e)
{
	const struct insn *in = &e->insn;
	bool stores = in->to == INSN_IN_RM;
	uint64_t offset = emulate_offset(e);
	struct place place;
	int error = check_enabled(e);

	if (error)
		return error;
	if (in->aligned && emulate_linear(e, in->segment, offset) & (in->size - 1u))
		return emulate_raise(e, VECTOR_GP, 0);
	error = emulate_locate(e, in->segment, offset, in->size, stores ? WALK_WRITE : 0, &place);
	if (!error)
		error = stores ? store(e, &place) : load(e, &place);
	return error ? error : emulate_finish(e, e->cpu->rflags);
}
