// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Arithmetic and its flags.  Who knows best what an operation does is the processor: it gets the
 * guest's six flags, does the operation on values in registers, and is asked for its flags.
 */
#include "module/emulate/internal.h"

/* AH has the flags that LAHF knows.  AL is OF: 7Fh + 1 overflows, and SAHF leaves that alone. */
#define RUN(code)                                                           \
	__asm__("addb $0x7f, %%al\n\tsahf\n\t" code "\n\tlahf\n\tseto %%al" \
	        : "+&a"(flags), [a] "+r"(a)                                 \
	        : [b] "r"(b), [count] "c"(count)                            \
	        : "cc")

/* Operands, with the letter that says how much of a register is meant. */
#define ONE(part)      "%" part "[a]"
#define TWO(part)      "%" part "[b], %" part "[a]"
#define BY_COUNT(part) "%b[count], %" part "[a]"

#define SIZES(name, operands)                         \
	do {                                          \
		if (size == 2)                        \
			RUN(name "w " operands("w")); \
		else if (size == 4)                   \
			RUN(name "l " operands("k")); \
		else                                  \
			RUN(name "q " operands("q")); \
	} while (0)
/* Instructions without a form of 8 bits, and with one. */
#define WIDE(op, name, operands)       \
	case op:                       \
		SIZES(name, operands); \
		break
#define ANY(op, name, operands)                       \
	case op:                                      \
		if (size == 1)                        \
			RUN(name "b " operands("b")); \
		else                                  \
			SIZES(name, operands);        \
		break

uint64_t alu_run(uint8_t op, unsigned int size, uint64_t a, uint64_t b, uint8_t count,
                 uint64_t *rflags)
{
	uint32_t flags = (uint32_t)(*rflags & FLAGS_AH) << 8 | !!(*rflags & FLAG_OF);

	switch (op) {
		ANY(INSN_ADD, "add", TWO);
		ANY(INSN_OR, "or", TWO);
		ANY(INSN_ADC, "adc", TWO);
		ANY(INSN_SBB, "sbb", TWO);
		ANY(INSN_AND, "and", TWO);
		ANY(INSN_SUB, "sub", TWO);
		ANY(INSN_XOR, "xor", TWO);
		ANY(INSN_CMP, "cmp", TWO);
		ANY(INSN_TEST, "test", TWO);
		ANY(INSN_ROL, "rol", BY_COUNT);
		ANY(INSN_ROR, "ror", BY_COUNT);
		ANY(INSN_RCL, "rcl", BY_COUNT);
		ANY(INSN_RCR, "rcr", BY_COUNT);
		ANY(INSN_SHL, "shl", BY_COUNT);
		ANY(INSN_SHR, "shr", BY_COUNT);
		ANY(INSN_SAR, "sar", BY_COUNT);
		ANY(INSN_NOT, "not", ONE);
		ANY(INSN_NEG, "neg", ONE);
		ANY(INSN_INC, "inc", ONE);
		ANY(INSN_DEC, "dec", ONE);
		WIDE(INSN_BT, "bt", TWO);
		WIDE(INSN_BTS, "bts", TWO);
		WIDE(INSN_BTR, "btr", TWO);
		WIDE(INSN_BTC, "btc", TWO);
	default:
		break;
	}
	*rflags = (*rflags & ~FLAGS_MATH) | (flags >> 8 & FLAGS_AH) | (flags & 1 ? FLAG_OF : 0);
	return a & size_mask(size);
}

uint64_t alu_sign_extend(uint64_t value, unsigned int size)
{
	unsigned int unused = 64 - size * 8;

	return (uint64_t)((int64_t)(value << unused) >> unused);
}

bool alu_condition(unsigned int condition, uint64_t rflags)
{
	static const uint64_t any_of[] = { FLAG_OF, FLAG_CF, FLAG_ZF, FLAG_CF | FLAG_ZF,
		                           FLAG_SF, FLAG_PF, 0,       FLAG_ZF };
	unsigned int which = condition >> 1 & 7;
	bool less = !(rflags & FLAG_SF) != !(rflags & FLAG_OF);

	return (rflags & any_of[which] || (which >= 6 && less)) != (condition & 1);
}
