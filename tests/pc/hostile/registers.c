// SPDX-License-Identifier: GPL-2.0-or-later
/* Games with control, debug and other registers: the hypervisor neither falls nor is noticed. */
#include "tests/pc/hostile/hostile.h"

#define DR6_BS     (1u << 14)
#define C1_OSXSAVE (1u << 27)
#define C1_XSAVE   (1u << 26)

#define CONTROL_REGISTER(name)                                                \
	static uint64_t read_##name(void)                                     \
	{                                                                     \
		uint64_t value;                                               \
                                                                              \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));        \
		return value;                                                 \
	}                                                                     \
	static uint64_t write_##name(uint64_t value)                          \
	{                                                                     \
		__asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory"); \
		return 0;                                                     \
	}

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr4)

static uint64_t write_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv" ::"a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0));
	return 0;
}

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* One exit of each frequent kind. */
static void exits(void)
{
	cpuid(0, 0);
	if (hypervisor)
		hypercall(SILL_CALL_VERSION, SILL_ABI, 0, 0);
	rdmsr(MSR_EFER);
	apic_write(0x80, 0);
}

static bool cr0_kept(struct cpu *cpu, const struct test *test)
{
	uint64_t now = read_cr0(), then;

	write_cr0(now ^ test->a);
	exits();
	then = read_cr0();
	write_cr0(now);
	return then == (now ^ test->a) || say(&cpu->why, "CR0 is %llx", (unsigned long long)then);
}

static bool xcr0_kept(struct cpu *cpu, const struct test *test)
{
	uint64_t now = read_cr4(), x87 = 0, sse = 0;
	bool off, on, none;

	(void)test;
	if (!(cpuid(1, 0).c & C1_XSAVE))
		return true;
	off = cpuid(1, 0).c & C1_OSXSAVE;
	write_cr4(now | CR4_OSXSAVE);
	on = cpuid(1, 0).c & C1_OSXSAVE;
	none = attempt(cpu, write_xcr0, 0) || cpu->trap.vector != VECTOR_GP;
	write_xcr0(1);
	exits();
	x87 = read_xcr0();
	write_xcr0(3);
	exits();
	sse = read_xcr0();
	write_xcr0(1);
	write_cr4(now);
	if (off || !on)
		return say(&cpu->why, "CPUID's OSXSAVE does not follow CR4");
	return (!none && x87 == 1 && sse == 3) ||
	       say(&cpu->why, "XCR0 was %llx and %llx", (unsigned long long)x87,
	           (unsigned long long)sse);
}

/* Breakpoints on addresses of the hypervisor's own space are the root's, and nobody else's. */
static bool debug_registers_kept(struct cpu *cpu, const struct test *test)
{
	const uint64_t addresses[] = { UINT64_C(0xffff800000000000) + info.memory_base,
		                       UINT64_C(0xffffffff80000000), UINT64_C(0xffffff0000007000),
		                       UINT64_C(0xffff8000fee00080) };
	uint64_t r[4], control;

	(void)test;
	__asm__ volatile(
		"mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(addresses[0]),
		"r"(addresses[1]), "r"(addresses[2]), "r"(addresses[3]));
	/* Enabled for all: 8 bytes read or written, an instruction, and twice 4 bytes. */
	__asm__ volatile("mov %0, %%dr7" ::"r"(UINT64_C(0xff0b07aa)));
	for (int i = 0; i < 10; i++)
		exits();
	__asm__ volatile("mov %%dr7, %0" : "=r"(control));
	__asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
	                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]));
	__asm__ volatile("mov %0, %%dr7" ::"r"(UINT64_C(0x400)));
	return (control == 0xff0b07aa && memcmp(r, addresses, sizeof(r)) == 0) ||
	       say(&cpu->why, "DR7 is %llx, DR0 %llx", (unsigned long long)control,
	           (unsigned long long)r[0]);
}

extern uint8_t stepped_cpuid[], stepped_vmmcall[], stepped_rdmsr[], stepped_wrmsr[], stepped_apic[];

static uint64_t step_cpuid(uint64_t leaf)
{
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; cpuid; stepped_cpuid: nop; nop"
	                 : "+a"(leaf)::"rbx", "rcx", "rdx", "cc", "memory");
	return leaf;
}

