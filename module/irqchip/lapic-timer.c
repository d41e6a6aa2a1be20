// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timer (SDM volume 3, 11.5.4): one shot, periodic, or when the TSC has a value.
 *
 * The bus that it counts runs at 1 GHz, as VMMs expect of KVM (KVM_CAP_X86_APIC_BUS_CYCLES_NS), so a
 * tick is a nanosecond times the divider.  Nothing ticks: all that is kept is when the count will be 0.
 * Periods that went by unnoticed are one interrupt.  A period too short to be kept to does not keep
 * the host busy: its interrupts come as if some of them had been missed.
 */
#include "module/irqchip/lapic.h"

#define SHORTEST_PERIOD 100000u /* ns */

enum { ONE_SHOT, PERIODIC, TSC_DEADLINE };

static unsigned int mode_of(const struct lapic *lapic)
{
	unsigned int mode = lapic->reg[LAPIC_TIMER] >> 17 & 3;

	return mode & TSC_DEADLINE ? TSC_DEADLINE : mode;
}

/* Bits 3, 1 and 0 are one number: dividers 2 to 128, then 1. */
static unsigned int shift_of(const struct lapic *lapic)
{
	uint32_t divide = lapic->reg[LAPIC_DIVIDE];

	return ((divide & 3) + (divide >> 1 & 4) + 1) & 7;
}

static uint64_t period_of(const struct lapic *lapic)
{
	return (uint64_t)lapic->reg[LAPIC_INITIAL] << shift_of(lapic);
}

static void arm(const struct lapic *lapic)
{
	uint64_t at = lapic->deadline, period = period_of(lapic), now;

	if (lapic->reg[LAPIC_TIMER] & LAPIC_LVT_MASKED)
		at = 0;
	if (at && mode_of(lapic) == PERIODIC && period < SHORTEST_PERIOD) {
		now = lapic->ops->now(lapic->ctx);
		if (at < now + SHORTEST_PERIOD)
			at = now + SHORTEST_PERIOD;
	}
	lapic->ops->arm(lapic->ctx, at);
}

static void stop(struct lapic *lapic)
{
	lapic->deadline = 0;
	lapic->tsc_deadline = 0;
}

static void expire(struct lapic *lapic)
{
	uint64_t now, period = period_of(lapic);

	if (!lapic->deadline)
		return;
	now = lapic->ops->now(lapic->ctx);
	if (now < lapic->deadline)
		return;
	if (mode_of(lapic) == PERIODIC && period)
		lapic->deadline += ((now - lapic->deadline) / period + 1) * period;
	else
		stop(lapic);
	lapic_local(lapic, LAPIC_TIMER);
}

void lapic_timer_expire(struct lapic *lapic)
{
	expire(lapic);
	arm(lapic);
}

uint32_t lapic_timer_current(const struct lapic *lapic)
{
	unsigned int shift = shift_of(lapic);
	uint64_t now, left, period = period_of(lapic);

	if (!lapic->deadline || mode_of(lapic) == TSC_DEADLINE)
		return 0;
	now = lapic->ops->now(lapic->ctx);
	if (now < lapic->deadline)
		left = lapic->deadline - now;
	else if (mode_of(lapic) == PERIODIC && period)
		left = period - (now - lapic->deadline) % period;
	else
		return 0;
	return (uint32_t)((left + (1u << shift) - 1) >> shift);
}

/* Counts down from here. */
static void count(struct lapic *lapic, uint32_t ticks)
{
	lapic->deadline =
		ticks ? lapic->ops->now(lapic->ctx) + ((uint64_t)ticks << shift_of(lapic)) : 0;
}

void lapic_timer_write(struct lapic *lapic, enum lapic_register reg, uint32_t value)
{
	unsigned int before = mode_of(lapic);
	uint32_t left;

	/* What is due by now was due before this. */
	expire(lapic);
	left = lapic_timer_current(lapic);
	if (reg == LAPIC_INITIAL && before == TSC_DEADLINE)
		return;
	lapic->reg[reg] = value;
	if (reg == LAPIC_INITIAL)
		count(lapic, value);
	else if (before != mode_of(lapic) && (before | mode_of(lapic)) & TSC_DEADLINE)
		stop(lapic);
	else if (reg == LAPIC_DIVIDE && before != TSC_DEADLINE)
		count(lapic, left);
	arm(lapic);
}

uint64_t lapic_tsc_deadline(struct lapic *lapic)
{
	if (mode_of(lapic) != TSC_DEADLINE)
		return 0;
	expire(lapic);
	return lapic->tsc_deadline;
}

void lapic_timer_tsc_changed(struct lapic *lapic)
{
	if (mode_of(lapic) != TSC_DEADLINE || !lapic->tsc_deadline)
		return;
	lapic->deadline = lapic->ops->time_of_tsc(lapic->ctx, lapic->tsc_deadline);
	if (!lapic->deadline)
		lapic->deadline = 1;
	lapic_timer_expire(lapic);
}

void lapic_set_tsc_deadline(struct lapic *lapic, uint64_t tsc)
{
	if (mode_of(lapic) != TSC_DEADLINE)
		return;
	stop(lapic);
	lapic->tsc_deadline = tsc;
	if (tsc)
		lapic_timer_tsc_changed(lapic);
	else
		arm(lapic);
}

/*
 * Registers came from a VMM.  Not all of them say how far the count was: a period then starts anew,
 * and one shot is due at once, since a tick too many does less harm than one too few.
 */
void lapic_timer_load(struct lapic *lapic, uint32_t left)
{
	uint32_t initial = lapic->reg[LAPIC_INITIAL];

	stop(lapic);
	if (initial && mode_of(lapic) != TSC_DEADLINE) {
		if (!left && mode_of(lapic) == PERIODIC)
			left = initial;
		lapic->deadline = lapic->ops->now(lapic->ctx);
		if (left)
			count(lapic, left < initial ? left : initial);
	}
	arm(lapic);
}
