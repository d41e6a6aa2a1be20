// SPDX-License-Identifier: GPL-2.0-or-later
/* The processors: starting them, and what one asks of another. */
#include "tests/pc/hostile/hostile.h"

/* Turns of a loop, some seconds on an emulated PC: what takes as long does not come any more. */
#define PATIENCE        10000000u

#define ICR_WAKE        (0x4000u | WAKE)
#define ICR_INIT_OTHERS 0xc4500u
#define ICR_SIPI_OTHERS 0xc4600u

struct area areas[MAX_CPUS] __attribute__((aligned(AREA_SIZE)));
uint32_t cpus;

void processor_main(struct cpu *cpu) __attribute__((noreturn));
void boot_main(struct cpu *cpu) __attribute__((noreturn));
void revive(struct cpu *cpu) __attribute__((noreturn));

struct cpu *cpu_at(uint32_t id)
{
	return &areas[id].cpu;
}

/* False when nobody asked for anything. */
static bool serve_once(struct cpu *self)
{
	void (*job)(struct cpu * cpu, uint64_t argument) =
		__atomic_exchange_n(&self->job, NULL, __ATOMIC_ACQUIRE);

	if (!job)
		return false;
	job(self, self->job_argument);
	__atomic_store_n(&self->busy, false, __ATOMIC_RELEASE);
	return true;
}

/* Halted until then: the emulator's host has better to do than to run processors that wait. */
__attribute__((noreturn)) static void serve(struct cpu *self)
{
	for (;;) {
		if (!serve_once(self))
			__asm__ volatile("sti; hlt; cli" ::: "memory");
	}
}

/* Where a processor comes to after start and after every SIPI. */
void processor_main(struct cpu *cpu)
{
	bool boot = cpus == 0;
	uint64_t stack = (uint64_t)cpu + STACK_MAIN;

	cpu->id = (uint32_t)(((uint64_t)cpu - (uint64_t)areas) / AREA_SIZE);
	traps_load(cpu);
	apic_write(0xf0, 0x1ff); /* on, and its spurious vector */
	cpu->starts++;
	if (cpu->revive)
		revive(cpu);
	__asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1; ud2" ::"r"(stack),
	                 "r"(boot ? boot_main : serve), "D"(cpu)
	                 : "memory");
	__builtin_unreachable();
}

bool wait_count(const volatile uint32_t *what, uint32_t least)
{
	for (uint32_t i = 0; i < PATIENCE; i++) {
		if (*what >= least)
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

void linger(void)
{
	/* An exit each, before which the hypervisor hands over what it holds back. */
	for (int i = 0; i < 2000; i++)
		cpuid(0, 0);
}

void processors_start(void)
{
	if (cpus == 1)
		return;
	apic_send(0, ICR_INIT_OTHERS);
	linger();
	apic_send(0, ICR_SIPI_OTHERS | START_VECTOR);
	for (uint32_t id = 1; id < cpus; id++) {
		if (!wait_count(&cpu_at(id)->starts, 1)) {
			print("Bail out! processor %u does not start\n", id);
			out8(0xf4, 2);
		}
	}
}

void ask(struct cpu *cpu, void (*job)(struct cpu *cpu, uint64_t argument), uint64_t argument)
{
	cpu->job_argument = argument;
	cpu->busy = true;
	__atomic_store_n(&cpu->job, job, __ATOMIC_RELEASE);
	apic_send(cpu->id, ICR_WAKE);
}

bool await(struct cpu *self, struct cpu *cpu)
{
	for (uint32_t i = 0; i < PATIENCE; i++) {
		if (!__atomic_load_n(&cpu->busy, __ATOMIC_ACQUIRE))
			return true;
		serve_once(self);
		__builtin_ia32_pause();
	}
	return say(&self->why, "cpu%u did not answer", cpu->id);
}

static void nothing(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
}

bool answers(struct cpu *self, struct cpu *cpu)
{
	ask(cpu, nothing, 0);
	return await(self, cpu);
}

bool is_silent(struct cpu *self, struct cpu *cpu)
{
	bool silent;

	ask(cpu, nothing, 0);
	linger();
	silent = __atomic_load_n(&cpu->busy, __ATOMIC_ACQUIRE);
	forget(cpu);
	return silent || say(&self->why, "cpu%u waits, and runs", cpu->id);
}

void forget(struct cpu *cpu)
{
	cpu->job = NULL;
	cpu->busy = false;
}

struct cpu *another(struct cpu *self)
{
	return cpu_at(self->id + 1 == cpus ? 0 : self->id + 1);
}