static uint64_t step_vmmcall(uint64_t number)
{
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; vmmcall; stepped_vmmcall: nop; nop"
	                 : "+a"(number)
	                 : "D"(SILL_ABI)
	                 : "cc", "memory");
	return number;
}

static uint64_t step_rdmsr(uint64_t value)
{
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; rdmsr; stepped_rdmsr: nop; nop"
	                 : "+a"(value)
	                 : "c"(MSR_EFER)
	                 : "rdx", "cc", "memory");
	return value;
}

static uint64_t step_wrmsr(uint64_t value)
{
	__asm__ volatile(
		"pushf; orl $0x100, (%%rsp); popf; wrmsr; stepped_wrmsr: nop; nop" ::"a"(value),
		"c"(MSR_EFER), "d"(0)
		: "cc", "memory");
	return value;
}

static uint64_t step_apic(uint64_t value)
{
	__asm__ volatile(
		"pushf; orl $0x100, (%%rsp); popf; movl %k0, (%1); stepped_apic: nop; nop" ::"a"(
			value),
		"b"(UINT64_C(APIC_PAGE) + 0x80)
		: "cc", "memory");
	return value;
}

static const struct {
	uint64_t (*step)(uint64_t value);
	const uint8_t *after;
} steps[] = { { step_cpuid, stepped_cpuid },
	      { step_vmmcall, stepped_vmmcall },
	      { step_rdmsr, stepped_rdmsr },
	      { step_wrmsr, stepped_wrmsr },
	      { step_apic, stepped_apic } };

static bool stepped(struct cpu *cpu, const struct test *test)
{
	uint64_t status, value = steps[test->a].step == step_wrmsr ? rdmsr(MSR_EFER) : 0;

	__asm__ volatile("mov %0, %%dr6" ::"r"(UINT64_C(0xffff0ff0)));
	attempt(cpu, steps[test->a].step, value);
	__asm__ volatile("mov %%dr6, %0" : "=r"(status));
	if (!trapped(cpu, VECTOR_DB, 0))
		return false;
	return (cpu->trap.rip == (uintptr_t)steps[test->a].after && (status & DR6_BS)) ||
	       say(&cpu->why, "#DB at %llx, not %llx, DR6 %llx", (unsigned long long)cpu->trap.rip,
	           (unsigned long long)(uintptr_t)steps[test->a].after, (unsigned long long)status);
}

static bool vectors_kept(struct cpu *cpu, const struct test *test)
{
	static const uint64_t pattern[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
	uint64_t low[2], high[2];

	(void)test;
	__asm__ volatile("movups %0, %%xmm0; movups %0, %%xmm15" ::"m"(pattern));
	exits();
	__asm__ volatile("movups %%xmm0, %0; movups %%xmm15, %1" : "=m"(low), "=m"(high));
	return (memcmp(low, pattern, 16) == 0 && memcmp(high, pattern, 16) == 0) ||
	       say(&cpu->why, "XMM0 is %llx", (unsigned long long)low[0]);
}

/* MSRs that VMRUN does not switch: the hypervisor must leave them alone. */
static bool msrs_kept(struct cpu *cpu, const struct test *test)
{
	static const uint32_t msrs[] = { 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000081,
		                         0xc0000082, 0xc0000083, 0xc0000084, 0x174,
		                         0x175,      0x176,      0xc0000103 };
	uint64_t before[ARRAY_LEN(msrs)];
	bool good = true;

	(void)test;
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
		before[i] = rdmsr(msrs[i]);
		wrmsr(msrs[i], 0x1230 + i);
	}
	exits();
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
		if (rdmsr(msrs[i]) != 0x1230 + i)
			good = say(&cpu->why, "MSR %x is %llx", msrs[i],
			           (unsigned long long)rdmsr(msrs[i]));
		wrmsr(msrs[i], before[i]);
	}
	return good;
}

