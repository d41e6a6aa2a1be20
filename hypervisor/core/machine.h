/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC as a whole: its clock, its memory as the rest uses it, and its end.
 */
#ifndef HYPERVISOR_CORE_MACHINE_H
#define HYPERVISOR_CORE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/memory-map.h"
#include "hypervisor/core/frames.h"
#include "hypervisor/core/phys.h"
#include "hypervisor/core/tables.h"

struct machine {
	struct memory_map map; /* what the root gets: our memory reserved */
	struct memory_range own;
	uint64_t own_used;
	struct frames frames;
	struct tables nested;
	uint64_t nested_read,
		nested_all;      /* the leaf bits for a page the root may read, and for any other */
	uint64_t physical_end;   /* 2 to the physical address bits */
	struct phys root_memory; /* RAM that the root reaches */
	struct phys root_code;   /* that, ROM, and the firmware's memory: what it may execute */
	uint16_t sleep_port[2];  /* refused to the root with this sleep type; 0: none */
	uint8_t sleep_type[2];
};

/* For addresses beyond the memory map, mapped when they are touched: 64-bit BARs. */
#define SPARE_PAGES 16

extern struct machine machine;

/* TSC ticks in a second, and a wait; clock_setup measures against the PIT for some milliseconds. */
void clock_setup(void);
uint64_t clock_hz(void);
void clock_wait(uint64_t microseconds);

/*
 * Says why and resets the PC, by ACPI-less means that every PC has: port CF9h, keyboard controller,
 * triple fault.
 */
void machine_reset(const char *why) __attribute__((noreturn));

/* Takes RAM out of the root's tables, or puts it back.  False: there is no page for a table. */
bool machine_map(uint64_t base, uint64_t size, bool mapped);

/*
 * The root touched an address that the nested tables do not map: maps it if it is a device's beyond
 * the memory map.  False when it may not be reached.
 */
bool machine_touch(uint64_t address);

#endif
