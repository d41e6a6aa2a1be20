/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a GSI leads: pins of the interrupt controllers, or an MSI (Documentation/virt/kvm/api.rst,
 * KVM_SET_GSI_ROUTING).
 *
 * A table is built whole into memory of the caller's and never changes; the caller swaps it for the
 * one before.  Whoever routes holds the lock of the controllers.
 */
#ifndef MODULE_IRQCHIP_ROUTE_H
#define MODULE_IRQCHIP_ROUTE_H

#include <linux/kvm.h>

#include "module/irqchip/ioapic.h"
#include "module/irqchip/lapic.h"
#include "module/irqchip/pic.h"

/* Entries in a table, and GSIs. */
#define ROUTE_MAX 4096

/* What the session has and what the VMM has asked for. */
enum route_format {
	/* PIC and I/O APIC are here: routes may lead to their pins. */
	ROUTE_CHIPS = 1,
	/* address_hi has bits 31 to 8 of the destination (KVM_X2APIC_API_USE_32BIT_IDS). */
	ROUTE_WIDE_MSI = 2,
	/* address_lo has bits 14 to 8 (KVM_FEATURE_MSI_EXT_DEST_ID). */
	ROUTE_EXTENDED = 4,
};

struct route {
	bool msi;
	uint8_t chip, pin;          /* KVM_IRQCHIP_…, where it is no MSI */
	struct irq_message message; /* where it is one */
};

struct route_table {
	/* The routes of a GSI are those from its number to that of the next one. */
	uint16_t first[ROUTE_MAX + 1];
	/* Back from a pin, for those who wait for its end; -1: no GSI leads there. */
	int16_t gsi[KVM_NR_IRQCHIPS][IOAPIC_PINS];
	struct route route[];
};

struct route_targets {
	struct pic *pic;
	struct ioapic *ioapic;
	struct lapic_bus *bus;
};

/* Bytes of a table with this many entries; 0: that is too many. */
size_t route_size(uint32_t entries);
/* False, for -EINVAL: an entry is not understood, or a GSI leads to one controller twice. */
bool route_build(struct route_table *table, const struct kvm_irq_routing_entry *entries,
                 uint32_t count, unsigned int format);

/* What a session begins with that has all controllers here: GSI n leads to line n and pin n. */
#define ROUTE_DEFAULTS (PIC_LINES + IOAPIC_PINS)
void route_defaults(struct route_table *table);

/* One source's level of a GSI: what became of it (message.h).  An MSI is sent when it rises. */
int route_set(const struct route_table *table, const struct route_targets *targets, uint32_t gsi,
              unsigned int source, bool high);

/* An MSI's words; false: they are none in this format. */
bool route_msi(uint32_t address_lo, uint32_t address_hi, uint32_t data, unsigned int format,
               struct irq_message *ret_message);

#endif
