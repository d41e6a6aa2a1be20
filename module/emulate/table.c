// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The opcodes that the decoder knows (AMD64 Architecture Programmer's Manual volume 3, appendix A).
 * A row says the operation and where its operands are; decode.c reads them from the bytes.
 */
#include "module/emulate/insn.h"

#define M     INSN_ROW_MODRM
#define B     INSN_ROW_BYTE
#define L     INSN_ROW_LOCK
#define MEM   (M | INSN_ROW_MEMORY)
#define REG   (M | INSN_ROW_REGISTER | INSN_ROW_NATURAL)
#define G     (M | INSN_ROW_GROUP)
#define NOT64 INSN_ROW_NOT_64
#define NO66  INSN_ROW_NO_66
#define NOREP INSN_ROW_NO_REP
#define RM    INSN_IN_RM
#define R     INSN_IN_REG
#define ACC   INSN_IN_ACC
#define IMM   INSN_IN_IMM

#define NOTHING                       \
	{                             \
		INSN_NONE, 0, 0, 0, 0 \
	}

/* The six forms that the eight operations of arithmetic have. */
#define ARITHMETIC(opcode, op, lock)                                                             \
	[opcode] = { op, RM, R, 0, M | B | (lock) },                                             \
	[(opcode) + 1] = { op, RM, R, 0, M | (lock) }, [(opcode) + 2] = { op, R, RM, 0, M | B }, \
	[(opcode) + 3] = { op, R, RM, 0, M }, [(opcode) + 4] = { op, ACC, IMM, INSN_IMM_8, B },  \
	[(opcode) + 5] = { op, ACC, IMM, INSN_IMM_Z, 0 }

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
	[0x68] = { INSN_PUSH, 0, IMM, INSN_IMM_Z, INSN_ROW_64 },
	[0x69] = { INSN_IMUL3, R, RM, INSN_IMM_Z, M },
	[0x6A] = { INSN_PUSH, 0, IMM, INSN_IMM_S8, INSN_ROW_64 },
	[0x6B] = { INSN_IMUL3, R, RM, INSN_IMM_S8, M },
	[0x6C] = { INSN_INS, 0, INSN_IN_DX, 0, B },
	[0x6D] = { INSN_INS, 0, INSN_IN_DX, 0, 0 },
	[0x6E] = { INSN_OUTS, INSN_IN_DX, 0, 0, B },
	[0x6F] = { INSN_OUTS, INSN_IN_DX, 0, 0, 0 },
	[0x80] = { INSN_ADD, RM, IMM, INSN_IMM_8, G | B | L },
	[0x81] = { INSN_ADD, RM, IMM, INSN_IMM_Z, G | L },
	[0x82] = { INSN_ADD, RM, IMM, INSN_IMM_8, G | B | L | NOT64 },
	[0x83] = { INSN_ADD, RM, IMM, INSN_IMM_S8, G | L },
	[0x84] = { INSN_TEST, RM, R, 0, M | B },
	[0x85] = { INSN_TEST, RM, R, 0, M },
	[0x86] = { INSN_XCHG, RM, R, 0, M | B | L },
	[0x87] = { INSN_XCHG, RM, R, 0, M | L },
	[0x88] = { INSN_MOV, RM, R, 0, M | B },
	[0x89] = { INSN_MOV, RM, R, 0, M },
	[0x8A] = { INSN_MOV, R, RM, 0, M | B },
	[0x8B] = { INSN_MOV, R, RM, 0, M },
	[0x8C] = { INSN_MOV, RM, INSN_IN_SEGMENT, 0, M },
	[0x90] = { INSN_NOP, 0, 0, 0, 0 },
	[0x9C] = { INSN_PUSHF, 0, 0, 0, INSN_ROW_64 },
	[0x9D] = { INSN_POPF, 0, 0, 0, INSN_ROW_64 },
	[0xA0] = { INSN_MOV, ACC, RM, INSN_IMM_OFFSET, B },
	[0xA1] = { INSN_MOV, ACC, RM, INSN_IMM_OFFSET, 0 },
	[0xA2] = { INSN_MOV, RM, ACC, INSN_IMM_OFFSET, B },
	[0xA3] = { INSN_MOV, RM, ACC, INSN_IMM_OFFSET, 0 },
	[0xA4] = { INSN_MOVS, 0, 0, 0, B },
	[0xA5] = { INSN_MOVS, 0, 0, 0, 0 },
	[0xA6] = { INSN_CMPS, 0, 0, 0, B },
	[0xA7] = { INSN_CMPS, 0, 0, 0, 0 },
	[0xA8] = { INSN_TEST, ACC, IMM, INSN_IMM_8, B },
	[0xA9] = { INSN_TEST, ACC, IMM, INSN_IMM_Z, 0 },
	[0xAA] = { INSN_STOS, 0, 0, 0, B },
	[0xAB] = { INSN_STOS, 0, 0, 0, 0 },
	[0xAC] = { INSN_LODS, 0, 0, 0, B },
	[0xAD] = { INSN_LODS, 0, 0, 0, 0 },
	[0xAE] = { INSN_SCAS, 0, 0, 0, B },
	[0xAF] = { INSN_SCAS, 0, 0, 0, 0 },
	[0xC0] = { INSN_ROL, RM, IMM, INSN_IMM_8, G | B },
	[0xC1] = { INSN_ROL, RM, IMM, INSN_IMM_8, G },
	[0xCC] = { INSN_INT3, 0, 0, 0, 0 },
	[0xCD] = { INSN_INT, 0, IMM, INSN_IMM_8, 0 },
	[0xCE] = { INSN_INTO, 0, 0, 0, NOT64 },
	[0xCF] = { INSN_IRET, 0, 0, 0, 0 },
	[0xD0] = { INSN_ROL, RM, INSN_IN_ONE, 0, G | B },
	[0xD1] = { INSN_ROL, RM, INSN_IN_ONE, 0, G },
	[0xD2] = { INSN_ROL, RM, INSN_IN_CL, 0, G | B },
	[0xD3] = { INSN_ROL, RM, INSN_IN_CL, 0, G },
	[0xE4] = { INSN_IN, ACC, IMM, INSN_IMM_8, B },
	[0xE5] = { INSN_IN, ACC, IMM, INSN_IMM_8, 0 },
	[0xE6] = { INSN_OUT, IMM, ACC, INSN_IMM_8, B },
	[0xE7] = { INSN_OUT, IMM, ACC, INSN_IMM_8, 0 },
	[0xEC] = { INSN_IN, ACC, INSN_IN_DX, 0, B },
	[0xED] = { INSN_IN, ACC, INSN_IN_DX, 0, 0 },
	[0xEE] = { INSN_OUT, INSN_IN_DX, ACC, 0, B },
	[0xEF] = { INSN_OUT, INSN_IN_DX, ACC, 0, 0 },
	[0xF1] = { INSN_INT1, 0, 0, 0, 0 },
	[0xF4] = { INSN_HLT, 0, 0, 0, 0 },
};

