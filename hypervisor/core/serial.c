// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Registers: National Semiconductor PC16550D, section 8.
 */
#include "hypervisor/core/serial.h"

#include "hypervisor/core/x86.h"

#define DATA            0 /* with DIVISOR_ACCESS: divisor, low byte */
#define INTERRUPTS      1 /* with DIVISOR_ACCESS: divisor, high byte */
#define FIFO            2
#define LINE            3
#define MODEM           4
#define STATUS          5

#define LINE_8N1        0x03
#define DIVISOR_ACCESS  0x80
#define DIVISOR_115200  1
#define FIFO_ON_CLEARED 0x07
#define MODEM_DTR_RTS   0x03
#define STATUS_ROOM     0x20

/* Polls for room; ten thousand reads of a port last at least 5 ms, a byte 87 us. */
#define PATIENCE 10000

static void put(uint16_t port, unsigned int offset, uint8_t value)
{
	out8((uint16_t)(port + offset), value);
}

static uint8_t get(uint16_t port, unsigned int offset)
{
	return in8((uint16_t)(port + offset));
}

void serial_setup(uint16_t port)
{
	put(port, INTERRUPTS, 0);
	put(port, LINE, LINE_8N1 | DIVISOR_ACCESS);
	put(port, DATA, DIVISOR_115200);
	put(port, INTERRUPTS, 0);
	put(port, LINE, LINE_8N1);
	put(port, FIFO, FIFO_ON_CLEARED);
	put(port, MODEM, MODEM_DTR_RTS);
}

void serial_write(uint16_t port, const char *text, size_t length)
{
	uint8_t line = get(port, LINE);

	/* The root may be setting its speed: the data must not become a divisor. */
	if (line & DIVISOR_ACCESS)
		put(port, LINE, line & (uint8_t)~DIVISOR_ACCESS);
	for (size_t i = 0; i < length; i++) {
		for (int polls = 0; polls < PATIENCE && !(get(port, STATUS) & STATUS_ROOM); polls++)
			;
		put(port, DATA, (uint8_t)text[i]);
	}
	if (line & DIVISOR_ACCESS)
		put(port, LINE, line);
}
