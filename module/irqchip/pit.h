/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 timer: three channels, of which 0 interrupts and 2 is the speaker's, with port 61h.
 *
 * Nothing ticks: a channel is its count and the time from which it counts, and what it shows is
 * computed when someone looks.  The caller locks.  Callbacks come with that lock held; `tick` may
 * call pit_ended().
 */
#ifndef MODULE_IRQCHIP_PIT_H
#define MODULE_IRQCHIP_PIT_H

#include <linux/kvm.h>

#include "module/port.h"

#define PIT_HZ       1193182u
#define PIT_CHANNELS 3

struct pit_ops {
	/*
	 * Nanoseconds of a clock that never goes back, above 0 and below 2^62: the one of
	 * count_load_time.
	 */
	uint64_t (*now)(void *ctx);
	/* Call pit_expire() at this time, and no longer at an earlier one asked for; 0: never. */
	void (*arm)(void *ctx, uint64_t at);
	/* A pulse on line 0; answers what became of it, as KVM_IRQ_LINE_STATUS does (message.h). */
	int (*tick)(void *ctx);
};

struct pit {
	const struct pit_ops *ops;
	void *ctx;
	struct kvm_pit_channel_state channel[PIT_CHANNELS];
	bool counting[PIT_CHANNELS];    /* it has a count, and in modes 1 and 5 a trigger */
	uint64_t stopped[PIT_CHANNELS]; /* since when its gate stops it, ns; 0: it does not */
	uint64_t ticks;  /* of channel 0 since it was loaded, that were looked after */
	uint32_t missed; /* ticks still owed to the guest */
	uint32_t flags;  /* KVM_PIT_FLAGS_… */
	bool reinject;
	bool speaker; /* port 61h is ours: KVM_PIT_SPEAKER_DUMMY */
};

void pit_init(struct pit *pit, const struct pit_ops *ops, void *ctx, bool speaker);

/* Bytes at ports 40h to 43h, and 61h if it is ours; false for any other port. */
bool pit_read(struct pit *pit, uint16_t port, uint8_t *ret_value);
bool pit_write(struct pit *pit, uint16_t port, uint8_t value);

void pit_expire(struct pit *pit);

/* The guest has ended its service of line 0: what it is owed may come. */
void pit_ended(struct pit *pit);
/* KVM_REINJECT_CONTROL: are ticks that a slow guest has missed made up for?  They are, at first. */
void pit_set_reinject(struct pit *pit, bool reinject);

void pit_get_state(const struct pit *pit, struct kvm_pit_state2 *ret_state);
void pit_set_state(struct pit *pit, const struct kvm_pit_state2 *state);

#endif
