// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes what it likes to the interrupt controllers, on lines that change as they
 * like, after a VMM has set any state.
 */
#include <stdlib.h>

#include "module/irqchip/pic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct board {
	struct pic pic;
	bool output;
};

static void output(void *ctx, bool high)
{
	struct board *board = ctx;

	if (high == board->output)
		abort();
	board->output = high;
}

/* Who resamples a line lets go of it, and takes it again. */
static void ended(void *ctx, unsigned int line)
{
	struct board *board = ctx;

	if (line >= PIC_LINES || line == 2)
		abort();
	pic_set(&board->pic, line, 1, false);
	pic_set(&board->pic, line, 1, line & 1);
}

static const struct pic_ops ops = { .output = output, .ended = ended };

static void step(struct board *board, const uint8_t *data)
{
	static const uint16_t ports[] = { 0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1, 0x40, 0xFFFF };
	uint8_t value;

	switch (data[0] >> 6) {
	case 0:
		pic_write(&board->pic, ports[data[0] & 7], data[1]);
		break;
	case 1:
		pic_read(&board->pic, ports[data[0] & 7], &value);
		break;
	case 2:
		pic_set(&board->pic, data[0] & 31, data[1] >> 1, data[1] & 1);
		break;
	default:
		pic_acknowledge(&board->pic);
	}
	if (board->pic.output != board->output || board->pic.chip[0].elcr & 7)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct board board = { .output = false };
	struct kvm_pic_state state;

	pic_init(&board.pic, &ops, &board);
	if (len && *data & 1 && len > 2 * sizeof(state)) {
		for (unsigned int n = 0; n < 2; n++) {
			memcpy(&state, data + 1 + n * sizeof(state), sizeof(state));
			pic_set_state(&board.pic, n, &state);
		}
		data += 2 * sizeof(state);
		len -= 2 * sizeof(state);
	}
	for (; len >= 3; data += 2, len -= 2)
		step(&board, data + 1);
	return 0;
}
