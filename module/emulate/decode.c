// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes to `struct insn`: prefixes, opcode, ModRM, SIB, displacement, immediate.  The bytes are a
 * guest's.  What a byte means is in the tables (table.c); here is only how it is laid out.
 */
#include "module/emulate/insn.h"

#define REX_W             8
#define REX_R             4
#define REX_X             2
#define REX_B             1

#define CONTROL_REGISTERS 0x11Du /* 0, 2, 3, 4 and 8 */

struct cursor {
	const uint8_t *bytes;
	unsigned int at, end;
	unsigned int code_size;
	uint8_t rex;     /* with VEX: its bits in the same places */
	bool operand;    /* prefix 66 */
	uint8_t segment; /* override, or INSN_NO_REGISTER */
	uint8_t vex_prefix, vex_length;
	bool vex_register; /* VEX.vvvv names one */
	bool short_of;     /* the bytes were not enough */
	uint8_t modrm;
};

static uint8_t take(struct cursor *c)
{
	if (c->at >= c->end) {
		c->short_of = true;
		return 0;
	}
	return c->bytes[c->at++];
}

/* Little-endian, of 1, 2, 4 or 8 bytes, sign-extended. */
static int64_t take_signed(struct cursor *c, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)take(c) << 8 * i;
	if (size == 1)
		return (int8_t)value;
	if (size == 2)
		return (int16_t)value;
	return size == 4 ? (int32_t)value : (int64_t)value;
}

/* ES, CS, SS and DS mean nothing in 64-bit code. */
static void take_segment(struct cursor *c, uint8_t segment)
{
	if (c->code_size != 8 || segment >= INSN_FS)
		c->segment = segment;
}

/* Returns the first byte that is no prefix. */
static uint8_t take_prefixes(struct cursor *c, struct insn *in)
{
	bool address = false;
	uint8_t byte;

	for (;;) {
		byte = take(c);
		if (c->code_size == 8 && (byte & 0xF0) == 0x40) {
			c->rex = byte;
			continue;
		}
		switch (byte) {
		case 0x26:
		case 0x2E:
		case 0x36:
		case 0x3E:
			take_segment(c, byte >> 3 & 3);
			break;
		case 0x64:
		case 0x65:
			take_segment(c, byte & 7);
			break;
		case 0x66:
			c->operand = true;
			break;
		case 0x67:
			address = true;
			break;
		case 0xF0:
			in->lock = true;
			break;
		case 0xF2:
		case 0xF3:
			in->repeat = byte;
			break;
		default:
			if (c->code_size == 8)
				in->address_size = address ? 4 : 8;
			else
				in->address_size = (c->code_size == 4) != address ? 4 : 2;
			return byte;
		}
		/* REX counts only right before the opcode. */
		c->rex = 0;
	}
}

/* VEX: C5 and one byte, C4 and two.  Returns the map; 0 for one that we do not know. */
static unsigned int take_vex(struct cursor *c, struct insn *in, uint8_t first)
{
	static const uint8_t prefixes[4] = { 0x00, 0x66, 0xF3, 0xF2 };
	uint8_t byte = take(c);
	unsigned int map = 1;

	in->vex = true;
	if (!(byte & 0x80))
		c->rex |= REX_R;
	if (first == 0xC4) {
		if (!(byte & 0x40))
			c->rex |= REX_X;
		if (!(byte & 0x20))
			c->rex |= REX_B;
		map = byte & 0x1F;
		byte = take(c);
		if (byte & 0x80)
			c->rex |= REX_W;
	}
	/* Outside 64-bit code there are eight registers. */
	if (c->code_size != 8)
		c->rex &= (uint8_t) ~(REX_R | REX_X | REX_B);
	c->vex_prefix = prefixes[byte & 3];
	c->vex_length = byte & 4 ? 32 : 16;
	c->vex_register = (byte & 0x78) != 0x78;
	return map <= 2 ? map + 1 : 0;
}

static void take_memory_16(struct cursor *c, struct insn *in)
{
	static const uint8_t bases[8] = { INSN_RBX, INSN_RBX, INSN_RBP, INSN_RBP,
		                          INSN_RSI, INSN_RDI, INSN_RBP, INSN_RBX };
	unsigned int mod = c->modrm >> 6, rm = c->modrm & 7;

	if (mod == 0 && rm == 6) {
		in->displacement = take_signed(c, 2);
		return;
	}
	in->base = bases[rm];
	if (rm < 4)
		in->index = rm & 1 ? INSN_RDI : INSN_RSI;
	in->displacement = take_signed(c, mod);
}

