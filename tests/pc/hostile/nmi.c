// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NMIs of the root: each comes once, none within another before its IRET.
 *
 * QEMU that emulates each processor by a thread of its own can lose an NMI that comes to a
 * processor while this one leaves the guest (7.2's do_vmexit changes interrupt_request without its
 * lock).  So nothing is sent to another processor here before that has come back from the last NMI,
 * but where the option "single" says that there is one thread.
 */
#include "tests/pc/hostile/hostile.h"

#define NMI        0x4400u
#define NMI_SELF   0x44400u
#define NMI_ALL    0x84400u
#define NMI_OTHERS 0xc4400u
#define TRAP_FLAG  (1u << 8)

static bool came(struct cpu *cpu, const struct cpu *target, uint32_t before, uint32_t times)
{
	return target->nmis - before == times || say(&cpu->why, "%u NMIs came to cpu%u, not %u",
	                                             target->nmis - before, target->id, times);
}

static void settle(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	linger();
}

static bool to_itself(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->nmis;

	apic_send(cpu->id, (uint32_t)test->a);
	linger();
	return came(cpu, cpu, before, 1);
}

static bool to_another(struct cpu *cpu, const struct test *test)
{
	struct cpu *target = another(cpu);
	uint32_t own = cpu->nmis;

	/* Each one waits for the one before, so that they do not join. */
	for (uint32_t i = 0; i < test->a; i++) {
		uint32_t before = target->nmis;

		if (!answers(cpu, target))
			return false;
		apic_send(target->id, NMI);
		if (!wait_count(&target->nmis, before + 1))
			return say(&cpu->why, "NMI %u did not come", i);
		if (i < 3 || i + 1 == test->a) {
			ask(target, settle, 0);
			if (!await(cpu, target) || !came(cpu, target, before, 1))
				return false;
		}
	}
	return came(cpu, cpu, own, 0);
}

static bool to_all(struct cpu *cpu, const struct test *test)
{
	uint32_t before[MAX_CPUS] = { 0 };

	for (uint32_t id = 0; id < cpus; id++)
		before[id] = cpu_at(id)->nmis;
	apic_send(0, (uint32_t)test->a);
	linger();
	for (uint32_t id = 0; id < cpus; id++) {
		if (id == cpu->id)
			continue;
		if (!wait_count(&cpu_at(id)->nmis, before[id] + 1))
			return say(&cpu->why, "none came to cpu%u", id);
		ask(cpu_at(id), settle, 0);
		if (!await(cpu, cpu_at(id)) || !came(cpu, cpu_at(id), before[id], 1))
			return false;
	}
	return came(cpu, cpu, before[cpu->id], (uint32_t)test->b);
}

static uint32_t within;

/* Two more while it is handled, which become one, and must wait. */
static void send_two_more(struct cpu *cpu)
{
	cpu->on_nmi = NULL;
	within = cpu->nmis;
	apic_send(cpu->id, NMI);
	apic_send(cpu->id, NMI);
	linger();
	within = cpu->nmis - within;
}

static bool held(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->nmis;

	(void)test;
	cpu->on_nmi = send_two_more;
	cpu->nested_nmis = 0;
	apic_send(cpu->id, NMI);
	linger();
	if (within != 0 || cpu->nested_nmis != 0)
		return say(&cpu->why, "%u came within another", within + cpu->nested_nmis);
	/* It came where the first one's IRET went, without the flag the hypervisor stepped by. */
	if (cpu->nmi_rflags & TRAP_FLAG)
		return say(&cpu->why, "the NMI saw the trap flag set");
	if (cpu->nmi_rip >= (uintptr_t)on_trap_entry && cpu->nmi_rip < (uintptr_t)on_trap_exit)
		return say(&cpu->why, "it came at %llx, before the IRET",
		           (unsigned long long)cpu->nmi_rip);
	return came(cpu, cpu, before, 2);
}

static void return_early(struct cpu *cpu)
{
	cpu->on_nmi = NULL;
	within = cpu->nmis;
	apic_send(cpu->id, NMI);
	__asm__ volatile(
		"mov %%rsp, %%rax; push %0; push %%rax; pushf; push %1; lea 1f(%%rip), %%rax;"
		"push %%rax; iretq; 1:" ::"i"(DATA),
		"i"(CODE64)
		: "rax", "memory");
	linger();
	within = cpu->nmis - within;
}

