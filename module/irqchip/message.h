/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interrupt on its way to local APICs, whoever sends it: an I/O APIC, a device by MSI, a
 * processor.
 */
#ifndef MODULE_IRQCHIP_MESSAGE_H
#define MODULE_IRQCHIP_MESSAGE_H

#include "module/port.h"

/* Delivery modes, in the encoding of the ICR, the redirection table, MSI data and LVTs. */
enum irq_mode { IRQ_FIXED, IRQ_LOWEST, IRQ_SMI, IRQ_NMI = 4, IRQ_INIT, IRQ_SIPI, IRQ_EXTINT };

#define IRQ_EVERYONE 0xFFFFFFFFu

struct irq_message {
	uint32_t destination; /* an APIC, a set of them, or IRQ_EVERYONE */
	uint8_t vector;
	uint8_t mode; /* enum irq_mode */
	bool logical;
	bool level;
	bool wide; /* the destination has 32 bits: 0xFF is not everyone */
};

/*
 * What becomes of it, as KVM_IRQ_LINE_STATUS and KVM_SIGNAL_MSI tell it: nobody took it, whoever
 * took it had it pending already, or the number of processors that got it.
 */
#define IRQ_IGNORED   (-1)
#define IRQ_COALESCED 0

#endif
