// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/panic.h"

#include "hypervisor/core/apic.h"
#include "hypervisor/core/backtrace.h"
#include "hypervisor/core/cpu.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/screen.h"
#include "hypervisor/core/trap.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/x86.h"

static uint32_t seconds_shown;
static uint32_t panicking;

void panic_setup(uint32_t seconds)
{
	seconds_shown = seconds;
}

void panic_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void halt(const char *why)
{
	log_line(LOG_ERROR, "%s", why);
	log_line(LOG_ERROR, "stopped: turn the PC off, or start something else");
	panic_stop();
}

/* Has this one a struct cpu yet?  Not on the early stack. */
static struct cpu *self_or_null(void)
{
	uint64_t stack = (uint64_t)__builtin_frame_address(0);

	return stack >= AREAS_BASE && stack < IMAGE_BASE ? cpu_self() : NULL;
}

static void stop_others(const struct cpu *self)
{
	for (uint32_t i = 0; self && i < cpu_count; i++) {
		struct cpu *cpu = cpu_at(i);

		if (cpu == self ||
		    __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == SILL_CPU_ABSENT)
			continue;
		__atomic_fetch_or(&cpu->requests, REQUEST_STOP, __ATOMIC_ACQ_REL);
		apic_send(cpu->apic_id, ICR_NMI | ICR_ASSERT);
	}
}

static void show(const struct trap_frame *frame, const char *why, va_list list)
{
	struct cpu *self = self_or_null();
	struct guest_state root;
	struct sentence text;

	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL))
		panic_stop();
	stop_others(self);
	log_alone();
	screen_claim();
	format_list(text.text, sizeof(text.text), why, list);
	log_line(LOG_ERROR, "PANIC on processor %u: %s", self ? self->index : 0, text.text);
	registers_print(frame);
	if (self && self->vendor) {
		vendor->state(self, &root);
		log_line(LOG_ERROR, "the root was at %llx, cr3 %llx", (unsigned long long)root.rip,
		         (unsigned long long)root.cr3);
	}
	backtrace_print(frame->rip, frame->rbp);
	if (seconds_shown == 0 || clock_hz() == 0)
		panic_stop();
	log_line(LOG_ERROR, "reset in %u seconds", seconds_shown);
	for (uint32_t i = 0; i < seconds_shown; i++)
		clock_wait(1000000);
	machine_reset("panic");
}

void panic_trap(const struct trap_frame *frame, const char *why, ...)
{
	va_list list;

	va_start(list, why);
	show(frame, why, list);
	va_end(list);
	panic_stop();
}

void panic(const char *why, ...)
{
	struct trap_frame frame = {
		.rip = (uint64_t)__builtin_return_address(0),
		.rbp = *(uint64_t *)__builtin_frame_address(0),
		.rsp = (uint64_t)__builtin_frame_address(0),
	};
	va_list list;

	va_start(list, why);
	show(&frame, why, list);
	va_end(list);
	panic_stop();
}
