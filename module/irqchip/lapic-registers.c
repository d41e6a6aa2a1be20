// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest and a VMM read and write.  One table says of each register which bits can be written
 * and in which mode it exists (SDM volume 3, tables 11-1 and 11-6; APM volume 2, 16.3 and 16.11).
 *
 * An xAPIC ignores bits that are reserved; an x2APIC answers them with #GP.  The xAPIC's ICR keeps
 * them as written: nothing depends on them, and VMMs expect to find what the guest wrote.
 */
#include "module/irqchip/lapic.h"

#define READS     1u
#define WRITES    2u
#define ONLY_X    4u
#define ONLY_X2   8u
#define X2_READS  16u /* an x2APIC only reads it */
#define LVT       32u

#define VERSION   0x50014u /* six local vectors, as of an APIC that is part of the processor */
#define DIRECTED  0x1000000u
#define COMMAND   0xCCFFFu /* ICR, x2APIC: what is not reserved; delivery status is ignored */
#define LVT_LINES 0xA7FFu

static const struct {
	uint32_t bits;
	uint8_t how;
} rules[LAPIC_REGISTERS] = {
	[LAPIC_ID] = { 0xFF000000, READS | WRITES | X2_READS },
	[LAPIC_VERSION] = { 0, READS },
	[LAPIC_TPR] = { 0xFF, READS | WRITES },
	[LAPIC_APR] = { 0, READS | ONLY_X },
	[LAPIC_PPR] = { 0, READS },
	[LAPIC_EOI] = { 0, WRITES },
	[LAPIC_RRD] = { 0, READS | ONLY_X },
	[LAPIC_LDR] = { 0xFF000000, READS | WRITES | X2_READS },
	[LAPIC_DFR] = { 0xF0000000, READS | WRITES | ONLY_X },
	[LAPIC_SVR] = { 0x3FF, READS | WRITES },
	[LAPIC_ISR... LAPIC_ISR + 7] = { 0, READS },
	[LAPIC_TMR... LAPIC_TMR + 7] = { 0, READS },
	[LAPIC_IRR... LAPIC_IRR + 7] = { 0, READS },
	[LAPIC_ESR] = { 0, READS | WRITES },
	[LAPIC_ICR] = { COMMAND, READS | WRITES },
	[LAPIC_ICR2] = { 0xFF000000, READS | WRITES | ONLY_X },
	[LAPIC_TIMER] = { 0x300FF, READS | WRITES | LVT },
	[LAPIC_THERMAL] = { 0x107FF, READS | WRITES | LVT },
	[LAPIC_PERF] = { 0x107FF, READS | WRITES | LVT },
	[LAPIC_LINT0] = { LAPIC_LVT_MASKED | LVT_LINES, READS | WRITES | LVT },
	[LAPIC_LINT1] = { LAPIC_LVT_MASKED | LVT_LINES, READS | WRITES | LVT },
	[LAPIC_ERROR] = { 0x100FF, READS | WRITES | LVT },
	[LAPIC_INITIAL] = { 0xFFFFFFFF, READS | WRITES },
	[LAPIC_CURRENT] = { 0, READS },
	[LAPIC_DIVIDE] = { 0xB, READS | WRITES },
	[LAPIC_SELF] = { 0xFF, WRITES | ONLY_X2 },
};

static uint32_t writable(const struct lapic *lapic, unsigned int reg)
{
	uint32_t bits = rules[reg].bits;

	if (reg == LAPIC_SVR && lapic->features & LAPIC_HAS_DIRECTED)
		bits |= LAPIC_SVR_DIRECTED;
	if (reg == LAPIC_TIMER && lapic->features & LAPIC_HAS_TSC_DEADLINE)
		bits |= 1u << 18;
	return bits;
}

/* Bits that may be written without effect. */
static uint32_t read_only(unsigned int reg)
{
	if (reg == LAPIC_LINT0 || reg == LAPIC_LINT1)
		return LAPIC_BUSY | LAPIC_LVT_REMOTE;
	return rules[reg].how & LVT || reg == LAPIC_ICR ? LAPIC_BUSY : 0;
}

static bool exists(const struct lapic *lapic, unsigned int reg, uint8_t access)
{
	uint8_t how = rules[reg].how;

	if (lapic_is_x2(lapic) && (how & ONLY_X || (access == WRITES && how & X2_READS)))
		return false;
	return how & access && (lapic_is_x2(lapic) || !(how & ONLY_X2));
}

/* SDM 11.6.2.4: cluster and place in it, out of the identification. */
uint32_t lapic_x2_ldr(const struct lapic *lapic)
{
	return (lapic->id >> 4) << 16 | 1u << (lapic->id & 15);
}