static bool halves_cleared(struct cpu *cpu, const struct test *test)
{
	uint64_t a = UINT64_MAX, b = UINT64_MAX, c = UINT64_MAX, d = UINT64_MAX;

	(void)test;
	__asm__ volatile("rdmsr" : "+a"(a), "+d"(d) : "c"(MSR_EFER));
	if (a >> 32 || d >> 32)
		return say(&cpu->why, "RDMSR leaves %llx and %llx", (unsigned long long)a,
		           (unsigned long long)d);
	a = UINT64_C(0xffffffff00000000), c = UINT64_C(0xffffffff00000000);
	__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	return !((a | b | c | d) >> 32) || say(&cpu->why, "CPUID leaves upper halves");
}

static uint64_t with_prefixes(uint64_t count)
{
	static uint8_t code[16];
	uint64_t a = 0;

	/* DS segment prefixes, then CPUID; RET. */
	memset(code, 0x3e, sizeof(code));
	memcpy(code + count, (const uint8_t[]){ 0x0f, 0xa2, 0xc3 },
	       min_u64(3, sizeof(code) - count));
	__asm__ volatile("call *%1" : "+a"(a) : "r"(code) : "rbx", "rcx", "rdx", "memory");
	return a;
}

static bool prefixes_skipped(struct cpu *cpu, const struct test *test)
{
	uint32_t highest = cpuid(0, 0).a;

	for (uint64_t count = 0; count <= test->a; count++) {
		attempt(cpu, with_prefixes, count);
		if (!trapped(cpu, DONE, 0) || cpu->trap.rax != highest)
			return cpu->why.text[0] ? false
			                        : say(&cpu->why, "with %llu it gives %llx",
			                              (unsigned long long)count,
			                              (unsigned long long)cpu->trap.rax);
	}
	return true;
}

static bool same_everywhere(struct cpu *cpu, const struct test *test)
{
	struct cpuid here = cpuid(SILL_CPUID_BASE, 0);

	act(cpu, test->mode, test->act, 0, hypervisor ? SILL_CPUID_BASE : 0, 0);
	if (!hypervisor)
		here = cpuid(0, 0);
	return trapped(cpu, DONE, 0) &&
	       ((uint32_t)cpu->trap.rax == here.b ||
	        say(&cpu->why, "EBX is %llx, not %x", (unsigned long long)cpu->trap.rax, here.b));
}

static bool across_pages(struct cpu *cpu, const struct test *test)
{
	static uint8_t pages[3][4096] __attribute__((aligned(4096)));
	uint32_t at = window_pair((uint32_t)(uintptr_t)pages[2], (uint32_t)(uintptr_t)pages[0]);
	const struct act across = { { 0, 0, at + 0xfff } };

	(void)test;
	pages[2][4095] = 0x0f; /* CPUID; a jump to RDI */
	memcpy(pages[0], (const uint8_t[]){ 0xa2, 0xff, 0xe7 }, 3);
	act(cpu, MODE_LONG, &across, 0, 0, 0);
	return trapped(cpu, DONE, 0) && ((uint32_t)cpu->trap.rax == cpuid(0, 0).a ||
	                                 say(&cpu->why, "it gives another answer"));
}

static uint64_t without_stack(uint64_t rsp)
{
	uint64_t a = 0, kept;

	__asm__ volatile("mov %%rsp, %1; mov %2, %%rsp; cpuid; mov %1, %%rsp"
	                 : "+a"(a), "=&S"(kept)
	                 : "D"(rsp)
	                 : "rbx", "rcx", "rdx", "memory");
	return a;
}

static bool needs_no_stack(struct cpu *cpu, const struct test *test)
{
	const uint64_t stacks[] = { 0, 7, UINT64_C(1) << 47, UINT64_MAX, info.memory_base };

	(void)test;
	for (size_t i = 0; i < ARRAY_LEN(stacks); i++) {
		attempt(cpu, without_stack, stacks[i]);
		if (!trapped(cpu, DONE, 0))
			return false;
	}
	return true;
}

static bool invd_keeps_memory(struct cpu *cpu, const struct test *test)
{
	(void)test;
	canary[16] = 0;
	__asm__ volatile("movl $0x12345678, %0; invd" : "+m"(canary[16])::"memory");
	return canary[16] == 0x12345678 || say(&cpu->why, "memory says %x", canary[16]);
}

