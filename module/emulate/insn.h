/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One decoded instruction: length, operation, operands.  AMD64 Architecture Programmer's Manual
 * volume 3, chapter 1 (encoding) and appendix A (opcode maps).
 *
 * Decoding is a function of the bytes and the size of the code segment alone.  It knows the
 * instructions that reach devices, which execute.c carries out, and those that only exit, of which
 * the module wants the length and the operands.
 */
#ifndef MODULE_EMULATE_INSN_H
#define MODULE_EMULATE_INSN_H

#include "module/port.h"

#define INSN_MAX 15

enum insn_op {
	INSN_NONE,
	/* Arithmetic, shifts and unary operations in the order of their encoding. */
	INSN_ADD,
	INSN_OR,
	INSN_ADC,
	INSN_SBB,
	INSN_AND,
	INSN_SUB,
	INSN_XOR,
	INSN_CMP,
	INSN_ROL,
	INSN_ROR,
	INSN_RCL,
	INSN_RCR,
	INSN_SHL,
	INSN_SHR,
	INSN_SAL, /* decoded as SHL, which it is */
	INSN_SAR,
	INSN_TEST,
	INSN_NOT,
	INSN_NEG,
	INSN_BT,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_INC,
	INSN_DEC,
	INSN_MOV,
	INSN_MOVZX,
	INSN_MOVSX,
	INSN_MOVBE,
	INSN_XCHG,
	INSN_XADD,
	INSN_CMPXCHG,
	INSN_SETCC,
	INSN_CMOVCC,
	INSN_PUSH,
	INSN_POP,
	INSN_NOP, /* and prefetches, which may name memory */
	INSN_CLFLUSH,
	/* Vector registers; size is of what moves. */
	INSN_VMOV,  /* the whole register */
	INSN_VZERO, /* the low part, and a load clears the rest */
	INSN_VLOW,  /* the low half; the rest stays */
	INSN_VHIGH, /* the high half; the rest stays */
	/* Strings and ports. */
	INSN_MOVS,
	INSN_CMPS,
	INSN_STOS,
	INSN_LODS,
	INSN_SCAS,
	INSN_INS,
	INSN_OUTS,
	INSN_IN,
	INSN_OUT,
	/* What only exits. */
	INSN_EXITS,
	INSN_CPUID = INSN_EXITS,
	INSN_RDMSR,
	INSN_WRMSR,
	INSN_HLT,
	INSN_PAUSE,
	INSN_INVD,
	INSN_WBINVD, /* and WBNOINVD */
	INSN_VMMCALL,
	INSN_VMCALL,
	INSN_MOV_CR, /* `reg` is the number of CR or DR, the other operand INSN_IN_RM */
	INSN_MOV_DR,
	INSN_OPS,
	INSN_XSETBV,
	INSN_MONITOR,
	INSN_MWAIT,
};

/* Where an operand is. */
enum insn_in {
	INSN_IN_NOTHING,
	INSN_IN_RM,  /* memory, or register `rm` */
	INSN_IN_REG, /* register `reg` */
	INSN_IN_ACC, /* AL, AX, EAX, RAX */
	INSN_IN_IMM,
	INSN_IN_ONE, /* the number 1 */
	INSN_IN_CL,
	INSN_IN_DX,
	INSN_IN_SEGMENT, /* segment register `reg` */
	INSN_IN_CR,
	INSN_IN_DR,
	INSN_IN_VECTOR, /* vector register `reg` */
};

/* The order of the encoding. */
enum { INSN_RAX, INSN_RCX, INSN_RDX, INSN_RBX, INSN_RSP, INSN_RBP, INSN_RSI, INSN_RDI };
enum { INSN_ES, INSN_CS, INSN_SS, INSN_DS, INSN_FS, INSN_GS };
#define INSN_RIP         16 /* as `base`: relative to the next instruction */
#define INSN_NO_REGISTER 0xFF