static const struct insn_row two_bytes[256] = {
	[0x06] = { INSN_CLTS, 0, 0, 0, 0 },
	[0x08] = { INSN_INVD, 0, 0, 0, 0 },
	[0x09] = { INSN_WBINVD, 0, 0, 0, 0 },
	[0x0D] = { INSN_NOP, RM, 0, 0, M },
	[0x18] = { INSN_NOP, RM, 0, 0, M },
	[0x19] = { INSN_NOP, RM, 0, 0, M },
	[0x1C ... 0x1F] = { INSN_NOP, RM, 0, 0, M },
	[0x20] = { INSN_MOV_CR, RM, INSN_IN_CR, 0, REG | L },
	[0x21] = { INSN_MOV_DR, RM, INSN_IN_DR, 0, REG },
	[0x22] = { INSN_MOV_CR, INSN_IN_CR, RM, 0, REG | L },
	[0x23] = { INSN_MOV_DR, INSN_IN_DR, RM, 0, REG },
	[0x30] = { INSN_WRMSR, 0, 0, 0, 0 },
	[0x31] = { INSN_RDTSC, 0, 0, 0, 0 },
	[0x32] = { INSN_RDMSR, 0, 0, 0, 0 },
	[0x33] = { INSN_RDPMC, 0, 0, 0, 0 },
	[0x40 ... 0x4F] = { INSN_CMOVCC, R, RM, 0, M },
	[0x90 ... 0x9F] = { INSN_SETCC, RM, 0, 0, M | B },
	[0xA2] = { INSN_CPUID, 0, 0, 0, 0 },
	[0xA3] = { INSN_BT, RM, R, 0, M },
	[0xA4] = { INSN_SHLD, RM, R, INSN_IMM_8, M },
	[0xA5] = { INSN_SHLD, RM, R, 0, M },
	[0xAA] = { INSN_RSM, 0, 0, 0, 0 },
	[0xAB] = { INSN_BTS, RM, R, 0, M | L },
	[0xAC] = { INSN_SHRD, RM, R, INSN_IMM_8, M },
	[0xAD] = { INSN_SHRD, RM, R, 0, M },
	[0xAF] = { INSN_IMUL, R, RM, 0, M },
	[0xB0] = { INSN_CMPXCHG, RM, R, 0, M | B | L },
	[0xB1] = { INSN_CMPXCHG, RM, R, 0, M | L },
	[0xB3] = { INSN_BTR, RM, R, 0, M | L },
	[0xB6] = { INSN_MOVZX, R, RM, 0, M | INSN_ROW_FROM8 },
	[0xB7] = { INSN_MOVZX, R, RM, 0, M | INSN_ROW_FROM16 },
	[0xBB] = { INSN_BTC, RM, R, 0, M | L },
	[0xBE] = { INSN_MOVSX, R, RM, 0, M | INSN_ROW_FROM8 },
	[0xBF] = { INSN_MOVSX, R, RM, 0, M | INSN_ROW_FROM16 },
	[0xC0] = { INSN_XADD, RM, R, 0, M | B | L },
	[0xC1] = { INSN_XADD, RM, R, 0, M | L },
	[0xC3] = { INSN_MOV, RM, R, 0, MEM | NO66 | NOREP },
};