static bool fault_address_kept(struct cpu *cpu, const struct test *test)
{
	uint64_t address = UINT64_C(0x123456789000);

	(void)test;
	__asm__ volatile("mov %0, %%cr2" ::"r"(address));
	exits();
	return read_cr2() == address ||
	       say(&cpu->why, "CR2 is %llx", (unsigned long long)read_cr2());
}

static bool priority_kept(struct cpu *cpu, const struct test *test)
{
	uint64_t now, before = cpu->interrupts;

	(void)test;
	__asm__ volatile("mov %0, %%cr8" ::"r"(UINT64_C(15)));
	cpuid(0, 0);
	apic_send(0, 0x44043);
	__asm__ volatile("sti; nop; nop" ::: "memory");
	cpuid(0, 0);
	__asm__ volatile("cli; mov %%cr8, %0" : "=r"(now)::"memory");
	if (now != 15 || cpu->interrupts != before)
		return say(&cpu->why, "CR8 is %llu, and an interrupt %s", (unsigned long long)now,
		           cpu->interrupts == before ? "waits" : "came");
	__asm__ volatile("mov %0, %%cr8; sti; nop; nop" ::"r"(UINT64_C(0)) : "memory");
	linger();
	__asm__ volatile("cli");
	return cpu->interrupts == before + 1 || say(&cpu->why, "the interrupt was lost");
}

#define CPUID(text, in, does)                                                                  \
	{                                                                                      \
		.name = "CPUID in " text " is the same", .run = same_everywhere, .act = &does, \
		.mode = in, .on_any = true                                                     \
	}

static const struct test tests[] = {
	{ .name = "CR0.CD is the root's", .run = cr0_kept, .a = 1u << 30, .on_any = true },
	{ .name = "CR0.TS and EM are the root's", .run = cr0_kept, .a = 0xc, .on_any = true },
	{ .name = "XCR0 is the root's", .run = xcr0_kept, .on_any = true },
	{ .name = "CR8 is the root's", .run = priority_kept, .on_any = true },
	{ .name = "CR2 is the root's", .run = fault_address_kept, .on_any = true },
	{ .name = "debug registers on the hypervisor's addresses are the root's",
	  .run = debug_registers_kept },
	{ .name = "a step over CPUID traps behind it", .run = stepped, .a = 0, .on_any = true },
	{ .name = "a step over a hypercall traps behind it", .run = stepped, .a = 1 },
	{ .name = "a step over RDMSR traps behind it", .run = stepped, .a = 2, .on_any = true },
	{ .name = "a step over WRMSR traps behind it", .run = stepped, .a = 3, .on_any = true },
	{ .name = "a step over a store to the local APIC traps behind it",
	  .run = stepped,
	  .a = 4,
	  .on_any = true },
	{ .name = "vector registers are the root's", .run = vectors_kept, .on_any = true },
	{ .name = "the MSRs of system calls and segments are the root's",
	  .run = msrs_kept,
	  .on_any = true },
	CPUID("real mode", MODE_REAL, act_cpuid),
	CPUID("protected mode without paging", MODE_FLAT, act_cpuid),
	CPUID("32-bit mode", MODE_32, act_cpuid),
	CPUID("PAE mode", MODE_PAE, act_cpuid),
	CPUID("compatibility mode", MODE_COMPAT, act_cpuid),
	CPUID("ring 3", MODE_USER64, act_cpuid),
	CPUID("ring 3 in compatibility mode", MODE_USER32, act_cpuid),
	CPUID("real mode in a segment with another base", MODE_REAL, act_cpuid_segment),
	CPUID("protected mode in a segment with another base", MODE_FLAT, act_cpuid_segment),
	CPUID("PAE mode in a segment with another base", MODE_PAE, act_cpuid_segment),
	{ .name = "RDMSR and CPUID clear the upper halves", .run = halves_cleared, .on_any = true },
	{ .name = "CPUID may have up to 12 prefixes",
	  .run = prefixes_skipped,
	  .a = 12,
	  .on_any = true },
	{ .name = "CPUID may lie across two pages", .run = across_pages, .on_any = true },
	{ .name = "CPUID needs no stack", .run = needs_no_stack, .on_any = true },
	{ .name = "INVD keeps what was written", .run = invd_keeps_memory, .on_any = true },
};

const struct suite register_suite = SUITE("registers", tests);
