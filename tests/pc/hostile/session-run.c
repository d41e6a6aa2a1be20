// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions that run while something happens: interrupts, NMIs and INIT of the root, changes of their
 * memory, other virtual processors.
 */
#include "tests/pc/hostile/guest.h"

#define CALL      "\x0f\x01\xd9"
#define SPIN      "\xf3\x90\xeb\xfc" /* with PAUSE: the emulator gives others a turn */
#define NMI       0x4400u
#define INIT      0x4500u
#define SIPI      (0x4600u | START_VECTOR)
#define INTERRUPT 0x4041u
#define AWAY      UINT64_C(0x40000000)
#define PATIENCE  1000000

/* What another processor does with a guest of ours; the result of its last RUN. */
static struct {
	struct guest *guest;
	uint32_t vcpu;
	volatile uint32_t entered, left;
	volatile int64_t result;
} other;

/* Once, but for what woke this processor, which may come late. */
static void run_there(struct cpu *cpu, uint64_t vcpu)
{
	uint32_t before = cpu->interrupts + cpu->nmis;

	other.entered++;
	do {
		other.result = call4(SILL_CALL_RUN, (uint64_t)other.guest->session, vcpu, 0, 0);
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	} while (other.result == SILL_RUN_INTERRUPT && cpu->interrupts + cpu->nmis == before);
	other.left++;
}

/* Until it is something else than an interrupt. */
static void run_on(struct cpu *cpu, uint64_t vcpu)
{
	(void)cpu;
	other.entered++;
	other.result = guest_run(other.guest, (uint32_t)vcpu);
	other.left++;
}

static void start_there(struct guest *guest, struct cpu *cpu,
                        void (*job)(struct cpu *cpu, uint64_t argument), uint64_t vcpu)
{
	other.guest = guest;
	other.entered = other.left = 0;
	ask(cpu, job, vcpu);
	wait_count(&other.entered, 1);
	linger();
}

/* An interrupt that is waiting, with interrupts closed: RUN ends at once, and it comes once. */
static bool waiting_interrupt(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->interrupts;
	struct guest guest;
	int64_t result = 0;
	bool good = GUEST_OPEN(cpu, &guest, (uint32_t)test->a, SPIN);

	if (good) {
		apic_send(cpu->id, INTERRUPT);
		result = call4(SILL_CALL_RUN, (uint64_t)guest.session, 0, 0, 0);
		if (result != SILL_RUN_INTERRUPT || cpu->interrupts != before)
			good = say(&cpu->why, "RUN is %lld", (long long)result);
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
		linger();
		if (good && cpu->interrupts != before + 1)
			good = say(&cpu->why, "%u came", cpu->interrupts - before);
	}
	return guest_close(&guest, good);
}

/* The same by another processor, or an NMI, while the session spins there. */
static bool ended_by(struct cpu *cpu, const struct test *test)
{
	struct cpu *there = another(cpu);
	const volatile uint32_t *count = test->a == NMI ? &there->nmis : &there->interrupts;
	uint32_t before = *count;
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, SPIN);

	if (good) {
		start_there(&guest, there, run_there, 0);
		if (other.left != 0)
			good = say(&cpu->why, "it came back by itself, with %lld",
			           (long long)other.result);
		apic_send(there->id, (uint32_t)test->a);
		good = await(cpu, there) && good;
		if (good && !wait_count(count, before + 1))
			good = say(&cpu->why, "it never came");
		linger();
		if (good && (*count != before + 1 || other.result != SILL_RUN_INTERRUPT))
			good = say(&cpu->why, "RUN was %lld, %u came", (long long)other.result,
			           *count - before);
	}
	return guest_close(&guest, good);
}

