// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Suspend to RAM, by every width of the write that would do it (ACPI 6.5, 4.8.3.2.1 and 5.2.9).  On
 * the PCs that QEMU makes its sleep type is 1.  When it is not refused the machine sleeps for ever.
 */
#include "base/endian.h"
#include "tests/pc/hostile/hostile.h"

#define SLEEP             (1u << 13 | 1u << 10)
#define FADT_PM1A_CONTROL 64

/* What is at an address below 4 GiB, which is all mapped to itself. */
static const uint8_t *at(uint64_t address)
{
	return (const uint8_t *)(uintptr_t)address;
}

/* The port of PM1a_CNT, or 0. */
static uint16_t control_port(void)
{
	const uint8_t *root = NULL, *table;

	for (uint64_t address = 0xe0000; address < 0x100000 && !root; address += 16) {
		if (memcmp(at(address), "RSD PTR ", 8) == 0)
			root = at(load_le32(at(address) + 16));
	}
	for (uint32_t i = 36; root && i < load_le32(root + 4); i += 4) {
		table = at(load_le32(root + i));
		if (memcmp(table, "FACP", 4) == 0)
			return (uint16_t)load_le32(table + FADT_PM1A_CONTROL);
	}
	return 0;
}

static uint64_t out_string(uint64_t port)
{
	static const uint16_t value = SLEEP;
	const uint16_t *from = &value;

	__asm__ volatile("outsw" : "+S"(from) : "d"((uint16_t)port) : "memory");
	return 0;
}

/* `a`: how wide, `b`: where it begins, from the register on. */
static bool refused(struct cpu *cpu, const struct test *test)
{
	uint16_t port = control_port(), start = (uint16_t)(port + test->b);
	uint64_t before = denials(cpu);
	/* The register's two bytes, and what is written before and behind it. */
	uint64_t value = (uint64_t)(SLEEP | in16(port)) << 16 >> (16 + 8 * (int)test->b);

	if (port == 0)
		return say(&cpu->why, "ACPI's tables are not found");
	if (test->a == 1)
		out8(start, (uint8_t)value);
	else if (test->a == 2)
		out16(start, (uint16_t)value);
	else
		out32(start, (uint32_t)value);
	return denied(cpu, before, 1);
}

static bool string_refused(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	(void)test;
	attempt(cpu, out_string, control_port());
	return trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
}

/* Other values go to the hardware. */
static bool kept(struct cpu *cpu, const struct test *test)
{
	uint16_t port = control_port(), now = in16(port);
	uint64_t before = denials(cpu);

	(void)test;
	out16(port, now ^ 2);
	if (in16(port) != (now ^ 2))
		return say(&cpu->why, "it reads %x", in16(port));
	out16(port, now);
	return denied(cpu, before, 0);
}

#define WRITE(text, bytes, offset)                                                           \
	{                                                                                    \
		.name = "suspend to RAM by " text " is refused", .run = refused, .a = bytes, \
		.b = offset                                                                  \
	}

static const struct test tests[] = {
	WRITE("16 bits", 2, 0),
	WRITE("the upper 8 bits", 1, 1),
	WRITE("32 bits", 4, 0),
	WRITE("32 bits that begin one port before", 4, (uint64_t)-1),
	WRITE("32 bits that begin two ports before", 4, (uint64_t)-2),
	WRITE("16 bits that begin at its upper half", 2, 1),
	{ .name = "suspend to RAM by a string instruction gives #GP", .run = string_refused },
	{ .name = "what else the power management register holds is the root's", .run = kept },
};

const struct suite suspend_suite = SUITE("suspend", tests);
