// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "module/irqchip/pit.h"
#include "module/irqchip/route.h"
#include "tests/unit/lapic-board.h"

/* All controllers of a session, wired to each other as the module wires them. */
struct session {
	struct board board;
	struct pic pic;
	struct ioapic ioapic;
	struct pit pit;
	struct route_targets targets;
	struct route_table *table;
	uint32_t ended_gsi;
	unsigned int ended;
};

static void pic_output(void *ctx, bool high)
{
	struct session *session = ctx;

	lapic_line(&session->board.lapic[0], 0, high);
}

static void end_gsi(struct session *session, int gsi)
{
	if (gsi < 0)
		return;
	session->ended++;
	session->ended_gsi = (uint32_t)gsi;
	if (gsi == 0)
		pit_ended(&session->pit);
}

static void pic_ended(void *ctx, unsigned int line)
{
	struct session *session = ctx;

	end_gsi(session, session->table->gsi[line / 8][line % 8]);
}

static int ioapic_send(void *ctx, const struct irq_message *message)
{
	struct session *session = ctx;

	return lapic_bus_send(&session->board.bus, NULL, message, LAPIC_NAMED);
}

static void ioapic_ended(void *ctx, unsigned int pin)
{
	struct session *session = ctx;

	end_gsi(session, session->table->gsi[KVM_IRQCHIP_IOAPIC][pin]);
}

static uint64_t pit_now(void *ctx)
{
	return ((const struct session *)ctx)->board.now;
}

static void pit_arm(void *ctx, uint64_t at)
{
	(void)ctx;
	(void)at;
}

static int pit_tick(void *ctx)
{
	struct session *session = ctx;
	int taken = route_set(session->table, &session->targets, 0, 1, true);

	route_set(session->table, &session->targets, 0, 1, false);
	return taken;
}

static const struct pic_ops pic_ops = { .output = pic_output, .ended = pic_ended };
static const struct ioapic_ops ioapic_ops = { .send = ioapic_send, .ended = ioapic_ended };
static const struct pit_ops pit_ops = { .now = pit_now, .arm = pit_arm, .tick = pit_tick };

static struct route_table *build(const struct kvm_irq_routing_entry *entries, uint32_t count,
                                 unsigned int format)
{
	struct route_table *table = malloc(route_size(count));

	assert_non_null(table);
	if (route_build(table, entries, count, format))
		return table;
	free(table);
	return NULL;
}

static void start(struct session *session)
{
	memset(session, 0, sizeof(*session));
	board_enable(&session->board, 0);
	pic_init(&session->pic, &pic_ops, session);
	ioapic_init(&session->ioapic, &ioapic_ops, session);
	pit_init(&session->pit, &pit_ops, session, true);
	for (unsigned int i = 0; i < BOARD_CPUS; i++)
		session->board.lapic[i].ends = session->ioapic.vectors;
	session->targets = (struct route_targets){ .pic = &session->pic,
		                                   .ioapic = &session->ioapic,
		                                   .bus = &session->board.bus };
	session->table = calloc(1, route_size(ROUTE_DEFAULTS));
	assert_non_null(session->table);
	route_defaults(session->table);
	assert_non_null(session->table);
}

/* The lapic's callbacks are the board's; what they noted of an end is handed on here. */
static void end(struct session *session, unsigned int cpu)
{
	struct board_cpu *notes = &session->board.cpu[cpu];
	unsigned int before = notes->ended;

	lapic_end(&session->board.lapic[cpu]);
	if (notes->ended != before)
		ioapic_end(&session->ioapic, notes->ended_vector, notes->ended_level);
}

static void entry(struct session *session, unsigned int pin, uint32_t low, uint8_t destination)
{
	ioapic_write(&session->ioapic, 0, 0x11 + 2 * pin);
	ioapic_write(&session->ioapic, 0x10, (uint32_t)destination << 24);
	ioapic_write(&session->ioapic, 0, 0x10 + 2 * pin);
	ioapic_write(&session->ioapic, 0x10, low);
}

static int set(struct session *session, uint32_t gsi, bool high)
{
	return route_set(session->table, &session->targets, gsi, 0, high);
}

static struct kvm_irq_routing_entry msi(uint32_t gsi, uint32_t low, uint32_t high, uint32_t data)
{
	struct kvm_irq_routing_entry made = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI };

	made.u.msi.address_lo = low;
	made.u.msi.address_hi = high;
	made.u.msi.data = data;
	return made;
}

static struct kvm_irq_routing_entry pin(uint32_t gsi, uint32_t chip, uint32_t number)
{
	struct kvm_irq_routing_entry made = { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP };

	made.u.irqchip.irqchip = chip;
	made.u.irqchip.pin = number;
	return made;
}

