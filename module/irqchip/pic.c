// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 8259A data sheet; the ELCR is that of the 82371SB (PIIX3), whose controllers ignore the level bit
 * of ICW1 in favour of it.
 *
 * An edge stays latched in the request register when its line falls before it is acknowledged,
 * unlike in the 8259A: who pulses a line, as irqfds do, means one interrupt.
 */
#include "module/irqchip/pic.h"

#define CASCADE       2u
#define SPURIOUS      7u
#define NOTHING       8u

#define ICW1          0x10u
#define ICW1_ICW4     0x01u
#define ICW1_SINGLE   0x02u
#define ICW4_AUTO_EOI 0x02u
#define ICW4_NESTED   0x10u
#define OCW3          0x08u
#define OCW3_SELECT   0x02u
#define OCW3_POLL     0x04u
#define OCW3_MASK_SET 0x40u

/* Which initialisation word comes next: the values of init_state. */
enum { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4 };

/* Distance from the most important line of the most important of these; NOTHING: none. */
static unsigned int rank_of(const struct kvm_pic_state *chip, uint8_t lines)
{
	unsigned int turned = (lines | (unsigned int)lines << 8) >> (chip->priority_add & 7) & 0xFF;

	return turned ? (unsigned int)__builtin_ctz(turned) : NOTHING;
}

/* The line whose request passes mask and priorities; NOTHING: none. */
static unsigned int chip_request(const struct kvm_pic_state *chip, bool master)
{
	unsigned int rank = rank_of(chip, chip->irr & (uint8_t)~chip->imr);
	uint8_t served = chip->isr;

	if (rank == NOTHING)
		return NOTHING;
	if (chip->special_mask)
		served &= (uint8_t)~chip->imr;
	/* A slave in service may ask again for one of its more important lines. */
	if (chip->special_fully_nested_mode && master)
		served &= (uint8_t) ~(1u << CASCADE);
	if (rank >= rank_of(chip, served))
		return NOTHING;
	return (rank + chip->priority_add) & 7;
}

/* True when a request was made that had not been waiting already. */
static bool chip_line(struct kvm_pic_state *chip, unsigned int line, bool high)
{
	uint8_t bit = (uint8_t)(1u << line), before = chip->irr;

	if (chip->elcr & bit)
		chip->irr = high ? chip->irr | bit : chip->irr & (uint8_t)~bit;
	else if (high && !(chip->last_irr & bit))
		chip->irr |= bit;
	chip->last_irr = high ? chip->last_irr | bit : chip->last_irr & (uint8_t)~bit;
	return chip->irr & ~before & bit;
}

static void update(struct pic *pic)
{
	bool output;

	chip_line(&pic->chip[0], CASCADE, chip_request(&pic->chip[1], false) != NOTHING);
	output = chip_request(&pic->chip[0], true) != NOTHING;
	if (output != pic->output) {
		pic->output = output;
		pic->ops->output(pic->ctx, output);
	}
}

/* The last thing that happens, since the answer may be a new request. */
static void tell_ended(struct pic *pic, unsigned int n, unsigned int lines)
{
	while (lines) {
		unsigned int line = (unsigned int)__builtin_ctz(lines);

		lines &= lines - 1;
		if (n || line != CASCADE)
			pic->ops->ended(pic->ctx, n * 8 + line);
	}
}

/* Acknowledges a request; returns the lines whose service thereby ended. */
static unsigned int chip_acknowledge(struct pic *pic, unsigned int n, unsigned int line)
{
	struct kvm_pic_state *chip = &pic->chip[n];
	uint8_t bit = (uint8_t)(1u << line);

	if (!(chip->elcr & bit))
		chip->irr &= (uint8_t)~bit;
	/* For the cycle the slave drops its wire, so that its next request is an edge. */
	if (n)
		chip_line(&pic->chip[0], CASCADE, false);
	if (!chip->auto_eoi) {
		chip->isr |= bit;
		return 0;
	}
	if (chip->rotate_on_auto_eoi)
		chip->priority_add = (line + 1) & 7;
	return bit;
}

