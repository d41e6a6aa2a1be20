// SPDX-License-Identifier: GPL-2.0-or-later
/* The page of the local APIC: plain stores of 32 bits are done for the root, nothing else is. */
#include "tests/pc/hostile/hostile.h"

uint32_t apic_read(uint32_t offset)
{
	return *(volatile uint32_t *)(uintptr_t)(APIC_PAGE + offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(APIC_PAGE + offset) = value;
}

void apic_send(uint32_t destination, uint32_t command)
{
	while (apic_read(0x300) & 0x1000)
		__builtin_ia32_pause();
	apic_write(0x310, destination << 24);
	apic_write(0x300, command);
}

/* The register that is written to: nothing depends on it. */
#define PRIORITY 0x80u

/* Each by its name: what it does to (%rdi), with EAX what is there and RSI where a 30h is. */
#define STORES(X)                                                                            \
	X(STORE_8, "movb $0x30, (%%rdi)")                                                    \
	X(STORE_16, "movw $0x30, (%%rdi)")                                                   \
	X(STORE_32, "movl $0x30, (%%rdi)")                                                   \
	X(STORE_64, "movq $0x30, (%%rdi)")                                                   \
	X(STORE_128, "movups %%xmm0, (%%rdi)")                                               \
	X(STORE_512_BYTES, "fxsave (%%rdi)")                                                 \
	X(STORE_MMX, "movd %%xmm0, (%%rdi)")                                                 \
	X(STORE_TWICE, "mov $0x30, %%eax; mov $2, %%ecx; rep stosl")                         \
	X(STORE_DESCRIPTOR, "sidt (%%rdi)")                                                  \
	X(OR_32, "orl $0x30, (%%rdi)")                                                       \
	X(INCREMENT, "incl (%%rdi)")                                                         \
	X(COMPARE_EXCHANGE, "mov (%%rsi), %%ecx; lock cmpxchg %%ecx, (%%rdi)")               \
	X(MOVE_STRING, "movsl")                                                              \
	X(SET_BYTE, "stc; setc (%%rdi)")                                                     \
	X(POP_THERE, "push $0x30; pop (%%rdi)")                                              \
	X(PUSH_THERE, "mov %%rsp, %%rdx; lea 8(%%rdi), %%rsp; push $0x30; mov %%rdx, %%rsp") \
	X(CALL_THERE, "mov %%rsp, %%rdx; lea 8(%%rdi), %%rsp; call 1f; 1: mov %%rdx, %%rsp")

#define DEFINE(name, instructions)                                                                 \
	static uint64_t do_##name(uint64_t at)                                                     \
	{                                                                                          \
		static const uint32_t other = 0x30;                                                \
		const uint32_t *from = &other;                                                     \
		uint64_t was = apic_read(PRIORITY);                                                \
                                                                                                   \
		__asm__ volatile(instructions                                                      \
		                 : "+D"(at), "+S"(from), "+a"(was)::"rcx", "rdx", "memory", "cc"); \
		return 0;                                                                          \
	}
#define NUMBER(name, instructions)  name,
#define ADDRESS(name, instructions) do_##name,

STORES(DEFINE)
enum { STORES(NUMBER) };
static uint64_t (*const storing[])(uint64_t at) = { STORES(ADDRESS) };

static bool refused(struct cpu *cpu, const struct test *test)
{
	uint32_t was = apic_read(PRIORITY);
	uint64_t before = denials(cpu);

	attempt(cpu, storing[test->a], APIC_PAGE + PRIORITY + test->b);
	if (!trapped(cpu, VECTOR_GP, 0) || !denied(cpu, before, 1))
		return false;
	return apic_read(PRIORITY) == was ||
	       say(&cpu->why, "the register is now %x", apic_read(PRIORITY));
}

static bool refused_act(struct cpu *cpu, const struct test *test)
{
	uint32_t was = apic_read(PRIORITY);
	uint64_t before = denials(cpu);

	act(cpu, test->mode, test->act, window(test->mode, PAGE_4K, APIC_PAGE) + PRIORITY, 0x30, 0);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1) &&
	       (apic_read(PRIORITY) == was || say(&cpu->why, "it was written all the same"));
}

/* And to be sure that it is not refused in general: a plain store. */
static bool done(struct cpu *cpu, const struct test *test)
{
	uint32_t was = apic_read(PRIORITY), now;
	uint64_t before = denials(cpu);

	act(cpu, test->mode, test->act, window(test->mode, PAGE_4K, APIC_PAGE) + PRIORITY, 0x30, 0);
	now = apic_read(PRIORITY);
	apic_write(PRIORITY, was);
	if (!trapped(cpu, DONE, 0) || !denied(cpu, before, 0))
		return false;
	if (test->act == &act_exchange && cpu->trap.rax != was)
		return say(&cpu->why, "the old value was %llx", (unsigned long long)cpu->trap.rax);
	return now == 0x30 || say(&cpu->why, "the register is now %x", now);
}

