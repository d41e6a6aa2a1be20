// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random guests of our models and of QEMU's, side by side: whatever can be read is the same.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "module/irqchip/ioapic.h"
#include "module/irqchip/pic.h"
#include "module/irqchip/pit.h"
#include "tests/unit/qtest.h"

struct board {
	struct pic pic;
	struct ioapic ioapic;
	struct pit pit;
};

static void output(void *ctx, bool high)
{
	(void)ctx;
	(void)high;
}

static void ended(void *ctx, unsigned int line)
{
	(void)ctx;
	(void)line;
}

/* As QEMU's model has it, somebody always takes a message. */
static int send_message(void *ctx, const struct irq_message *message)
{
	(void)ctx;
	(void)message;
	return 1;
}

static uint64_t now(void *ctx)
{
	(void)ctx;
	return 1;
}

static void arm(void *ctx, uint64_t at)
{
	(void)ctx;
	(void)at;
}

static int tick(void *ctx)
{
	(void)ctx;
	return 1;
}

static const struct pic_ops pic_ops = { .output = output, .ended = ended };
static const struct ioapic_ops ioapic_ops = { .send = send_message, .ended = ended };
static const struct pit_ops pit_ops = { .now = now, .arm = arm, .tick = tick };

static void start(struct board *board)
{
	memset(board, 0, sizeof(*board));
	pic_init(&board->pic, &pic_ops, board);
	ioapic_init(&board->ioapic, &ioapic_ops, board);
	pit_init(&board->pit, &pit_ops, board, false);
}

static void out(struct board *board, uint16_t port, uint8_t value)
{
	assert_true(pic_write(&board->pic, port, value) || pit_write(&board->pit, port, value));
}

static uint8_t in(struct board *board, uint16_t port)
{
	uint8_t value = 0;

	assert_true(pic_read(&board->pic, port, &value) || pit_read(&board->pit, port, &value));
	return value;
}

static void put(struct board *board, uint8_t reg, uint32_t value)
{
	ioapic_write(&board->ioapic, 0, reg);
	ioapic_write(&board->ioapic, 0x10, value);
}

static uint32_t get(struct board *board, uint8_t reg)
{
	ioapic_write(&board->ioapic, 0, reg);
	return ioapic_read(&board->ioapic, 0x10);
}