struct insn {
	uint8_t op;           /* enum insn_op */
	uint8_t length;       /* bytes */
	uint8_t size;         /* operand, bytes: 1, 2, 4, 8; of vectors up to 32 */
	uint8_t source_size;  /* the same but for MOVZX, MOVSX */
	uint8_t address_size; /* 2, 4, 8 */
	uint8_t to, from;     /* enum insn_in */
	uint8_t condition;    /* of SETcc and CMOVcc */
	uint8_t reg, rm;      /* register numbers, 0…15 */
	uint8_t repeat;       /* 0, or the prefix: F2, F3 */
	bool lock;
	bool memory;    /* INSN_IN_RM is memory */
	bool high_byte; /* without REX, registers 4…7 of one byte are AH, CH, DH, BH */
	bool aligned;   /* the memory operand must be */
	bool vex;
	uint8_t segment; /* INSN_ES… */
	uint8_t base, index, scale;
	int64_t displacement;
	uint64_t immediate; /* sign-extended where the instruction does */
};

enum insn_status {
	INSN_OK,
	INSN_SHORT,     /* goes on beyond the bytes that were given */
	INSN_TOO_LONG,  /* more than 15 bytes: #GP */
	INSN_UNDEFINED, /* #UD */
	INSN_UNKNOWN,   /* none of those that this decoder knows */
};

/*
 * `code_size` is 2, 4 or 8: 16-, 32- and 64-bit code.  Looks at no more than `count` bytes, and
 * sets `*ret` only when it returns INSN_OK.
 */
enum insn_status insn_decode(const uint8_t *bytes, unsigned int count, unsigned int code_size,
                             struct insn *ret);

/* One row of the opcode tables (table.c). */
struct insn_row {
	uint8_t op;
	uint8_t to, from;
	uint8_t immediate; /* enum insn_immediate */
	uint32_t flags;    /* INSN_ROW_ */
};

enum insn_immediate {
	INSN_IMM_NONE,
	INSN_IMM_8,
	INSN_IMM_S8,     /* sign-extended */
	INSN_IMM_Z,      /* of operand size, at most 4 bytes, sign-extended */
	INSN_IMM_OFFSET, /* an address: the memory operand */
};

#define INSN_ROW_MODRM     0x0001
#define INSN_ROW_BYTE      0x0002 /* operands of one byte */
#define INSN_ROW_FROM8     0x0004 /* the source has one byte */
#define INSN_ROW_FROM16    0x0008
#define INSN_ROW_FROM32    0x0010
#define INSN_ROW_LOCK      0x0020 /* LOCK is allowed */
#define INSN_ROW_64        0x0040 /* 64-bit operands in 64-bit code without REX.W */
#define INSN_ROW_MEMORY    0x0080 /* the operand must be memory */
#define INSN_ROW_REGISTER  0x0100 /* ModRM's mode does not count, it is a register */
#define INSN_ROW_NOT_64    0x0200 /* undefined in 64-bit code */
#define INSN_ROW_ONLY_64   0x0400
#define INSN_ROW_GROUP     0x0800 /* op counts on by ModRM's reg */
#define INSN_ROW_NO_66     0x1000 /* prefix 66 makes it another instruction */
#define INSN_ROW_NO_REP    0x2000 /* so do F2 and F3 */
#define INSN_ROW_NEEDS_66  0x4000
#define INSN_ROW_NATURAL   0x8000  /* 64-bit operands in 64-bit code, else 32-bit ones */
#define INSN_ROW_EVEN_BYTE 0x10000 /* operands of one byte if the opcode is even */

/* Maps: 1 one byte, 2 behind 0F, 3 behind 0F 38.  The row's op is INSN_NONE: not known. */
bool insn_row_by_modrm(unsigned int map, uint8_t opcode);
const struct insn_row *insn_row(unsigned int map, uint8_t opcode, uint8_t modrm);

/* Instructions on vector registers are told apart by 66, F3 and F2 as well. */
struct insn_vector_row {
	uint8_t map, prefixes, opcode;
	uint8_t op, size; /* size 0: 4, or 8 with W; size 16: 32 with VEX.L */
	bool store, aligned;
};
const struct insn_vector_row *insn_vector_row(unsigned int map, uint8_t prefix, uint8_t opcode);

#endif
