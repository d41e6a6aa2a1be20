/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two 8259A interrupt controllers of a PC, cascaded at line 2, with the edge/level registers
 * (ELCR) of its chip set.
 *
 * The state is the ABI's own structure, one a chip (Documentation/virt/kvm/api.rst,
 * KVM_GET_IRQCHIP). A line may be driven from up to 32 sources; it is high while any of them is.
 * The caller locks.  Callbacks come with that lock held, when the controller is consistent again.
 */
#ifndef MODULE_IRQCHIP_PIC_H
#define MODULE_IRQCHIP_PIC_H

#include <linux/kvm.h>

#include "module/port.h"

#define PIC_LINES 16

struct pic_ops {
	/* The wire to the processors changed. */
	void (*output)(void *ctx, bool high);
	/* The guest has ended its service of this line, 0 to 15: for those who resample it. */
	void (*ended)(void *ctx, unsigned int line);
};

struct pic {
	const struct pic_ops *ops;
	void *ctx;
	struct kvm_pic_state chip[2]; /* master, slave */
	uint32_t sources[PIC_LINES];  /* who holds the line high, a bit each */
	bool single[2];               /* the last ICW1 said that no ICW3 will come */
	bool output;
};

void pic_init(struct pic *pic, const struct pic_ops *ops, void *ctx);

/*
 * Sets one source's level of a line.  Returns what KVM_IRQ_LINE_STATUS wants to know: -1 ignored
 * because it is masked or there is no such line, 0 coalesced with a request that still waits, 1
 * delivered.
 */
int pic_set(struct pic *pic, unsigned int line, unsigned int source, bool high);

/* The processor's acknowledge cycles: its vector.  Without a request, that of line 7. */
uint8_t pic_acknowledge(struct pic *pic);

/* Bytes at ports 20h, 21h, A0h, A1h, 4D0h and 4D1h; false for any other port. */
bool pic_read(struct pic *pic, uint16_t port, uint8_t *ret_value);
bool pic_write(struct pic *pic, uint16_t port, uint8_t value);

/* One chip's state, 0 master and 1 slave.  What cannot be is brought within bounds. */
void pic_get_state(const struct pic *pic, unsigned int chip, struct kvm_pic_state *ret_state);
void pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *state);

#endif