static void take_memory(struct cursor *c, struct insn *in)
{
	unsigned int mod = c->modrm >> 6;
	uint8_t base = c->modrm & 7, index, sib;

	if (base == 4) {
		sib = take(c);
		base = sib & 7;
		index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);
		if (index != INSN_RSP) {
			in->index = index;
			in->scale = (uint8_t)(1 << (sib >> 6));
		}
	} else if (base == 5 && mod == 0 && c->code_size == 8) {
		in->base = INSN_RIP;
		in->displacement = take_signed(c, 4);
		return;
	}
	if (base != 5 || mod != 0)
		in->base = base | (c->rex & REX_B ? 8 : 0);
	if (mod == 1)
		in->displacement = take_signed(c, 1);
	else if (mod == 2 || in->base == INSN_NO_REGISTER)
		in->displacement = take_signed(c, 4);
}

static void take_modrm(struct cursor *c, struct insn *in, bool always_register)
{
	c->modrm = take(c);
	in->reg = (c->modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
	in->rm = (c->modrm & 7) | (c->rex & REX_B ? 8 : 0);
	if (c->modrm >= 0xC0 || always_register)
		return;
	in->memory = true;
	if (in->address_size == 2)
		take_memory_16(c, in);
	else
		take_memory(c, in);
	if (in->base == INSN_RSP || in->base == INSN_RBP)
		in->segment = INSN_SS;
}

static void set_size(const struct cursor *c, struct insn *in, uint32_t flags)
{
	if (flags & INSN_ROW_BYTE)
		in->size = 1;
	else if (flags & INSN_ROW_NATURAL)
		in->size = c->code_size == 8 ? 8 : 4;
	else if (c->rex & REX_W)
		in->size = 8;
	else if (c->code_size == 8 && (flags & INSN_ROW_64))
		in->size = c->operand ? 2 : 8;
	else
		in->size = (c->code_size == 2) != c->operand ? 2 : 4;
	if (flags & INSN_ROW_FROM8)
		in->source_size = 1;
	else if (flags & INSN_ROW_FROM16)
		in->source_size = 2;
	else if (flags & INSN_ROW_FROM32)
		in->source_size = in->size < 4 ? in->size : 4;
	else
		in->source_size = in->size;
	in->high_byte = !c->rex;
}

static void take_immediate(struct cursor *c, struct insn *in, uint8_t kind)
{
	switch (kind) {
	case INSN_IMM_8:
		in->immediate = take(c);
		break;
	case INSN_IMM_S8:
		in->immediate = (uint64_t)take_signed(c, 1);
		break;
	case INSN_IMM_Z:
		in->immediate = (uint64_t)take_signed(c, in->size < 4 ? in->size : 4);
		break;
	case INSN_IMM_OFFSET:
		in->memory = true;
		in->displacement = take_signed(c, in->address_size);
		break;
	default:
		break;
	}
}

/* Of two or four forms behind 66, F3 and F2: with VEX its own bits take their place. */
static const struct insn_vector_row *vector_row(const struct cursor *c, const struct insn *in,
                                                unsigned int map, uint8_t opcode)
{
	uint8_t prefix = c->operand ? 0x66 : 0;

	if (in->repeat)
		prefix = in->repeat;
	return insn_vector_row(map, in->vex ? c->vex_prefix : prefix, opcode);
}

static enum insn_status decode_vector(struct cursor *c, struct insn *in,
                                      const struct insn_vector_row *row)
{
	/* With VEX, a load of one half takes the other from a third register. */
	if (in->vex &&
	    (c->vex_register || (!row->store && (row->op == INSN_VLOW || row->op == INSN_VHIGH))))
		return INSN_UNKNOWN;
	take_modrm(c, in, false);
	if (!in->memory)
		return INSN_UNKNOWN;
	in->op = row->op;
	in->size = row->size;
	if (row->size == 0)
		in->size = c->rex & REX_W && c->code_size == 8 ? 8 : 4;
	if (in->vex && row->op == INSN_VMOV)
		in->size = c->vex_length;
	else if (in->vex && c->vex_length != 16 && row->opcode > 0x11)
		return INSN_UNKNOWN;
	in->source_size = in->size;
	in->aligned = row->aligned;
	in->to = row->store ? INSN_IN_RM : INSN_IN_VECTOR;
	in->from = row->store ? INSN_IN_VECTOR : INSN_IN_RM;
	return in->lock ? INSN_UNDEFINED : INSN_OK;
}

/* What a few rows cannot say. */
static enum insn_status refine(const struct cursor *c, struct insn *in, unsigned int map,
                               uint8_t opcode)
{
	switch (in->op) {
	case INSN_NOP:
		if (map == 1 && c->rex & REX_B)
			return INSN_UNKNOWN; /* XCHG with R8 */
		if (map == 1 && in->repeat == 0xF3)
			in->op = INSN_PAUSE;
		return INSN_OK;
	case INSN_SAL:
		in->op = INSN_SHL;
		return INSN_OK;
	case INSN_SETCC:
	case INSN_CMOVCC:
		in->condition = opcode & 0xF;
		return INSN_OK;
	case INSN_MOV_CR:
		/* AMD: LOCK reaches CR8 outside 64-bit code (volume 3, MOV CRn). */
		if (in->lock)
			in->reg |= 8;
		in->lock = false;
		return in->reg < 16 && CONTROL_REGISTERS >> in->reg & 1 ? INSN_OK : INSN_UNDEFINED;
	case INSN_MOV_DR:
		return in->reg < 8 ? INSN_OK : INSN_UNDEFINED;
	case INSN_MOV:
		if (map == 2) /* MOVNTI has no form of 16 bits */
			in->size = in->source_size = c->rex & REX_W ? 8 : 4;
		if (in->from != INSN_IN_SEGMENT)
			return INSN_OK;
		in->reg &= 7;
		if (in->memory)
			in->size = 2;
		return in->reg > INSN_GS ? INSN_UNDEFINED : INSN_OK;
	case INSN_INS:
	case INSN_OUTS:
	case INSN_IN:
	case INSN_OUT:
		/* Ports are of 32 bits at most. */
		if (in->size == 8)
			in->size = in->source_size = 4;
		return INSN_OK;
	default:
		return INSN_OK;
	}
}

static enum insn_status decode_general(struct cursor *c, struct insn *in, unsigned int map,
                                       uint8_t opcode)
{
	const struct insn_row *row;
	uint32_t flags;

	if (c->at >= c->end && insn_row_by_modrm(map, opcode)) {
		c->short_of = true;
		return INSN_SHORT;
	}
	row = insn_row(map, opcode, c->at < c->end ? c->bytes[c->at] : 0);
	flags = row->flags;
	if (flags & INSN_ROW_EVEN_BYTE && !(opcode & 1))
		flags |= INSN_ROW_BYTE;
	if (row->op == INSN_NONE || (flags & INSN_ROW_NO_66 && c->operand) ||
	    (flags & INSN_ROW_NO_REP && in->repeat) ||
	    (flags & INSN_ROW_NEEDS_66 && (!c->operand || in->repeat)))
		return INSN_UNKNOWN;
	if (flags & (c->code_size == 8 ? INSN_ROW_NOT_64 : INSN_ROW_ONLY_64))
		return INSN_UNDEFINED;
	if (flags & INSN_ROW_MODRM)
		take_modrm(c, in, flags & INSN_ROW_REGISTER);
	in->op = row->op;
	if (flags & INSN_ROW_GROUP)
		in->op = (uint8_t)(in->op + (c->modrm >> 3 & 7));
	in->to = row->to;
	in->from = row->from;
	set_size(c, in, flags);
	take_immediate(c, in, row->immediate);
	if (c->short_of)
		return INSN_SHORT;
	if (in->lock && (!(flags & INSN_ROW_LOCK) || in->op == INSN_CMP ||
	                 (!in->memory && in->op != INSN_MOV_CR)))
		return INSN_UNDEFINED;
	if (flags & INSN_ROW_MEMORY && !in->memory)
		return INSN_UNDEFINED;
	return refine(c, in, map, opcode);
}

static enum insn_status decode(struct cursor *c, struct insn *in)
{
	const struct insn_vector_row *vector = NULL;
	uint8_t opcode = take_prefixes(c, in);
	unsigned int map = 1;

	if (opcode == 0x0F) {
		opcode = take(c);
		map = 2;
		if (opcode == 0x38) {
			opcode = take(c);
			map = 3;
		}
	} else if ((opcode & 0xFE) == 0xC4) {
		if (c->code_size != 8 && c->at < c->end && c->bytes[c->at] < 0xC0)
			return INSN_UNKNOWN; /* LES, LDS */
		if (c->operand || in->repeat || in->lock || c->rex)
			return INSN_UNDEFINED;
		map = take_vex(c, in, opcode);
		opcode = take(c);
	}
	if (c->short_of)
		return INSN_SHORT;
	if (map > 1)
		vector = vector_row(c, in, map, opcode);
	if (vector)
		return decode_vector(c, in, vector);
	return in->vex ? INSN_UNKNOWN : decode_general(c, in, map, opcode);
}

enum insn_status insn_decode(const uint8_t *bytes, unsigned int count, unsigned int code_size,
                             struct insn *ret)
{
	struct cursor c = { .bytes = bytes,
		            .end = count < INSN_MAX ? count : INSN_MAX,
		            .code_size = code_size,
		            .segment = INSN_NO_REGISTER };
	struct insn in = {
		.segment = INSN_DS, .base = INSN_NO_REGISTER, .index = INSN_NO_REGISTER, .scale = 1
	};
	enum insn_status status = decode(&c, &in);

	if (c.short_of)
		return c.end == INSN_MAX ? INSN_TOO_LONG : INSN_SHORT;
	if (status != INSN_OK)
		return status;
	/* An override beats the stack's segment. */
	if (c.segment != INSN_NO_REGISTER)
		in.segment = c.segment;
	in.length = (uint8_t)c.at;
	*ret = in;
	return INSN_OK;
}
