// SPDX-License-Identifier: GPL-2.0-or-later
/* INIT and SIPI: they take processors from the root's code, but never from the hypervisor. */
#include "tests/pc/hostile/hostile.h"

#define INIT          0x4500u
#define INIT_SELF     0x44500u
#define INIT_OTHERS   0xc4500u
#define INIT_DEASSERT 0x8500u
#define INIT_LOGICAL  0x4d00u
#define SIPI          (0x4600u | START_VECTOR)
#define SIPI_OTHERS   (0xc4600u | START_VECTOR)
#define SIPI_LOGICAL  (0x4e00u | START_VECTOR)
#define NMI           0x4400u
#define NOBODY        0x77u
#define ALL_LOGICAL   0xffu

#define PATIENCE      1000000

extern uint32_t started_cr0, started_cr4, started_efer;

static bool wait_state(struct cpu *cpu, const struct cpu *victim, uint64_t kicks)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (cpu_state(victim) == SILL_CPU_WAITING && cpu_kicks(victim) >= kicks)
			return true;
		__builtin_ia32_pause();
	}
	return say(&cpu->why, "cpu%u does not wait after INIT", victim->id);
}

/* Another processor than this one and the boot processor, whose INIT resets the PC. */
static struct cpu *victim_of(const struct cpu *cpu)
{
	return cpu_at(cpu->id == cpus - 1 ? cpus - 2 : cpus - 1);
}

/* After SIPI: started once, the way a processor starts. */
static bool starts(struct cpu *cpu, struct cpu *victim, uint32_t before)
{
	if (!wait_count(&victim->starts, before + 1))
		return say(&cpu->why, "cpu%u does not start", victim->id);
	if ((started_cr0 & 0x9fffffff) != CR0_ET || started_cr4 != 0 || started_efer != 0)
		return say(&cpu->why, "it starts with CR0 %x, CR4 %x, EFER %x", started_cr0,
		           started_cr4, started_efer);
	linger();
	return victim->starts == before + 1 ||
	       say(&cpu->why, "it started %u times", victim->starts - before);
}

static bool stop_and_start(struct cpu *cpu, struct cpu *victim, uint32_t sipis)
{
	uint32_t before = victim->starts;
	uint64_t kicks = cpu_kicks(victim);
	bool stands;

	apic_send(victim->id, INIT);
	stands = wait_state(cpu, victim, kicks + 1) && is_silent(cpu, victim);
	for (uint32_t i = 0; i < sipis; i++)
		apic_send(victim->id, SIPI);
	return stands && starts(cpu, victim, before) && answers(cpu, victim);
}

static bool taken(struct cpu *cpu, const struct test *test)
{
	struct cpu *victim = victim_of(cpu);

	for (uint64_t i = 0; i < test->b; i++) {
		if (!answers(cpu, victim) || !stop_and_start(cpu, victim, (uint32_t)test->a))
			return false;
	}
	return true;
}

