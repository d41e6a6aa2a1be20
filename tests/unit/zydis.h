/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our decoder should say, by Zydis.  For the unit test and the fuzz target.
 */
#ifndef TESTS_UNIT_ZYDIS_H
#define TESTS_UNIT_ZYDIS_H

#include <string.h>

#include <Zydis/Zydis.h>

#include "base/bits.h"
#include "hypervisor/core/guest.h"

static const struct {
	bool code_64, code_32;
	ZydisMachineMode mode;
	ZydisStackWidth stack;
} zydis_modes[] = {
	{ true, false, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	{ false, true, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
	{ false, false, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
};

struct zydis {
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static inline bool zydis_decode(unsigned int mode, const uint8_t *bytes, unsigned int count,
                                struct zydis *ret)
{
	static ZydisDecoder decoders[ARRAY_LEN(zydis_modes)];
	static bool ready;

	if (!ready) {
		for (size_t i = 0; i < ARRAY_LEN(zydis_modes); i++)
			ZydisDecoderInit(&decoders[i], zydis_modes[i].mode, zydis_modes[i].stack);
		ready = true;
	}
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[mode], bytes, count, &ret->instruction,
	                                           ret->operands));
}

/* Is it a store as guest.h describes it?  Then what decode_store() should return. */
static inline bool zydis_store(const struct zydis *z, const struct guest_state *state,
                               const struct guest_regs *regs, struct store *ret)
{
	const ZydisDecodedInstruction *in = &z->instruction;
	const ZydisDecodedOperand *to = &z->operands[0], *from = &z->operands[1];
	int reg = -1;

	if (in->mnemonic != ZYDIS_MNEMONIC_MOV && in->mnemonic != ZYDIS_MNEMONIC_XCHG)
		return false;
	if (to->type != ZYDIS_OPERAND_TYPE_MEMORY || to->size != 32)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->length = in->length;
	if (from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		ret->value = (uint32_t)from->imm.value.u;
	} else {
		if (ZydisRegisterGetClass(from->reg.value) != ZYDIS_REGCLASS_GPR32)
			return false;
		reg = (uint8_t)ZydisRegisterGetId(from->reg.value);
		ret->value = (uint32_t)(reg == REG_RSP ? state->rsp : regs->r[reg]);
	}
	ret->exchange = in->mnemonic == ZYDIS_MNEMONIC_XCHG ? reg : -1;
	return true;
}

#endif
