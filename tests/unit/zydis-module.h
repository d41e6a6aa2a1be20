/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the module's decoder should say, by Zydis.  For the unit test and the fuzz target.
 */
#ifndef TESTS_UNIT_ZYDIS_MODULE_H
#define TESTS_UNIT_ZYDIS_MODULE_H

#include "module/emulate/insn.h"
#include "tests/unit/zydis.h"

static const uint8_t zydis_code_sizes[] = { 8, 4, 2 };

static const struct {
	ZydisMnemonic mnemonic;
	uint8_t op;
} zydis_ops[] = {
	{ ZYDIS_MNEMONIC_ADD, INSN_ADD },
	{ ZYDIS_MNEMONIC_OR, INSN_OR },
	{ ZYDIS_MNEMONIC_ADC, INSN_ADC },
	{ ZYDIS_MNEMONIC_SBB, INSN_SBB },
	{ ZYDIS_MNEMONIC_AND, INSN_AND },
	{ ZYDIS_MNEMONIC_SUB, INSN_SUB },
	{ ZYDIS_MNEMONIC_XOR, INSN_XOR },
	{ ZYDIS_MNEMONIC_CMP, INSN_CMP },
	{ ZYDIS_MNEMONIC_ROL, INSN_ROL },
	{ ZYDIS_MNEMONIC_ROR, INSN_ROR },
	{ ZYDIS_MNEMONIC_RCL, INSN_RCL },
	{ ZYDIS_MNEMONIC_RCR, INSN_RCR },
	{ ZYDIS_MNEMONIC_SHL, INSN_SHL },
	{ ZYDIS_MNEMONIC_SHR, INSN_SHR },
	{ ZYDIS_MNEMONIC_SAR, INSN_SAR },
	{ ZYDIS_MNEMONIC_TEST, INSN_TEST },
	{ ZYDIS_MNEMONIC_NOT, INSN_NOT },
	{ ZYDIS_MNEMONIC_NEG, INSN_NEG },
	{ ZYDIS_MNEMONIC_BT, INSN_BT },
	{ ZYDIS_MNEMONIC_BTS, INSN_BTS },
	{ ZYDIS_MNEMONIC_BTR, INSN_BTR },
	{ ZYDIS_MNEMONIC_BTC, INSN_BTC },
	{ ZYDIS_MNEMONIC_MOVNTI, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVZX, INSN_MOVZX },
	{ ZYDIS_MNEMONIC_MOVSX, INSN_MOVSX },
	{ ZYDIS_MNEMONIC_MOVSXD, INSN_MOVSX },
	{ ZYDIS_MNEMONIC_MOVBE, INSN_MOVBE },
	{ ZYDIS_MNEMONIC_XADD, INSN_XADD },
	{ ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG },
	{ ZYDIS_MNEMONIC_CLFLUSH, INSN_CLFLUSH },
	{ ZYDIS_MNEMONIC_CLFLUSHOPT, INSN_CLFLUSH },
	{ ZYDIS_MNEMONIC_CLWB, INSN_CLFLUSH },
	{ ZYDIS_MNEMONIC_MOVSB, INSN_MOVS },
	{ ZYDIS_MNEMONIC_MOVSW, INSN_MOVS },
	{ ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS },
	{ ZYDIS_MNEMONIC_CMPSB, INSN_CMPS },
	{ ZYDIS_MNEMONIC_CMPSW, INSN_CMPS },
	{ ZYDIS_MNEMONIC_CMPSQ, INSN_CMPS },
	{ ZYDIS_MNEMONIC_STOSB, INSN_STOS },
	{ ZYDIS_MNEMONIC_STOSW, INSN_STOS },
	{ ZYDIS_MNEMONIC_STOSD, INSN_STOS },
	{ ZYDIS_MNEMONIC_STOSQ, INSN_STOS },
	{ ZYDIS_MNEMONIC_LODSB, INSN_LODS },
	{ ZYDIS_MNEMONIC_LODSW, INSN_LODS },
	{ ZYDIS_MNEMONIC_LODSD, INSN_LODS },
	{ ZYDIS_MNEMONIC_LODSQ, INSN_LODS },
	{ ZYDIS_MNEMONIC_SCASB, INSN_SCAS },
	{ ZYDIS_MNEMONIC_SCASW, INSN_SCAS },
	{ ZYDIS_MNEMONIC_SCASD, INSN_SCAS },
	{ ZYDIS_MNEMONIC_SCASQ, INSN_SCAS },
	{ ZYDIS_MNEMONIC_INSB, INSN_INS },
	{ ZYDIS_MNEMONIC_INSW, INSN_INS },
	{ ZYDIS_MNEMONIC_INSD, INSN_INS },
	{ ZYDIS_MNEMONIC_OUTSB, INSN_OUTS },
	{ ZYDIS_MNEMONIC_OUTSW, INSN_OUTS },
	{ ZYDIS_MNEMONIC_OUTSD, INSN_OUTS },
	{ ZYDIS_MNEMONIC_IN, INSN_IN },
	{ ZYDIS_MNEMONIC_OUT, INSN_OUT },
	{ ZYDIS_MNEMONIC_CPUID, INSN_CPUID },
	{ ZYDIS_MNEMONIC_RDMSR, INSN_RDMSR },
	{ ZYDIS_MNEMONIC_WRMSR, INSN_WRMSR },
	{ ZYDIS_MNEMONIC_HLT, INSN_HLT },
	{ ZYDIS_MNEMONIC_PAUSE, INSN_PAUSE },
	{ ZYDIS_MNEMONIC_INVD, INSN_INVD },
	{ ZYDIS_MNEMONIC_WBINVD, INSN_WBINVD },
	{ ZYDIS_MNEMONIC_VMMCALL, INSN_VMMCALL },
	{ ZYDIS_MNEMONIC_VMCALL, INSN_VMCALL },
	{ ZYDIS_MNEMONIC_XSETBV, INSN_XSETBV },
	{ ZYDIS_MNEMONIC_MONITOR, INSN_MONITOR },
	{ ZYDIS_MNEMONIC_MWAIT, INSN_MWAIT },
	{ ZYDIS_MNEMONIC_MOVUPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVUPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVAPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVAPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVDQA, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVDQU, INSN_VMOV },
	{ ZYDIS_MNEMONIC_LDDQU, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVNTDQ, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVNTDQA, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVNTPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVNTPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVUPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVUPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVAPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVAPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVDQA, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVDQU, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VLDDQU, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVNTDQ, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVNTDQA, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVNTPS, INSN_VMOV },
	{ ZYDIS_MNEMONIC_VMOVNTPD, INSN_VMOV },
	{ ZYDIS_MNEMONIC_MOVSS, INSN_VZERO },
	{ ZYDIS_MNEMONIC_VMOVSS, INSN_VZERO },
	{ ZYDIS_MNEMONIC_VMOVSD, INSN_VZERO },
	{ ZYDIS_MNEMONIC_MOVD, INSN_VZERO },
	{ ZYDIS_MNEMONIC_MOVQ, INSN_VZERO },
	{ ZYDIS_MNEMONIC_VMOVD, INSN_VZERO },
	{ ZYDIS_MNEMONIC_VMOVQ, INSN_VZERO },
	{ ZYDIS_MNEMONIC_MOVLPS, INSN_VLOW },
	{ ZYDIS_MNEMONIC_MOVLPD, INSN_VLOW },
	{ ZYDIS_MNEMONIC_VMOVLPS, INSN_VLOW },
	{ ZYDIS_MNEMONIC_VMOVLPD, INSN_VLOW },
	{ ZYDIS_MNEMONIC_MOVHPS, INSN_VHIGH },
	{ ZYDIS_MNEMONIC_MOVHPD, INSN_VHIGH },
	{ ZYDIS_MNEMONIC_VMOVHPS, INSN_VHIGH },
	{ ZYDIS_MNEMONIC_VMOVHPD, INSN_VHIGH },
};

