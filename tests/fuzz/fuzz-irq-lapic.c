// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that write what they like to the registers of four local APICs, in any mode, on a clock
 * that goes on as it likes, after a VMM has set any state.
 */
#include <stdlib.h>

#include "tests/unit/lapic-board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEP 8u

static const uint32_t ends[8] = { [2] = 0xFF00FF };

static void check(const struct lapic *lapic)
{
	const struct lapic_vectors *sets[] = { &lapic->irr, &lapic->isr };

	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int word = 0; word < 8; word++)
			if ((sets[i]->word[word] != 0) != (sets[i]->used >> word & 1))
				abort();
		if (sets[i]->word[0] & 0xFFFF || sets[i]->used > 0xFF)
			abort();
	}
	if (lapic_is_x2(lapic) && !lapic_is_on(lapic))
		abort();
}

/* One thing happens to one of them, of the words that the input has for it. */
static void step(struct board *board, const uint8_t *data)
{
	struct lapic *lapic = &board->lapic[data[0] & 3];
	struct irq_message message;
	uint64_t value = 0, result;
	int pending;

	memcpy(&value, data + 2, 6);
	switch (data[0] >> 2 & 15) {
	case 0 ... 2:
		lapic_mmio_write(lapic, (uint32_t)data[1] << 4, 4, &value);
		break;
	case 3:
		lapic_mmio_write(lapic, data[1] | data[2] << 8, data[3] & 15, &value);
		lapic_mmio_read(lapic, data[1] | data[2] << 8, data[3] & 15, &result);
		break;
	case 4:
	case 5:
		if (!lapic_msr_write(lapic, 0x800u + data[1], value))
			break;
		if (!lapic_is_x2(lapic))
			abort();
		break;
	case 6:
		lapic_msr_read(lapic, 0x800u + data[1], &result);
		break;
	case 7:
		lapic_set_base(lapic, LAPIC_BASE | (value & 0xFFF), data[1] & 1);
		break;
	case 8:
		message = (struct irq_message){ .destination = (uint32_t)(value >> 16),
			                        .vector = (uint8_t)value,
			                        .mode = value >> 8 & 7,
			                        .logical = data[1] & 1,
			                        .level = data[1] & 2,
			                        .wide = data[1] & 4 };
		lapic_bus_send(&board->bus, data[1] & 8 ? lapic : NULL, &message, data[1] >> 4 & 3);
		break;
	case 9:
		board->now += value >> 8;
		lapic_timer_expire(lapic);
		break;
	case 10:
		lapic_line(lapic, data[1], data[2] & 1);
		break;
	case 11:
		lapic_set_tsc_deadline(lapic, value);
		lapic_tsc_deadline(lapic);
		break;
	case 12:
		board->tsc_offset = value;
		lapic_timer_tsc_changed(lapic);
		break;
	case 13:
		pending = lapic_pending(lapic);
		if (lapic_acknowledge(lapic) != pending || (pending >= 0 && pending < 16))
			abort();
		/* What is served holds its own class back. */
		if (pending >= 0 && lapic_pending(lapic) >= 0 &&
		    lapic_pending(lapic) >> 4 <= pending >> 4)
			abort();
		break;
	case 14:
		lapic_local(lapic, LAPIC_TIMER + data[1] % 6);
		break;
	default:
		lapic_reset(lapic);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kvm_lapic_state state;
	struct board board;

	if (!len)
		return 0;
	board_start(&board, *data >> 1 & 31);
	board.lapic[0].ends = ends;
	board.bus.narrow_is_id = *data >> 6 & 1;
	if (*data & 1 && len > sizeof(state)) {
		memcpy(&state, data + 1, sizeof(state));
		lapic_set_state(&board.lapic[0], &state);
		data += sizeof(state);
		len -= sizeof(state);
	}
	for (data++, len--; len >= STEP && board.now < (uint64_t)1 << 61;
	     data += STEP, len -= STEP) {
		step(&board, data);
		for (unsigned int i = 0; i < BOARD_CPUS; i++)
			check(&board.lapic[i]);
	}
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		lapic_get_state(&board.lapic[i], &state);
	return 0;
}
