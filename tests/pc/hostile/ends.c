// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must end the machine.  Each is a run of its own, chosen by end=HOW; tests/pc/hostile.sh
 * looks at what the hypervisor says.
 */
#include "tests/pc/hostile/hostile.h"

#define INIT      0x4500u
#define INIT_ALL  0x84500u
#define BROADCAST 0xffu

/* No gate for #UD, for #GP, for #DF. */
static void triple(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	load_idt(0, 0);
	__asm__ volatile("ud2");
}

/* Every gate is the hypervisor's: nothing can be told to this root. */
static void all_gates(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	load_idt(info.memory_base, 0xfff);
	__asm__ volatile("ud2");
}

static void root_table(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	write_cr3(info.memory_base);
}

static void root_table_32(struct cpu *cpu, uint64_t mode)
{
	window_foreign((uint32_t)info.memory_base);
	act(cpu, (uint32_t)mode, &act_read, 0, 0, 0);
}

static void double_fault_stack(struct cpu *cpu, uint64_t unused)
{
	(void)unused;
	cpu->tss.ist[1] = info.memory_base + 0x1000;
	gate_set(VECTOR_DIVIDE, 2, false);
	gate_set(VECTOR_DF, 2, false);
	__asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; div %%eax" ::: "eax", "edx");
}

static void init_boot(struct cpu *cpu, uint64_t destination)
{
	(void)cpu;
	apic_send((uint32_t)destination, INIT);
	linger();
}

static void init_all(struct cpu *cpu, uint64_t unused)
{
	(void)cpu;
	(void)unused;
	apic_send(0, INIT_ALL);
	linger();
}

static const struct {
	const char *how;
	void (*end)(struct cpu *cpu, uint64_t argument);
	uint64_t argument;
	bool elsewhere; /* on another processor than the boot processor */
} ends[] = {
	{ "triple", triple, 0, false },
	{ "triple-elsewhere", triple, 0, true },
	{ "gates", all_gates, 0, false },
	{ "gates-elsewhere", all_gates, 0, true },
	{ "root-table", root_table, 0, false },
	{ "root-table-32", root_table_32, MODE_32, false },
	{ "root-table-pae", root_table_32, MODE_PAE, false },
	{ "double-fault", double_fault_stack, 0, false },
	{ "init", init_boot, 0, false },
	{ "init-elsewhere", init_boot, 0, true },
	{ "init-broadcast", init_boot, BROADCAST, true },
	{ "init-all", init_all, 0, true },
};

void end_machine(struct cpu *cpu, const char *how)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t length = strlen(ends[i].how);
		struct cpu *where = ends[i].elsewhere ? another(cpu) : cpu;

		if (memcmp(how, ends[i].how, length) != 0 ||
		    (how[length] != '\0' && how[length] != ' '))
			continue;
		print("# ending by %s\n", ends[i].how);
		if (where == cpu) {
			ends[i].end(cpu, ends[i].argument);
		} else {
			ask(where, ends[i].end, ends[i].argument);
			await(cpu, where);
		}
		print("# the machine goes on\n");
		return;
	}
	print("Bail out! there is no such end\n");
}