static const struct insn_row three_bytes_82 = { INSN_INVPCID, R, RM, 0,
	                                        MEM | INSN_ROW_NATURAL | INSN_ROW_NEEDS_66 };
static const struct insn_row three_bytes_f0 = { INSN_MOVBE, R, RM, 0, MEM | NOREP };
static const struct insn_row three_bytes_f1 = { INSN_MOVBE, RM, R, 0, MEM | NOREP };

/* By ModRM's reg: the groups whose members have little in common. */
static const struct insn_row group_c6[8] = { { INSN_MOV, RM, IMM, INSN_IMM_8, M | B } };
static const struct insn_row group_c7[8] = { { INSN_MOV, RM, IMM, INSN_IMM_Z, M } };
static const struct insn_row group_8f[8] = { { INSN_POP, RM, 0, 0, M | INSN_ROW_64 } };

static const struct insn_row group_f6[8] = {
	{ INSN_TEST, RM, IMM, INSN_IMM_8, M | B }, { INSN_TEST, RM, IMM, INSN_IMM_8, M | B },
	{ INSN_NOT, RM, 0, 0, M | B | L },         { INSN_NEG, RM, 0, 0, M | B | L },
	{ INSN_MUL, ACC, RM, 0, M | B },           { INSN_IMUL1, ACC, RM, 0, M | B },
	{ INSN_DIV, ACC, RM, 0, M | B },           { INSN_IDIV, ACC, RM, 0, M | B },
};

static const struct insn_row group_f7[8] = {
	{ INSN_TEST, RM, IMM, INSN_IMM_Z, M }, { INSN_TEST, RM, IMM, INSN_IMM_Z, M },
	{ INSN_NOT, RM, 0, 0, M | L },         { INSN_NEG, RM, 0, 0, M | L },
	{ INSN_MUL, ACC, RM, 0, M },           { INSN_IMUL1, ACC, RM, 0, M },
	{ INSN_DIV, ACC, RM, 0, M },           { INSN_IDIV, ACC, RM, 0, M },
};

static const struct insn_row group_fe[8] = {
	{ INSN_INC, RM, 0, 0, M | B | L },
	{ INSN_DEC, RM, 0, 0, M | B | L },
};

/* Vendors do not agree what 66 means for near branches in 64-bit code: refused there. */
static const struct insn_row group_ff[8] = {
	{ INSN_INC, RM, 0, 0, M | L },
	{ INSN_DEC, RM, 0, 0, M | L },
	{ INSN_CALL, 0, RM, 0, M | INSN_ROW_64 },
	NOTHING,
	{ INSN_JMP, 0, RM, 0, M | INSN_ROW_64 },
	NOTHING,
	{ INSN_PUSH, 0, RM, 0, M | INSN_ROW_64 },
	NOTHING,
};