uint8_t pic_acknowledge(struct pic *pic)
{
	unsigned int line = chip_request(&pic->chip[0], true), ended = 0, ended_slave = 0;
	uint8_t vector;

	if (line == NOTHING) {
		vector = (uint8_t)(pic->chip[0].irq_base + SPURIOUS);
	} else {
		ended = chip_acknowledge(pic, 0, line);
		vector = (uint8_t)(pic->chip[0].irq_base + line);
	}
	if (line == CASCADE) {
		line = chip_request(&pic->chip[1], false);
		if (line == NOTHING)
			line = SPURIOUS;
		else
			ended_slave = chip_acknowledge(pic, 1, line);
		vector = (uint8_t)(pic->chip[1].irq_base + line);
	}
	update(pic);
	tell_ended(pic, 0, ended);
	tell_ended(pic, 1, ended_slave);
	return vector;
}

int pic_set(struct pic *pic, unsigned int line, unsigned int source, bool high)
{
	struct kvm_pic_state *chip = &pic->chip[line >> 3 & 1];
	uint8_t bit = (uint8_t)(1u << (line & 7));
	bool news;

	if (line >= PIC_LINES || line == CASCADE)
		return -1;
	if (high)
		pic->sources[line] |= 1u << (source & 31);
	else
		pic->sources[line] &= ~(1u << (source & 31));
	news = chip_line(chip, line & 7, pic->sources[line] != 0);
	update(pic);
	if (!high)
		return 1;
	if (chip->imr & bit)
		return -1;
	return news;
}

static uint8_t poll(struct pic *pic, unsigned int n)
{
	unsigned int line = chip_request(&pic->chip[n], n == 0), ended;

	pic->chip[n].poll = 0;
	if (line == NOTHING)
		return 0;
	ended = chip_acknowledge(pic, n, line);
	update(pic);
	tell_ended(pic, n, ended);
	return (uint8_t)(0x80 | line);
}

static void icw1(struct pic *pic, unsigned int n, uint8_t value)
{
	struct kvm_pic_state *chip = &pic->chip[n];
	uint8_t elcr = chip->elcr, elcr_mask = chip->elcr_mask, irr = chip->irr,
		wires = chip->last_irr;

	memset(chip, 0, sizeof(*chip));
	chip->elcr = elcr;
	chip->elcr_mask = elcr_mask;
	/* Requests by edge are forgotten, levels are still there. */
	chip->irr = irr & elcr;
	chip->last_irr = wires;
	/* What the slave goes on asking for is an edge again. */
	chip_line(&pic->chip[0], CASCADE, false);
	chip->init_state = WANT_ICW2;
	chip->init4 = value & ICW1_ICW4;
	pic->single[n] = value & ICW1_SINGLE;
}

/* Returns the lines whose service it ended. */
static unsigned int ocw2(struct kvm_pic_state *chip, uint8_t value)
{
	bool rotate = value & 0x80, specific = value & 0x40, end = value & 0x20;
	uint8_t line = value & 7, served = chip->isr;

	if (!end && !specific) {
		chip->rotate_on_auto_eoi = rotate;
		return 0;
	}
	if (!specific) {
		unsigned int rank;

		/* In special mask mode it passes over what is masked (8259A, special mask mode). */
		if (chip->special_mask)
			served &= (uint8_t)~chip->imr;
		rank = rank_of(chip, served);
		if (rank == NOTHING)
			return 0;
		line = (uint8_t)((rank + chip->priority_add) & 7);
	}
	if (rotate)
		chip->priority_add = (line + 1) & 7;
	if (!end)
		return 0;
	served = chip->isr & (uint8_t)(1u << line);
	chip->isr ^= served;
	return served;
}

static void ocw3(struct kvm_pic_state *chip, uint8_t value)
{
	if (value & OCW3_POLL)
		chip->poll = 1;
	if (value & OCW3_SELECT)
		chip->read_reg_select = value & 1;
	if (value & OCW3_MASK_SET)
		chip->special_mask = value >> 5 & 1;
}

