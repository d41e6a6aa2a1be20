// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The opcodes that the decoder knows (AMD64 Architecture Programmer's Manual volume 3, appendix A).
 * A row says the operation and where its operands are; decode.c reads them from the bytes.
 */
#include "module/emulate/insn.h"

#define M     INSN_ROW_MODRM
#define B     INSN_ROW_BYTE
#define W     INSN_ROW_EVEN_BYTE
#define L     INSN_ROW_LOCK
#define MEM   (M | INSN_ROW_MEMORY)
#define REG   (M | INSN_ROW_REGISTER | INSN_ROW_NATURAL)
#define G     (M | INSN_ROW_GROUP)
#define NO66  INSN_ROW_NO_66
#define NOREP INSN_ROW_NO_REP
#define RM    INSN_IN_RM
#define R     INSN_IN_REG
#define ACC   INSN_IN_ACC
#define IMM   INSN_IN_IMM
#define IMM8  INSN_IMM_8
#define IMMS8 INSN_IMM_S8
#define IMMZ  INSN_IMM_Z

/* The six forms that the eight operations of arithmetic have. */
#define ARITHMETIC(opcode, op, lock)                                                     \
	[(opcode)...(opcode) + 1] = { op, RM, R, 0, M | W | (lock) },                    \
			       [(opcode) + 2 ...(opcode) + 3] = { op, R, RM, 0, M | W }, \
			       [(opcode) + 4 ...(opcode) + 5] = { op, ACC, IMM, IMMZ, W }

/* ModRM's reg chooses a row of a group whose members have little in common. */
#define ONE_OF(group)                    \
	{                                \
		INSN_OPS, group, 0, 0, 0 \
	}

enum { GROUP_8F, GROUP_C6, GROUP_F6, GROUP_FE, GROUP_FF, GROUP_0FAE, GROUP_0FBA };

static const struct insn_row groups[][8] = {
	[GROUP_8F] = { { INSN_POP, RM, 0, 0, M | INSN_ROW_64 } },
	[GROUP_C6] = { { INSN_MOV, RM, IMM, IMMZ, M | W } },
	[GROUP_F6] = {
		{ INSN_TEST, RM, IMM, IMMZ, M | W },
		{ INSN_TEST, RM, IMM, IMMZ, M | W },
		{ INSN_NOT, RM, 0, 0, M | W | L },
		{ INSN_NEG, RM, 0, 0, M | W | L },
	},
	[GROUP_FE] = {
		{ INSN_INC, RM, 0, 0, M | B | L },
		{ INSN_DEC, RM, 0, 0, M | B | L },
	},
	[GROUP_FF] = {
		[0] = { INSN_INC, RM, 0, 0, M | L },
		[1] = { INSN_DEC, RM, 0, 0, M | L },
		[6] = { INSN_PUSH, 0, RM, 0, M | INSN_ROW_64 },
	},
	/* CLWB; CLFLUSH, and CLFLUSHOPT behind 66. */
	[GROUP_0FAE] = {
		[6] = { INSN_CLFLUSH, RM, 0, 0, MEM | B | INSN_ROW_NEEDS_66 },
		[7] = { INSN_CLFLUSH, RM, 0, 0, MEM | B | NOREP },
	},
	[GROUP_0FBA] = {
		[4] = { INSN_BT, RM, IMM, IMM8, M },
		[5] = { INSN_BTS, RM, IMM, IMM8, M | L },
		[6] = { INSN_BTR, RM, IMM, IMM8, M | L },
		[7] = { INSN_BTC, RM, IMM, IMM8, M | L },
	},
};