static inline const ZydisDecodedOperand *zydis_memory(const struct zydis *z)
{
	for (unsigned int i = 0; i < z->instruction.operand_count_visible; i++) {
		if (z->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &z->operands[i];
	}
	return NULL;
}

static inline bool zydis_has(const struct zydis *z, unsigned int operand, ZydisRegisterClass class)
{
	return z->operands[operand].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetClass(z->operands[operand].reg.value) == class;
}

/* What is one instruction by name, and several to us. */
static inline uint8_t zydis_ambiguous(const struct zydis *z)
{
	const ZydisDecodedInstruction *in = &z->instruction;
	uint8_t opcode = in->opcode;
	bool one_byte = in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (zydis_has(z, 0, ZYDIS_REGCLASS_CONTROL) ||
		    zydis_has(z, 1, ZYDIS_REGCLASS_CONTROL))
			return INSN_MOV_CR;
		if (zydis_has(z, 0, ZYDIS_REGCLASS_DEBUG) || zydis_has(z, 1, ZYDIS_REGCLASS_DEBUG))
			return INSN_MOV_DR;
		return zydis_has(z, 0, ZYDIS_REGCLASS_SEGMENT) || opcode >> 4 == 0xB ? INSN_NONE
		                                                                     : INSN_MOV;
	case ZYDIS_MNEMONIC_XCHG:
		return opcode >= 0x90 ? INSN_NONE : INSN_XCHG;
	case ZYDIS_MNEMONIC_MOVSD:
		return one_byte ? INSN_MOVS : INSN_VZERO;
	case ZYDIS_MNEMONIC_CMPSD:
		return one_byte ? INSN_CMPS : INSN_NONE;
	case ZYDIS_MNEMONIC_INC:
		return opcode >= 0xFE ? INSN_INC : INSN_NONE;
	case ZYDIS_MNEMONIC_DEC:
		return opcode >= 0xFE ? INSN_DEC : INSN_NONE;
	case ZYDIS_MNEMONIC_PUSH:
		return one_byte && (opcode == 0xFF || opcode == 0x68 || opcode == 0x6A) ? INSN_PUSH
		                                                                        : INSN_NONE;
	case ZYDIS_MNEMONIC_POP:
		return one_byte && opcode == 0x8F ? INSN_POP : INSN_NONE;
	case ZYDIS_MNEMONIC_NOP:
		/* 0F 1A and 1B are MPX on some processors. */
		return (opcode & 0xFE) == 0x1A ? INSN_NONE : INSN_NOP;
	default:
		return INSN_NONE;
	}
}