static void data_write(struct pic *pic, unsigned int n, uint8_t value)
{
	struct kvm_pic_state *chip = &pic->chip[n];
	uint8_t fourth = chip->init4 ? WANT_ICW4 : READY;

	switch (chip->init_state) {
	case WANT_ICW2:
		chip->irq_base = value & 0xF8;
		chip->init_state = pic->single[n] ? fourth : WANT_ICW3;
		break;
	case WANT_ICW3:
		/* The wiring of a PC cannot be changed. */
		chip->init_state = fourth;
		break;
	case WANT_ICW4:
		chip->special_fully_nested_mode = (value & ICW4_NESTED) != 0;
		chip->auto_eoi = (value & ICW4_AUTO_EOI) != 0;
		chip->init_state = READY;
		break;
	default:
		chip->imr = value;
	}
}

/* A line that becomes level-triggered asks for as long as it is high. */
static void elcr_write(struct pic *pic, unsigned int n, uint8_t value)
{
	struct kvm_pic_state *chip = &pic->chip[n];
	uint8_t changed = chip->elcr ^ (value & chip->elcr_mask);

	chip->elcr ^= changed;
	chip->irr = (chip->irr & (uint8_t) ~(changed & chip->elcr)) |
	            (chip->last_irr & changed & chip->elcr);
}

bool pic_write(struct pic *pic, uint16_t port, uint8_t value)
{
	unsigned int n = port >> 7 & 1, ended = 0;

	switch (port) {
	case 0x20:
	case 0xA0:
		if (value & ICW1)
			icw1(pic, n, value);
		else if (value & OCW3)
			ocw3(&pic->chip[n], value);
		else
			ended = ocw2(&pic->chip[n], value);
		break;
	case 0x21:
	case 0xA1:
		data_write(pic, n, value);
		break;
	case 0x4D0:
	case 0x4D1:
		elcr_write(pic, port & 1, value);
		break;
	default:
		return false;
	}
	update(pic);
	tell_ended(pic, n, ended);
	return true;
}

bool pic_read(struct pic *pic, uint16_t port, uint8_t *ret_value)
{
	unsigned int n = port >> 7 & 1;
	const struct kvm_pic_state *chip = &pic->chip[n];

	switch (port) {
	case 0x20:
	case 0xA0:
		if (chip->poll)
			*ret_value = poll(pic, n);
		else
			*ret_value = chip->read_reg_select ? chip->isr : chip->irr;
		return true;
	case 0x21:
	case 0xA1:
		*ret_value = chip->poll ? poll(pic, n) : chip->imr;
		return true;
	case 0x4D0:
	case 0x4D1:
		*ret_value = pic->chip[port & 1].elcr;
		return true;
	default:
		return false;
	}
}

void pic_get_state(const struct pic *pic, unsigned int chip, struct kvm_pic_state *ret_state)
{
	*ret_state = pic->chip[chip & 1];
}

void pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *state)
{
	struct kvm_pic_state *own = &pic->chip[chip & 1];
	uint8_t elcr_mask = own->elcr_mask;

	*own = *state;
	own->elcr_mask = elcr_mask;
	own->elcr &= elcr_mask;
	own->priority_add &= 7;
	own->irq_base &= 0xF8;
	own->read_reg_select &= 1;
	own->init_state &= 3;
	own->poll = state->poll != 0;
	own->special_mask = state->special_mask != 0;
	own->auto_eoi = state->auto_eoi != 0;
	own->rotate_on_auto_eoi = state->rotate_on_auto_eoi != 0;
	own->special_fully_nested_mode = state->special_fully_nested_mode != 0;
	own->init4 = state->init4 != 0;
	pic->single[chip & 1] = false;
	/* Whoever held the lines: from here on it is the one source that every VMM has. */
	for (unsigned int line = 0; line < 8; line++)
		pic->sources[(chip & 1) * 8 + line] = own->last_irr >> line & 1;
	update(pic);
}

void pic_init(struct pic *pic, const struct pic_ops *ops, void *ctx)
{
	memset(pic, 0, sizeof(*pic));
	pic->ops = ops;
	pic->ctx = ctx;
	/* Lines 0, 1, 2, 8 and 13 are edges in every PC. */
	pic->chip[0].elcr_mask = 0xF8;
	pic->chip[1].elcr_mask = 0xDE;
}
