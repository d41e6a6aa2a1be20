// SPDX-License-Identifier: GPL-2.0-or-later
/* 82093AA data sheet; section numbers are its. */
#include "module/irqchip/ioapic.h"

#define SELECT           0x00u
#define WINDOW           0x10u
#define REGISTER_ID      0x00u
#define REGISTER_VERSION 0x01u
#define REGISTER_TABLE   0x10u
#define VERSION          (0x11u | (IOAPIC_PINS - 1) << 16)

#define ENTRY_LOGICAL    (1u << 11)
#define ENTRY_REMOTE_IRR (1u << 14)
#define ENTRY_LEVEL      (1u << 15)
#define ENTRY_MASKED     (1u << 16)
/* Delivery status and remote IRR are read-only (3.2.4). */
#define ENTRY_WRITABLE 0x1AFFFu
#define ENTRY_HIGH     0xFF000000u

static uint32_t entry_low(const struct ioapic *ioapic, unsigned int pin)
{
	return (uint32_t)ioapic->state.redirtbl[pin].bits;
}

static bool is_high(const struct ioapic *ioapic, unsigned int pin)
{
	return ioapic->state.irr >> pin & 1;
}

/* Sends the message of a pin that is not masked. */
static int deliver(struct ioapic *ioapic, unsigned int pin)
{
	uint32_t entry = entry_low(ioapic, pin);
	struct irq_message message = {
		.destination = (uint32_t)(ioapic->state.redirtbl[pin].bits >> 56),
		.vector = (uint8_t)entry,
		.mode = entry >> 8 & 7,
		.logical = entry & ENTRY_LOGICAL,
		.level = entry & ENTRY_LEVEL,
	};
	int taken;

	/* Only these two can be levels and are ended (3.2.4, delivery mode). */
	if (message.mode != IRQ_FIXED && message.mode != IRQ_LOWEST)
		message.level = false;
	taken = ioapic->ops->send(ioapic->ctx, &message);
	/* It waits for its end only where someone took it: nobody else would end it. */
	if (message.level && taken != IRQ_IGNORED)
		ioapic->state.redirtbl[pin].bits |= ENTRY_REMOTE_IRR;
	return taken;
}

/* A level pin sends while it is high and its last message is ended. */
static void serve_level(struct ioapic *ioapic, unsigned int pin)
{
	uint32_t entry = entry_low(ioapic, pin);

	if ((entry & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_REMOTE_IRR)) == ENTRY_LEVEL &&
	    is_high(ioapic, pin))
		deliver(ioapic, pin);
}

int ioapic_set(struct ioapic *ioapic, unsigned int pin, unsigned int source, bool high)
{
	uint32_t bit = 1u << (source & 31), entry;
	bool was_high;

	if (pin >= IOAPIC_PINS)
		return IRQ_IGNORED;
	was_high = is_high(ioapic, pin);
	entry = entry_low(ioapic, pin);
	if (!high) {
		ioapic->sources[pin] &= ~bit;
		if (!ioapic->sources[pin])
			ioapic->state.irr &= ~(1u << pin);
		return 1;
	}
	ioapic->sources[pin] |= bit;
	ioapic->state.irr |= 1u << pin;
	/* An edge at a masked pin is lost (3.2.4, interrupt mask). */
	if (entry & ENTRY_MASKED)
		return IRQ_IGNORED;
	if (entry & ENTRY_LEVEL ? entry & ENTRY_REMOTE_IRR : was_high)
		return IRQ_COALESCED;
	return deliver(ioapic, pin);
}

void ioapic_end(struct ioapic *ioapic, uint8_t vector, bool level)
{
	if (!(ioapic->vectors[vector >> 5] >> (vector & 31) & 1))
		return;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint32_t entry = entry_low(ioapic, pin);

		if ((uint8_t)entry != vector)
			continue;
		if (entry & ENTRY_LEVEL) {
			if (!level)
				continue;
			ioapic->state.redirtbl[pin].bits &= ~(uint64_t)ENTRY_REMOTE_IRR;
		}
		/* Who resamples lets go here; whoever still holds the pin interrupts again. */
		ioapic->ops->ended(ioapic->ctx, pin);
		serve_level(ioapic, pin);
	}
}