/* The operation that we should see; INSN_NONE: it is none of ours. */
static inline uint8_t zydis_op(const struct zydis *z)
{
	const ZydisDecodedInstruction *in = &z->instruction;
	uint8_t op = zydis_ambiguous(z);

	for (size_t i = 0; op == INSN_NONE && i < ARRAY_LEN(zydis_ops); i++) {
		if (zydis_ops[i].mnemonic == in->mnemonic)
			op = zydis_ops[i].op;
	}
	if (op == INSN_NONE && in->opcode_map == ZYDIS_OPCODE_MAP_0F &&
	    in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
		if (in->opcode == 0x0D || in->opcode == 0x18 || in->opcode == 0x19 ||
		    (in->opcode & 0xFC) == 0x1C)
			return INSN_NOP;
		if (in->opcode >> 4 == 4)
			return INSN_CMOVCC;
		if (in->opcode >> 4 == 9)
			return INSN_SETCC;
	}
	/* Vector registers among themselves are not ours, nor MMX, nor EVEX, nor three operands. */
	if (op >= INSN_VMOV && op <= INSN_VHIGH &&
	    (!zydis_memory(z) || in->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	     in->operand_count_visible > 2 || zydis_has(z, 0, ZYDIS_REGCLASS_MMX) ||
	     zydis_has(z, 1, ZYDIS_REGCLASS_MMX)))
		return INSN_NONE;
	return op;
}

static inline uint8_t zydis_number(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return INSN_NO_REGISTER;
	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_IP)
		return INSN_RIP;
	/* AH, CH, DH and BH stand before SPL. */
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return (uint8_t)(reg - ZYDIS_REGISTER_SPL + 4);
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BH)
		return (uint8_t)(reg - ZYDIS_REGISTER_AL);
	return (uint8_t)ZydisRegisterGetId(reg);
}

