// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes what it likes to the timer's ports, on a clock that goes on as it likes,
 * after a VMM has set any state.
 */
#include <stdlib.h>

#include "module/irqchip/pit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct board {
	struct pit pit;
	uint64_t now, armed;
	unsigned int ticks; /* in one step */
	uint8_t answer;
};

static uint64_t now(void *ctx)
{
	return ((const struct board *)ctx)->now;
}

static void arm(void *ctx, uint64_t at)
{
	((struct board *)ctx)->armed = at;
}

static int tick(void *ctx)
{
	struct board *board = ctx;

	if (++board->ticks > 2)
		abort();
	/* Someone who ends each interrupt before the next is looked for. */
	if (board->answer & 4 && board->ticks == 1)
		pit_ended(&board->pit);
	return board->answer % 3 - 1;
}

static const struct pit_ops ops = { .now = now, .arm = arm, .tick = tick };

static void step(struct board *board, const uint8_t *data)
{
	uint8_t value;

	board->ticks = 0;
	board->answer = data[1];
	switch (data[0] >> 5) {
	case 0 ... 2:
		pit_write(&board->pit, data[0] & 16 ? 0x61 : 0x40 + (data[0] & 3), data[1]);
		break;
	case 3:
		pit_read(&board->pit, data[0] & 16 ? 0x61 : 0x40 + (data[0] & 3), &value);
		break;
	case 4:
		board->now += (uint64_t)data[1] << (data[0] & 31);
		pit_expire(&board->pit);
		/* Nobody is asked to come back in the past for ever. */
		if (board->armed && board->armed <= board->now)
			abort();
		break;
	case 5:
		pit_ended(&board->pit);
		break;
	case 6:
		pit_set_reinject(&board->pit, data[1] & 1);
		break;
	default:
		if (board->armed > board->now)
			board->now = board->armed;
		pit_expire(&board->pit);
	}
	if (board->pit.missed > 4096)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kvm_pit_state2 state;
	struct board board = { .now = 1000000 };

	if (!len)
		return 0;
	pit_init(&board.pit, &ops, &board, *data & 2);
	if (*data & 1 && len > sizeof(state)) {
		memcpy(&state, data + 1, sizeof(state));
		pit_set_state(&board.pit, &state);
		data += sizeof(state);
		len -= sizeof(state);
	}
	for (; len >= 3 && board.now < (uint64_t)1 << 61; data += 2, len -= 2)
		step(&board, data + 1);
	pit_get_state(&board.pit, &state);
	return 0;
}