static bool iret_lets_the_next_come(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->nmis;

	(void)test;
	cpu->on_nmi = return_early;
	cpu->nested_nmis = 0;
	apic_send(cpu->id, NMI);
	linger();
	if (within != 1 || cpu->nested_nmis != 1)
		return say(&cpu->why, "%u came after that, %u within the handler", within,
		           cpu->nested_nmis);
	return came(cpu, cpu, before, 2);
}

#define DR6_CLEAR 0xFFFF0FF0u
#define DR6_B0    1u
#define DR6_BS    (1u << 14)

static uint64_t read_dr6(void)
{
	uint64_t value;

	__asm__ volatile("mov %%dr6, %0" : "=r"(value));
	return value;
}

static void write_dr6(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr6" ::"r"(value));
}

static uint64_t send_to_self(uint64_t id)
{
	apic_send((uint32_t)id, NMI);
	linger();
	return read_dr6();
}

/* What a breakpoint of long ago left in DR6 is no breakpoint of the IRET. */
static bool keeps_dr6(struct cpu *cpu, const struct test *test)
{
	uint64_t after;

	(void)test;
	write_dr6(DR6_CLEAR | DR6_B0);
	attempt(cpu, send_to_self, cpu->id);
	after = read_dr6();
	write_dr6(DR6_CLEAR);
	if (!trapped(cpu, DONE, 0))
		return false;
	return after == (DR6_CLEAR | DR6_B0) ||
	       say(&cpu->why, "DR6 became %llx", (unsigned long long)after);
}

extern uint8_t stepped_to[];

static void return_stepping(struct cpu *cpu)
{
	cpu->on_nmi = NULL;
	__asm__ volatile("mov %%rsp, %%rax; push %0; push %%rax; pushf; push %1; lea "
	                 "stepped_to(%%rip), %%rax;"
	                 "push %%rax; pushf; orl %2, (%%rsp); popf; iretq;"
	                 ".globl stepped_to; stepped_to: nop" ::"i"(DATA),
	                 "i"(CODE64), "i"(TRAP_FLAG)
	                 : "rax", "memory", "cc");
}

/* A root that steps over its own IRET: the step is its, though the hypervisor steps there too. */
static bool steps_itself(struct cpu *cpu, const struct test *test)
{
	uint64_t dr6;

	(void)test;
	write_dr6(DR6_CLEAR);
	cpu->on_nmi = return_stepping;
	attempt(cpu, send_to_self, cpu->id);
	cpu->in_nmi = false;
	dr6 = read_dr6();
	write_dr6(DR6_CLEAR);
	if (!trapped(cpu, VECTOR_DB, 0))
		return false;
	if (cpu->trap.rip != (uintptr_t)stepped_to || cpu->trap.rflags & TRAP_FLAG)
		return say(&cpu->why, "the step came at %llx with flags %llx",
		           (unsigned long long)cpu->trap.rip, (unsigned long long)cpu->trap.rflags);
	return dr6 == (DR6_CLEAR | DR6_BS) ||
	       say(&cpu->why, "DR6 is %llx", (unsigned long long)dr6);
}

/* What it does while NMIs come. */
static void halt_once(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	__asm__ volatile("cli; hlt" ::: "memory");
}

static bool ends_a_halt(struct cpu *cpu, const struct test *test)
{
	struct cpu *target = another(cpu);
	uint32_t before = target->nmis;

	(void)test;
	ask(target, halt_once, 0);
	/* Halted or not yet: an NMI that comes before the HLT is followed by another. */
	for (uint32_t i = 1; i <= 1000 && __atomic_load_n(&target->busy, __ATOMIC_ACQUIRE); i++) {
		linger();
		apic_send(target->id, NMI);
		if (!wait_count(&target->nmis, before + i))
			return say(&cpu->why, "it did not come");
		linger();
	}
	return await(cpu, target);
}

static volatile uint32_t stop;

static void call_until_stopped(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	while (!stop) {
		if (hypervisor)
			hypercall(SILL_CALL_VERSION, SILL_ABI, 0, 0);
		cpuid(0, 0);
		rdmsr(MSR_EFER);
	}
}

