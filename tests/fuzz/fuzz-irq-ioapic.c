// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes what it likes to the I/O APIC, on pins that change as they like, after a VMM
 * has set any state.
 */
#include <stdlib.h>

#include "module/irqchip/ioapic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct board {
	struct ioapic ioapic;
	unsigned int calls; /* inside one step */
	uint8_t answer;
};

static int send_message(void *ctx, const struct irq_message *message)
{
	struct board *board = ctx;

	if (message->destination > 0xFF || message->mode > 7 || message->wide)
		abort();
	board->calls++;
	return board->answer % 4 - 1;
}

static void ended(void *ctx, unsigned int pin)
{
	struct board *board = ctx;

	board->calls++;
	ioapic_set(&board->ioapic, pin, 1, board->answer & 4);
}

static const struct ioapic_ops ops = { .send = send_message, .ended = ended };

static void step(struct board *board, const uint8_t *data)
{
	board->answer = data[1];
	board->calls = 0;
	switch (data[0] >> 6) {
	case 0:
		ioapic_write(&board->ioapic, 0, data[0] & 63);
		ioapic_write(&board->ioapic, 0x10,
		             (uint32_t)data[1] << 24 | (uint32_t)data[2] << 12 | data[1]);
		break;
	case 1:
		ioapic_write(&board->ioapic, 0, data[1]);
		ioapic_read(&board->ioapic, data[2]);
		break;
	case 2:
		ioapic_set(&board->ioapic, data[0] & 31, data[2], data[1] & 1);
		break;
	default:
		ioapic_end(&board->ioapic, data[2], data[1] & 1);
	}
	/* At worst every pin ends, lets go, is taken again and is sent. */
	if (board->calls > 3 * IOAPIC_PINS)
		abort();
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t entry = board->ioapic.state.redirtbl[pin].bits;
		bool high = board->ioapic.state.irr >> pin & 1;

		if (high != (board->ioapic.sources[pin] != 0))
			abort();
		/* An edge never waits for an end. */
		if ((entry & 0xC000) == 0x4000 || entry & 0xFFFFFFFE1000)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kvm_ioapic_state state;
	struct board board = { .answer = 0 };

	ioapic_init(&board.ioapic, &ops, &board);
	if (len > sizeof(state) && *data & 1) {
		memcpy(&state, data + 1, sizeof(state));
		ioapic_set_state(&board.ioapic, &state);
		data += sizeof(state);
		len -= sizeof(state);
	}
	for (; len >= 4; data += 3, len -= 3)
		step(&board, data + 1);
	return 0;
}