TEST(a_gsi_leads_to_both_controllers_at_first)
{
	struct session s;

	start(&s);
	entry(&s, 4, 0x54, 2);
	/* In the 8259A nothing is masked either. */
	assert_int_equal(set(&s, 4, true), 2);
	assert_int_equal(lapic_acknowledge(&s.board.lapic[2]), 0x54);
	assert_int_equal(pic_acknowledge(&s.pic), 4);
	/* The upper pins have no line. */
	entry(&s, 20, 0x64, 1);
	assert_int_equal(set(&s, 20, true), 1);
	assert_int_equal(lapic_acknowledge(&s.board.lapic[1]), 0x64);
	assert_int_equal(set(&s, 24, true), IRQ_IGNORED);
	assert_int_equal(set(&s, 0xFFFFFFFF, true), IRQ_IGNORED);
	free(s.table);
}

TEST(masked_everywhere_is_ignored)
{
	struct session s;

	start(&s);
	pic_write(&s.pic, 0x21, 0xFF);
	assert_int_equal(set(&s, 4, true), IRQ_IGNORED);
	free(s.table);
}

TEST(a_level_goes_round_through_all_controllers_until_its_source_lets_go)
{
	struct session s;

	start(&s);
	pic_write(&s.pic, 0xA1, 0xFF);
	entry(&s, 10, 0x8061, 3);
	assert_int_equal(set(&s, 10, true), 1);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(lapic_acknowledge(&s.board.lapic[3]), 0x61);
		end(&s, 3);
		assert_int_equal(s.ended, i);
		assert_int_equal(s.ended_gsi, 10);
	}
	assert_int_equal(set(&s, 10, true), IRQ_COALESCED);
	set(&s, 10, false);
	assert_int_equal(lapic_acknowledge(&s.board.lapic[3]), 0x61);
	end(&s, 3);
	assert_int_equal(lapic_pending(&s.board.lapic[3]), -1);
	free(s.table);
}

TEST(ticks_that_a_guest_missed_come_one_by_one_through_the_io_apic)
{
	unsigned int count = 0;
	struct session s;

	start(&s);
	pic_write(&s.pic, 0x21, 0xFF);
	entry(&s, 0, 0x30, 0);
	pit_write(&s.pit, 0x43, 0x34);
	pit_write(&s.pit, 0x40, 0x9C);
	pit_write(&s.pit, 0x40, 0x2E);
	s.board.now += 50100000;
	pit_expire(&s.pit);
	while (lapic_acknowledge(&s.board.lapic[0]) == 0x30) {
		count++;
		end(&s, 0);
	}
	assert_int_equal(count, 5);
	free(s.table);
}

TEST(an_msi_is_sent_when_its_gsi_rises)
{
	const struct kvm_irq_routing_entry entries[] = {
		msi(40, 0xFEE02000, 0, 0x4051),
		msi(4095, 0xFEEFF00C, 0, 0x0062),
	};
	struct session s;

	start(&s);
	free(s.table);
	s.table = build(entries, 2, 0);
	assert_non_null(s.table);
	assert_int_equal(set(&s, 40, false), IRQ_IGNORED);
	assert_int_equal(set(&s, 40, true), 1);
	assert_int_equal(set(&s, 40, true), IRQ_COALESCED);
	assert_int_equal(lapic_acknowledge(&s.board.lapic[2]), 0x51);
	/* Any one of all. */
	assert_int_equal(set(&s, 4095, true), 1);
	assert_int_equal(set(&s, 41, true), IRQ_IGNORED);
	free(s.table);
}

TEST(an_msi_has_its_destination_where_its_format_says)
{
	struct irq_message m;

	assert_true(route_msi(0xFEE12FE4, 0x00000100, 0xC9FA, 0, &m));
	assert_int_equal(m.destination, 0x12);
	assert_int_equal(m.vector, 0xFA);
	assert_int_equal(m.mode, IRQ_LOWEST);
	assert_true(m.logical);
	assert_true(m.level);
	assert_true(route_msi(0xFEE12FE0, 0, 0x30, ROUTE_EXTENDED, &m));
	assert_int_equal(m.destination, 0x7F12);
	assert_false(m.logical);
	assert_false(m.level);
	assert_true(route_msi(0xFEE12000, 0x34567800, 0x30, ROUTE_WIDE_MSI, &m));
	assert_int_equal(m.destination, 0x34567812);
	assert_false(route_msi(0xFEE12000, 0x34567801, 0x30, ROUTE_WIDE_MSI, &m));
}