/* The store's bytes on two pages that are no neighbours in memory, then a jump to (R)DI. */
static bool done_across_pages(struct cpu *cpu, const struct test *test)
{
	static uint8_t pages[3][4096] __attribute__((aligned(4096)));
	static const uint8_t code[] = { 0x89, 0x03, 0xff, 0xe7 };
	uint32_t at = window_pair((uint32_t)(uintptr_t)pages[2], (uint32_t)(uintptr_t)pages[0]);
	const struct act across = { { 0, 0, at + 0xfff } };
	uint32_t now;

	(void)test;
	pages[2][4095] = code[0];
	memcpy(pages[0], code + 1, 3);
	act(cpu, MODE_LONG, &across, APIC_PAGE + PRIORITY, 0x30, 0);
	now = apic_read(PRIORITY);
	apic_write(PRIORITY, 0);
	return trapped(cpu, DONE, 0) &&
	       (now == 0x30 || say(&cpu->why, "the register is now %x", now));
}

static bool comes_once(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->interrupts;

	apic_send(test->a ? 0 : cpu->id, (uint32_t)test->b);
	__asm__ volatile("sti; nop; nop" ::: "memory");
	linger();
	__asm__ volatile("cli");
	return cpu->interrupts - before == 1 ||
	       say(&cpu->why, "%u interrupts came", cpu->interrupts - before);
}

#define REFUSED(text, how, offset)                                                                 \
	{                                                                                          \
		.name = text " of the local APIC gives #GP", .run = refused, .a = how, .b = offset \
	}
#define REFUSED_ACT(text, does, in)                                                            \
	{                                                                                      \
		.name = text " in the local APIC gives #GP", .run = refused_act, .act = &does, \
		.mode = in                                                                     \
	}
#define STORED(text, does, in)                                                               \
	{                                                                                    \
		.name = text " the local APIC works", .run = done, .act = &does, .mode = in, \
		.on_any = true                                                               \
	}

static const struct test tests[] = {
	REFUSED("a store of 8 bits to a register", STORE_8, 0),
	REFUSED("a store of 16 bits to a register", STORE_16, 0),
	REFUSED("a store of 64 bits to a register", STORE_64, 0),
	REFUSED("a store of 128 bits to a register", STORE_128, 0),
	REFUSED("FXSAVE to a register", STORE_512_BYTES, 0),
	REFUSED("a store of 32 bits to byte 1", STORE_32, 1),
	REFUSED("a store of 32 bits to byte 2", STORE_32, 2),
	REFUSED("a store of 32 bits to byte 4", STORE_32, 4),
	REFUSED("a store of 32 bits to byte 14", STORE_32, 14),
	REFUSED("a store of 32 bits over the end", STORE_32, 0xffe - PRIORITY),
	REFUSED("a store of a vector register's 32 bits to a register", STORE_MMX, 0),
	REFUSED("OR with a register", OR_32, 0),
	REFUSED("INC of a register", INCREMENT, 0),
	REFUSED("CMPXCHG with a register", COMPARE_EXCHANGE, 0),
	REFUSED("REP STOS to a register", STORE_TWICE, 0),
	REFUSED("MOVS to a register", MOVE_STRING, 0),
	REFUSED("PUSH to a register", PUSH_THERE, 0),
	REFUSED("CALL with its return address in a register", CALL_THERE, 0),
	REFUSED("POP to a register", POP_THERE, 0),
	REFUSED("SETcc to a register", SET_BYTE, 0),
	REFUSED("SIDT to a register", STORE_DESCRIPTOR, 0),
	REFUSED_ACT("ADD in 32-bit mode", act_add, MODE_32),
	REFUSED_ACT("ADD in PAE mode", act_add, MODE_PAE),
	REFUSED_ACT("ADD in real mode", act_add, MODE_REAL),
	REFUSED_ACT("ADD from ring 3", act_add, MODE_USER64),
	REFUSED_ACT("a string of bytes", act_string_write, MODE_LONG),
	STORED("a store in real mode to", act_write, MODE_REAL),
	STORED("a store in protected mode without paging to", act_write, MODE_FLAT),
	STORED("a store in 32-bit mode to", act_write, MODE_32),
	STORED("a store in PAE mode to", act_write, MODE_PAE),
	STORED("a store in long mode to", act_write, MODE_LONG),
	STORED("a store in compatibility mode to", act_write, MODE_COMPAT),
	STORED("a store from ring 3 to", act_write, MODE_USER64),
	STORED("XCHG in long mode with", act_exchange, MODE_LONG),
	STORED("XCHG in real mode with", act_exchange, MODE_REAL),
	{ .name = "a store across two pages to the local APIC works",
	  .run = done_across_pages,
	  .on_any = true },
	{ .name = "an interrupt to itself comes once",
	  .run = comes_once,
	  .a = 1,
	  .b = 0x44041,
	  .on_any = true },
	{ .name = "an interrupt to its own number comes once",
	  .run = comes_once,
	  .b = 0x4042,
	  .on_any = true },
};

const struct suite apic_suite = SUITE("apic", tests);