static const struct insn_row group_0f00[8] = {
	{ INSN_SLDT, RM, 0, 0, M },
	{ INSN_STR, RM, 0, 0, M },
	{ INSN_LLDT, 0, RM, 0, M | INSN_ROW_FROM16 },
	{ INSN_LTR, 0, RM, 0, M | INSN_ROW_FROM16 },
};

static const struct insn_row group_0f01[8] = {
	{ INSN_SGDT, RM, 0, 0, MEM | INSN_ROW_NATURAL },
	{ INSN_SIDT, RM, 0, 0, MEM | INSN_ROW_NATURAL },
	{ INSN_LGDT, 0, RM, 0, MEM | INSN_ROW_NATURAL },
	{ INSN_LIDT, 0, RM, 0, MEM | INSN_ROW_NATURAL },
	{ INSN_SMSW, RM, 0, 0, M },
	NOTHING,
	{ INSN_LMSW, 0, RM, 0, M | INSN_ROW_FROM16 },
	{ INSN_INVLPG, RM, 0, 0, MEM },
};

/* 0F 01 with a register in ModRM: the whole byte chooses, from C0 on. */
static const struct insn_row group_0f01_register[64] = {
	[0x01] = { INSN_VMCALL, 0, 0, 0, M | NO66 | NOREP },
	[0x08] = { INSN_MONITOR, 0, 0, 0, M | NO66 | NOREP },
	[0x09] = { INSN_MWAIT, 0, 0, 0, M | NO66 | NOREP },
	[0x10] = { INSN_XGETBV, 0, 0, 0, M | NO66 | NOREP },
	[0x11] = { INSN_XSETBV, 0, 0, 0, M | NO66 | NOREP },
	[0x18] = { INSN_VMRUN, 0, 0, 0, M },
	[0x19] = { INSN_VMMCALL, 0, 0, 0, M },
	[0x1A] = { INSN_VMLOAD, 0, 0, 0, M },
	[0x1B] = { INSN_VMSAVE, 0, 0, 0, M },
	[0x1C] = { INSN_STGI, 0, 0, 0, M },
	[0x1D] = { INSN_CLGI, 0, 0, 0, M },
	[0x1E] = { INSN_SKINIT, 0, 0, 0, M },
	[0x1F] = { INSN_INVLPGA, 0, 0, 0, M },
	[0x20 ... 0x27] = { INSN_SMSW, RM, 0, 0, M },
	[0x30 ... 0x37] = { INSN_LMSW, 0, RM, 0, M | INSN_ROW_FROM16 },
	[0x38] = { INSN_SWAPGS, 0, 0, 0, M | INSN_ROW_ONLY_64 },
	[0x39] = { INSN_RDTSCP, 0, 0, 0, M },
};

/* CLWB; CLFLUSH, and CLFLUSHOPT behind 66. */
static const struct insn_row group_0fae[8] = {
	[6] = { INSN_CLFLUSH, RM, 0, 0, MEM | B | INSN_ROW_NEEDS_66 },
	[7] = { INSN_CLFLUSH, RM, 0, 0, MEM | B | NOREP },
};

static const struct insn_row group_0fba[8] = {
	[4] = { INSN_BT, RM, IMM, INSN_IMM_8, M },
	[5] = { INSN_BTS, RM, IMM, INSN_IMM_8, M | L },
	[6] = { INSN_BTR, RM, IMM, INSN_IMM_8, M | L },
	[7] = { INSN_BTC, RM, IMM, INSN_IMM_8, M | L },
};

static const struct insn_row group_0fc7[8] = {
	[1] = { INSN_CMPXCHG2, RM, 0, 0, MEM | L },
};

static const struct insn_row nothing = NOTHING;

static const struct insn_row *one_byte_group(uint8_t opcode)
{
	switch (opcode) {
	case 0x8F:
		return group_8f;
	case 0xC6:
		return group_c6;
	case 0xC7:
		return group_c7;
	case 0xF6:
		return group_f6;
	case 0xF7:
		return group_f7;
	case 0xFE:
		return group_fe;
	case 0xFF:
		return group_ff;
	default:
		return NULL;
	}
}

static const struct insn_row *two_byte_group(uint8_t opcode)
{
	switch (opcode) {
	case 0x00:
		return group_0f00;
	case 0x01:
		return group_0f01;
	case 0xAE:
		return group_0fae;
	case 0xBA:
		return group_0fba;
	case 0xC7:
		return group_0fc7;
	default:
		return NULL;
	}
}

