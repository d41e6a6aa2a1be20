// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Vectors, priorities, acceptance and reset.  SDM: volume 3, chapter 11 (local APIC) of the Intel
 * manual; APM: volume 2, chapter 16 of the AMD manual.
 */
#include "module/irqchip/lapic.h"

static void vectors_set(struct lapic_vectors *vectors, uint8_t vector)
{
	vectors->word[vector >> 5] |= 1u << (vector & 31);
	vectors->used |= 1u << (vector >> 5);
}

static void vectors_clear(struct lapic_vectors *vectors, uint8_t vector)
{
	vectors->word[vector >> 5] &= ~(1u << (vector & 31));
	if (!vectors->word[vector >> 5])
		vectors->used &= ~(1u << (vector >> 5));
}

static bool bit_of(const uint32_t *words, uint8_t vector)
{
	return words[vector >> 5] >> (vector & 31) & 1;
}

/* The highest vector, -1 for none. */
static int vectors_top(const struct lapic_vectors *vectors)
{
	unsigned int word;

	if (!vectors->used)
		return -1;
	word = 31 - (unsigned int)__builtin_clz(vectors->used);
	return (int)(word * 32 + 31 - (unsigned int)__builtin_clz(vectors->word[word]));
}

uint8_t lapic_priority(const struct lapic *lapic)
{
	uint8_t task = (uint8_t)lapic->reg[LAPIC_TPR];
	int served = vectors_top(&lapic->isr);

	if (served < 0 || (task & 0xF0) >= (served & 0xF0))
		return task;
	return (uint8_t)(served & 0xF0);
}

int lapic_pending(const struct lapic *lapic)
{
	int vector;

	if (!lapic->irr.used || !lapic_is_on(lapic))
		return -1;
	vector = vectors_top(&lapic->irr);
	return (vector & 0xF0) > (lapic_priority(lapic) & 0xF0) ? vector : -1;
}

int lapic_acknowledge(struct lapic *lapic)
{
	int vector = lapic_pending(lapic);

	if (vector < 0)
		return -1;
	vectors_clear(&lapic->irr, (uint8_t)vector);
	vectors_set(&lapic->isr, (uint8_t)vector);
	return vector;
}

/* A level at a local line waits for its end too (SDM 11.5.1, remote IRR). */
static void end_lines(struct lapic *lapic, uint8_t vector)
{
	for (unsigned int line = 0; line < 2; line++) {
		uint32_t *entry = &lapic->reg[LAPIC_LINT0 + line];

		if ((uint8_t)*entry != vector || !(*entry & LAPIC_LVT_REMOTE))
			continue;
		*entry &= ~LAPIC_LVT_REMOTE;
		if (lapic->lines >> line & 1)
			lapic_local(lapic, LAPIC_LINT0 + line);
	}
}

void lapic_end(struct lapic *lapic)
{
	int served = vectors_top(&lapic->isr);
	uint8_t vector = (uint8_t)served;
	bool level;

	/* Without a service, an end means nothing. */
	if (served < 0)
		return;
	vectors_clear(&lapic->isr, vector);
	end_lines(lapic, vector);
	level = bit_of(&lapic->reg[LAPIC_TMR], vector);
	if (level || (lapic->ends && bit_of(lapic->ends, vector)))
		lapic->ops->ended(lapic->ctx, vector,
		                  level && !(lapic->reg[LAPIC_SVR] & LAPIC_SVR_DIRECTED));
}

static int take_vector(struct lapic *lapic, uint8_t vector, bool level)
{
	uint32_t *trigger = &lapic->reg[LAPIC_TMR + (vector >> 5)], bit = 1u << (vector & 31);

	if (!lapic_is_enabled(lapic))
		return IRQ_IGNORED;
	if (vector < 16) {
		lapic_error(lapic, LAPIC_RECEIVED_ILLEGAL);
		return IRQ_IGNORED;
	}
	*trigger = level ? *trigger | bit : *trigger & ~bit;
	if (bit_of(lapic->irr.word, vector))
		return IRQ_COALESCED;
	vectors_set(&lapic->irr, vector);
	lapic->ops->event(lapic->ctx, LAPIC_INTERRUPT, 0);
	return 1;
}

static int take(struct lapic *lapic, uint8_t mode, uint8_t vector, bool level)
{
	switch (mode) {
	case IRQ_FIXED:
	case IRQ_LOWEST:
		return take_vector(lapic, vector, level);
	case IRQ_SMI:
	case IRQ_NMI:
	case IRQ_INIT:
	case IRQ_SIPI:
		lapic->ops->event(lapic->ctx, (enum lapic_event)mode, vector);
		return 1;
	default:
		/* ExtINT comes by LINT0 only; the fourth encoding is reserved. */
		return IRQ_IGNORED;
	}
}

int lapic_accept(struct lapic *lapic, const struct irq_message *message)
{
	if (!lapic_is_on(lapic))
		return IRQ_IGNORED;
	return take(lapic, message->mode, message->vector, message->level);
}

