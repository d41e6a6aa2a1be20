// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Strings and ports.  One iteration is done whole: then its registers change, and the log is empty
 * for the next one.
 */
#include "module/emulate/internal.h"

struct step {
	bool uses_source, uses_destination, writes;
	struct place source, destination;
};

static int locate(struct emulate *e, struct step *step)
{
	const struct insn *in = &e->insn;
	const uint64_t *gpr = e->cpu->gpr;
	uint64_t mask = size_mask(in->address_size);
	int error = 0;

	if (step->uses_source)
		error = emulate_locate(e, in->segment, gpr[INSN_RSI] & mask, in->size, 0,
		                       &step->source);
	/* There is no override for ES:rDI. */
	if (!error && step->uses_destination)
		error = emulate_locate(e, INSN_ES, gpr[INSN_RDI] & mask, in->size,
		                       step->writes ? WALK_WRITE : 0, &step->destination);
	return error;
}

/* The data of one iteration; sets what becomes of RAX and the flags. */
static int transfer(struct emulate *e, const struct step *step, uint64_t *rax, uint64_t *rflags)
{
	const struct insn *in = &e->insn;
	uint16_t port = (uint16_t)e->cpu->gpr[INSN_RDX];
	uint64_t value = *rax, other = 0;
	int error = 0;

	if (step->uses_source) {
		value = 0;
		error = emulate_read(e, &step->source, &value);
	}
	if (!error && step->uses_destination && !step->writes)
		error = emulate_read(e, &step->destination, &other);
	if (!error && in->op == INSN_INS)
		error = emulate_access(e, EMULATE_PORT_IN, port, &value, in->size);
	if (!error && in->op == INSN_OUTS)
		error = emulate_access(e, EMULATE_PORT_OUT, port, &value, in->size);
	if (!error && step->writes)
		error = emulate_write(e, &step->destination, &value);
	if (error)
		return error;
	if (in->op == INSN_CMPS || in->op == INSN_SCAS)
		alu_run(INSN_CMP, in->size, value & size_mask(in->size), other, 0, rflags);
	*rax = value;
	return 0;
}

static void advance(struct emulate *e, unsigned int number)
{
	uint64_t by = e->insn.size;

	if (e->cpu->rflags & FLAG_DF)
		by = -by;
	emulate_set(e, number, e->insn.address_size, e->cpu->gpr[number] + by);
}

/* One iteration.  EMULATE_DONE: registers are those after it. */
static int iterate(struct emulate *e, struct step *step)
{
	uint64_t rax = e->cpu->gpr[INSN_RAX], rflags = e->cpu->rflags;
	int error = locate(e, step);

	if (!error && (e->insn.op == INSN_INS || e->insn.op == INSN_OUTS))
		error = emulate_port_check(e, (uint16_t)e->cpu->gpr[INSN_RDX], e->insn.size);
	if (!error)
		error = transfer(e, step, &rax, &rflags);
	if (error)
		return error;
	if (e->insn.op == INSN_LODS)
		emulate_set(e, INSN_RAX, e->insn.size, rax);
	e->cpu->rflags = rflags;
	if (step->uses_source)
		advance(e, INSN_RSI);
	if (step->uses_destination)
		advance(e, INSN_RDI);
	e->logged = e->at = 0;
	return EMULATE_DONE;
}

/* After an iteration of CMPS or SCAS: does the prefix want another one? */
static bool goes_on(const struct emulate *e)
{
	const struct insn *in = &e->insn;

	if (in->op != INSN_CMPS && in->op != INSN_SCAS)
		return true;
	return (in->repeat == 0xF3) == !!(e->cpu->rflags & FLAG_ZF);
}

int emulate_string(struct emulate *e, unsigned int iterations)
{
	const struct insn *in = &e->insn;
	uint8_t op = in->op;
	struct step step = {
		.uses_source =
			op == INSN_MOVS || op == INSN_CMPS || op == INSN_LODS || op == INSN_OUTS,
		.uses_destination = op != INSN_LODS && op != INSN_OUTS,
		.writes = op == INSN_MOVS || op == INSN_STOS || op == INSN_INS,
	};
	uint64_t count;
	int error;

	if (!in->repeat) {
		error = iterate(e, &step);
		return error ? error : emulate_finish(e, e->cpu->rflags);
	}
	for (;;) {
		count = emulate_get(e, INSN_RCX, in->address_size);
		if (count == 0)
			break;
		if (iterations-- == 0)
			return EMULATE_AGAIN;
		error = iterate(e, &step);
		if (error)
			return error;
		emulate_set(e, INSN_RCX, in->address_size, count - 1);
		if (!goes_on(e))
			break;
	}
	return emulate_finish(e, e->cpu->rflags);
}

int emulate_in_out(struct emulate *e)
{
	const struct insn *in = &e->insn;
	bool input = in->op == INSN_IN;
	uint8_t where = input ? in->from : in->to;
	uint16_t port = (uint16_t)(where == INSN_IN_IMM ? in->immediate : e->cpu->gpr[INSN_RDX]);
	uint64_t value = emulate_get(e, INSN_RAX, in->size);
	int error = emulate_port_check(e, port, in->size);

	if (!error)
		error = emulate_access(e, input ? EMULATE_PORT_IN : EMULATE_PORT_OUT, port, &value,
		                       in->size);
	if (error)
		return error;
	if (input)
		emulate_set(e, INSN_RAX, in->size, value);
	return emulate_finish(e, e->cpu->rflags);
}