static void collect_vectors(struct ioapic *ioapic)
{
	memset(ioapic->vectors, 0, sizeof(ioapic->vectors));
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint8_t vector = (uint8_t)entry_low(ioapic, pin);

		ioapic->vectors[vector >> 5] |= 1u << (vector & 31);
	}
}

static void entry_write(struct ioapic *ioapic, unsigned int pin, bool upper, uint32_t value)
{
	__u64 *entry = &ioapic->state.redirtbl[pin].bits;

	if (upper)
		*entry = (uint32_t)*entry | (uint64_t)(value & ENTRY_HIGH) << 32;
	else
		*entry = (*entry & ~(uint64_t)ENTRY_WRITABLE) | (value & ENTRY_WRITABLE);
	/* Without an EOI register, kernels end a level by making it an edge for a moment. */
	if (!(*entry & ENTRY_LEVEL))
		*entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
	collect_vectors(ioapic);
	serve_level(ioapic, pin);
}

uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t offset)
{
	uint32_t select = ioapic->state.ioregsel, pin;

	if (offset == SELECT)
		return select;
	if (offset != WINDOW)
		return 0;
	if (select == REGISTER_VERSION)
		return VERSION;
	/* The arbitration register holds the same number as the identification. */
	if (select <= REGISTER_VERSION + 1)
		return ioapic->state.id << 24;
	if (select < REGISTER_TABLE || select >= REGISTER_TABLE + 2 * IOAPIC_PINS)
		return 0;
	pin = array_index_nospec((select - REGISTER_TABLE) / 2, IOAPIC_PINS);
	return (uint32_t)(ioapic->state.redirtbl[pin].bits >> (select & 1 ? 32 : 0));
}

void ioapic_write(struct ioapic *ioapic, uint32_t offset, uint32_t value)
{
	uint32_t select = ioapic->state.ioregsel;

	if (offset == SELECT) {
		ioapic->state.ioregsel = value & 0xFF;
		return;
	}
	if (offset != WINDOW)
		return;
	if (select == REGISTER_ID)
		ioapic->state.id = value >> 24 & 15;
	else if (select >= REGISTER_TABLE && select < REGISTER_TABLE + 2 * IOAPIC_PINS)
		entry_write(ioapic, array_index_nospec((select - REGISTER_TABLE) / 2, IOAPIC_PINS),
		            select & 1, value);
}

void ioapic_get_state(const struct ioapic *ioapic, struct kvm_ioapic_state *ret_state)
{
	*ret_state = ioapic->state;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		if (!(entry_low(ioapic, pin) & ENTRY_LEVEL))
			ret_state->irr &= ~(1u << pin);
}

void ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state)
{
	uint64_t allowed = (uint64_t)ENTRY_HIGH << 32 | ENTRY_WRITABLE | ENTRY_REMOTE_IRR;
	uint32_t irr = state->irr & ((1u << IOAPIC_PINS) - 1);

	ioapic->state = *state;
	ioapic->state.ioregsel &= 0xFF;
	ioapic->state.id &= 15;
	ioapic->state.pad = 0;
	ioapic->state.irr = irr;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		__u64 *entry = &ioapic->state.redirtbl[pin].bits;

		*entry &= allowed;
		if (!(*entry & ENTRY_LEVEL))
			*entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
		/* Whoever held the pin: from here on it is the one source that every VMM has. */
		ioapic->sources[pin] = irr >> pin & 1;
	}
	collect_vectors(ioapic);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if (!(entry_low(ioapic, pin) & (ENTRY_LEVEL | ENTRY_MASKED)) && irr >> pin & 1)
			deliver(ioapic, pin);
		serve_level(ioapic, pin);
	}
}

void ioapic_init(struct ioapic *ioapic, const struct ioapic_ops *ops, void *ctx)
{
	memset(ioapic, 0, sizeof(*ioapic));
	ioapic->ops = ops;
	ioapic->ctx = ctx;
	ioapic->state.base_address = IOAPIC_BASE;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->state.redirtbl[pin].bits = ENTRY_MASKED;
	collect_vectors(ioapic);
}