TEST(a_table_with_an_entry_that_makes_no_sense_is_refused_whole)
{
	struct kvm_irq_routing_entry bad[] = {
		pin(3, 3, 0),
		pin(3, KVM_IRQCHIP_PIC_MASTER, 8),
		pin(3, KVM_IRQCHIP_IOAPIC, 24),
		pin(ROUTE_MAX, KVM_IRQCHIP_IOAPIC, 0),
		msi(ROUTE_MAX, 0xFEE00000, 0, 0),
		msi(3, 0xFEE00000, 1, 0),
		msi(3, 0xFEE00000, 0, 0),
		msi(3, 0xFEE00000, 0, 0),
	};

	bad[6].type = KVM_IRQ_ROUTING_HV_SINT;
	bad[7].flags = KVM_MSI_VALID_DEVID;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct kvm_irq_routing_entry entries[] = { pin(0, KVM_IRQCHIP_IOAPIC, 0),
			                                         bad[i] };

		assert_null(build(entries, 2, ROUTE_CHIPS | ROUTE_WIDE_MSI));
	}
}

TEST(a_gsi_leads_to_each_controller_once_and_to_an_msi_alone)
{
	const struct kvm_irq_routing_entry three[] = {
		pin(5, KVM_IRQCHIP_PIC_SLAVE, 1),
		pin(5, KVM_IRQCHIP_IOAPIC, 9),
		pin(5, KVM_IRQCHIP_PIC_MASTER, 1),
	};
	const struct kvm_irq_routing_entry twice[] = {
		pin(5, KVM_IRQCHIP_IOAPIC, 1),
		pin(5, KVM_IRQCHIP_IOAPIC, 9),
	};
	const struct kvm_irq_routing_entry mixed[] = {
		msi(5, 0xFEE00000, 0, 0x30),
		pin(5, KVM_IRQCHIP_IOAPIC, 9),
	};
	struct route_table *table = build(three, 3, ROUTE_CHIPS);

	assert_non_null(table);
	assert_int_equal(table->gsi[KVM_IRQCHIP_IOAPIC][9], 5);
	assert_int_equal(table->gsi[KVM_IRQCHIP_IOAPIC][5], -1);
	free(table);
	assert_null(build(twice, 2, ROUTE_CHIPS));
	assert_null(build(mixed, 2, ROUTE_CHIPS));
}

TEST(without_controllers_here_no_route_leads_to_their_pins)
{
	const struct kvm_irq_routing_entry entries[] = { pin(5, KVM_IRQCHIP_IOAPIC, 1) };

	assert_null(build(entries, 1, 0));
}

TEST(a_table_has_at_most_4096_entries)
{
	assert_int_not_equal(route_size(ROUTE_MAX), 0);
	assert_int_equal(route_size(ROUTE_MAX + 1), 0);
}

TEST(a_full_table_finds_every_route)
{
	struct kvm_irq_routing_entry *entries = calloc(ROUTE_MAX, sizeof(*entries));
	struct session s;

	assert_non_null(entries);
	start(&s);
	free(s.table);
	/* Backwards, so that the order is not the sorted one. */
	for (uint32_t i = 0; i < ROUTE_MAX; i++)
		entries[i] = msi(ROUTE_MAX - 1 - i, 0xFEE00000, 0, 16 + i % 240);
	s.table = build(entries, ROUTE_MAX, 0);
	assert_non_null(s.table);
	for (uint32_t gsi = 0; gsi < ROUTE_MAX; gsi++) {
		assert_int_equal(set(&s, gsi, true), 1);
		assert_int_equal(lapic_acknowledge(&s.board.lapic[0]),
		                 16 + (ROUTE_MAX - 1 - gsi) % 240);
		lapic_end(&s.board.lapic[0]);
	}
	free(entries);
	free(s.table);
}

TEST(the_wire_of_the_8259_interrupts_through_lint0)
{
	struct session s;

	start(&s);
	board_put(&s.board, 0, LAPIC_LINT0, IRQ_EXTINT << 8);
	s.board.cpu[0].events[LAPIC_INTERRUPT] = 0;
	set(&s, 1, true);
	assert_int_equal(s.board.cpu[0].events[LAPIC_INTERRUPT], 1);
	assert_true(lapic_takes_pic(&s.board.lapic[0]));
	assert_int_equal(pic_acknowledge(&s.pic), 1);
	pic_write(&s.pic, 0x20, 0x20);
	assert_int_equal(s.ended_gsi, 1);
	assert_int_equal(s.ended, 1);
	free(s.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_gsi_leads_to_both_controllers_at_first),
		CASE(masked_everywhere_is_ignored),
		CASE(a_level_goes_round_through_all_controllers_until_its_source_lets_go),
		CASE(ticks_that_a_guest_missed_come_one_by_one_through_the_io_apic),
		CASE(an_msi_is_sent_when_its_gsi_rises),
		CASE(an_msi_has_its_destination_where_its_format_says),
		CASE(a_table_with_an_entry_that_makes_no_sense_is_refused_whole),
		CASE(a_gsi_leads_to_each_controller_once_and_to_an_msi_alone),
		CASE(without_controllers_here_no_route_leads_to_their_pins),
		CASE(a_table_has_at_most_4096_entries),
		CASE(a_full_table_finds_every_route),
		CASE(the_wire_of_the_8259_interrupts_through_lint0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
