// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starting processors, asking something of another one, and waiting as one that the root has not
 * started.
 */
#include "hypervisor/core/apic.h"
#include "hypervisor/core/cpu.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/panic.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/trap.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/x86.h"

uint32_t cpu_count;
const struct vendor *vendor;

void cpu_request(struct cpu *cpu, enum request request)
{
	/* One NMI is enough for requests that nobody has looked at yet. */
	if (__atomic_fetch_or(&cpu->requests, request, __ATOMIC_ACQ_REL) == 0)
		apic_send(cpu->apic_id, ICR_NMI | ICR_ASSERT);
}

static uint32_t take_requests(struct cpu *cpu)
{
	uint32_t requests = __atomic_exchange_n(&cpu->requests, 0, __ATOMIC_ACQ_REL);

	if (requests & REQUEST_STOP)
		panic_stop();
	if (requests & REQUEST_FLUSH)
		vendor->flush(cpu);
	if (requests)
		cpu->stats.kicks++;
	return requests;
}

bool cpu_answer_nmi(struct cpu *cpu)
{
	cpu_take_nmi();
	return take_requests(cpu) == 0;
}

uint8_t cpu_wait_for_sipi(struct cpu *cpu)
{
	uint32_t vector;

	for (;;) {
		vector = __atomic_exchange_n(&cpu->sipi, SIPI_NONE, __ATOMIC_ACQ_REL);
		if (vector != SIPI_NONE)
			break;
		cpu_wait();
		take_requests(cpu);
	}
	cpu->nmi_pending = false;
	__atomic_store_n(&cpu->state, SILL_CPU_RUNNING, __ATOMIC_RELEASE);
	return (uint8_t)vector;
}

/* Where trampoline.S calls C. */
static void processor_main(void)
{
	struct cpu *cpu = cpu_self();
	struct cpu_start start = { .sipi = true };
	struct sentence why;

	traps_load();
	if (!vendor->cpu_start(cpu, &why))
		panic("processor %u cannot virtualise: %s", cpu->index, why.text);
	__atomic_store_n(&cpu->state, SILL_CPU_WAITING, __ATOMIC_RELEASE);
	start.vector = cpu_wait_for_sipi(cpu);
	vendor->root_start(cpu, &start);
	vendor->root_run(cpu);
}

extern uint8_t trampoline[], trampoline_end[], trampoline_gdt[], trampoline_entry32[];
extern uint8_t trampoline_entry64[], trampoline_cr3[], trampoline_stack[], trampoline_main[];
extern uint8_t trampoline32[], trampoline64[];

static void put(uint8_t *page, const uint8_t *where, uint64_t value, size_t size)
{
	memcpy(page + (where - trampoline), &value, size);
}

static bool started(struct cpu *cpu, uint64_t microseconds)
{
	for (uint64_t waited = 0; waited < microseconds; waited += 50) {
		if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == SILL_CPU_WAITING)
			return true;
		clock_wait(50);
	}
	return false;
}

void cpus_start(uint64_t trampoline_page)
{
	uint8_t *page = (uint8_t *)(DIRECT_BASE + trampoline_page);
	uint32_t page32 = (uint32_t)trampoline_page;
	static uint8_t before[PAGE_SIZE];

	if (cpu_count == 1)
		return;
	memcpy(before, page, PAGE_SIZE);
	memcpy(page, trampoline, (size_t)(trampoline_end - trampoline));
	put(page, trampoline_gdt + 2, page32 + (uint32_t)(trampoline_gdt - trampoline), 4);
	put(page, trampoline_entry32, page32 + (uint32_t)(trampoline32 - trampoline), 4);
	put(page, trampoline_entry64, page32 + (uint32_t)(trampoline64 - trampoline), 4);
	put(page, trampoline_cr3, read_cr3(), 8);
	put(page, trampoline_main, (uint64_t)processor_main, 8);
	for (uint32_t i = 1; i < cpu_count; i++)
		apic_send(cpu_at(i)->apic_id, ICR_INIT | ICR_ASSERT);
	clock_wait(10000);
	for (uint32_t i = 1; i < cpu_count; i++) {
		struct cpu *cpu = cpu_at(i);

		put(page, trampoline_stack, (uint64_t)cpu, 8);
		for (int attempt = 0; attempt < 2 && !started(cpu, attempt ? 200000 : 0); attempt++)
			apic_send(cpu->apic_id, ICR_SIPI | ICR_ASSERT | page32 >> 12);
		if (!started(cpu, 2000000))
			log_line(LOG_ERROR, "the processor with APIC ID %u does not start",
			         cpu->apic_id);
	}
	memcpy(page, before, PAGE_SIZE);
}
