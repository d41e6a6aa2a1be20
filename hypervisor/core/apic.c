// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/apic.h"

#include "hypervisor/core/cpu.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/x86.h"

#define APIC_ID        0x020u
#define APIC_TPR       0x080u
#define APIC_LDR       0x0D0u
#define APIC_DFR       0x0E0u
#define APIC_SVR       0x0F0u
#define APIC_ISR       0x100u
#define APIC_LVT_TIMER 0x320u
#define APIC_LVT_ERROR 0x370u
#define APIC_COUNT     0x380u
#define APIC_DIVIDE    0x3E0u
#define ICR_BUSY       0x1000u
#define LVT_MASKED     0x10000u

static volatile uint32_t *page_register(uint32_t offset)
{
	return (volatile uint32_t *)(DIRECT_BASE + APIC_BASE_DEFAULT + offset);
}

static bool is_x2(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
}

static uint32_t read(uint32_t offset)
{
	if (is_x2())
		return (uint32_t)rdmsr(MSR_X2APIC_FIRST + offset / 16);
	return *page_register(offset);
}

static void write(uint32_t offset, uint32_t value)
{
	if (is_x2())
		wrmsr(MSR_X2APIC_FIRST + offset / 16, value);
	else
		*page_register(offset) = value;
}

uint32_t apic_id(void)
{
	uint32_t id = read(APIC_ID);

	return is_x2() ? id : id >> 24;
}

static void wait_sent(void)
{
	while (*page_register(APIC_ICR) & ICR_BUSY)
		__builtin_ia32_pause();
}

void apic_send(uint32_t id, uint32_t command)
{
	uint32_t high;

	if (is_x2()) {
		wrmsr(MSR_X2APIC_ICR, (uint64_t)id << 32 | command);
		return;
	}
	/* The root may be between its write of the high half and that of the low one. */
	wait_sent();
	high = *page_register(APIC_ICR_HIGH);
	*page_register(APIC_ICR_HIGH) = id << 24;
	*page_register(APIC_ICR) = command;
	wait_sent();
	*page_register(APIC_ICR_HIGH) = high;
}

void apic_reset(void)
{
	bool x2 = is_x2();

	for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 0x10)
		write(lvt, LVT_MASKED);
	write(APIC_COUNT, 0);
	write(APIC_DIVIDE, 0);
	write(APIC_TPR, 0);
	if (!x2) {
		write(APIC_LDR, 0);
		write(APIC_DFR, 0xFFFFFFFFu);
	}
	/* Interrupts in service would keep lower ones out for ever: end them all. */
	for (int i = 0; i < 256; i++) {
		uint32_t any = 0;

		for (uint32_t isr = 0; isr < 8; isr++)
			any |= read(APIC_ISR + isr * 0x10);
		if (any == 0)
			break;
		write(APIC_EOI, 0);
	}
	write(APIC_SVR, 0xFF);
}

static void init(struct cpu *cpu)
{
	if (cpu->index == 0)
		machine_reset("the root sent INIT to the boot processor");
	__atomic_store_n(&cpu->sipi, SIPI_NONE, __ATOMIC_RELEASE);
	__atomic_store_n(&cpu->state, SILL_CPU_WAITING, __ATOMIC_RELEASE);
}

static void sipi(struct cpu *cpu, uint8_t vector)
{
	uint32_t none = SIPI_NONE;

	/* Ignored, as by hardware, if it does not wait for one or has its vector already. */
	if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == SILL_CPU_WAITING)
		__atomic_compare_exchange_n(&cpu->sipi, &none, vector, false, __ATOMIC_ACQ_REL,
		                            __ATOMIC_RELAXED);
}

/* True if the command was done or refused here, false if it is the hardware's. */
static bool command(struct cpu *self, uint32_t low, uint32_t destination, bool x2)
{
	enum apic_act act = apic_command(low);

	if (act == APIC_PASS)
		return false;
	if (act == APIC_REFUSE) {
		log_limited("the root's INIT or SIPI to logical destination %x was refused",
		            destination);
		self->stats.exits[SILL_EXIT_DENIED]++;
	}
	if (act != APIC_INIT && act != APIC_SIPI)
		return true;
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct cpu *cpu = cpu_at(i);

		if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == SILL_CPU_ABSENT ||
		    !apic_is_target(low, destination, x2, self->apic_id, cpu->apic_id))
			continue;
		if (act == APIC_INIT)
			init(cpu);
		else
			sipi(cpu, (uint8_t)low);
		/* Its own state the caller sees when it goes back to the guest. */
		if (cpu != self)
			cpu_request(cpu, REQUEST_LOOK);
	}
	return true;
}

void apic_root_write(struct cpu *cpu, uint32_t offset, uint32_t value)
{
	if (offset == APIC_ICR && !is_x2() &&
	    command(cpu, value, *page_register(APIC_ICR_HIGH) >> 24, false))
		return;
	*page_register(offset) = value;
}

void apic_root_icr(struct cpu *cpu, uint64_t value)
{
	if (!command(cpu, (uint32_t)value, (uint32_t)(value >> 32), true))
		wrmsr(MSR_X2APIC_ICR, value);
}