/* Do the memory operands agree? */
static inline bool zydis_same_memory(const struct zydis *z, const struct insn *in)
{
	const ZydisDecodedOperand *memory = zydis_memory(z);
	uint8_t base, index;

	/* The strings name their memory by their operation. */
	if (in->op >= INSN_MOVS && in->op <= INSN_OUTS)
		return true;
	if (!memory)
		return !in->memory;
	base = zydis_number(memory->mem.base);
	index = zydis_number(memory->mem.index);
	/* Zydis 4.0 takes REX.B for R13 where there is no base. */
	if (z->instruction.raw.sib.base == 5 && z->instruction.raw.modrm.mod == 0 &&
	    in->base == INSN_NO_REGISTER && in->displacement == z->instruction.raw.disp.value)
		return index == in->index;
	return in->memory && base == in->base && index == in->index &&
	       (index == INSN_NO_REGISTER || memory->mem.scale == in->scale) &&
	       memory->mem.disp.value == in->displacement &&
	       in->segment == memory->mem.segment - ZYDIS_REGISTER_ES &&
	       in->address_size * 8 == z->instruction.address_width;
}

/* Does a register, of whatever kind? */
static inline bool zydis_same_register(const ZydisDecodedOperand *operand, const struct insn *in,
                                       uint8_t where)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return true;
	switch (where) {
	case INSN_IN_REG:
	case INSN_IN_CR:
	case INSN_IN_DR:
	case INSN_IN_SEGMENT:
	case INSN_IN_VECTOR:
		return zydis_number(operand->reg.value) == in->reg;
	case INSN_IN_RM:
		return !in->memory && zydis_number(operand->reg.value) == in->rm;
	default:
		return true;
	}
}

/* Do the size of memory, the registers and the immediate? */
static inline bool zydis_same_operands(const struct zydis *z, const struct insn *in)
{
	/* The accumulator of MUL and DIV does not show. */
	bool hidden = in->to == INSN_IN_NOTHING ||
	              (in->to == INSN_IN_ACC && z->instruction.operand_count_visible == 1);
	uint8_t first = hidden ? in->from : in->to;
	const ZydisDecodedOperand *memory = zydis_memory(z), *operands = z->operands;
	unsigned int size = in->to == INSN_IN_RM ? in->size : in->source_size;

	if (memory && in->op < INSN_EXITS && in->op != INSN_NOP && in->op != INSN_CLFLUSH &&
	    memory->size != size * 8)
		return false;
	if (in->to == INSN_IN_REG && operands[0].size != in->size * 8)
		return false;
	if (!zydis_same_register(&operands[0], in, first) ||
	    (first == in->to && z->instruction.operand_count_visible > 1 &&
	     !zydis_same_register(&operands[1], in, in->from)))
		return false;
	for (unsigned int i = 0; i < z->instruction.operand_count_visible; i++) {
		if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		    ((operands[i].imm.value.u ^ in->immediate) &
		     (in->size < 8 ? (UINT64_C(1) << in->size * 8) - 1 : UINT64_MAX)))
			return in->from == INSN_IN_ONE && operands[i].imm.value.u == 1;
	}
	return true;
}

/* Where the two may differ. */
static inline bool zydis_excused(const struct zydis *z, uint8_t op, enum insn_status status,
                                 const struct insn *ours)
{
	/* With REX.B it is an exchange with R8 to some. */
	if (op == INSN_PAUSE && status == INSN_UNKNOWN)
		return z->instruction.raw.rex.B;
	/* LOCK as a way to CR8 is AMD's. */
	if (op == INSN_NONE && ours->op == INSN_MOV_CR && ours->reg == 8)
		return true;
	/* MOVSXD of 16 bits reads 16 bits (AMD and Intel), not 32. */
	return op == INSN_MOVSX && z->instruction.mnemonic == ZYDIS_MNEMONIC_MOVSXD &&
	       ours->op == op && ours->size == 2 && ours->length == z->instruction.length;
}

#endif
