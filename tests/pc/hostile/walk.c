// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the processor itself reads and writes, in the hypervisor's memory: page tables, descriptors,
 * gates, stacks, task states.  A table lies across two pages, of which one is the hypervisor's and
 * the other ours, so that there is still a way to handle the #GP.
 */
#include "tests/pc/hostile/hostile.h"

#define LOCAL_TIMER 0x320u

static uint8_t ours[4096] __attribute__((aligned(4096)));

static uint32_t our_page(void)
{
	return (uint32_t)(uintptr_t)ours;
}

static uint32_t their_page(void)
{
	return (uint32_t)info.memory_base + 0x1000;
}

static bool table(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	window_table(test->mode, (uint32_t)test->a, their_page());
	act(cpu, test->mode, &act_read, WINDOW, 0, 0);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

static uint64_t read_far(uint64_t address)
{
	return *(volatile uint64_t *)address;
}

static bool table_of_tables(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	(void)test;
	window_table(MODE_LONG, 3, their_page());
	attempt(cpu, read_far, UINT64_C(1) << 39);
	window_table(MODE_LONG, 3, 0);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

/* A walk writes accessed bits, or could: the entry is present, in the timer's register. */
static bool table_in_apic(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);
	uint32_t timer = apic_read(LOCAL_TIMER);
	bool good;

	(void)test;
	apic_write(LOCAL_TIMER, 0x10081);
	window_table(MODE_LONG, 1, APIC_PAGE);
	act(cpu, MODE_LONG, &act_read, WINDOW + LOCAL_TIMER / 8 * 0x1000, 0, 0);
	good = trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
	apic_write(LOCAL_TIMER, timer);
	return good;
}

static uint64_t do_undefined(uint64_t unused)
{
	__asm__ volatile("ud2");
	return unused;
}

static uint64_t do_divide(uint64_t unused)
{
	__asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; div %%eax" ::: "eax", "edx");
	return unused;
}

static uint64_t do_breakpoint(uint64_t unused)
{
	__asm__ volatile("int3");
	return unused;
}

static uint64_t do_interrupt(uint64_t unused)
{
	__asm__ volatile("int $7");
	return unused;
}

static uint64_t do_page_fault(uint64_t unused)
{
	return unused + read_far(UINT64_C(2) << 39);
}

static uint64_t (*const doing[])(uint64_t unused) = { do_undefined, do_divide, do_breakpoint,
	                                              do_interrupt, do_page_fault };
enum { UNDEFINED, DIVIDE, BREAKPOINT, INTERRUPT, PAGE_FAULT };

/* The gates 0 to 7 are in the hypervisor, those from 8 on ours. */
static bool gates(struct cpu *cpu, const struct test *test)
{
	uint32_t at = window_pair(their_page(), our_page());
	uint64_t before = denials(cpu);

	memcpy(ours, idt_from(8), 248 * 16);
	idt_load((void *)(uintptr_t)(at + 0x1000 - 8 * 16));
	attempt(cpu, doing[test->a], 0);
	idt_load(NULL);
	return trapped(cpu, (uint32_t)test->b, 0) && denied(cpu, before, 1);
}

static uint64_t load_ds(uint64_t selector)
{
	__asm__ volatile("mov %0, %%ds" ::"r"(selector));
	return 0;
}

static uint64_t load_rights(uint64_t selector)
{
	__asm__ volatile("lar %0, %0" : "+r"(selector)::"cc");
	return selector;
}

static uint64_t far_return(uint64_t selector)
{
	__asm__ volatile("push %0; push $0; lretq" ::"r"(selector) : "memory");
	return 0;
}

static uint64_t (*const reading[])(uint64_t selector) = { load_ds, load_rights, far_return };
enum { LOAD_DS, LOAD_RIGHTS, FAR_RETURN };

/* Our descriptors end with our page; those behind are the hypervisor's. */
static bool descriptors(struct cpu *cpu, const struct test *test)
{
	uint16_t size = SPARE + 16;
	uint32_t at = window_pair(our_page(), their_page());
	uint64_t before = denials(cpu);

	memcpy(ours + sizeof(ours) - size, gdt, size);
	load_gdt(at + 0x1000 - size, 0xfff);
	attempt(cpu, reading[test->a], size);
	load_gdt((uint64_t)gdt, (uint16_t)(size - 1));
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

static void put_system_descriptor(uint64_t base, uint32_t limit, uint8_t type)
{
	gdt[SPARE / 8] = limit | (base & 0xffffff) << 16 | (uint64_t)(0x80 | type) << 40 |
	                 (base >> 24 & 0xff) << 56;
	gdt[SPARE / 8 + 1] = base >> 32;
}

static bool local_descriptors(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	(void)test;
	put_system_descriptor(their_page(), 0xfff, 2);
	__asm__ volatile("lldt %w0" ::"r"(SPARE));
	attempt(cpu, load_ds, 8 | 4);
	__asm__ volatile("lldt %w0" ::"r"(0));
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

/* A copy of our TSS of which what follows the first `split` bytes is the hypervisor's. */
static void bend_tss(const struct cpu *cpu, uint32_t split, uint16_t io_map)
{
	uint32_t at = window_pair(our_page(), their_page());
	struct tss tss = cpu->tss;

	tss.io_map = io_map;
	memcpy(ours + sizeof(ours) - split, &tss, min_u64(split, sizeof(tss)));
	put_system_descriptor(at + 0x1000 - split, 0xfff, 9);
	__asm__ volatile("ltr %w0" ::"r"(SPARE));
}

static void straighten_tss(const struct cpu *cpu)
{
	uint32_t selector = FIRST_TSS + 16 * cpu->id;

	gdt[selector / 8] &= ~(UINT64_C(2) << 40); /* busy */
	__asm__ volatile("ltr %w0" ::"r"(selector));
}

static bool task_state(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	(void)test;
	bend_tss(cpu, offsetof(struct tss, ist[1]), sizeof(struct tss));
	gate_set(VECTOR_UD, 2, false);
	attempt(cpu, do_undefined, 0);
	gate_set(VECTOR_UD, 1, false);
	straighten_tss(cpu);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

static bool port_permissions(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	bend_tss(cpu, sizeof(struct tss), sizeof(struct tss));
	act(cpu, test->mode, &act_port, 0, 0, 0x80);
	straighten_tss(cpu);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

static bool trap_stack(struct cpu *cpu, const struct test *test)
{
	static const uint8_t vectors[] = { VECTOR_UD, VECTOR_DIVIDE, 3, 7, VECTOR_PF };
	uint64_t before = denials(cpu);

	cpu->tss.ist[1] = test->c ? test->c : their_page() + 0x800;
	gate_set(vectors[test->a], 2, false);
	attempt(cpu, doing[test->a], 0);
	gate_set(vectors[test->a], 1, false);
	cpu->tss.ist[1] = (uintptr_t)cpu + STACK_SECOND;
	return trapped(cpu, (uint32_t)test->b, 0) && denied(cpu, before, 1);
}

static bool ring_stack(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu), rsp = cpu->tss.rsp[0];

	cpu->tss.rsp[0] = their_page() + 0x800;
	gate_set(VECTOR_UD, 0, false);
	act(cpu, test->mode, &act_undefined, 0, 0, 0);
	gate_set(VECTOR_UD, 1, false);
	cpu->tss.rsp[0] = rsp;
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

#define TABLE(what, in, level)                                                               \
	{                                                                                    \
		.name = "a walk through " what " in the hypervisor gives #GP", .run = table, \
		.mode = in, .a = level                                                       \
	}
#define GATE(how, what, vector)                                                            \
	{                                                                                  \
		.name = how " whose gate is in the hypervisor gives " vector_text(vector), \
		.run = gates, .a = what, .b = vector                                       \
	}
#define STACK(how, what, vector)                                                            \
	{                                                                                   \
		.name = how " whose stack is in the hypervisor gives " vector_text(vector), \
		.run = trap_stack, .a = what, .b = vector                                   \
	}
#define vector_text(vector) text_##vector
#define text_VECTOR_GP      "#GP"
#define text_VECTOR_DF      "#DF"

static const struct test tests[] = {
	TABLE("a page table of 32-bit mode", MODE_32, 1),
	TABLE("a page table of PAE mode", MODE_PAE, 1),
	TABLE("a page directory of PAE mode", MODE_PAE, 2),
	TABLE("a page table of long mode", MODE_LONG, 1),
	TABLE("a page directory of long mode", MODE_LONG, 2),
	{ .name = "a walk through a table of page directories in the hypervisor gives #GP",
	  .run = table_of_tables },
	{ .name = "a walk through a page table in the local APIC gives #GP", .run = table_in_apic },
	GATE("#UD", UNDEFINED, VECTOR_GP),
	GATE("#DE", DIVIDE, VECTOR_DF),
	GATE("#BP", BREAKPOINT, VECTOR_GP),
	GATE("INT 7", INTERRUPT, VECTOR_GP),
	STACK("#UD", UNDEFINED, VECTOR_GP),
	STACK("#DE", DIVIDE, VECTOR_DF),
	STACK("#BP", BREAKPOINT, VECTOR_GP),
	STACK("INT 7", INTERRUPT, VECTOR_GP),
	STACK("#PF", PAGE_FAULT, VECTOR_DF),
	{ .name = "#UD whose stack is in the local APIC gives #GP",
	  .run = trap_stack,
	  .a = UNDEFINED,
	  .b = VECTOR_GP,
	  .c = APIC_PAGE + 0xc0 },
	{ .name = "#UD of ring 3 whose stack is in the hypervisor gives #GP",
	  .run = ring_stack,
	  .mode = MODE_USER64 },
	{ .name = "#UD of compatibility mode whose stack is in the hypervisor gives #GP",
	  .run = ring_stack,
	  .mode = MODE_USER32 },
	{ .name = "loading DS from a GDT in the hypervisor gives #GP",
	  .run = descriptors,
	  .a = LOAD_DS },
	{ .name = "LAR from a GDT in the hypervisor gives #GP",
	  .run = descriptors,
	  .a = LOAD_RIGHTS },
	{ .name = "a far return by a GDT in the hypervisor gives #GP",
	  .run = descriptors,
	  .a = FAR_RETURN },
	{ .name = "loading DS from an LDT in the hypervisor gives #GP", .run = local_descriptors },
	{ .name = "#UD by a TSS in the hypervisor gives #GP", .run = task_state },
	{ .name = "a port of ring 3 whose permission is in the hypervisor gives #GP",
	  .run = port_permissions,
	  .mode = MODE_USER64 },
};

const struct suite walk_suite = SUITE("walk", tests);