static const struct insn_row one_byte[256] = {
	ARITHMETIC(0x00, INSN_ADD, L),
	ARITHMETIC(0x08, INSN_OR, L),
	ARITHMETIC(0x10, INSN_ADC, L),
	ARITHMETIC(0x18, INSN_SBB, L),
	ARITHMETIC(0x20, INSN_AND, L),
	ARITHMETIC(0x28, INSN_SUB, L),
	ARITHMETIC(0x30, INSN_XOR, L),
	ARITHMETIC(0x38, INSN_CMP, 0),
	[0x63] = { INSN_MOVSX, R, RM, 0, M | INSN_ROW_FROM32 | INSN_ROW_ONLY_64 },
	[0x68] = { INSN_PUSH, 0, IMM, IMMZ, INSN_ROW_64 },
	[0x6A] = { INSN_PUSH, 0, IMM, IMMS8, INSN_ROW_64 },
	[0x6C ... 0x6D] = { INSN_INS, 0, INSN_IN_DX, 0, W },
	[0x6E ... 0x6F] = { INSN_OUTS, INSN_IN_DX, 0, 0, W },
	[0x80 ... 0x81] = { INSN_ADD, RM, IMM, IMMZ, G | W | L },
	[0x82] = { INSN_ADD, RM, IMM, IMM8, G | B | L | INSN_ROW_NOT_64 },
	[0x83] = { INSN_ADD, RM, IMM, IMMS8, G | L },
	[0x84 ... 0x85] = { INSN_TEST, RM, R, 0, M | W },
	[0x86 ... 0x87] = { INSN_XCHG, RM, R, 0, M | W | L },
	[0x88 ... 0x89] = { INSN_MOV, RM, R, 0, M | W },
	[0x8A ... 0x8B] = { INSN_MOV, R, RM, 0, M | W },
	[0x8C] = { INSN_MOV, RM, INSN_IN_SEGMENT, 0, M },
	[0x8F] = ONE_OF(GROUP_8F),
	[0x90] = { INSN_NOP, 0, 0, 0, 0 },
	[0xA0 ... 0xA1] = { INSN_MOV, ACC, RM, INSN_IMM_OFFSET, W },
	[0xA2 ... 0xA3] = { INSN_MOV, RM, ACC, INSN_IMM_OFFSET, W },
	[0xA4 ... 0xA5] = { INSN_MOVS, 0, 0, 0, W },
	[0xA6 ... 0xA7] = { INSN_CMPS, 0, 0, 0, W },
	[0xA8 ... 0xA9] = { INSN_TEST, ACC, IMM, IMMZ, W },
	[0xAA ... 0xAB] = { INSN_STOS, 0, 0, 0, W },
	[0xAC ... 0xAD] = { INSN_LODS, 0, 0, 0, W },
	[0xAE ... 0xAF] = { INSN_SCAS, 0, 0, 0, W },
	[0xC0 ... 0xC1] = { INSN_ROL, RM, IMM, IMM8, G | W },
	[0xC6 ... 0xC7] = ONE_OF(GROUP_C6),
	[0xD0 ... 0xD1] = { INSN_ROL, RM, INSN_IN_ONE, 0, G | W },
	[0xD2 ... 0xD3] = { INSN_ROL, RM, INSN_IN_CL, 0, G | W },
	[0xE4 ... 0xE5] = { INSN_IN, ACC, IMM, IMM8, W },
	[0xE6 ... 0xE7] = { INSN_OUT, IMM, ACC, IMM8, W },
	[0xEC ... 0xED] = { INSN_IN, ACC, INSN_IN_DX, 0, W },
	[0xEE ... 0xEF] = { INSN_OUT, INSN_IN_DX, ACC, 0, W },
	[0xF4] = { INSN_HLT, 0, 0, 0, 0 },
	[0xF6 ... 0xF7] = ONE_OF(GROUP_F6),
	[0xFE] = ONE_OF(GROUP_FE),
	[0xFF] = ONE_OF(GROUP_FF),
};

static const struct insn_row two_bytes[256] = {
	[0x08] = { INSN_INVD, 0, 0, 0, 0 },
	[0x09] = { INSN_WBINVD, 0, 0, 0, 0 },
	[0x0D] = { INSN_NOP, RM, 0, 0, M },
	[0x18 ... 0x19] = { INSN_NOP, RM, 0, 0, M },
	[0x1C ... 0x1F] = { INSN_NOP, RM, 0, 0, M },
	[0x20] = { INSN_MOV_CR, RM, INSN_IN_CR, 0, REG | L },
	[0x21] = { INSN_MOV_DR, RM, INSN_IN_DR, 0, REG },
	[0x22] = { INSN_MOV_CR, INSN_IN_CR, RM, 0, REG | L },
	[0x23] = { INSN_MOV_DR, INSN_IN_DR, RM, 0, REG },
	[0x30] = { INSN_WRMSR, 0, 0, 0, 0 },
	[0x32] = { INSN_RDMSR, 0, 0, 0, 0 },
	[0x40 ... 0x4F] = { INSN_CMOVCC, R, RM, 0, M },
	[0x90 ... 0x9F] = { INSN_SETCC, RM, 0, 0, M | B },
	[0xA2] = { INSN_CPUID, 0, 0, 0, 0 },
	[0xA3] = { INSN_BT, RM, R, 0, M },
	[0xAB] = { INSN_BTS, RM, R, 0, M | L },
	[0xAE] = ONE_OF(GROUP_0FAE),
	[0xB0 ... 0xB1] = { INSN_CMPXCHG, RM, R, 0, M | W | L },
	[0xB3] = { INSN_BTR, RM, R, 0, M | L },
	[0xB6] = { INSN_MOVZX, R, RM, 0, M | INSN_ROW_FROM8 },
	[0xB7] = { INSN_MOVZX, R, RM, 0, M | INSN_ROW_FROM16 },
	[0xBA] = ONE_OF(GROUP_0FBA),
	[0xBB] = { INSN_BTC, RM, R, 0, M | L },
	[0xBE] = { INSN_MOVSX, R, RM, 0, M | INSN_ROW_FROM8 },
	[0xBF] = { INSN_MOVSX, R, RM, 0, M | INSN_ROW_FROM16 },
	[0xC0 ... 0xC1] = { INSN_XADD, RM, R, 0, M | W | L },
	[0xC3] = { INSN_MOV, RM, R, 0, MEM | NO66 | NOREP },
};

