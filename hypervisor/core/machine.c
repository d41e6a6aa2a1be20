// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/machine.h"

#include "hypervisor/core/layout.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/pool.h"
#include "hypervisor/core/spinlock.h"
#include "hypervisor/core/x86.h"

struct machine machine;

static uint64_t ticks_per_second;

#define PIT_HZ       1193182u
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PORT_B       0x61

/* 5 ms: enough for 0.1 % with a TSC, too little to be noticed. */
#define PIT_TICKS (PIT_HZ / 200)

/* No TSC is faster. */
#define TICKS_WITHOUT_PIT UINT64_C(8000000000)

void clock_setup(void)
{
	uint8_t before = in8(PORT_B);
	uint64_t start;

	/* Gate on, speaker off; channel 2 counts down once (mode 0) and raises its output. */
	out8(PORT_B, (uint8_t)((before & ~2) | 1));
	out8(PIT_COMMAND, 0xB0);
	out8(PIT_CHANNEL2, PIT_TICKS & 0xFF);
	out8(PIT_CHANNEL2, PIT_TICKS >> 8);
	start = rdtsc();
	while (!(in8(PORT_B) & 0x20) && rdtsc() - start < TICKS_WITHOUT_PIT / 20)
		__builtin_ia32_pause();
	ticks_per_second = (rdtsc() - start) * 200;
	/* A PC whose PIT does not run: waits become too long rather than too short. */
	if (ticks_per_second >= TICKS_WITHOUT_PIT)
		ticks_per_second = TICKS_WITHOUT_PIT;
	out8(PORT_B, before);
}

uint64_t clock_hz(void)
{
	return ticks_per_second;
}

void clock_wait(uint64_t microseconds)
{
	uint64_t start = rdtsc(), ticks = ticks_per_second / 1000000 * microseconds;

	while (rdtsc() - start < ticks)
		__builtin_ia32_pause();
}

void machine_reset(const char *why)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	log_line(LOG_WARNING, "%s: the PC is reset", why);
	out8(0xCF9, 0x02);
	out8(0xCF9, 0x06);
	clock_wait(1000);
	out8(0x64, 0xFE);
	clock_wait(1000);
	__asm__ volatile("lidt %0; int3" ::"m"(none));
	__builtin_unreachable();
}

static struct spinlock nested_lock; /* guards the root's tables and the pool */

bool machine_map(uint64_t base, uint64_t size, bool mapped)
{
	bool done;

	spin_lock(&nested_lock);
	done = tables_map(&machine.nested, base, base, size, mapped ? machine.nested_all : 0);
	spin_unlock(&nested_lock);
	return done;
}

bool machine_touch(uint64_t address)
{
	static uint64_t used; /* of the pool, for this */
	uint64_t span = tables_span(machine.nested.largest), base = address & ~(span - 1);
	bool done = false;

	if (address >= machine.physical_end || address / PAGE_SIZE < machine.frames.count)
		return false;
	/* Not over the end of RAM, where the page would reach down into it. */
	while (base / PAGE_SIZE < machine.frames.count) {
		span /= 512;
		base = address & ~(span - 1);
	}
	spin_lock(&nested_lock);
	/* The rest of the pool is kept for donations. */
	if (used + TABLES_TOP * PAGE_SIZE <= SPARE_PAGES * PAGE_SIZE) {
		used -= pool_used();
		done = tables_map(&machine.nested, base, base, span, machine.nested_all);
		used += pool_used();
	}
	spin_unlock(&nested_lock);
	return done;
}
