/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PC for sessions, of 64 MiB or as many as the includer says: what the root's tables have is an array, processors are a number that
 * says which session runs.
 */
#ifndef TESTS_UNIT_HV_GROUND_H
#define TESTS_UNIT_HV_GROUND_H

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "hypervisor/core/session.h"

#ifndef GROUND_SIZE
#define GROUND_SIZE (64 * MIB)
#endif
#define GROUND_FRAMES (GROUND_SIZE / PAGE_SIZE)
/* The last 4 MiB are the hypervisor's, the 4 before a device's. */
#define GROUND_RAM (GROUND_SIZE - 8 * MIB)

static struct {
	struct ground ground;
	struct frames frames;
	struct phys root;
	uint8_t *memory;
	uint16_t words[GROUND_FRAMES];
	bool reached[GROUND_FRAMES]; /* by the root's tables */
	uint32_t running;            /* a session, or 0 */
	uint32_t flushes, root_flushes;
	int tables_left; /* for the root's tables; below 0: as many as it wants */
	void (*on_flush)(uint32_t session);
} pc;

static inline bool pc_root_map(uint64_t base, uint64_t size, bool mapped)
{
	if (!mapped && pc.tables_left == 0)
		return false;
	for (uint64_t f = base / PAGE_SIZE; f < (base + size) / PAGE_SIZE; f++)
		pc.reached[f] = mapped;
	return true;
}

static inline void pc_root_flush(void)
{
	pc.root_flushes++;
}

static inline void pc_flush(uint32_t session)
{
	pc.flushes++;
	if (pc.on_flush)
		pc.on_flush(session);
}

static inline bool pc_runs(uint32_t session)
{
	return pc.running == session;
}

static inline void pc_vcpu_setup(struct vcpu *vcpu)
{
	memset(vcpu->control, 0x77, PAGE_SIZE);
}

static inline void *pc_window(const struct phys *phys, uint64_t base, uint64_t size)
{
	(void)phys;
	return frames_reachable(&pc.frames, base, size) ? pc.memory + base : NULL;
}

static inline uint8_t *pc_memory(void)
{
	return aligned_alloc(SILL_DONATION, GROUND_SIZE);
}

static inline void pc_start(uint8_t *memory)
{
	struct memory_map map = { .count = 1, .range = { { 0, GROUND_RAM, MEMORY_USABLE } } };

	memset(&pc, 0, sizeof(pc));
	pc.memory = memory;
	frames_init(&pc.frames, pc.words, GROUND_FRAMES, &map);
	frames_take(&pc.frames, GROUND_SIZE - 4 * MIB, 4 * MIB);
	for (uint64_t f = 0; f < GROUND_FRAMES; f++)
		pc.reached[f] = frames_state(&pc.frames, f) != FRAME_HYPERVISOR;
	pc.tables_left = -1;
	pc.root = (struct phys){ pc_window };
	pc.ground.frames = &pc.frames;
	pc.ground.nested = (struct tables){ .offset = (uint64_t)(uintptr_t)pc.memory,
		                            .largest = 2,
		                            .table_bits = PTE_P | PTE_W | PTE_U,
		                            .large_bits = PTE_PS };
	pc.ground.leaf = PTE_P | PTE_U | PTE_A | PTE_D;
	pc.ground.root_map = pc_root_map;
	pc.ground.root_flush = pc_root_flush;
	pc.ground.flush = pc_flush;
	pc.ground.runs = pc_runs;
	pc.ground.vcpu_setup = pc_vcpu_setup;
}

/* Of its own, where nothing is 0. */
static inline void pc_open(void)
{
	pc_start(memset(pc_memory(), 0xA5, GROUND_SIZE));
}

static inline void pc_close(void)
{
	free(pc.memory);
}

#endif
