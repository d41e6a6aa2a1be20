// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes sorted by GSI, with an index: a GSI's routes are found without a search. */
#include "module/irqchip/route.h"

/* MSI address and data (SDM volume 3, 11.11). */
#define MSI_LOGICAL 0x4u
#define MSI_LOWEST  0x8u
#define MSI_LEVEL   0x8000u

size_t route_size(uint32_t entries)
{
	if (entries > ROUTE_MAX)
		return 0;
	return sizeof(struct route_table) + entries * sizeof(struct route);
}

bool route_msi(uint32_t address_lo, uint32_t address_hi, uint32_t data, unsigned int format,
               struct irq_message *ret_message)
{
	uint32_t destination = address_lo >> 12 & 0xFF;

	if (format & ROUTE_EXTENDED)
		destination |= (address_lo >> 5 & 0x7F) << 8;
	if (format & ROUTE_WIDE_MSI) {
		if (address_hi & 0xFF)
			return false;
		destination |= address_hi;
	}
	*ret_message = (struct irq_message){
		.destination = destination,
		.vector = (uint8_t)data,
		.mode = data >> 8 & 7,
		.logical = address_lo & MSI_LOGICAL,
		.level = data & MSI_LEVEL,
	};
	/* The redirection hint: of several, the one that does least. */
	if (address_lo & MSI_LOWEST && ret_message->mode == IRQ_FIXED)
		ret_message->mode = IRQ_LOWEST;
	return true;
}

static bool convert(const struct kvm_irq_routing_entry *entry, unsigned int format,
                    struct route *ret_route)
{
	struct route route = { .msi = false };

	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (!(format & ROUTE_CHIPS) || entry->u.irqchip.irqchip >= KVM_NR_IRQCHIPS ||
		    entry->u.irqchip.pin >=
		            (entry->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC ? IOAPIC_PINS : 8))
			return false;
		route.chip = (uint8_t)entry->u.irqchip.irqchip;
		route.pin = (uint8_t)entry->u.irqchip.pin;
		break;
	case KVM_IRQ_ROUTING_MSI:
		route.msi = true;
		if (!route_msi(entry->u.msi.address_lo, entry->u.msi.address_hi, entry->u.msi.data,
		               format, &route.message))
			return false;
		break;
	default:
		return false;
	}
	*ret_route = route;
	return true;
}

/* May these lead from one GSI?  An MSI goes alone, and no controller comes twice. */
static bool is_alright(const struct route *routes, uint32_t count)
{
	unsigned int seen = 0;

	if (count > KVM_NR_IRQCHIPS)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if ((routes[i].msi && count > 1) || seen >> routes[i].chip & 1)
			return false;
		seen |= 1u << routes[i].chip;
	}
	return true;
}

bool route_build(struct route_table *table, const struct kvm_irq_routing_entry *entries,
                 uint32_t count, unsigned int format)
{
	if (count > ROUTE_MAX)
		return false;
	memset(table->first, 0, sizeof(table->first));
	memset(table->gsi, 0xFF, sizeof(table->gsi));
	/* How many each has, one place on; then where each begins. */
	for (uint32_t i = 0; i < count; i++) {
		if (entries[i].gsi >= ROUTE_MAX || entries[i].flags)
			return false;
		table->first[entries[i].gsi + 1]++;
	}
	for (uint32_t gsi = 0; gsi < ROUTE_MAX; gsi++)
		table->first[gsi + 1] += table->first[gsi];
	/*
	 * Each begin goes on to the next as its routes are filled in, and is moved back after that.
	 */
	for (uint32_t i = 0; i < count; i++) {
		struct route *route = &table->route[table->first[entries[i].gsi]++];

		if (!convert(&entries[i], format, route))
			return false;
		if (!route->msi)
			table->gsi[route->chip][route->pin] = (int16_t)entries[i].gsi;
	}
	for (uint32_t gsi = ROUTE_MAX; gsi > 0; gsi--)
		table->first[gsi] = table->first[gsi - 1];
	table->first[0] = 0;
	for (uint32_t gsi = 0; gsi < ROUTE_MAX; gsi++)
		if (!is_alright(&table->route[table->first[gsi]],
		                table->first[gsi + 1] - (uint32_t)table->first[gsi]))
			return false;
	return true;
}

void route_defaults(struct route_table *table)
{
	uint16_t at = 0;

	memset(table->gsi, 0xFF, sizeof(table->gsi));
	for (uint32_t gsi = 0; gsi <= ROUTE_MAX; gsi++) {
		uint8_t chip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;

		table->first[gsi] = at;
		if (gsi < PIC_LINES) {
			table->route[at++] = (struct route){ .chip = chip, .pin = gsi & 7 };
			table->gsi[chip][gsi & 7] = (int16_t)gsi;
		}
		if (gsi < IOAPIC_PINS) {
			table->route[at++] =
				(struct route){ .chip = KVM_IRQCHIP_IOAPIC, .pin = (uint8_t)gsi };
			table->gsi[KVM_IRQCHIP_IOAPIC][gsi] = (int16_t)gsi;
		}
	}
}

static int follow(const struct route *route, const struct route_targets *targets,
                  unsigned int source, bool high)
{
	if (route->msi)
		return high ? lapic_bus_send(targets->bus, NULL, &route->message, LAPIC_NAMED)
		            : IRQ_IGNORED;
	if (route->chip == KVM_IRQCHIP_IOAPIC)
		return ioapic_set(targets->ioapic, route->pin, source, high);
	return pic_set(targets->pic, route->chip * 8u + route->pin, source, high);
}

int route_set(const struct route_table *table, const struct route_targets *targets, uint32_t gsi,
              unsigned int source, bool high)
{
	int taken = IRQ_IGNORED;

	if (gsi >= ROUTE_MAX)
		return IRQ_IGNORED;
	gsi = array_index_nospec(gsi, ROUTE_MAX);
	for (uint32_t i = table->first[gsi]; i < table->first[gsi + 1]; i++) {
		int one = follow(&table->route[i], targets, source, high);

		if (one != IRQ_IGNORED)
			taken = taken == IRQ_IGNORED ? one : taken + one;
	}
	return taken;
}
