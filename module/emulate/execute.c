// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One instruction, from its operands to its result (AMD64 Architecture Programmer's Manual volume
 * 3).  The order is always: locate every operand, read, compute, write memory, change registers;
 * so that what faults, or waits for a device, has changed nothing.
 */
#include "module/emulate/internal.h"

/* AH, CH, DH and BH are the second bytes of the first four registers. */
static bool is_high_byte(const struct emulate *e, unsigned int number, unsigned int size)
{
	return size == 1 && e->insn.high_byte && number >= 4 && number < 8;
}

uint64_t emulate_get(const struct emulate *e, unsigned int number, unsigned int size)
{
	if (is_high_byte(e, number, size))
		return e->cpu->gpr[number - 4] >> 8 & 0xFF;
	return e->cpu->gpr[number] & size_mask(size);
}

void emulate_set(struct emulate *e, unsigned int number, unsigned int size, uint64_t value)
{
	uint64_t *gpr = e->cpu->gpr, mask = size_mask(size);

	if (is_high_byte(e, number, size))
		gpr[number - 4] = (gpr[number - 4] & ~0xFF00ull) | (value & 0xFF) << 8;
	else if (size >= 4)
		gpr[number] = value & mask;
	else
		gpr[number] = (gpr[number] & ~mask) | (value & mask);
}

static uint64_t next_rip(const struct emulate *e)
{
	uint64_t rip = e->cpu->rip + e->insn.length;

	return emulate_code_64(e->cpu) ? rip : (uint32_t)rip;
}

int emulate_finish(struct emulate *e, uint64_t rflags)
{
	e->cpu->rflags = rflags & ~FLAG_RF;
	e->cpu->rip = next_rip(e);
	return EMULATE_DONE;
}

static uint64_t offset_with(const struct emulate *e, uint64_t rsp, uint64_t beyond)
{
	const struct insn *in = &e->insn;
	uint64_t offset = (uint64_t)in->displacement + beyond;

	if (in->base == INSN_RIP)
		offset += next_rip(e);
	else if (in->base == INSN_RSP)
		offset += rsp;
	else if (in->base != INSN_NO_REGISTER)
		offset += e->cpu->gpr[in->base];
	if (in->index != INSN_NO_REGISTER)
		offset += e->cpu->gpr[in->index] * in->scale;
	return offset & size_mask(in->address_size);
}

uint64_t emulate_offset(const struct emulate *e)
{
	return offset_with(e, e->cpu->gpr[INSN_RSP], 0);
}

/* A bit number in a register reaches beyond the operand: so many bytes away. */
static uint64_t bit_string_offset(const struct emulate *e)
{
	const struct insn *in = &e->insn;
	int64_t bit = (int64_t)alu_sign_extend(emulate_get(e, in->reg, in->size), in->size);
	unsigned int shift = in->size == 8 ? 6 : in->size == 4 ? 5 : 4;

	return (uint64_t)(bit >> shift) * in->size;
}

/* Operands of at most 8 bytes, zero-extended. */
static int read_value(struct emulate *e, const struct place *place, uint64_t *ret)
{
	*ret = 0;
	return emulate_read(e, place, ret);
}

/* Memory that was read as `before` becomes `value`. */
static int write_back(struct emulate *e, const struct place *place, uint64_t before, uint64_t value)
{
	if (e->insn.lock || e->insn.op == INSN_XCHG)
		return emulate_exchange(e, place, &before, &value);
	return emulate_write(e, place, &value);
}

/* An operand that is not in memory. */
static uint64_t value_of(const struct emulate *e, uint8_t in, unsigned int size)
{
	const struct insn *insn = &e->insn;

	switch (in) {
	case INSN_IN_RM:
		return emulate_get(e, insn->rm, size);
	case INSN_IN_REG:
		return emulate_get(e, insn->reg, size);
	case INSN_IN_ACC:
		return emulate_get(e, INSN_RAX, size);
	case INSN_IN_IMM:
		return insn->immediate & size_mask(size);
	case INSN_IN_ONE:
		return 1;
	case INSN_IN_CL:
		return e->cpu->gpr[INSN_RCX] & 0xFF;
	case INSN_IN_SEGMENT:
		return e->cpu->segments[insn->reg].selector;
	default:
		return 0;
	}
}