static uint32_t register_read(const struct lapic *lapic, unsigned int reg)
{
	switch (reg) {
	case LAPIC_ID:
		return lapic_is_x2(lapic) ? lapic->id : lapic->reg[reg];
	case LAPIC_VERSION:
		return VERSION | (lapic->features & LAPIC_HAS_DIRECTED ? DIRECTED : 0);
	case LAPIC_APR:
	case LAPIC_PPR:
		return lapic_priority(lapic);
	case LAPIC_LDR:
		return lapic_is_x2(lapic) ? lapic_x2_ldr(lapic) : lapic->reg[reg];
	case LAPIC_ISR ... LAPIC_ISR + 7:
		return lapic->isr.word[reg - LAPIC_ISR];
	case LAPIC_IRR ... LAPIC_IRR + 7:
		return lapic->irr.word[reg - LAPIC_IRR];
	case LAPIC_CURRENT:
		return lapic_timer_current(lapic);
	default:
		return lapic->reg[reg];
	}
}

static void lvt_write(struct lapic *lapic, unsigned int reg, uint32_t value)
{
	uint32_t entry = value & writable(lapic, reg);

	/* SDM 11.4.7.2: as long as software has the APIC disabled, its lines stay masked. */
	if (!(lapic->reg[LAPIC_SVR] & LAPIC_SVR_ENABLED))
		entry |= LAPIC_LVT_MASKED;
	if (reg == LAPIC_TIMER) {
		lapic_timer_write(lapic, LAPIC_TIMER, entry);
		return;
	}
	if (entry & LAPIC_LVT_LEVEL)
		entry |= lapic->reg[reg] & LAPIC_LVT_REMOTE;
	lapic->reg[reg] = entry;
	/* A level that was high behind the mask. */
	if (entry & LAPIC_LVT_LEVEL && lapic->lines >> (reg - LAPIC_LINT0) & 1)
		lapic_local(lapic, reg);
}

static void svr_write(struct lapic *lapic, uint32_t value)
{
	lapic->reg[LAPIC_SVR] = value & writable(lapic, LAPIC_SVR);
	if (value & LAPIC_SVR_ENABLED)
		return;
	for (unsigned int reg = LAPIC_TIMER; reg <= LAPIC_ERROR; reg++)
		lvt_write(lapic, reg, lapic->reg[reg]);
}

/* A register that exists, with bits that may be. */
static void register_write(struct lapic *lapic, unsigned int reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_EOI:
		lapic_end(lapic);
		break;
	case LAPIC_SVR:
		svr_write(lapic, value);
		break;
	case LAPIC_ESR:
		/* Writing shows what has gathered since it was last written (SDM 11.5.3). */
		lapic->reg[reg] = lapic->errors;
		lapic->errors = 0;
		break;
	case LAPIC_ICR:
		lapic->reg[reg] = value & ~LAPIC_BUSY;
		lapic_command(lapic, value, lapic->reg[LAPIC_ICR2] >> 24);
		break;
	case LAPIC_SELF:
		lapic_command(lapic, LAPIC_ITSELF << 18 | value, 0);
		break;
	case LAPIC_INITIAL:
	case LAPIC_DIVIDE:
		lapic_timer_write(lapic, reg, value & rules[reg].bits);
		break;
	case LAPIC_TIMER ... LAPIC_ERROR:
		lvt_write(lapic, reg, value);
		break;
	case LAPIC_DFR:
		lapic->reg[reg] = value | ~rules[reg].bits;
		break;
	default:
		lapic->reg[reg] = value & rules[reg].bits;
	}
}

static bool has_page(const struct lapic *lapic)
{
	return lapic_is_on(lapic) && !lapic_is_x2(lapic);
}

bool lapic_mmio_read(struct lapic *lapic, uint32_t offset, unsigned int size, void *ret_data)
{
	unsigned int reg = offset >> 4, first = offset & 15;
	uint8_t bytes[24] = { 0 };
	uint32_t value;

	if (!has_page(lapic) || offset > 0xFFF || size > 8)
		return false;
	if (reg >= LAPIC_REGISTERS || !rules[reg].how || rules[reg].how & ONLY_X2) {
		lapic_error(lapic, LAPIC_NO_REGISTER);
	} else {
		value = register_read(lapic, reg);
		memcpy(bytes, &value, sizeof(value));
	}
	memcpy(ret_data, bytes + first, size);
	return true;
}

