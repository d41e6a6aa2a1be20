// SPDX-License-Identifier: GPL-2.0-or-later
/* MSRs that would take something from the hypervisor. */
#include "tests/pc/hostile/hostile.h"

#define MSR_SYSCFG      0xc0010010
#define MSR_TOP_MEM     0xc001001a
#define MSR_TOP_MEM2    0xc001001d
#define MSR_SMM_BASE    0xc0010111
#define MSR_SMM_ADDR    0xc0010112
#define MSR_SMM_MASK    0xc0010113
#define MSR_VM_CR       0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#define MSR_SVM_KEY     0xc0010118
#define EFER_SCE        1u

static uint64_t do_read(uint64_t msr)
{
	return rdmsr((uint32_t)msr);
}

static uint64_t value_to_write;

static uint64_t do_write(uint64_t msr)
{
	wrmsr((uint32_t)msr, value_to_write);
	return 0;
}

static bool write_try(struct cpu *cpu, uint64_t msr, uint64_t value)
{
	value_to_write = value;
	return attempt(cpu, do_write, msr);
}

static bool no_read(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	attempt(cpu, do_read, test->a);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

static bool no_write(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	write_try(cpu, test->a, test->b);
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

/* `b`: the bits that the root would like to be others. */
static bool no_change(struct cpu *cpu, const struct test *test)
{
	uint64_t now = rdmsr((uint32_t)test->a), before = denials(cpu);

	write_try(cpu, test->a, now ^ test->b);
	if (!trapped(cpu, VECTOR_GP, 0) || !denied(cpu, before, 1))
		return false;
	return rdmsr((uint32_t)test->a) == now || say(&cpu->why, "it has changed all the same");
}

static bool same_is_allowed(struct cpu *cpu, const struct test *test)
{
	uint64_t now = rdmsr((uint32_t)test->a), before = denials(cpu);

	write_try(cpu, test->a, now);
	return trapped(cpu, DONE, 0) && denied(cpu, before, 0);
}

static bool efer_is_the_roots(struct cpu *cpu, const struct test *test)
{
	uint64_t now = rdmsr(MSR_EFER), changed;

	(void)test;
	if (now & EFER_SVME)
		return say(&cpu->why, "EFER is %llx", (unsigned long long)now);
	if (!write_try(cpu, MSR_EFER, now ^ EFER_SCE))
		return trapped(cpu, DONE, 0);
	changed = rdmsr(MSR_EFER);
	wrmsr(MSR_EFER, now);
	return (changed == (now ^ EFER_SCE) && rdmsr(MSR_EFER) == now) ||
	       say(&cpu->why, "EFER is %llx after that, and was %llx", (unsigned long long)changed,
	           (unsigned long long)now);
}

/* It stays on for the hypervisor's sake, and the root must not see that. */
static bool apic_off(struct cpu *cpu, const struct test *test)
{
	uint64_t now = rdmsr(MSR_APIC_BASE), off;
	bool in_cpuid;

	(void)test;
	if (!write_try(cpu, MSR_APIC_BASE, now & ~(uint64_t)APIC_BASE_EN))
		return trapped(cpu, DONE, 0);
	off = rdmsr(MSR_APIC_BASE);
	in_cpuid = cpuid(1, 0).d & 1u << 9;
	wrmsr(MSR_APIC_BASE, now);
	if ((off & APIC_BASE_EN) || in_cpuid)
		return say(&cpu->why, "APIC_BASE says %llx, CPUID that the APIC is %s",
		           (unsigned long long)off, in_cpuid ? "on" : "off");
	return (rdmsr(MSR_APIC_BASE) == now && (cpuid(1, 0).d & 1u << 9)) ||
	       say(&cpu->why, "it does not come on again");
}

#define NO_READ(msr)                                                                 \
	{                                                                            \
		.name = "reading " #msr " gives #GP", .run = no_read, .a = MSR_##msr \
	}
#define NO_WRITE(msr, value)                                                                      \
	{                                                                                         \
		.name = "writing " #msr " gives #GP", .run = no_write, .a = MSR_##msr, .b = value \
	}
#define NO_CHANGE(how, msr, bits)                                               \
	{                                                                       \
		.name = how " gives #GP", .run = no_change, .a = msr, .b = bits \
	}
#define SAME(msr)                                                                               \
	{                                                                                       \
		.name = "writing to " #msr " what is there is allowed", .run = same_is_allowed, \
		.a = MSR_##msr                                                                  \
	}

static const struct test tests[] = {
	NO_READ(VM_CR),
	NO_WRITE(VM_CR, 0),
	NO_READ(VM_HSAVE_PA),
	NO_WRITE(VM_HSAVE_PA, 0x5000),
	NO_READ(SVM_KEY),
	NO_WRITE(SVM_KEY, 1),
	NO_CHANGE("setting EFER.SVME", MSR_EFER, EFER_SVME),
	NO_CHANGE("setting a reserved bit of EFER", MSR_EFER, 1u << 1),
	NO_CHANGE("setting a high reserved bit of EFER", MSR_EFER, UINT64_C(1) << 63),
	NO_CHANGE("leaving long mode under paging", MSR_EFER, EFER_LME),
	{ .name = "EFER is the root's otherwise", .run = efer_is_the_roots, .on_any = true },
	NO_CHANGE("turning on SME", MSR_SYSCFG, 1u << 23),
	NO_CHANGE("turning on SNP", MSR_SYSCFG, 1u << 24),
	NO_CHANGE("turning on SNP's VMPL", MSR_SYSCFG, 1u << 25),
	NO_CHANGE("moving TOP_MEM", MSR_TOP_MEM, 0x800000),
	NO_CHANGE("moving TOP_MEM2", MSR_TOP_MEM2, UINT64_C(0x800000)),
	NO_CHANGE("moving SMM_BASE", MSR_SMM_BASE, 0x20000),
	NO_CHANGE("moving SMM_ADDR", MSR_SMM_ADDR, 0x20000),
	NO_CHANGE("changing SMM_MASK", MSR_SMM_MASK, 3),
	SAME(SYSCFG),
	SAME(TOP_MEM),
	SAME(TOP_MEM2),
	SAME(SMM_MASK),
	NO_CHANGE("moving the local APIC", MSR_APIC_BASE, 0x1000),
	NO_CHANGE("moving the local APIC into the hypervisor", MSR_APIC_BASE, 0xc1200000),
	NO_CHANGE("moving the local APIC beyond 4 GiB", MSR_APIC_BASE, UINT64_C(1) << 36),
	NO_CHANGE("changing which processor is the boot processor", MSR_APIC_BASE, APIC_BASE_BSP),
	NO_WRITE(X2APIC_ICR, 0x4500),
	{ .name = "turning the local APIC off is seen but does not happen", .run = apic_off },
};

const struct suite msr_suite = SUITE("msr", tests);