static void halt_for_ever(struct cpu *cpu, uint64_t unused)
{
	(void)unused;
	cpu->marks++;
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void spin_for_ever(struct cpu *cpu, uint64_t unused)
{
	(void)unused;
	cpu->marks++;
	for (;;)
		__builtin_ia32_pause();
}

static void spin_in_nmi(struct cpu *cpu)
{
	spin_for_ever(cpu, 0);
}

static void walk_in_modes(struct cpu *cpu, uint64_t unused)
{
	(void)unused;
	canary[0] = canary[1] = 0;
	act(cpu, MODE_REAL, &act_wait, (uint32_t)(uintptr_t)canary, 0, 0);
}

static bool taken_from_loop(struct cpu *cpu, const struct test *test)
{
	struct cpu *victim = victim_of(cpu);
	uint32_t before = victim->marks;

	ask(victim, test->a ? halt_for_ever : spin_for_ever, 0);
	if (!wait_count(&victim->marks, before + 1))
		return say(&cpu->why, "it does not even come to that");
	linger();
	forget(victim);
	return stop_and_start(cpu, victim, 1);
}

static bool taken_from_nmi(struct cpu *cpu, const struct test *test)
{
	struct cpu *victim = victim_of(cpu);
	uint32_t before = victim->nmis, marks = victim->marks;

	(void)test;
	victim->on_nmi = spin_in_nmi;
	apic_send(victim->id, NMI);
	if (!wait_count(&victim->marks, marks + 1))
		return say(&cpu->why, "no NMI came");
	linger();
	victim->on_nmi = NULL;
	victim->in_nmi = false;
	/* INIT opens the processor for the next NMI, although no IRET came. */
	if (!stop_and_start(cpu, victim, 1))
		return false;
	apic_send(victim->id, NMI);
	return wait_count(&victim->nmis, before + 2) ||
	       say(&cpu->why, "after INIT no NMI comes any more");
}

static bool taken_from_real_mode(struct cpu *cpu, const struct test *test)
{
	struct cpu *victim = victim_of(cpu);

	(void)test;
	canary[1] = 0;
	ask(victim, walk_in_modes, 0);
	if (!wait_count(&canary[1], 1))
		return say(&cpu->why, "it does not come to real mode");
	linger();
	forget(victim);
	return stop_and_start(cpu, victim, 1);
}

/* Commands that do nothing to anybody. */
static bool ignored(struct cpu *cpu, const struct test *test)
{
	struct cpu *victim = victim_of(cpu);
	uint32_t before = victim->starts;
	uint64_t denials_before = denials(cpu);

	for (int i = 0; i < 3; i++) {
		apic_send(test->b ? (uint32_t)test->b : victim->id, (uint32_t)test->a);
		linger();
	}
	if (!denied(cpu, denials_before, test->c) || !answers(cpu, victim))
		return false;
	return (victim->starts == before && cpu_state(victim) == SILL_CPU_RUNNING &&
	        cpu_state(cpu) == SILL_CPU_RUNNING) ||
	       say(&cpu->why, "cpu%u was stopped or started", victim->id);
}

static bool all_taken(struct cpu *cpu, const struct test *test)
{
	uint32_t before[MAX_CPUS] = { 0 };
	uint64_t kicks[MAX_CPUS] = { 0 };
	bool stand = true;

	(void)test;
	for (uint32_t id = 1; id < cpus; id++) {
		before[id] = cpu_at(id)->starts;
		kicks[id] = cpu_kicks(cpu_at(id));
	}
	apic_send(0, INIT_OTHERS);
	for (uint32_t id = 1; id < cpus && stand; id++)
		stand = wait_state(cpu, cpu_at(id), kicks[id] + 1) && is_silent(cpu, cpu_at(id));
	apic_send(0, SIPI_OTHERS);
	for (uint32_t id = 1; id < cpus; id++) {
		if (!starts(cpu, cpu_at(id), before[id]) || !answers(cpu, cpu_at(id)))
			return false;
	}
	return stand;
}

/* Sends INIT and SIPI to the processors of a mask, over and over, until it is stopped itself. */
static void send_for_ever(struct cpu *cpu, uint64_t mask)
{
	for (;;) {
		for (uint32_t id = 0; id < cpus; id++) {
			if (!(mask >> id & 1) || id == cpu->id)
				continue;
			apic_send(id, INIT);
			apic_send(id, SIPI);
		}
	}
}

/* Processors that stop and start each other: in the end each can be stopped and started. */
static bool each_other(struct cpu *cpu, const struct test *test)
{
	uint64_t mask = (UINT64_C(1) << cpus) - 2;

	(void)test;
	for (int i = 0; i < 10; i++) {
		for (uint32_t id = 1; id < cpus; id++) {
			forget(cpu_at(id));
			ask(cpu_at(id), send_for_ever, mask);
		}
		linger();
	}
	apic_send(0, INIT_OTHERS);
	for (uint32_t id = 1; id < cpus; id++) {
		if (!wait_state(cpu, cpu_at(id), 0))
			return false;
		forget(cpu_at(id));
	}
	linger();
	apic_send(0, SIPI_OTHERS);
	for (uint32_t id = 1; id < cpus; id++) {
		if (!answers(cpu, cpu_at(id)) || !stop_and_start(cpu, cpu_at(id), 1))
			return false;
	}
	return true;
}

static void init_itself(void)
{
	apic_send(0, INIT_SELF);
	linger();
}

/* The boot processor brings back the one that sent INIT to itself. */
static void bring_back(struct cpu *boot, uint64_t id)
{
	if (!wait_state(boot, cpu_at((uint32_t)id), 0))
		return;
	linger();
	apic_send((uint32_t)id, SIPI);
}

static bool itself(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->starts;

	(void)test;
	cpu_at(0)->why.text[0] = '\0';
	ask(cpu_at(0), bring_back, cpu->id);
	if (!survive(cpu, init_itself))
		return say(&cpu->why, "it runs on");
	if (!await(cpu, cpu_at(0)))
		return false;
	if (cpu_at(0)->why.text[0])
		return say(&cpu->why, "%s", cpu_at(0)->why.text);
	return cpu->starts == before + 1 ||
	       say(&cpu->why, "it started %u times", cpu->starts - before);
}

/* On the boot processor of two, and on the others when there is a third one. */
#define ROW(text, function, ...)                                                                \
	{ .name = text, .run = function, .processors = 2, .where = ON_BOOT, __VA_ARGS__ },      \
	{                                                                                       \
		.name = text, .run = function, .processors = 3, .where = ON_OTHERS, __VA_ARGS__ \
	}

static const struct test tests[] = {
	ROW("INIT stops a processor and SIPI starts it once", taken, .a = 1, .b = 1),
	ROW("two SIPIs start a processor once", taken, .a = 2, .b = 1),
	ROW("a processor can be stopped and started 8 times", taken, .a = 1, .b = 8),
	ROW("INIT takes a processor that is halted", taken_from_loop, .a = 1),
	ROW("INIT takes a processor that runs", taken_from_loop, .a = 0),
	ROW("INIT takes a processor out of an NMI, and the next NMI comes", taken_from_nmi, .a = 0),
	ROW("INIT takes a processor out of real mode", taken_from_real_mode, .a = 0),
	ROW("SIPI to a processor that runs does nothing", ignored, .a = SIPI),
	ROW("the de-assert of INIT does nothing", ignored, .a = INIT_DEASSERT),
	ROW("INIT to nobody does nothing", ignored, .a = INIT, .b = NOBODY),
	ROW("INIT to a logical destination is refused", ignored, .a = INIT_LOGICAL,
	    .b = ALL_LOGICAL, .c = 3),
	ROW("SIPI to a logical destination is refused", ignored, .a = SIPI_LOGICAL,
	    .b = ALL_LOGICAL, .c = 3),
	{ .name = "INIT to all others stops them and SIPI to all starts each once",
	  .run = all_taken,
	  .processors = 2,
	  .where = ON_BOOT },
	{ .name = "processors that stop and start each other can all be started in the end",
	  .run = each_other,
	  .processors = 3,
	  .where = ON_BOOT,
	  .single = true },
	{ .name = "INIT to itself stops a processor until SIPI",
	  .run = itself,
	  .processors = 2,
	  .where = ON_OTHERS },
};

const struct suite init_suite = SUITE("init", tests);