/* 0F 01 with a register in ModRM: the whole byte chooses, from C0 on. */
static const struct insn_row calls[64] = {
	[0x01] = { INSN_VMCALL, 0, 0, 0, M | NO66 | NOREP },
	[0x08] = { INSN_MONITOR, 0, 0, 0, M | NO66 | NOREP },
	[0x09] = { INSN_MWAIT, 0, 0, 0, M | NO66 | NOREP },
	[0x11] = { INSN_XSETBV, 0, 0, 0, M | NO66 | NOREP },
	[0x19] = { INSN_VMMCALL, 0, 0, 0, M },
};

static const struct insn_row three_bytes[256] = {
	[0xF0] = { INSN_MOVBE, R, RM, 0, MEM | NOREP },
	[0xF1] = { INSN_MOVBE, RM, R, 0, MEM | NOREP },
};

static const struct insn_row *by_opcode(unsigned int map, uint8_t opcode)
{
	return map == 1 ? &one_byte[opcode] : map == 2 ? &two_bytes[opcode] : &three_bytes[opcode];
}

bool insn_row_by_modrm(unsigned int map, uint8_t opcode)
{
	return by_opcode(map, opcode)->op == INSN_OPS || (map == 2 && opcode == 0x01);
}

const struct insn_row *insn_row(unsigned int map, uint8_t opcode, uint8_t modrm)
{
	const struct insn_row *row = by_opcode(map, opcode);

	if (row->op == INSN_OPS)
		return &groups[row->to][modrm >> 3 & 7];
	return map == 2 && opcode == 0x01 && modrm >= 0xC0 ? &calls[modrm - 0xC0] : row;
}

/* Prefixes, of which a row has one or two. */
#define NP 1
#define P6 2
#define F3 4
#define F2 8

static const struct insn_vector_row vectors[] = {
	{ 2, NP | P6, 0x10, INSN_VMOV, 16, false, false }, /* MOVUPS, MOVUPD */
	{ 2, F3, 0x10, INSN_VZERO, 4, false, false },      /* MOVSS */
	{ 2, F2, 0x10, INSN_VZERO, 8, false, false },      /* MOVSD */
	{ 2, NP | P6, 0x11, INSN_VMOV, 16, true, false },
	{ 2, F3, 0x11, INSN_VZERO, 4, true, false },
	{ 2, F2, 0x11, INSN_VZERO, 8, true, false },
	{ 2, NP | P6, 0x12, INSN_VLOW, 8, false, false }, /* MOVLPS, MOVLPD */
	{ 2, NP | P6, 0x13, INSN_VLOW, 8, true, false },
	{ 2, NP | P6, 0x16, INSN_VHIGH, 8, false, false }, /* MOVHPS, MOVHPD */
	{ 2, NP | P6, 0x17, INSN_VHIGH, 8, true, false },
	{ 2, NP | P6, 0x28, INSN_VMOV, 16, false, true }, /* MOVAPS, MOVAPD */
	{ 2, NP | P6, 0x29, INSN_VMOV, 16, true, true },
	{ 2, NP | P6, 0x2B, INSN_VMOV, 16, true, true }, /* MOVNTPS, MOVNTPD */
	{ 2, P6, 0x6E, INSN_VZERO, 0, false, false },    /* MOVD, MOVQ */
	{ 2, P6, 0x6F, INSN_VMOV, 16, false, true },     /* MOVDQA */
	{ 2, F3, 0x6F, INSN_VMOV, 16, false, false },    /* MOVDQU */
	{ 2, P6, 0x7E, INSN_VZERO, 0, true, false },
	{ 2, F3, 0x7E, INSN_VZERO, 8, false, false }, /* MOVQ */
	{ 2, P6, 0x7F, INSN_VMOV, 16, true, true },
	{ 2, F3, 0x7F, INSN_VMOV, 16, true, false },
	{ 2, P6, 0xD6, INSN_VZERO, 8, true, false },
	{ 2, P6, 0xE7, INSN_VMOV, 16, true, true },   /* MOVNTDQ */
	{ 2, F2, 0xF0, INSN_VMOV, 16, false, false }, /* LDDQU */
	{ 3, P6, 0x2A, INSN_VMOV, 16, false, true },  /* MOVNTDQA */
};

const struct insn_vector_row *insn_vector_row(unsigned int map, uint8_t prefix, uint8_t opcode)
{
	uint8_t bit = prefix == 0x66 ? P6 : prefix == 0xF3 ? F3 : prefix == 0xF2 ? F2 : NP;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		if (vectors[i].map == map && vectors[i].prefixes & bit &&
		    vectors[i].opcode == opcode)
			return &vectors[i];
	}
	return NULL;
}
