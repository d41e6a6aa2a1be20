// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Strings and ports.  One iteration is done whole: then its registers change, and the log is empty
 * for the next one.
 */
#include "module/emulate/internal.h"

static void advance(struct emulate *e, unsigned int number)
{
	uint64_t by = e->insn.size;

	if (e->cpu->rflags & FLAG_DF)
		by = -by;
	emulate_set(e, number, e->insn.address_size, e->cpu->gpr[number] + by);
}

/* One iteration.  EMULATE_DONE: registers are those after it. */
static int iterate(struct emulate *e)
{
	const struct insn *in = &e->insn;
	uint8_t op = in->op;
	bool from_port = op == INSN_INS, to_port = op == INSN_OUTS;
	bool source = op == INSN_MOVS || op == INSN_CMPS || op == INSN_LODS || to_port;
	bool destination = op != INSN_LODS && !to_port;
	bool writes = op == INSN_MOVS || op == INSN_STOS || from_port;
	uint64_t *gpr = e->cpu->gpr, mask = size_mask(in->address_size);
	uint64_t value = source ? 0 : emulate_get(e, INSN_RAX, in->size), other = 0;
	uint16_t port = (uint16_t)gpr[INSN_RDX];
	struct place from, to;
	int error = 0;

	if (source)
		error = emulate_locate(e, in->segment, gpr[INSN_RSI] & mask, in->size, 0, &from);
	/* There is no override for ES:rDI. */
	if (!error && destination)
		error = emulate_locate(e, INSN_ES, gpr[INSN_RDI] & mask, in->size,
		                       writes ? WALK_WRITE : 0, &to);
	if (!error && (from_port || to_port))
		error = emulate_port_check(e, port, in->size);
	if (!error && source)
		error = emulate_read(e, &from, &value);
	if (!error && destination && !writes)
		error = emulate_read(e, &to, &other);
	if (!error && (from_port || to_port))
		error = emulate_access(e, from_port ? EMULATE_PORT_IN : EMULATE_PORT_OUT, port,
		                       &value, in->size);
	if (!error && writes)
		error = emulate_write(e, &to, &value);
	if (error)
		return error;
	if (op == INSN_LODS)
		emulate_set(e, INSN_RAX, in->size, value);
	if (source)
		advance(e, INSN_RSI);
	if (destination)
		advance(e, INSN_RDI);
	if (destination && !writes)
		alu_run(INSN_CMP, in->size, value, other, 0, &e->cpu->rflags);
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
	uint64_t count;
	int error;

	if (!in->repeat) {
		error = iterate(e);
		return error ? error : emulate_finish(e, e->cpu->rflags);
	}
	for (;;) {
		count = emulate_get(e, INSN_RCX, in->address_size);
		if (count == 0)
			break;
		if (iterations-- == 0)
			return EMULATE_AGAIN;
		error = iterate(e);
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