bool lapic_mmio_write(struct lapic *lapic, uint32_t offset, unsigned int size, const void *data)
{
	unsigned int reg = offset >> 4;
	uint32_t value;

	if (!has_page(lapic) || offset > 0xFFF || size > 8)
		return false;
	/* SDM 11.4.1: 32 bits wide and aligned to 128, all else is undefined. */
	if (offset & 15 || size != sizeof(value))
		return true;
	memcpy(&value, data, sizeof(value));
	if (reg >= LAPIC_REGISTERS || !rules[reg].how || rules[reg].how & ONLY_X2)
		lapic_error(lapic, LAPIC_NO_REGISTER);
	else if (exists(lapic, reg, WRITES))
		register_write(lapic, reg, value);
	return true;
}

bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *ret_value)
{
	uint32_t reg = msr - 0x800;

	if (!lapic_is_x2(lapic) || reg >= LAPIC_REGISTERS || !exists(lapic, reg, READS))
		return false;
	*ret_value = register_read(lapic, reg);
	if (reg == LAPIC_ICR)
		*ret_value |= (uint64_t)lapic->reg[LAPIC_ICR2] << 32;
	return true;
}

bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value)
{
	uint32_t reg = msr - 0x800, low = (uint32_t)value;

	if (!lapic_is_x2(lapic) || reg >= LAPIC_REGISTERS || !exists(lapic, reg, WRITES))
		return false;
	if (low & ~(writable(lapic, reg) | read_only(reg)))
		return false;
	if (reg == LAPIC_ICR) {
		lapic->reg[LAPIC_ICR] = low & ~LAPIC_BUSY;
		lapic->reg[LAPIC_ICR2] = (uint32_t)(value >> 32);
		lapic_command(lapic, low, (uint32_t)(value >> 32));
		return true;
	}
	if (value >> 32)
		return false;
	/* Of the timer's modes the fourth is reserved. */
	if (reg == LAPIC_TIMER && (low >> 17 & 3) == 3)
		return false;
	register_write(lapic, reg, low);
	return true;
}

static uint32_t load(const struct kvm_lapic_state *state, unsigned int reg)
{
	uint32_t value;

	memcpy(&value, state->regs + 16 * reg, sizeof(value));
	return value;
}

void lapic_get_state(struct lapic *lapic, struct kvm_lapic_state *ret_state)
{
	memset(ret_state, 0, sizeof(*ret_state));
	for (unsigned int reg = 0; reg < LAPIC_REGISTERS; reg++) {
		uint32_t value;

		if (!(rules[reg].how & READS))
			continue;
		value = register_read(lapic, reg);
		if (reg == LAPIC_ID && lapic_is_x2(lapic) && !(lapic->features & LAPIC_WIDE_IDS))
			value <<= 24;
		memcpy(ret_state->regs + 16 * reg, &value, sizeof(value));
	}
}

/* Vectors below 16 are illegal, and kept: their priority is below every other, so they stay. */
static void vectors_load(struct lapic_vectors *vectors, const struct kvm_lapic_state *state,
                         unsigned int reg)
{
	vectors->used = 0;
	for (unsigned int i = 0; i < 8; i++) {
		vectors->word[i] = load(state, reg + i);
		if (vectors->word[i])
			vectors->used |= 1u << i;
	}
}

void lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	bool x2 = lapic_is_x2(lapic);

	vectors_load(&lapic->isr, state, LAPIC_ISR);
	vectors_load(&lapic->irr, state, LAPIC_IRR);
	for (unsigned int reg = 0; reg < LAPIC_REGISTERS; reg++) {
		uint32_t value = load(state, reg), kept = writable(lapic, reg);

		/* The identification of a processor in x2APIC mode is not the VMM's to choose. */
		if (x2 && (reg == LAPIC_ID || reg == LAPIC_LDR))
			continue;
		if ((reg & ~7u) == LAPIC_TMR || (x2 && reg == LAPIC_ICR2) || reg == LAPIC_ICR)
			kept = 0xFFFFFFFF;
		else if (reg == LAPIC_LINT0 || reg == LAPIC_LINT1)
			kept |= LAPIC_LVT_REMOTE;
		else if (reg == LAPIC_ESR)
			kept = 0xFF;
		lapic->reg[reg] = value & kept;
	}
	lapic->reg[LAPIC_ICR] &= ~LAPIC_BUSY;
	lapic->reg[LAPIC_DFR] |= ~rules[LAPIC_DFR].bits;
	lapic->errors = 0;
	lapic_timer_load(lapic, load(state, LAPIC_CURRENT));
	lapic->ops->event(lapic->ctx, LAPIC_INTERRUPT, 0);
}
