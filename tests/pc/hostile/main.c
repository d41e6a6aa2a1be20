// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Options, on the kernel's command line: cpus=N (there are as many), bare (there is no hypervisor),
 * only=SUITE,SUITE…, single (one thread emulates all processors), end=HOW (end the machine that
 * way, ends.c).  The result is TAP on the first serial port, and by QEMU's isa-debug-exit the
 * status 1 if all is well and 3 if not.
 */
#include "tests/pc/hostile/hostile.h"

bool hypervisor;
struct sill_info info;

static uint32_t number, failures;

void boot_main(struct cpu *cpu) __attribute__((noreturn));

/* The text after `name` in the command line, or NULL. */
static const char *option(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = command_line; *at; at++) {
		if ((at == command_line || at[-1] == ' ') && memcmp(at, name, length) == 0)
			return at + length;
	}
	return NULL;
}

static bool applies(const struct cpu *cpu, const struct test *test)
{
	return (hypervisor || test->on_any) && (!test->single || option("single")) &&
	       cpus >= test->processors &&
	       (test->where == ANYWHERE || (test->where == ON_BOOT) == (cpu->id == 0));
}

static void run_suite(struct cpu *cpu, const struct suite *suite)
{
	for (size_t i = 0; i < suite->count; i++) {
		const struct test *test = &suite->tests[i];

		if (!applies(cpu, test))
			continue;
		cpu->why.text[0] = '\0';
		number++;
		if (test->run(cpu, test)) {
			print("ok %u - cpu%u: %s\n", number, cpu->id, test->name);
		} else {
			failures++;
			print("# %s\nnot ok %u - cpu%u: %s\n", cpu->why.text, number, cpu->id,
			      test->name);
		}
	}
}

/* Is the name in a list of words between commas? */
static bool names(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (; *list && *list != ' '; list++) {
		if (memcmp(list, name, length) == 0)
			return true;
	}
	return false;
}

static void run_all(struct cpu *cpu, uint64_t argument)
{
	static const struct suite *const suites[] = {
		&memory_suite,        &walk_suite,          &svm_suite,         &msr_suite,
		&call_suite,          &apic_suite,          &nmi_suite,         &init_suite,
		&register_suite,      &suspend_suite,       &log_suite,         &session_exit_suite,
		&session_event_suite, &session_state_suite, &session_run_suite, &session_call_suite
	};

	const char *only = option("only=");

	(void)argument;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (!only || names(only, suites[i]->name))
			run_suite(cpu, suites[i]);
	}
}

__attribute__((noreturn)) static void leave(uint8_t code)
{
	out8(0xf4, code);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void find_hypervisor(void)
{
	struct sill_stats stats;

	hypercall(SILL_CALL_INFO, (uintptr_t)&info, sizeof(info), 0);
	for (uint32_t i = 0; i < info.cpus; i++) {
		hypercall(SILL_CALL_STATS, i, (uintptr_t)&stats, sizeof(stats));
		if (stats.apic_id < MAX_CPUS)
			cpu_at(stats.apic_id)->hypervisor_index = i;
	}
	print("# the hypervisor is at %llx, %llu KiB\n", (unsigned long long)info.memory_base,
	      (unsigned long long)(info.memory_size / KIB));
}

void boot_main(struct cpu *cpu)
{
	const char *count = option("cpus=");
	uint64_t all = 0;

	/* Interrupts of old devices are of no use here. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	cpus = count ? (uint32_t)(*count - '0') : 1;
	hypervisor = !option("bare");
	if (cpus < 1 || cpus > MAX_CPUS) {
		print("Bail out! cpus= is not 1 to %u\n", MAX_CPUS);
		leave(2);
	}
	if (hypervisor)
		find_hypervisor();
	processors_start();
	if (option("end=")) {
		end_machine(cpu, option("end="));
		leave(3);
	}
	for (uint32_t id = 0; id < cpus; id++) {
		if (id == cpu->id) {
			run_all(cpu, 0);
		} else {
			ask(cpu_at(id), run_all, 0);
			while (!await(cpu, cpu_at(id)))
				;
		}
	}
	for (uint32_t id = 0; id < cpus; id++)
		all += denials(cpu_at(id));
	print("# %llu denials\n1..%u\n", (unsigned long long)all, number);
	leave(failures > 0);
}