/* mov %eax, (%rbx); inc %eax; jmp: to memory that is taken away meanwhile. */
static bool memory_goes(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x89\x03\xff\xc0\xeb\xfa";
	volatile uint32_t *memory = (void *)(uintptr_t)(SPARE_MEMORY + cpu->id * GUEST_SIZE);
	struct cpu *there = another(cpu);
	struct guest guest;
	int64_t result;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, code);

	good = good && map_page(guest.session, AWAY, (uintptr_t)memory, (uint32_t)test->a,
	                        SILL_PAGE_WRITE) == 1;
	if (good) {
		*memory = 0;
		guest.page->gpr[GPR_RBX] = AWAY;
		start_there(&guest, there, run_on, 0);
		if (!wait_count(memory, 1))
			good = say(&cpu->why, "it does not write");
		result = call_again(SILL_CALL_CHANGE, (uint64_t)guest.session, AWAY, 4096, test->c);
		*memory = 0xdead;
		if (result != 4096)
			good = say(&cpu->why, "CHANGE is %lld", (long long)result);
		linger();
		good = await(cpu, there) && good;
		if (good && (*memory != 0xdead || other.result != SILL_RUN_MEMORY))
			good = say(&cpu->why, "it wrote %x, and RUN was %lld", *memory,
			           (long long)other.result);
	}
	return guest_close(&guest, good);
}

/* The root gives memory away while another processor is in a session, and in the root. */
static bool donation(struct cpu *cpu, const struct test *test)
{
	struct cpu *there = another(cpu);
	uint64_t address = SPARE_MEMORY + MAX_CPUS * SILL_DONATION, kicks = cpu_kicks(there);
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, SPIN);
	int64_t result;

	if (good) {
		if (test->a)
			start_there(&guest, there, run_there, 0);
		result = call_again(SILL_CALL_DONATE, address, 0, 0, 0);
		if (result != 0)
			good = say(&cpu->why, "DONATE is %lld", (long long)result);
		if (good && cpu_kicks(there) <= kicks)
			good = say(&cpu->why, "cpu%u has not heard of it", there->id);
		if (good && test->a && other.left != 0)
			good = say(&cpu->why, "RUN was %lld", (long long)other.result);
		if (test->a)
			apic_send(there->id, INTERRUPT);
		good = (!test->a || await(cpu, there)) && good;
	}
	return guest_close(&guest, good);
}

/* DESTROY, and another RUN of it, while it runs. */
static bool busy(struct cpu *cpu, const struct test *test)
{
	struct cpu *there = another(cpu);
	struct guest guest;
	int64_t destroy, run;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, SPIN);

	(void)test;
	if (good) {
		start_there(&guest, there, run_there, 0);
		run = call4(SILL_CALL_RUN, (uint64_t)guest.session, 0, 0, 0);
		destroy = call_again(SILL_CALL_DESTROY, (uint64_t)guest.session, 0, 0, 0);
		if (run != -SILL_EBUSY || destroy != -SILL_EBUSY)
			good = say(&cpu->why, "RUN is %lld, DESTROY %lld", (long long)run,
			           (long long)destroy);
		apic_send(there->id, INTERRUPT);
		good = await(cpu, there) && good;
	}
	return guest_close(&guest, good);
}

/* INIT takes a processor out of a session, which can be destroyed then. */
static bool init(struct cpu *cpu, const struct test *test)
{
	struct cpu *there = cpu_at(cpu->id == cpus - 1 ? cpus - 2 : cpus - 1);
	uint32_t starts = there->starts;
	struct guest guest;
	int64_t result = -SILL_EBUSY;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, SPIN);

	(void)test;
	if (good) {
		start_there(&guest, there, run_there, 0);
		apic_send(there->id, INIT);
		for (int i = 0; i < PATIENCE && result == -SILL_EBUSY; i++)
			result = call_again(SILL_CALL_DESTROY, (uint64_t)guest.session, 0, 0, 0);
		if (result != 0)
			good = say(&cpu->why, "DESTROY is %lld", (long long)result);
		guest.session = 0;
		forget(there);
		linger();
		apic_send(there->id, SIPI);
		if (good && !wait_count(&there->starts, starts + 1))
			good = say(&cpu->why, "cpu%u does not start", there->id);
		good = answers(cpu, there) && good;
	}
	return guest_close(&guest, good);
}

