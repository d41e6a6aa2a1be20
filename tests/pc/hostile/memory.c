// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading, writing and running the hypervisor's memory, in every mode and through every page. */
#include "tests/pc/hostile/hostile.h"

/* Where to hit it: both ends, the middle, and across its borders. */
static uint32_t place(uint32_t n)
{
	uint32_t base = (uint32_t)info.memory_base, size = (uint32_t)info.memory_size;
	const uint32_t all[] = { base, base + size / 2, base + size - 4, base - 2,
		                 base + size - 2 };

	return all[n];
}

#define PLACES         5
#define PLACES_ALIGNED 3

/* First with a page of our own, so that the #GP is not the mode's fault. */
static bool try_ours(struct cpu *cpu, const struct test *test)
{
	uint32_t ours = (uint32_t)(uintptr_t)&canary[8];

	canary[8] = CANARY;
	if (!act(cpu, test->mode, test->act, window(test->mode, test->size, ours), CANARY, 0x80))
		return say(&cpu->why, "our own memory gives %s as well, error code %x, at %llx",
		           vector_name(cpu->trap.vector), cpu->trap.error,
		           (unsigned long long)cpu->trap.rip);
	if ((test->act == &act_read || test->act == &act_string_read) && cpu->trap.rax != CANARY)
		return say(&cpu->why, "our own memory reads as %llx",
		           (unsigned long long)cpu->trap.rax);
	return true;
}

static bool give_gp(struct cpu *cpu, const struct test *test)
{
	bool runs = test->act == &act_run;
	uint64_t before;

	if (!try_ours(cpu, test))
		return false;
	for (uint32_t n = 0; n < (runs ? PLACES_ALIGNED : PLACES); n++) {
		uint32_t address = window(test->mode, test->size, place(n));

		/* A push goes below. */
		if (test->act == &act_push)
			address += 8;
		before = denials(cpu);
		act(cpu, test->mode, test->act, address, CANARY, 0x80);
		if (!trapped(cpu, VECTOR_GP, 0) || !denied(cpu, before, 1))
			return false;
		if (runs && (uint32_t)cpu->trap.rip !=
		                    (test->mode == MODE_REAL ? (uint16_t)address : address))
			return say(&cpu->why, "the #GP is at %llx",
			           (unsigned long long)cpu->trap.rip);
	}
	return true;
}

/* Nothing is there, a device: the processor reads ones and nobody objects, whoever is first. */
static bool beyond(struct cpu *cpu, const struct test *test)
{
	uint64_t middle = (UINT64_C(1) << (cpuid(0x80000008, 0).a & 0xff)) / 2;
	uint64_t before = denials(cpu);

	(void)test;
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t address = middle + i * GIB + 0x1000;

		act(cpu, MODE_LONG, i % 2 ? &act_read : &act_write, window_far(address), CANARY, 0);
		if (!trapped(cpu, DONE, 0) || !denied(cpu, before, 0))
			return false;
	}
	return true;
}

#define ROW(what, in_mode, page, does)                                                    \
	{                                                                                 \
		.name = what, .run = give_gp, .act = &does, .mode = in_mode, .size = page \
	}

#define ROWS(how, mode, page)                                                           \
	ROW("reading the hypervisor " how " gives #GP", mode, page, act_read),          \
		ROW("writing the hypervisor " how " gives #GP", mode, page, act_write), \
		ROW("running the hypervisor " how " gives #GP", mode, page, act_run)

static const struct test tests[] = {
	ROWS("through a 2 MiB page", MODE_LONG, PAGE_2M),
	ROWS("through a 4 KiB page", MODE_LONG, PAGE_4K),
	ROWS("through a 1 GiB page", MODE_LONG, PAGE_1G),
	ROWS("in real mode", MODE_REAL, 0),
	ROWS("in protected mode without paging", MODE_FLAT, 0),
	ROWS("in 32-bit mode through a 4 KiB page", MODE_32, PAGE_4K),
	ROWS("in 32-bit mode through a 4 MiB page", MODE_32, PAGE_4M),
	ROWS("in PAE mode through a 4 KiB page", MODE_PAE, PAGE_4K),
	ROWS("in PAE mode through a 2 MiB page", MODE_PAE, PAGE_2M),
	ROWS("in compatibility mode", MODE_COMPAT, PAGE_2M),
	ROWS("from ring 3", MODE_USER64, PAGE_2M),
	ROWS("from ring 3 in compatibility mode", MODE_USER32, PAGE_2M),
	ROW("pushing on a stack in the hypervisor gives #GP", MODE_LONG, PAGE_2M, act_push),
	ROW("adding to the hypervisor gives #GP", MODE_LONG, PAGE_2M, act_add),
	ROW("exchanging with the hypervisor gives #GP", MODE_LONG, PAGE_2M, act_exchange),
	ROW("a string instruction from the hypervisor gives #GP", MODE_LONG, PAGE_2M,
	    act_string_read),
	ROW("a string instruction to the hypervisor gives #GP", MODE_LONG, PAGE_2M,
	    act_string_write),
	ROW("INS from a port to the hypervisor gives #GP", MODE_LONG, PAGE_2M, act_port_read),
	{ .name = "what is beyond the memory map is a device", .run = beyond, .on_any = true },
	ROW("OUTS from the hypervisor to a port gives #GP", MODE_LONG, PAGE_2M, act_port_write),
};

const struct suite memory_suite = SUITE("memory", tests);