static void both(struct board *board, struct qtest *qtest, uint16_t port, uint8_t value)
{
	out(board, port, value);
	qtest_out(qtest, port, value);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

#define MASTER_PATH "/machine/unattached/device[6]"
#define SLAVE_PATH  "/machine/unattached/device[7]"

static void same(struct board *board, struct qtest *qtest, uint16_t port)
{
	assert_int_equal(in(board, port), qtest_in(qtest, port));
}

static void wire(struct board *board, struct qtest *qtest, unsigned int line, bool high)
{
	pic_set(&board->pic, line, 0, high);
	qtest_wire(qtest, line < 8 ? MASTER_PATH : SLAVE_PATH, line & 7, high);
}

/*
 * QEMU's model takes a new ELCR to heart only with a line's next change, so all are low by then;
 * and it looks at the slave's wire only when the slave changes, so the slave is initialised first.
 */
static void begin(struct board *board, struct qtest *qtest, uint32_t *seed)
{
	uint8_t icw4 = next(seed) & 1 ? 0x11 : 0x01;

	for (unsigned int line = 0; line < 16; line++)
		if (line != 2)
			wire(board, qtest, line, false);
	for (unsigned int n = 2; n-- > 0;) {
		uint16_t port = n ? 0xA0 : 0x20;

		both(board, qtest, port, 0x11);
		both(board, qtest, port + 1, n ? 0x70 : 0x08);
		both(board, qtest, port + 1, n ? 0x02 : 0x04);
		both(board, qtest, port + 1, icw4);
	}
	both(board, qtest, 0x4D0, (uint8_t)next(seed));
	both(board, qtest, 0x4D1, (uint8_t)next(seed));
}

/* Not those of which QEMU's model is known to be the simpler: ends in special mask mode. */
static uint8_t command(uint32_t *seed)
{
	static const uint8_t safe[] = { 0x0A, 0x0B, 0x0C, 0x20, 0x20, 0xA0, 0x00, 0x80,
		                        0x60, 0xE0, 0xC0, 0x48, 0x40, 0x0E, 0x0F };
	uint8_t value = safe[next(seed) % sizeof(safe)];

	return (value & 0x7F) >= 0x60 || value == 0xC0 ? value | (next(seed) & 7) : value;
}

TEST(random_guests_of_the_8259_see_what_they_see_of_another_model)
{
	struct qtest *qtest = qtest_start();
	uint32_t seed = 1;
	struct board b;

	if (!qtest)
		skip();
	start(&b);
	for (unsigned int i = 0; i < 3000; i++) {
		uint16_t port = next(&seed) & 1 ? 0xA0 : 0x20;
		unsigned int line = next(&seed) % 16;
		bool high = next(&seed) & 1;

		if (i % 100 == 0)
			begin(&b, qtest, &seed);
		switch (next(&seed) % 8) {
		case 0:
			both(&b, qtest, port + 1, next(&seed) & 0x55);
			break;
		case 1:
		case 2:
			both(&b, qtest, port, command(&seed));
			break;
		default:
			if (line != 2)
				wire(&b, qtest, line, high);
		}
		for (port = 0x20; port <= 0xA0; port += 0x80) {
			same(&b, qtest, port);
			same(&b, qtest, port + 1);
		}
		same(&b, qtest, 0x4D0);
		same(&b, qtest, 0x4D1);
	}
	qtest_stop(qtest);
}

static void both_registers(struct board *board, struct qtest *qtest, uint32_t reg, uint32_t value)
{
	put(board, (uint8_t)reg, value);
	qtest_write(qtest, IOAPIC_BASE, reg);
	qtest_write(qtest, IOAPIC_BASE + 0x10, value);
}

#define IOAPIC_PATH "/machine/i440fx/ioapic"

/*
 * Pins 6 and 7 are levels.  They are edges only for the moment that ends their interrupt, while
 * they are low: QEMU's model does not know the level of an edge.
 */
static void write_entry(struct board *board, struct qtest *qtest, unsigned int pin, uint32_t low)
{
	if (pin < 6) {
		both_registers(board, qtest, 0x10 + 2 * pin, low);
		return;
	}
	if (low & 0x100) {
		ioapic_set(&board->ioapic, pin, 0, false);
		qtest_wire(qtest, IOAPIC_PATH, pin, 0);
		both_registers(board, qtest, 0x10 + 2 * pin, low);
	}
	both_registers(board, qtest, 0x10 + 2 * pin, low | 0x8000);
}

TEST(random_guests_of_the_io_apic_see_what_they_see_of_another_model)
{
	/* Physical and logical, fixed and lowest priority. */
	const uint32_t bits = 0x129FF;
	struct qtest *qtest = qtest_start();
	uint32_t seed = 1;
	struct board b;

	if (!qtest)
		skip();
	start(&b);
	for (unsigned int i = 0; i < 2000; i++) {
		/* Few, so that they meet often. */
		unsigned int pin = 4 + next(&seed) % 4, level = next(&seed) & 1;

		switch (next(&seed) % 4) {
		case 0:
			write_entry(&b, qtest, pin, (next(&seed) & bits) | 0x10);
			break;
		case 1:
			both_registers(&b, qtest, 0x11 + 2 * pin, next(&seed) << 24);
			break;
		default:
			ioapic_set(&b.ioapic, pin, 0, level);
			qtest_wire(qtest, IOAPIC_PATH, pin, (int)level);
		}
		for (uint8_t reg = 0x18; reg < 0x20; reg++) {
			qtest_write(qtest, IOAPIC_BASE, reg);
			assert_int_equal(get(&b, reg), qtest_read(qtest, IOAPIC_BASE + 0x10));
		}
	}
	qtest_write(qtest, IOAPIC_BASE, 1);
	assert_int_equal(get(&b, 1), qtest_read(qtest, IOAPIC_BASE + 0x10));
	qtest_stop(qtest);
}

/* Its clock stands, so what is compared is the order of bytes, latches and states. */
TEST(random_guests_of_the_8254_read_the_bytes_that_another_model_gives_them)
{
	struct qtest *qtest = qtest_start();
	bool status[PIT_CHANNELS] = { false };
	uint32_t seed = 1;
	struct board b;

	if (!qtest)
		skip();
	start(&b);
	for (unsigned int n = 0; n < PIT_CHANNELS; n++)
		for (unsigned int i = 0; i < 3; i++)
			both(&b, qtest, (uint16_t)(i ? 0x40 + n : 0x43),
			     i ? 0x10 : (uint8_t)(n << 6 | 0x34));
	for (unsigned int i = 0; i < 4000; i++) {
		unsigned int n = next(&seed) % PIT_CHANNELS, way = next(&seed) % 3 + 1;
		uint16_t port = (uint16_t)(0x40 + n);

		switch (next(&seed) % 6) {
		case 0:
			/*
			 * QEMU's model keeps latches across a control word: none is left by then.
			 */
			for (unsigned int j = 0; j < 3; j++) {
				in(&b, port);
				qtest_in(qtest, port);
			}
			status[n] = false;
			both(&b, qtest, 0x43, (uint8_t)(n << 6 | way << 4 | next(&seed) % 6 << 1));
			for (unsigned int j = 0; j < 1 + (way == 3); j++)
				both(&b, qtest, port, next(&seed) & 0xFE);
			break;
		case 1:
			both(&b, qtest, port, next(&seed) & 0xFE);
			break;
		case 2:
			both(&b, qtest, 0x43, (uint8_t)(n << 6));
			break;
		case 3:
			both(&b, qtest, 0x43, (uint8_t)(0xC0 | way << 4 | 2u << n));
			status[n] |= !(way & 1);
			break;
		default:
			/* Of the status, all but the output and the null count. */
			assert_int_equal(in(&b, port) & (status[n] ? 0x3F : 0xFF),
			                 qtest_in(qtest, port) & (status[n] ? 0x3F : 0xFF));
			status[n] = false;
		}
	}
	qtest_stop(qtest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(random_guests_of_the_8259_see_what_they_see_of_another_model),
		CASE(random_guests_of_the_io_apic_see_what_they_see_of_another_model),
		CASE(random_guests_of_the_8254_read_the_bytes_that_another_model_gives_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
