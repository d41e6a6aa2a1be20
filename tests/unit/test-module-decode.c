// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/zydis-module.h"

static unsigned int known, seen[256];

static void show(unsigned int mode, const uint8_t *bytes, unsigned int count)
{
	fprintf(stderr, "mode %u:", mode);
	for (unsigned int i = 0; i < count; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
}

static void compare(unsigned int mode, const uint8_t *bytes, unsigned int count)
{
	struct insn ours = { 0 };
	struct zydis z;
	enum insn_status status = insn_decode(bytes, count, zydis_code_sizes[mode], &ours);
	uint8_t op = INSN_NONE;

	if (zydis_decode(mode, bytes, count, &z))
		op = zydis_op(&z);
	if (zydis_excused(&z, op, status, &ours))
		return;
	if ((status == INSN_OK ? ours.op : INSN_NONE) != op ||
	    (op && (ours.length != z.instruction.length || !zydis_same_memory(&z, &ours) ||
	            !zydis_same_operands(&z, &ours)))) {
		show(mode, bytes, count);
		fail_msg("ours: status %d op %u, %u bytes; Zydis: op %u, %u bytes, %s", status,
		         ours.op, ours.length, op, op ? z.instruction.length : 0,
		         op ? ZydisMnemonicGetString(z.instruction.mnemonic) : "");
	}
	known += op != INSN_NONE;
	seen[op]++;
}

static const char *const prefixes[] = {
	"",         "\x66",     "\x67",     "\x66\x67", "\xF0",         "\xF2",
	"\xF3",     "\xF0\xF2", "\xF3\x66", "\x2E",     "\x64\x67",     "\x40",
	"\x41",     "\x42",     "\x44",     "\x47",     "\x48",         "\x4F",
	"\x67\x44", "\x66\x48", "\x44\x66", "\xF0\x45", "\x26\x36\x3E", "\x65\x66\x67\x46"
};

static const char *const maps[] = { "", "\x0F", "\x0F\x38" };

static void fill(uint8_t bytes[INSN_MAX], unsigned int from)
{
	for (unsigned int i = from; i < INSN_MAX; i++)
		bytes[i] = (uint8_t)(rand() >> 7);
}

TEST(every_opcode_behind_every_prefix_is_what_zydis_says)
{
	uint8_t bytes[INSN_MAX];

	srand(20261121);
	for (unsigned int mode = 0; mode < ARRAY_LEN(zydis_modes); mode++) {
		for (size_t p = 0; p < ARRAY_LEN(prefixes) * ARRAY_LEN(maps); p++) {
			const char *prefix = prefixes[p % ARRAY_LEN(prefixes)];
			const char *map = maps[p / ARRAY_LEN(prefixes)];
			unsigned int at = (unsigned int)(strlen(prefix) + strlen(map));

			memcpy(bytes, prefix, strlen(prefix));
			memcpy(bytes + strlen(prefix), map, strlen(map));
			for (unsigned int i = 0; i < 256 * 24; i++) {
				fill(bytes, at + 1);
				bytes[at] = (uint8_t)i;
				compare(mode, bytes, INSN_MAX);
			}
		}
	}
	assert_true(known > 150000);
}

TEST(every_modrm_of_every_group_is_what_zydis_says)
{
	static const char *const groups[] = {
		"\x80",     "\x81",     "\x83",     "\x8F",     "\xC0",     "\xC1",     "\xC6",
		"\xC7",     "\xD0",     "\xD1",     "\xD2",     "\xD3",     "\xF6",     "\xF7",
		"\xFE",     "\xFF",     "\x0F\x01", "\x0F\xAE", "\x0F\xBA", "\x0F\xC7", "\x0F\x18",
		"\x0F\x1F", "\x0F\x20", "\x0F\x22", "\x0F\x10", "\x0F\x6E", "\x0F\x7E"
	};
	uint8_t bytes[INSN_MAX];

	for (unsigned int i = 0; i < 256 * 3 * ARRAY_LEN(prefixes) * ARRAY_LEN(groups); i++) {
		const char *prefix = prefixes[i / 256 / 3 % ARRAY_LEN(prefixes)];
		const char *group = groups[i / 256 / 3 / ARRAY_LEN(prefixes)];
		unsigned int at = (unsigned int)strlen(prefix);

		memcpy(bytes, prefix, at);
		memcpy(bytes + at, group, strlen(group));
		at += (unsigned int)strlen(group);
		fill(bytes, at + 1);
		bytes[at] = (uint8_t)(i / 3);
		compare(i % 3, bytes, INSN_MAX);
	}
}

TEST(random_bytes_of_every_length_are_what_zydis_says)
{
	static const uint8_t likely[] = { 0x26, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2,
		                          0xF3, 0x40, 0x41, 0x48, 0x4F, 0x0F, 0x0F, 0x38, 0x89,
		                          0xC4, 0xC5, 0xF8, 0x7D, 0x6F, 0x7F, 0x04, 0x05, 0x25 };
	uint8_t bytes[INSN_MAX];

	for (unsigned int i = 0; i < 600000; i++) {
		unsigned int count = 1 + (unsigned int)rand() % INSN_MAX;

		fill(bytes, 0);
		for (unsigned int b = 0; b < INSN_MAX; b++) {
			if (rand() % 4)
				bytes[b] = likely[(size_t)rand() % ARRAY_LEN(likely)];
		}
		compare(i % ARRAY_LEN(zydis_modes), bytes, count);
	}
}

TEST(vex_moves_are_what_zydis_says)
{
	uint8_t bytes[INSN_MAX];
	static const uint8_t opcodes[] = { 0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28,
		                           0x29, 0x2A, 0x2B, 0x6E, 0x6F, 0x77, 0x7E,
		                           0x7F, 0xC3, 0xD6, 0xE7, 0xF0, 0xF7 };
	unsigned int before = seen[INSN_VMOV];

	for (unsigned int i = 0; i < 400000; i++) {
		fill(bytes, 0);
		bytes[0] = i & 1 ? 0xC4 : 0xC5;
		if (i & 1)
			bytes[1] = (uint8_t)((bytes[1] & 0xE0) | 1 | (bytes[2] & 2));
		bytes[i & 1 ? 2 : 1] |= 0x78;
		bytes[i & 1 ? 3 : 2] = opcodes[(size_t)rand() % ARRAY_LEN(opcodes)];
		compare(i / 2 % ARRAY_LEN(zydis_modes), bytes, INSN_MAX);
	}
	assert_true(seen[INSN_VMOV] - before > 10000);
}

TEST(an_instruction_that_goes_on_beyond_its_bytes_wants_more_of_them)
{
	/* lock cmpxchg %rcx, 0x12345678(%rax,%rcx,8) with a segment */
	static const uint8_t bytes[] = { 0x65, 0xF0, 0x48, 0x0F, 0xB1, 0x8C,
		                         0xC8, 0x78, 0x56, 0x34, 0x12 };
	struct insn in = { .length = 77 };

	for (unsigned int count = 0; count < sizeof(bytes); count++)
		assert_int_equal(insn_decode(bytes, count, 8, &in), INSN_SHORT);
	assert_int_equal(in.length, 77);
	assert_int_equal(insn_decode(bytes, sizeof(bytes), 8, &in), INSN_OK);
	assert_int_equal(in.length, sizeof(bytes));
}

TEST(an_instruction_longer_than_fifteen_bytes_is_too_long)
{
	uint8_t bytes[32];
	struct insn in;

	memset(bytes, 0x2E, sizeof(bytes));
	memcpy(bytes + 13, "\x0F\xA2", 2);
	assert_int_equal(insn_decode(bytes, 32, 8, &in), INSN_OK);
	assert_int_equal(in.length, 15);
	memcpy(bytes + 13, "\x2E\x0F\xA2", 3);
	assert_int_equal(insn_decode(bytes, 32, 8, &in), INSN_TOO_LONG);
}

TEST(lock_is_undefined_where_it_is_not_allowed)
{
	static const char *const undefined[] = {
		"\xF0\x89\x03",     /* mov %eax, (%rbx) */
		"\xF0\x01\xC0",     /* add %eax, %eax */
		"\xF0\x39\x03",     /* cmp %eax, (%rbx) */
		"\xF0\x83\x38\x01", /* cmpl $1, (%rax) */
		"\xF0\x0F\xA3\x03", /* bt %eax, (%rbx) */
		"\xF0\x03\x03",     /* add (%rbx), %eax */
		"\xF0\xA4",         /* movsb */
	};
	struct insn in;

	for (size_t i = 0; i < ARRAY_LEN(undefined); i++)
		assert_int_equal(insn_decode((const uint8_t *)undefined[i],
		                             (unsigned int)strlen(undefined[i]), 8, &in),
		                 INSN_UNDEFINED);
	assert_int_equal(insn_decode((const uint8_t *)"\xF0\x83\x0B\x01", 4, 8, &in), INSN_OK);
	assert_true(in.lock);
	/* AMD: lock mov %cr0 is mov %cr8 */
	assert_int_equal(insn_decode((const uint8_t *)"\xF0\x0F\x20\xC0", 4, 4, &in), INSN_OK);
	assert_int_equal(in.op, INSN_MOV_CR);
	assert_int_equal(in.reg, 8);
	assert_false(in.lock);
}

/* After all the others. */
TEST(every_operation_was_compared)
{
	for (unsigned int op = 1; op < INSN_OPS; op++) {
		if (op != INSN_SAL && seen[op] < 10)
			fail_msg("operation %u came %u times", op, seen[op]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_opcode_behind_every_prefix_is_what_zydis_says),
		CASE(every_modrm_of_every_group_is_what_zydis_says),
		CASE(random_bytes_of_every_length_are_what_zydis_says),
		CASE(vex_moves_are_what_zydis_says),
		CASE(every_operation_was_compared),
		CASE(an_instruction_that_goes_on_beyond_its_bytes_wants_more_of_them),
		CASE(an_instruction_longer_than_fifteen_bytes_is_too_long),
		CASE(lock_is_undefined_where_it_is_not_allowed),
	};

	return cmocka_run_group_tests_name("module-decode", tests, NULL, NULL);
}
