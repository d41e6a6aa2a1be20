// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pc/hostile/hostile.h"

struct frame {
	uint64_t rbx, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct gate {
	uint16_t low, selector;
	uint8_t ist, type;
	uint16_t middle;
	uint32_t high, reserved;
};

extern uint8_t stubs[256][16];
static struct gate idt[256];

void recover(struct cpu *cpu) __attribute__((noreturn));
void on_trap(struct frame *frame);

void gate_set(unsigned int vector, unsigned int ist, bool user)
{
	uint64_t at = (uint64_t)stubs[vector];

	idt[vector] = (struct gate){ (uint16_t)at,
		                     CODE64,
		                     (uint8_t)ist,
		                     user ? 0xee : 0x8e,
		                     (uint16_t)(at >> 16),
		                     (uint32_t)(at >> 32),
		                     0 };
}

void idt_load(const void *at)
{
	load_idt(at ? (uint64_t)at : (uint64_t)idt, sizeof(idt) - 1);
}

const void *idt_from(unsigned int vector)
{
	return &idt[vector];
}

void traps_load(struct cpu *cpu)
{
	uint64_t area = (uint64_t)cpu, tss = (uint64_t)&cpu->tss;
	uint64_t limit = offsetof(struct cpu, user_ports) + sizeof(cpu->user_ports) -
	                 offsetof(struct cpu, tss) - 1;
	uint16_t selector = (uint16_t)(FIRST_TSS + 16 * cpu->id);

	for (unsigned int vector = 0; vector < 256; vector++)
		gate_set(vector, vector == VECTOR_NMI ? 0 : 1, vector == 0x80);
	cpu->tss.rsp[0] = cpu->tss.ist[0] = area + STACK_TRAP;
	cpu->tss.ist[1] = area + STACK_SECOND;
	cpu->tss.io_map = (uint16_t)(limit + 1);
	gdt[selector / 8] =
		limit | (tss & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (tss >> 24 & 0xff) << 56;
	gdt[selector / 8 + 1] = tss >> 32;
	idt_load(NULL);
	__asm__ volatile("ltr %0" ::"r"(selector) : "memory");
}

const char *vector_name(uint32_t vector)
{
	static const char *const names[] = {
		[0] = "#DE",  [1] = "#DB",  [2] = "NMI",  [3] = "#BP",  [4] = "#OF",  [5] = "#BR",
		[6] = "#UD",  [7] = "#NM",  [8] = "#DF",  [10] = "#TS", [11] = "#NP", [12] = "#SS",
		[13] = "#GP", [14] = "#PF", [16] = "#MF", [17] = "#AC", [18] = "#MC", [19] = "#XM",
	};

	if (vector == DONE)
		return "nothing";
	return vector < ARRAY_LEN(names) && names[vector] ? names[vector] : "an interrupt";
}

void on_trap(struct frame *frame)
{
	struct cpu *cpu = (struct cpu *)((uint64_t)frame & ~(uint64_t)(AREA_SIZE - 1));

	if (frame->vector == VECTOR_NMI) {
		if (cpu->in_nmi)
			cpu->nested_nmis++;
		cpu->in_nmi = true;
		cpu->nmi_rip = frame->rip;
		cpu->nmi_rflags = frame->rflags;
		cpu->nmis++;
		if (cpu->on_nmi)
			cpu->on_nmi(cpu);
		cpu->in_nmi = false;
		return;
	}
	if (frame->vector >= 32 && frame->vector != 0x80) {
		if (frame->vector != WAKE)
			cpu->interrupts++;
		apic_write(0xb0, 0);
		return;
	}
	if (!cpu->recover) {
		print("Bail out! cpu%u: %s, error code %llx, at %llx, cr2 %llx\n", cpu->id,
		      vector_name((uint32_t)frame->vector), (unsigned long long)frame->error,
		      (unsigned long long)frame->rip, (unsigned long long)read_cr2());
		out8(0xf4, 2);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	cpu->trap = (struct trap){ .vector = frame->vector == 0x80 ? DONE : (uint32_t)frame->vector,
		                   .error = (uint32_t)frame->error,
		                   .rip = frame->rip,
		                   .rflags = frame->rflags,
		                   .cr2 = read_cr2(),
		                   .rax = frame->rax };
	recover(cpu);
}

bool attempt(struct cpu *cpu, uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	uint64_t value;

	cpu->trap.vector = UINT32_MAX;
	value = try_call(cpu, function, argument);
	if (cpu->trap.vector == UINT32_MAX)
		cpu->trap = (struct trap){ .vector = DONE, .rax = value };
	return cpu->trap.vector == DONE;
}

bool trapped(struct cpu *cpu, uint32_t vector, uint32_t error)
{
	const struct trap *trap = &cpu->trap;

	if (trap->vector == vector && (vector == DONE || trap->error == error))
		return true;
	return say(&cpu->why, "%s, error code %x, at %llx, cr2 %llx, instead of %s",
	           vector_name(trap->vector), trap->error, (unsigned long long)trap->rip,
	           (unsigned long long)trap->cr2, vector_name(vector));
}
