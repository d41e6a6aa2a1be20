// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM that sets any routing table, and lines that change as they like behind it.
 */
#include <stdlib.h>

#include "module/irqchip/route.h"
#include "tests/unit/lapic-board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct session {
	struct board board;
	struct pic pic;
	struct ioapic ioapic;
	struct route_targets targets;
	struct route_table *table;
};

static void pic_output(void *ctx, bool high)
{
	struct session *session = ctx;

	lapic_line(&session->board.lapic[0], 0, high);
}

static void pic_ended(void *ctx, unsigned int line)
{
	struct session *session = ctx;

	if (session->table->gsi[line / 8][line % 8] >= ROUTE_MAX)
		abort();
}

static int ioapic_send(void *ctx, const struct irq_message *message)
{
	struct session *session = ctx;

	return lapic_bus_send(&session->board.bus, NULL, message, LAPIC_NAMED);
}

/* Who resamples lets go. */
static void ioapic_ended(void *ctx, unsigned int pin)
{
	struct session *session = ctx;
	int gsi = session->table->gsi[KVM_IRQCHIP_IOAPIC][pin];

	if (gsi >= 0)
		route_set(session->table, &session->targets, (uint32_t)gsi, 1, false);
}

static const struct pic_ops pic_ops = { .output = pic_output, .ended = pic_ended };
static const struct ioapic_ops ioapic_ops = { .send = ioapic_send, .ended = ioapic_ended };

static void start(struct session *session)
{
	board_enable(&session->board, LAPIC_LINT0_OPEN);
	pic_init(&session->pic, &pic_ops, session);
	ioapic_init(&session->ioapic, &ioapic_ops, session);
	session->targets = (struct route_targets){ .pic = &session->pic,
		                                   .ioapic = &session->ioapic,
		                                   .bus = &session->board.bus };
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		session->board.lapic[i].ends = session->ioapic.vectors;
	for (uint32_t reg = 0x10; reg < 0x40; reg++) {
		ioapic_write(&session->ioapic, 0, reg);
		ioapic_write(&session->ioapic, 0x10, reg & 1 ? 0xFF000000 : reg * 0x301);
	}
}

static void step(struct session *session, const uint8_t *data)
{
	unsigned int cpu = data[0] & 3, before = session->board.cpu[cpu].ended;
	uint32_t gsi = (uint32_t)data[1] | data[2] << 8;

	if (data[0] & 0x80) {
		if (route_set(session->table, &session->targets, gsi, data[0] >> 4 & 1,
		              data[0] & 1) > 6)
			abort();
		return;
	}
	if (lapic_takes_pic(&session->board.lapic[0]) && data[0] & 4)
		pic_acknowledge(&session->pic);
	lapic_acknowledge(&session->board.lapic[cpu]);
	lapic_end(&session->board.lapic[cpu]);
	if (session->board.cpu[cpu].ended != before)
		ioapic_end(&session->ioapic, session->board.cpu[cpu].ended_vector,
		           session->board.cpu[cpu].ended_level);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kvm_irq_routing_entry *entries;
	struct session session = { .table = NULL };
	unsigned int format;
	uint32_t count;

	if (len < 2)
		return 0;
	format = data[1] & 7;
	count = data[0] * 17u;
	if (count > (len - 2) / sizeof(*entries))
		count = (uint32_t)((len - 2) / sizeof(*entries));
	/* Bounds of their own for the sanitizer. */
	entries = malloc(count * sizeof(*entries) + 1);
	session.table = malloc(route_size(count));
	if (!entries || !session.table)
		abort();
	memcpy(entries, data + 2, count * sizeof(*entries));
	data += count * sizeof(*entries);
	len -= count * sizeof(*entries);
	if (route_build(session.table, entries, count, format)) {
		start(&session);
		for (; len >= 5; data += 3, len -= 3)
			step(&session, data + 2);
	}
	free(entries);
	free(session.table);
	return 0;
}