static int read_operand(struct emulate *e, uint8_t in, unsigned int size, const struct place *place,
                        uint64_t *ret)
{
	if (in == INSN_IN_RM && e->insn.memory)
		return read_value(e, place, ret);
	*ret = value_of(e, in, size);
	return 0;
}

/* Where the operand in memory is, if there is one. */
static int locate_memory(struct emulate *e, unsigned int size, unsigned int access,
                         struct place *ret)
{
	const struct insn *in = &e->insn;

	*ret = (struct place){ 0 };
	return in->memory ? emulate_locate(e, in->segment, emulate_offset(e), size, access, ret)
	                  : 0;
}

static uint64_t swap_bytes(uint64_t value, unsigned int size)
{
	return __builtin_bswap64(value) >> (64 - size * 8);
}

/* What the operation makes of both operands; `*from` too where it changes (XCHG, XADD). */
static uint64_t compute(const struct emulate *e, uint64_t to, uint64_t *from, uint64_t *rflags)
{
	const struct insn *in = &e->insn;
	unsigned int size = in->size;
	uint64_t before = *from;

	switch (in->op) {
	case INSN_MOV:
	case INSN_MOVZX:
		return before;
	case INSN_MOVSX:
		return alu_sign_extend(before, in->source_size);
	case INSN_MOVBE:
		return swap_bytes(before, size);
	case INSN_SETCC:
		return alu_condition(in->condition, *rflags);
	case INSN_CMOVCC:
		return alu_condition(in->condition, *rflags) ? before : to;
	case INSN_XCHG:
		*from = to;
		return before;
	case INSN_XADD:
		*from = to;
		return alu_run(INSN_ADD, size, to, before, 0, rflags);
	default:
		break;
	}
	return alu_run(in->op, size, to, before, (uint8_t)before, rflags);
}

/* Operations of one result, which goes where the first operand is. */
static int run_general(struct emulate *e)
{
	const struct insn *in = &e->insn;
	bool compares = in->op == INSN_CMP || in->op == INSN_TEST || in->op == INSN_BT;
	bool only_writes = in->op == INSN_MOV || in->op == INSN_MOVBE || in->op == INSN_SETCC;
	bool writes_memory = in->memory && in->to == INSN_IN_RM && !compares;
	bool bit = in->op >= INSN_BT && in->op <= INSN_BTC && in->from == INSN_IN_REG;
	uint64_t to = 0, from = 0, result, rflags = e->cpu->rflags;
	struct place place = { 0 };
	int error = 0;

	if (in->memory)
		error = emulate_locate(
			e, in->segment,
			offset_with(e, e->cpu->gpr[INSN_RSP], bit ? bit_string_offset(e) : 0),
			in->to == INSN_IN_RM ? in->size : in->source_size,
			writes_memory ? WALK_WRITE : 0, &place);
	if (!error)
		error = read_operand(e, in->from, in->source_size, &place, &from);
	if (!error && !only_writes)
		error = read_operand(e, in->to, in->size, &place, &to);
	if (error)
		return error;
	result = compute(e, to, &from, &rflags);
	if (writes_memory)
		error = only_writes ? emulate_write(e, &place, &result)
		                    : write_back(e, &place, to, result);
	if (error)
		return error;
	/* XADD of a register with itself leaves the sum. */
	if (in->op == INSN_XCHG || in->op == INSN_XADD)
		emulate_set(e, in->reg, in->size, from);
	if (compares)
		return emulate_finish(e, rflags);
	if (in->to == INSN_IN_REG)
		emulate_set(e, in->reg, in->size, result);
	else if (in->to == INSN_IN_ACC)
		emulate_set(e, INSN_RAX, in->size, result);
	else if (!in->memory)
		emulate_set(e, in->rm, in->size, result);
	return emulate_finish(e, rflags);
}

