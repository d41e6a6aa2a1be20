// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As much of the instruction format as we must know (AMD64 Architecture Programmer's Manual volume
 * 3, chapter 1).  The bytes are the guest's, and another of its processors may have changed them
 * since this one ran them: what does not fit is refused.
 */
#include <stddef.h>

#include "base/endian.h"
#include "hypervisor/core/guest.h"

struct cursor {
	const uint8_t *at, *end;
	const uint8_t *start;
	uint8_t rex;
	bool operand, address, lock; /* prefixes 66, 67, F0 */
	uint8_t address_size;        /* bytes */
};

#define REX_W 0x08u
#define REX_R 0x04u

static bool skip_prefixes(struct cursor *c, const struct guest_state *state, const uint8_t *bytes,
                          unsigned int count)
{
	*c = (struct cursor){ .at = bytes, .start = bytes };
	c->end = bytes + (count < INSTRUCTION_MAX ? count : INSTRUCTION_MAX);
	for (; c->at < c->end; c->at++) {
		uint8_t byte = *c->at;

		if (state->code_64 && (byte & 0xF0) == 0x40) {
			c->rex = byte;
			continue;
		}
		if (byte == 0x66)
			c->operand = true;
		else if (byte == 0x67)
			c->address = true;
		else if (byte == 0xF0)
			c->lock = true;
		else if (byte != 0xF2 && byte != 0xF3 && byte != 0x26 && byte != 0x2E &&
		         byte != 0x36 && byte != 0x3E && byte != 0x64 && byte != 0x65)
			break;
		/* A REX prefix counts only right before the opcode. */
		c->rex = 0;
	}
	if (state->code_64)
		c->address_size = c->address ? 4 : 8;
	else
		c->address_size = state->code_32 != c->address ? 4 : 2;
	return c->at < c->end;
}

/* Moves on and returns where it was, or NULL when there are not as many bytes. */
static const uint8_t *take(struct cursor *c, unsigned int size)
{
	const uint8_t *at = c->at;

	if ((size_t)(c->end - at) < size)
		return NULL;
	c->at += size;
	return at;
}

/* ModRM, SIB and displacement of an operand in memory: returns ModRM's reg field, or -1. */
static int take_operand(struct cursor *c)
{
	const uint8_t *modrm = take(c, 1), *sib;
	unsigned int mod, rm, displacement;

	if (!modrm)
		return -1;
	mod = *modrm >> 6;
	rm = *modrm & 7;
	if (mod == 3)
		return -1;
	if (c->address_size == 2) {
		displacement = mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
	} else {
		if (rm == 4) {
			sib = take(c, 1);
			if (!sib)
				return -1;
			rm = *sib & 7;
		}
		displacement = mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0;
	}
	return take(c, displacement) ? *modrm >> 3 & 7 : -1;
}

unsigned int decode_plain(const struct guest_state *state, const uint8_t *bytes, unsigned int count,
                          const uint8_t *opcode, unsigned int opcode_size)
{
	struct cursor c;
	const uint8_t *at;

	if (!skip_prefixes(&c, state, bytes, count) || c.lock)
		return 0;
	at = take(&c, opcode_size);
	if (!at)
		return 0;
	for (unsigned int i = 0; i < opcode_size; i++) {
		if (at[i] != opcode[i])
			return 0;
	}
	return (unsigned int)(c.at - c.start);
}

bool decode_store(const struct guest_state *state, const struct guest_regs *regs,
                  const uint8_t *bytes, unsigned int count, struct store *ret)
{
	struct store store = { .value = (uint32_t)regs->r[REG_RAX], .exchange = -1 };
	const uint8_t *immediate;
	struct cursor c;
	uint8_t opcode;
	int reg;

	if (!skip_prefixes(&c, state, bytes, count) || c.rex & REX_W ||
	    (state->code_64 || state->code_32) == c.operand)
		return false;
	opcode = *take(&c, 1);
	if (c.lock && opcode != 0x87)
		return false;
	switch (opcode) {
	case 0x87: /* XCHG r/m32, r32 */
	case 0x89: /* MOV r/m32, r32 */
		reg = take_operand(&c);
		if (reg < 0)
			return false;
		reg |= c.rex & REX_R ? 8 : 0;
		store.value = (uint32_t)(reg == REG_RSP ? state->rsp : regs->r[reg]);
		if (opcode == 0x87)
			store.exchange = reg;
		break;
	case 0xA3: /* MOV moffs32, EAX */
		if (!take(&c, c.address_size))
			return false;
		break;
	case 0xC7: /* MOV r/m32, imm32 */
		if (take_operand(&c) != 0)
			return false;
		immediate = take(&c, 4);
		if (!immediate)
			return false;
		store.value = load_le32(immediate);
		break;
	default:
		return false;
	}
	store.length = (unsigned int)(c.at - c.start);
	*ret = store;
	return true;
}
