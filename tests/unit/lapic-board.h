/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Four processors' local APICs on one bus, a clock that stands until it is set, and notes of what
 * they asked for.
 */
#ifndef TESTS_UNIT_LAPIC_BOARD_H
#define TESTS_UNIT_LAPIC_BOARD_H

#include <string.h>

#include "module/irqchip/lapic.h"

#define BOARD_CPUS 4
#define BOARD_BOOT 1000 /* ns that the clock shows at first */

struct board;

struct board_cpu {
	struct board *board;
	unsigned int events[LAPIC_SIPI + 1];
	uint8_t sipi_vector, ended_vector;
	unsigned int ended;
	bool ended_level;
	uint64_t armed;
};

struct board {
	struct lapic lapic[BOARD_CPUS];
	struct board_cpu cpu[BOARD_CPUS];
	struct lapic *list[BOARD_CPUS];
	struct lapic_bus bus;
	uint64_t now;
	uint64_t tsc_offset; /* of the guest's, which counts nanoseconds too */
};

static inline uint64_t board_now(void *ctx)
{
	const struct board_cpu *cpu = ctx;

	return cpu->board->now;
}

static inline uint64_t board_time_of_tsc(void *ctx, uint64_t tsc)
{
	const struct board_cpu *cpu = ctx;

	return tsc > cpu->board->tsc_offset ? tsc - cpu->board->tsc_offset : 0;
}

static inline void board_arm(void *ctx, uint64_t at)
{
	struct board_cpu *cpu = ctx;

	cpu->armed = at;
}

static inline void board_event(void *ctx, enum lapic_event event, uint8_t vector)
{
	struct board_cpu *cpu = ctx;

	cpu->events[event]++;
	if (event == LAPIC_SIPI)
		cpu->sipi_vector = vector;
}

static inline void board_send(void *ctx, const struct irq_message *message,
                              enum lapic_shorthand shorthand)
{
	struct board_cpu *cpu = ctx;
	struct board *board = cpu->board;

	lapic_bus_send(&board->bus, &board->lapic[cpu - board->cpu], message, shorthand);
}

static inline void board_ended(void *ctx, uint8_t vector, bool level)
{
	struct board_cpu *cpu = ctx;

	cpu->ended++;
	cpu->ended_vector = vector;
	cpu->ended_level = level;
}

static const struct lapic_ops board_ops = {
	.now = board_now,
	.time_of_tsc = board_time_of_tsc,
	.arm = board_arm,
	.event = board_event,
	.send = board_send,
	.ended = board_ended,
};

/* As at power-on. */
static inline void board_start(struct board *board, uint32_t features)
{
	memset(board, 0, sizeof(*board));
	board->now = BOARD_BOOT;
	board->bus.lapics = board->list;
	board->bus.count = BOARD_CPUS;
	for (uint32_t i = 0; i < BOARD_CPUS; i++) {
		board->cpu[i].board = board;
		board->list[i] = &board->lapic[i];
		lapic_init(&board->lapic[i], &board_ops, &board->cpu[i], i, i == 0, features);
	}
}

static inline void board_put(struct board *board, unsigned int cpu, unsigned int reg,
                             uint32_t value)
{
	lapic_mmio_write(&board->lapic[cpu], reg << 4, sizeof(value), &value);
}

static inline uint32_t board_get(struct board *board, unsigned int cpu, unsigned int reg)
{
	uint32_t value = 0xDEADDEAD;

	lapic_mmio_read(&board->lapic[cpu], reg << 4, sizeof(value), &value);
	return value;
}

/* As at power-on, and enabled by software. */
static inline void board_enable(struct board *board, uint32_t features)
{
	board_start(board, features);
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		board_put(board, i, LAPIC_SVR, 0x1FF);
}

static inline void board_x2(struct board *board)
{
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		lapic_set_base(&board->lapic[i], board->lapic[i].base | LAPIC_BASE_X2, false);
}

static inline int board_fixed(struct board *board, unsigned int cpu, uint8_t vector, bool level)
{
	const struct irq_message message = { .vector = vector, .level = level };

	return lapic_accept(&board->lapic[cpu], &message);
}

#endif