bool insn_row_by_modrm(unsigned int map, uint8_t opcode)
{
	return (map == 1 && one_byte_group(opcode)) || (map == 2 && two_byte_group(opcode));
}

const struct insn_row *insn_row(unsigned int map, uint8_t opcode, uint8_t modrm)
{
	const struct insn_row *group;

	if (map == 1) {
		group = one_byte_group(opcode);
		return group ? &group[modrm >> 3 & 7] : &one_byte[opcode];
	}
	if (map == 2) {
		if (opcode == 0x01 && modrm >= 0xC0)
			return &group_0f01_register[modrm - 0xC0];
		group = two_byte_group(opcode);
		return group ? &group[modrm >> 3 & 7] : &two_bytes[opcode];
	}
	switch (opcode) {
	case 0x82:
		return &three_bytes_82;
	case 0xF0:
		return &three_bytes_f0;
	case 0xF1:
		return &three_bytes_f1;
	default:
		return &nothing;
	}
}

static const struct insn_vector_row vectors[] = {
	{ 2, 0x00, 0x10, INSN_VMOV, 16, false, false }, /* MOVUPS */
	{ 2, 0x66, 0x10, INSN_VMOV, 16, false, false },
	{ 2, 0xF3, 0x10, INSN_VZERO, 4, false, false }, /* MOVSS */
	{ 2, 0xF2, 0x10, INSN_VZERO, 8, false, false }, /* MOVSD */
	{ 2, 0x00, 0x11, INSN_VMOV, 16, true, false },
	{ 2, 0x66, 0x11, INSN_VMOV, 16, true, false },
	{ 2, 0xF3, 0x11, INSN_VZERO, 4, true, false },
	{ 2, 0xF2, 0x11, INSN_VZERO, 8, true, false },
	{ 2, 0x00, 0x12, INSN_VLOW, 8, false, false }, /* MOVLPS */
	{ 2, 0x66, 0x12, INSN_VLOW, 8, false, false },
	{ 2, 0x00, 0x13, INSN_VLOW, 8, true, false },
	{ 2, 0x66, 0x13, INSN_VLOW, 8, true, false },
	{ 2, 0x00, 0x16, INSN_VHIGH, 8, false, false }, /* MOVHPS */
	{ 2, 0x66, 0x16, INSN_VHIGH, 8, false, false },
	{ 2, 0x00, 0x17, INSN_VHIGH, 8, true, false },
	{ 2, 0x66, 0x17, INSN_VHIGH, 8, true, false },
	{ 2, 0x00, 0x28, INSN_VMOV, 16, false, true }, /* MOVAPS */
	{ 2, 0x66, 0x28, INSN_VMOV, 16, false, true },
	{ 2, 0x00, 0x29, INSN_VMOV, 16, true, true },
	{ 2, 0x66, 0x29, INSN_VMOV, 16, true, true },
	{ 2, 0x00, 0x2B, INSN_VMOV, 16, true, true }, /* MOVNTPS */
	{ 2, 0x66, 0x2B, INSN_VMOV, 16, true, true },
	{ 2, 0x66, 0x6E, INSN_VZERO, 0, false, false }, /* MOVD, MOVQ */
	{ 2, 0x66, 0x6F, INSN_VMOV, 16, false, true },  /* MOVDQA */
	{ 2, 0xF3, 0x6F, INSN_VMOV, 16, false, false }, /* MOVDQU */
	{ 2, 0x66, 0x7E, INSN_VZERO, 0, true, false },
	{ 2, 0xF3, 0x7E, INSN_VZERO, 8, false, false }, /* MOVQ */
	{ 2, 0x66, 0x7F, INSN_VMOV, 16, true, true },
	{ 2, 0xF3, 0x7F, INSN_VMOV, 16, true, false },
	{ 2, 0x66, 0xD6, INSN_VZERO, 8, true, false },
	{ 2, 0x66, 0xE7, INSN_VMOV, 16, true, true },   /* MOVNTDQ */
	{ 2, 0xF2, 0xF0, INSN_VMOV, 16, false, false }, /* LDDQU */
	{ 3, 0x66, 0x2A, INSN_VMOV, 16, false, true },  /* MOVNTDQA */
};

const struct insn_vector_row *insn_vector_row(unsigned int map, uint8_t prefix, uint8_t opcode)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		if (vectors[i].map == map && vectors[i].prefix == prefix &&
		    vectors[i].opcode == opcode)
			return &vectors[i];
	}
	return NULL;
}