/* Two virtual processors on two processors hand a word to and fro. */
static bool two_together(struct cpu *cpu, const struct test *test)
{
	/* Waits until the word is ECX, and makes it EDX, a hundred times by steps of 2. */
	static const char code[] = "\xf3\x90\x39\x0b\x75\xfa\x89\x13\x83\xc1\x02"
				   "\x83\xc2\x02\x81\xf9\xc8\x00\x00\x00\x72\xea" CALL;
	struct cpu *there = another(cpu);
	struct guest guest;
	struct sill_vcpu *second;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, code);

	(void)test;
	if (good) {
		second = guest_page(&guest, 1);
		guest_state(&guest, second);
		guest.page->gpr[GPR_RBX] = second->gpr[GPR_RBX] = 0x1f0000;
		guest.page->gpr[GPR_RDX] = second->gpr[GPR_RCX] = 1;
		second->gpr[GPR_RDX] = 2;
		good = call_again(SILL_CALL_VCPU, (uint64_t)guest.session, (uintptr_t)second, 0,
		                  0) == 1;
		start_there(&guest, there, run_on, 1);
		good = good && guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 22);
		good = await(cpu, there) && good;
		if (good && (other.result != SILL_RUN_HYPERCALL ||
		             *(uint32_t *)(guest.memory + 0x1f0000) != 200))
			good = say(&cpu->why, "RUN was %lld, the word is %x",
			           (long long)other.result, *(uint32_t *)(guest.memory + 0x1f0000));
	}
	return guest_close(&guest, good);
}

/* One virtual processor here and there in turn sees its memory as it is. */
static bool moves(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x8b\x03" CALL;
	uint32_t *memory = (void *)(uintptr_t)(SPARE_MEMORY + cpu->id * GUEST_SIZE);
	struct cpu *there = another(cpu);
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, code);

	(void)test;
	for (uint32_t i = 0; good && i < 50; i++) {
		uint32_t *page = memory + i % 2 * 1024;

		*page = i;
		guest.page->gpr[GPR_RBX] = AWAY;
		guest.page->rip = GUEST_CODE;
		call_again(SILL_CALL_CHANGE, (uint64_t)guest.session, AWAY, 4096,
		           SILL_CHANGE_UNMAP);
		map_page(guest.session, AWAY, (uintptr_t)page, 0, 0);
		if (i / 2 % 2 == 0) {
			good = guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2);
		} else {
			start_there(&guest, there, run_on, 0);
			good = await(cpu, there);
		}
		if (good && guest.page->gpr[GPR_RAX] != i)
			good = say(&cpu->why, "in turn %u it reads %llx", i,
			           (unsigned long long)guest.page->gpr[GPR_RAX]);
	}
	return guest_close(&guest, good);
}

#define TWO .processors = 2

static const struct test tests[] = {
	{ .name = "an interrupt that waits ends a run and comes once",
	  .run = waiting_interrupt,
	  .a = GUEST_LONG },
	{ .name = "an interrupt that waits ends a run in real mode",
	  .run = waiting_interrupt,
	  .a = GUEST_REAL },
	{ .name = "an interrupt ends a run and comes once", .run = ended_by, .a = INTERRUPT, TWO },
	{ .name = "an NMI ends a run and comes once", .run = ended_by, .a = NMI, TWO },
	{ .name = "memory that is unmapped is away at once for a session that runs",
	  .run = memory_goes,
	  .c = SILL_CHANGE_UNMAP,
	  TWO },
	{ .name = "a large page that is unmapped is away at once for a session that runs",
	  .run = memory_goes,
	  .a = 1,
	  .c = SILL_CHANGE_UNMAP,
	  TWO },
	{ .name = "memory that is protected is so at once for a session that runs",
	  .run = memory_goes,
	  .c = SILL_CHANGE_PROTECT,
	  TWO },
	{ .name = "a donation is heard of by a processor in the root", .run = donation, TWO },
	{ .name = "a donation is heard of by a processor in a session",
	  .run = donation,
	  .a = 1,
	  TWO },
	{ .name = "a session that runs is neither run twice nor destroyed", .run = busy, TWO },
	{ .name = "INIT takes a processor out of a session", .run = init, TWO, .where = ON_BOOT },
	{ .name = "two virtual processors run side by side", .run = two_together, TWO },
	{ .name = "a virtual processor moves and keeps no old translation", .run = moves, TWO },
};

const struct suite session_run_suite = SUITE("session-run", tests);