static int run_cmpxchg(struct emulate *e)
{
	const struct insn *in = &e->insn;
	uint64_t before, acc = emulate_get(e, INSN_RAX, in->size), rflags = e->cpu->rflags;
	uint64_t wanted = emulate_get(e, in->reg, in->size);
	struct place place;
	int error = locate_memory(e, in->size, WALK_WRITE, &place);

	if (!error)
		error = read_operand(e, INSN_IN_RM, in->size, &place, &before);
	if (error)
		return error;
	alu_run(INSN_CMP, in->size, acc, before, 0, &rflags);
	/* The processor writes in either case. */
	if (in->memory) {
		error = write_back(e, &place, before, acc == before ? wanted : before);
		if (error)
			return error;
	}
	if (acc != before)
		emulate_set(e, INSN_RAX, in->size, before);
	else if (!in->memory)
		emulate_set(e, in->rm, in->size, wanted);
	return emulate_finish(e, rflags);
}

static unsigned int stack_size(const struct emulate *e)
{
	if (emulate_code_64(e->cpu))
		return 8;
	return e->cpu->segments[INSN_SS].attributes & EMULATE_SEGMENT_BIG ? 4 : 2;
}

static void move_stack(struct emulate *e, uint64_t by)
{
	emulate_set(e, INSN_RSP, stack_size(e), e->cpu->gpr[INSN_RSP] + by);
}

static int run_push(struct emulate *e)
{
	const struct insn *in = &e->insn;
	struct place place, stack;
	uint64_t value;
	int error = locate_memory(e, in->size, 0, &place);

	if (!error)
		error = emulate_locate(
			e, INSN_SS, (e->cpu->gpr[INSN_RSP] - in->size) & size_mask(stack_size(e)),
			in->size, WALK_WRITE, &stack);
	if (!error)
		error = read_operand(e, in->from, in->size, &place, &value);
	if (!error)
		error = emulate_write(e, &stack, &value);
	if (error)
		return error;
	move_stack(e, -(uint64_t)in->size);
	return emulate_finish(e, e->cpu->rflags);
}

/* An address by way of RSP is that after the pop. */
static int run_pop(struct emulate *e)
{
	const struct insn *in = &e->insn;
	uint64_t rsp = e->cpu->gpr[INSN_RSP], value;
	unsigned int size = stack_size(e);
	struct place place, stack;
	int error;

	error = emulate_locate(e, INSN_SS, rsp & size_mask(size), in->size, 0, &stack);
	if (!error && in->memory) {
		uint64_t after = (rsp & ~size_mask(size)) | ((rsp + in->size) & size_mask(size));

		error = emulate_locate(e, in->segment, offset_with(e, after, 0), in->size,
		                       WALK_WRITE, &place);
	}
	if (!error)
		error = read_value(e, &stack, &value);
	if (!error && in->memory)
		error = emulate_write(e, &place, &value);
	if (error)
		return error;
	move_stack(e, in->size);
	if (!in->memory)
		emulate_set(e, in->rm, in->size, value);
	return emulate_finish(e, e->cpu->rflags);
}

/* It may fault, and has no effect else. */
static int run_flush(struct emulate *e)
{
	struct place place;
	int error = locate_memory(e, 1, 0, &place);

	return error ? error : emulate_finish(e, e->cpu->rflags);
}

static int run_one(struct emulate *e, unsigned int iterations)
{
	switch (e->insn.op) {
	case INSN_CMPXCHG:
		return run_cmpxchg(e);
	case INSN_PUSH:
		return run_push(e);
	case INSN_POP:
		return run_pop(e);
	case INSN_NOP:
		return emulate_finish(e, e->cpu->rflags);
	case INSN_CLFLUSH:
		return run_flush(e);
	case INSN_VMOV:
	case INSN_VZERO:
	case INSN_VLOW:
	case INSN_VHIGH:
		return emulate_vector(e);
	case INSN_IN:
	case INSN_OUT:
		return emulate_in_out(e);
	default:
		if (e->insn.op >= INSN_EXITS)
			return EMULATE_UNKNOWN;
		return e->insn.op >= INSN_MOVS ? emulate_string(e, iterations) : run_general(e);
	}
}

int emulate_run(struct emulate *e, unsigned int iterations)
{
	int result = emulate_decode(e);

	e->at = 0;
	if (!result)
		result = run_one(e, iterations);
	/* The log is of one instruction that waits for a device. */
	if (result != EMULATE_DEVICE)
		e->logged = e->at = 0;
	return result;
}
