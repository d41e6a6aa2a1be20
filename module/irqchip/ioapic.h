/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC: 24 pins, each an edge or a level, each with its message to the local APICs.
 *
 * Version 11h, as in the 82093AA: the end of a level interrupt comes from the local APICs as a
 * broadcast of its vector; there is no EOI register.  A pin may be held by up to 32 sources.  The
 * caller locks.  Callbacks come with that lock held; `ended` may call back into the I/O APIC.
 */
#ifndef MODULE_IRQCHIP_IOAPIC_H
#define MODULE_IRQCHIP_IOAPIC_H

#include <linux/kvm.h>

#include "module/irqchip/message.h"

#define IOAPIC_PINS  KVM_IOAPIC_NUM_PINS
#define IOAPIC_BASE  0xFEC00000u
#define IOAPIC_BYTES 0x100u

struct ioapic_ops {
	/* Hands a message to the local APICs: IRQ_IGNORED, IRQ_COALESCED or how many took it. */
	int (*send)(void *ctx, const struct irq_message *message);
	/* The guest has ended its service of this pin: for those who resample it. */
	void (*ended)(void *ctx, unsigned int pin);
};

struct ioapic {
	const struct ioapic_ops *ops;
	void *ctx;
	/* Its irr field is the level of the pins, edge or not. */
	struct kvm_ioapic_state state;
	uint32_t sources[IOAPIC_PINS]; /* who holds the pin high, a bit each */
	uint32_t vectors[8];           /* those in the redirection table: whose EOI matters here */
};

void ioapic_init(struct ioapic *ioapic, const struct ioapic_ops *ops, void *ctx);

/* Sets one source's level of a pin; returns what became of it (message.h). */
int ioapic_set(struct ioapic *ioapic, unsigned int pin, unsigned int source, bool high);

/* A local APIC ended a vector.  `level`: it was a level there, and its end is broadcast. */
void ioapic_end(struct ioapic *ioapic, uint8_t vector, bool level);

/* Registers, 32 bits wide, at offsets from IOAPIC_BASE.  What is no register reads as 0. */
uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t offset);
void ioapic_write(struct ioapic *ioapic, uint32_t offset, uint32_t value);

/*
 * The irr field of the ABI: level pins that are high, and edges that nobody has got yet (here:
 * none). What a VMM sets there is sent again.
 */
void ioapic_get_state(const struct ioapic *ioapic, struct kvm_ioapic_state *ret_state);
void ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state);

#endif