int lapic_local(struct lapic *lapic, enum lapic_register entry)
{
	uint32_t value = lapic->reg[entry];
	uint8_t mode = value >> 8 & 7;
	bool line = entry == LAPIC_LINT0 || entry == LAPIC_LINT1, level;
	int taken;

	if (!lapic_is_on(lapic) || value & LAPIC_LVT_MASKED)
		return IRQ_IGNORED;
	/* These two have no delivery mode: their bits are reserved. */
	if (entry == LAPIC_TIMER || entry == LAPIC_ERROR)
		mode = IRQ_FIXED;
	else if (mode == IRQ_LOWEST || mode == IRQ_SIPI)
		return IRQ_IGNORED;
	if (mode == IRQ_EXTINT) {
		lapic->ops->event(lapic->ctx, LAPIC_INTERRUPT, 0);
		return 1;
	}
	level = line && mode == IRQ_FIXED && value & LAPIC_LVT_LEVEL;
	if (level && value & LAPIC_LVT_REMOTE)
		return IRQ_COALESCED;
	/* Its end is our own business: to the I/O APIC it is no level. */
	taken = take(lapic, mode, (uint8_t)value, false);
	if (level && taken != IRQ_IGNORED)
		lapic->reg[entry] |= LAPIC_LVT_REMOTE;
	return taken;
}

void lapic_line(struct lapic *lapic, unsigned int line, bool high)
{
	uint8_t bit = line & 1 ? 2 : 1, before = lapic->lines;

	lapic->lines = high ? before | bit : before & (uint8_t)~bit;
	if (lapic->lines & ~before)
		lapic_local(lapic, LAPIC_LINT0 + (line & 1));
}

bool lapic_takes_pic(const struct lapic *lapic)
{
	uint32_t entry = lapic->reg[LAPIC_LINT0];

	return !lapic_is_on(lapic) ||
	       (!(entry & LAPIC_LVT_MASKED) && (entry >> 8 & 7) == IRQ_EXTINT);
}

void lapic_error(struct lapic *lapic, uint8_t bit)
{
	bool news = !(lapic->errors & bit);

	/* Once for each kind until the ESR is written: an illegal vector of its own ends there. */
	lapic->errors |= bit;
	if (news)
		lapic_local(lapic, LAPIC_ERROR);
}

/* SDM 11.4.7.1 and 11.4.7.3. */
void lapic_reset(struct lapic *lapic)
{
	uint32_t id = lapic->reg[LAPIC_ID];

	memset(lapic->reg, 0, sizeof(lapic->reg));
	memset(&lapic->irr, 0, sizeof(lapic->irr));
	memset(&lapic->isr, 0, sizeof(lapic->isr));
	lapic->errors = 0;
	lapic->reg[LAPIC_ID] = id;
	lapic->reg[LAPIC_DFR] = 0xFFFFFFFF;
	lapic->reg[LAPIC_SVR] = 0xFF;
	for (unsigned int reg = LAPIC_TIMER; reg <= LAPIC_ERROR; reg++)
		lapic->reg[reg] = LAPIC_LVT_MASKED;
	if (lapic->features & LAPIC_LINT0_OPEN && lapic->base & LAPIC_BASE_BSP)
		lapic->reg[LAPIC_LINT0] = IRQ_EXTINT << 8;
	lapic->deadline = 0;
	lapic->tsc_deadline = 0;
	lapic->ops->arm(lapic->ctx, 0);
}

void lapic_init(struct lapic *lapic, const struct lapic_ops *ops, void *ctx, uint32_t id, bool boot,
                uint32_t features)
{
	memset(lapic, 0, sizeof(*lapic));
	lapic->ops = ops;
	lapic->ctx = ctx;
	lapic->id = id;
	lapic->features = features;
	lapic->physical_bits = 52;
	lapic->base = LAPIC_BASE | LAPIC_BASE_ENABLED | (boot ? LAPIC_BASE_BSP : 0);
	lapic->reg[LAPIC_ID] = id << 24;
	lapic_reset(lapic);
}

bool lapic_set_base(struct lapic *lapic, uint64_t base, bool vmm)
{
	uint64_t allowed = (((uint64_t)1 << lapic->physical_bits) - 1) & ~(uint64_t)0xFFF;
	bool on = base & LAPIC_BASE_ENABLED, x2 = base & LAPIC_BASE_X2;

	allowed |= LAPIC_BASE_BSP | LAPIC_BASE_ENABLED;
	if (lapic->features & LAPIC_HAS_X2)
		allowed |= LAPIC_BASE_X2;
	if (base & ~allowed || (x2 && !on))
		return false;
	/* SDM 11.12.5: into x2APIC only from xAPIC, and out of it only by turning the APIC off. */
	if (!vmm && lapic_is_x2(lapic) && on && !x2)
		return false;
	if (!vmm && !lapic_is_on(lapic) && x2)
		return false;
	if (on && x2 != lapic_is_x2(lapic))
		lapic->reg[LAPIC_ID] = lapic->id << 24;
	if (!vmm && lapic_is_on(lapic) && !on) {
		lapic->reg[LAPIC_ID] = lapic->id << 24;
		lapic->base = base;
		lapic_reset(lapic);
	}
	lapic->base = base;
	return true;
}