static bool none_is_lost_amid_exits(struct cpu *cpu, const struct test *test)
{
	struct cpu *target = another(cpu);
	uint32_t before = target->nmis, i = 0;

	stop = 0;
	ask(target, call_until_stopped, 0);
	while (i < test->a) {
		apic_send(target->id, NMI);
		if (!wait_count(&target->nmis, before + ++i))
			break;
	}
	stop = 1;
	return await(cpu, target) && came(cpu, target, before, (uint32_t)test->a);
}

/* In another mode, waiting for a word that is written when the NMI has come. */
struct sender {
	struct cpu *target;
	const volatile uint32_t *count;
	uint32_t *word;
	bool good;
};

static void send_there(struct cpu *cpu, uint64_t argument)
{
	struct sender *sender = (struct sender *)(uintptr_t)argument;
	uint32_t before = *sender->count;

	/* The target is in the other mode once it has said so. */
	wait_count(sender->word + 1, 1);
	sender->good = true;
	for (uint32_t i = 1; i <= 3 && sender->good; i++) {
		linger();
		apic_send(sender->target->id, NMI);
		sender->good = wait_count(sender->count, before + i);
	}
	linger();
	sender->good &= *sender->count == before + 3;
	*sender->word = 1;
	(void)cpu;
}

static bool in_mode(struct cpu *cpu, const struct test *test)
{
	bool low = test->mode < MODE_LONG;
	struct cpu *helper = another(cpu);
	uint32_t address = window(test->mode, PAGE_4K, (uint32_t)(uintptr_t)canary);
	struct sender sender = { cpu, low ? &mode_nmis : (const volatile uint32_t *)&cpu->nmis,
		                 canary, false };

	canary[0] = canary[1] = 0;
	ask(helper, send_there, (uintptr_t)&sender);
	act(cpu, test->mode, &act_wait, address, 0, 0);
	if (!await(cpu, helper) || !trapped(cpu, DONE, 0))
		return false;
	return sender.good || say(&cpu->why, "not each of three NMIs came once");
}

#define IN(text, in)                                                                            \
	{                                                                                       \
		.name = "an NMI " text " comes once and goes back", .run = in_mode, .mode = in, \
		.processors = 2, .on_any = true                                                 \
	}

static const struct test tests[] = {
	{ .name = "an NMI to its own number comes once",
	  .run = to_itself,
	  .a = NMI,
	  .on_any = true },
	{ .name = "an NMI to itself comes once", .run = to_itself, .a = NMI_SELF, .on_any = true },
	{ .name = "an NMI to another processor comes there once",
	  .run = to_another,
	  .a = 1,
	  .processors = 2,
	  .on_any = true },
	{ .name = "of 30 NMIs to another processor none is lost",
	  .run = to_another,
	  .a = 30,
	  .processors = 2,
	  .on_any = true },
	{ .name = "an NMI to all others comes to each once",
	  .run = to_all,
	  .a = NMI_OTHERS,
	  .processors = 2,
	  .on_any = true },
	{ .name = "an NMI to all comes to each once",
	  .run = to_all,
	  .a = NMI_ALL,
	  .b = 1,
	  .processors = 2,
	  .on_any = true },
	{ .name = "NMIs within one wait for its IRET and come as one",
	  .run = held,
	  .on_any = true },
	{ .name = "an IRET within an NMI lets the next one come",
	  .run = iret_lets_the_next_come,
	  .on_any = true },
	{ .name = "an NMI leaves what an old breakpoint left in DR6",
	  .run = keeps_dr6,
	  .on_any = true },
	{ .name = "a step over the IRET that ends an NMI arrives",
	  .run = steps_itself,
	  .on_any = true },
	{ .name = "an NMI ends a halt", .run = ends_a_halt, .processors = 2, .on_any = true },
	{ .name = "of 30 NMIs amid exits none is lost",
	  .run = none_is_lost_amid_exits,
	  .a = 30,
	  .processors = 2,
	  .on_any = true,
	  .single = true },
	IN("in real mode", MODE_REAL),
	IN("in protected mode without paging", MODE_FLAT),
	IN("in 32-bit mode", MODE_32),
	IN("in PAE mode", MODE_PAE),
	IN("in compatibility mode", MODE_COMPAT),
	IN("in ring 3", MODE_USER64),
	IN("in ring 3 in compatibility mode", MODE_USER32),
};

const struct suite nmi_suite = SUITE("nmi", tests);
