// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who a message is for, and the interrupt command register (SDM volume 3, 11.6).
 */
#include "module/irqchip/lapic.h"

#define ICR_LOGICAL 0x800u
#define ICR_ASSERT  0x4000u
#define ICR_LEVEL   0x8000u

static bool logical_target(const struct lapic *lapic, uint32_t destination)
{
	uint32_t own;

	if (lapic_is_x2(lapic)) {
		own = lapic_x2_ldr(lapic);
		return own >> 16 == destination >> 16 && own & destination & 0xFFFF;
	}
	own = lapic->reg[LAPIC_LDR] >> 24;
	if (destination > 0xFF)
		return false;
	switch (lapic->reg[LAPIC_DFR] >> 28) {
	case 0xF:
		return own & destination;
	case 0:
		return own >> 4 == destination >> 4 && own & destination & 15;
	default:
		return false;
	}
}

static uint32_t id_of(const struct lapic *lapic)
{
	return lapic_is_x2(lapic) ? lapic->id : lapic->reg[LAPIC_ID] >> 24;
}

bool lapic_is_target(const struct lapic *lapic, const struct irq_message *message,
                     bool narrow_is_id)
{
	uint32_t destination = message->destination;

	if (!lapic_is_on(lapic))
		return false;
	if (destination == IRQ_EVERYONE)
		return true;
	if (destination == 0xFF && (!lapic_is_x2(lapic) || !(message->wide || narrow_is_id)))
		return true;
	return message->logical ? logical_target(lapic, destination) : id_of(lapic) == destination;
}

static bool is_meant(const struct lapic_bus *bus, const struct lapic *lapic,
                     const struct lapic *from, const struct irq_message *message,
                     enum lapic_shorthand shorthand)
{
	switch (shorthand) {
	case LAPIC_ITSELF:
		return lapic == from;
	case LAPIC_ALL:
		return true;
	case LAPIC_OTHERS:
		return lapic != from;
	default:
		return lapic_is_target(lapic, message, bus->narrow_is_id);
	}
}

/* The one whose task and service matter least; equals take turns. */
static int send_lowest(struct lapic_bus *bus, const struct lapic *from,
                       const struct irq_message *message, enum lapic_shorthand shorthand)
{
	struct lapic *best = NULL;
	uint32_t best_at = 0;

	for (uint32_t i = 0; i < bus->count; i++) {
		uint32_t at = (uint32_t)(((uint64_t)bus->turn + i) % bus->count);
		struct lapic *lapic = bus->lapics[at];

		if (!lapic || !lapic_is_enabled(lapic) ||
		    !is_meant(bus, lapic, from, message, shorthand))
			continue;
		if (best && lapic_priority(lapic) >> 4 >= lapic_priority(best) >> 4)
			continue;
		best = lapic;
		best_at = at;
	}
	if (!best)
		return IRQ_IGNORED;
	bus->turn = best_at + 1;
	return lapic_accept(best, message);
}

/* In physical mode the number of a processor is nearly always its identification. */
static struct lapic *find(const struct lapic_bus *bus, const struct irq_message *message)
{
	uint32_t destination = message->destination;
	struct lapic *lapic;

	if (message->logical || destination == 0xFF || destination >= bus->count)
		return NULL;
	lapic = bus->lapics[array_index_nospec(destination, bus->count)];
	return lapic && lapic_is_target(lapic, message, bus->narrow_is_id) ? lapic : NULL;
}

int lapic_bus_send(struct lapic_bus *bus, const struct lapic *from,
                   const struct irq_message *message, enum lapic_shorthand shorthand)
{
	int taken = IRQ_IGNORED;

	if (message->mode == IRQ_LOWEST)
		return send_lowest(bus, from, message, shorthand);
	if (shorthand == LAPIC_NAMED) {
		struct lapic *lapic = find(bus, message);

		if (lapic)
			return lapic_accept(lapic, message);
	}
	for (uint32_t i = 0; i < bus->count; i++) {
		struct lapic *lapic = bus->lapics[i];
		int one;

		if (!lapic || !is_meant(bus, lapic, from, message, shorthand))
			continue;
		one = lapic_accept(lapic, message);
		if (one != IRQ_IGNORED)
			taken = taken == IRQ_IGNORED ? one : taken + one;
	}
	return taken;
}

void lapic_command(struct lapic *lapic, uint32_t low, uint32_t destination)
{
	struct irq_message message = {
		.destination = destination,
		.vector = (uint8_t)low,
		.mode = low >> 8 & 7,
		.logical = low & ICR_LOGICAL,
		.wide = lapic_is_x2(lapic),
	};

	/* An xAPIC's own broadcast is everyone's, whatever the mode of the others. */
	if (!message.wide && destination == 0xFF)
		message.destination = IRQ_EVERYONE;
	switch (message.mode) {
	case IRQ_FIXED:
	case IRQ_LOWEST:
		if (message.vector < 16) {
			lapic_error(lapic, LAPIC_SENT_ILLEGAL);
			return;
		}
		break;
	case IRQ_INIT:
		/* The de-assert that old processors needed (SDM 11.6.1). */
		if ((low & (ICR_LEVEL | ICR_ASSERT)) == ICR_LEVEL)
			return;
		break;
	case IRQ_SMI:
	case IRQ_NMI:
	case IRQ_SIPI:
		break;
	default:
		return;
	}
	lapic->ops->send(lapic->ctx, &message, low >> 18 & 3);
}
