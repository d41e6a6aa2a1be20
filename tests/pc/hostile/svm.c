// SPDX-License-Identifier: GPL-2.0-or-later
/* AMD-V, which is not the root's. */
#include "tests/pc/hostile/hostile.h"

/* A page that could be a control block: VMRUN must not even look. */
static uint32_t block[1024] __attribute__((aligned(4096)));

static bool undefined(struct cpu *cpu, const struct test *test)
{
	const uint32_t operands[] = { (uint32_t)(uintptr_t)block, (uint32_t)info.memory_base,
		                      (uint32_t)info.memory_base + 0x1000, 0xfffff000 };
	/* Without CR0.PE the instructions are undefined by themselves, and nobody hears of it. */
	uint64_t times = test->mode == MODE_REAL ? 0 : 1;

	for (size_t i = 0; i < ARRAY_LEN(operands); i++) {
		uint64_t before = denials(cpu);

		act(cpu, test->mode, test->act, operands[i], 0, 0);
		if (!trapped(cpu, VECTOR_UD, 0) || !denied(cpu, before, times))
			return false;
	}
	return true;
}

/* The processor looks at the ring first. */
static bool not_in_ring_3(struct cpu *cpu, const struct test *test)
{
	if (act(cpu, test->mode, test->act, (uint32_t)(uintptr_t)block, 0, 0) ||
	    (cpu->trap.vector != VECTOR_GP && cpu->trap.vector != VECTOR_UD))
		return say(&cpu->why, "%s happened", vector_name(cpu->trap.vector));
	return true;
}

static bool interrupts_come(struct cpu *cpu, const struct test *test)
{
	uint32_t before = cpu->interrupts;

	(void)test;
	act(cpu, MODE_LONG, &act_clgi, 0, 0, 0);
	apic_send(0, 0x44040); /* vector 40h, to itself */
	__asm__ volatile("sti; nop; nop" ::: "memory");
	linger();
	__asm__ volatile("cli");
	return cpu->interrupts - before == 1 ||
	       say(&cpu->why, "%u interrupts came", cpu->interrupts - before);
}

static bool hidden(struct cpu *cpu, const struct test *test)
{
	struct cpuid features = cpuid(0x80000001, 0), svm = cpuid(0x8000000a, 0);
	struct cpuid encryption = cpuid(0x8000001f, 0);

	(void)test;
	if (features.c & (1u << 2 | 1u << 12))
		return say(&cpu->why, "CPUID 80000001h says %x in ECX", features.c);
	if (svm.a | svm.b | svm.c | svm.d)
		return say(&cpu->why, "CPUID 8000000Ah says %x %x %x %x", svm.a, svm.b, svm.c,
		           svm.d);
	return !(encryption.a | encryption.b | encryption.c | encryption.d) ||
	       say(&cpu->why, "CPUID 8000001Fh says %x", encryption.a);
}

static bool named(struct cpu *cpu, const struct test *test)
{
	struct cpuid base = cpuid(SILL_CPUID_BASE, 0), version = cpuid(SILL_CPUID_VERSION, 0);
	struct cpuid beyond = cpuid(SILL_CPUID_VERSION + 1, 0);

	(void)test;
	if (!(cpuid(1, 0).c & 1u << 31) || base.a != SILL_CPUID_VERSION ||
	    memcmp(&base.b, SILL_CPUID_SIGNATURE, 12) != 0)
		return say(&cpu->why, "the leaf %x says %x %x %x %x", SILL_CPUID_BASE, base.a,
		           base.b, base.c, base.d);
	if (version.a != SILL_ABI || version.b != info.release)
		return say(&cpu->why, "it names ABI %x, release %x", version.a, version.b);
	return !(beyond.a | beyond.b | beyond.c | beyond.d) ||
	       say(&cpu->why, "the leaf after the last says %x", beyond.a);
}

#define IN(instruction, how, in)                                                \
	{                                                                       \
		.name = #instruction " " how " is undefined", .run = undefined, \
		.act = &act_##instruction, .mode = in                           \
	}
#define ROWS(instruction)                                                           \
	IN(instruction, "in long mode", MODE_LONG),                                 \
		IN(instruction, "in compatibility mode", MODE_COMPAT),              \
		IN(instruction, "in protected mode without paging", MODE_FLAT),     \
		IN(instruction, "in 32-bit mode", MODE_32),                         \
		IN(instruction, "in PAE mode", MODE_PAE),                           \
		IN(instruction, "in real mode", MODE_REAL),                         \
	{                                                                           \
		.name = #instruction " in ring 3 is refused", .run = not_in_ring_3, \
		.act = &act_##instruction, .mode = MODE_USER64                      \
	}

static const struct test tests[] = {
	ROWS(vmrun),
	ROWS(vmload),
	ROWS(vmsave),
	ROWS(stgi),
	ROWS(clgi),
	ROWS(skinit),
	ROWS(invlpga),
	{ .name = "interrupts come after CLGI", .run = interrupts_come },
	{ .name = "CPUID does not show AMD-V", .run = hidden },
	{ .name = "CPUID names Sill and its version", .run = named },
};

const struct suite svm_suite = SUITE("svm", tests);
