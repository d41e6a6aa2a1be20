// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/zydis.h"

static struct guest_regs regs;
static struct guest_state states[ARRAY_LEN(zydis_modes)];

static int setup(void **state)
{
	(void)state;
	srand(20240607);
	for (size_t i = 0; i < ARRAY_LEN(regs.r); i++)
		regs.r[i] = UINT64_C(0x1111111110000000) * i + 0x0ABCDEF0 + i;
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		states[i] = (struct guest_state){ .code_64 = zydis_modes[i].code_64,
			                          .code_32 = zydis_modes[i].code_32,
			                          .rsp = 0x7FFFFFFF5A5A5A50 };
	return 0;
}

static unsigned int cases, stores;

static void show(unsigned int mode, const uint8_t *bytes, unsigned int count)
{
	fprintf(stderr, "mode %u:", mode);
	for (unsigned int i = 0; i < count; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
}

static void compare(unsigned int mode, const uint8_t *bytes, unsigned int count)
{
	struct store ours = { 0 }, theirs;
	struct zydis z;
	bool did = decode_store(&states[mode], &regs, bytes, count, &ours);
	bool should = zydis_decode(mode, bytes, count, &z) &&
	              zydis_store(&z, &states[mode], &regs, &theirs);

	cases++;
	stores += should;
	if (did != should || (did && (ours.length != theirs.length || ours.value != theirs.value ||
	                              ours.exchange != theirs.exchange))) {
		show(mode, bytes, count);
		fail_msg("decode_store: %d %u, Zydis: %d %u", did, ours.length, should,
		         should ? theirs.length : 0);
	}
}

static const char *const prefixes[] = {
	"",         "\x66",     "\x67",     "\x66\x67", "\xF0",         "\xF2",
	"\xF3",     "\xF0\xF2", "\xF3\x66", "\x2E",     "\x64\x67",     "\x40",
	"\x41",     "\x42",     "\x44",     "\x47",     "\x48",         "\x4F",
	"\x67\x44", "\x66\x48", "\x44\x66", "\xF0\x45", "\x26\x36\x3E", "\x65\x66\x67\x46"
};

static const uint8_t store_opcodes[] = { 0x87, 0x89, 0xA3, 0xAB, 0xC7 };

static void fill(uint8_t bytes[INSTRUCTION_MAX], unsigned int from)
{
	for (unsigned int i = from; i < INSTRUCTION_MAX; i++)
		bytes[i] = (uint8_t)(rand() >> 7);
}

/* Every opcode, and the ones that store with every ModRM, behind each combination of prefixes. */
TEST(every_opcode_is_what_zydis_says)
{
	uint8_t bytes[INSTRUCTION_MAX];

	for (unsigned int mode = 0; mode < ARRAY_LEN(states); mode++) {
		for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
			unsigned int at = (unsigned int)strlen(prefixes[p]);

			memcpy(bytes, prefixes[p], at);
			for (unsigned int i = 0; i < 256 * 40; i++) {
				fill(bytes, at + 1);
				bytes[at] = (uint8_t)i;
				compare(mode, bytes, INSTRUCTION_MAX);
			}
			for (unsigned int i = 0; i < 256 * 6 * ARRAY_LEN(store_opcodes); i++) {
				fill(bytes, at + 2);
				bytes[at] = store_opcodes[i % ARRAY_LEN(store_opcodes)];
				bytes[at + 1] = (uint8_t)(i / ARRAY_LEN(store_opcodes));
				compare(mode, bytes, INSTRUCTION_MAX);
			}
		}
	}
	assert_true(cases > 1000000);
	assert_true(stores > 50000);
}

TEST(random_bytes_of_every_length_are_what_zydis_says)
{
	static const uint8_t likely[] = { 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0,
		                          0xF2, 0xF3, 0x40, 0x41, 0x44, 0x48, 0x4F, 0x87, 0x89,
		                          0xA3, 0xAB, 0xC7, 0x04, 0x05, 0x25, 0x80, 0x00 };
	uint8_t bytes[INSTRUCTION_MAX];

	for (unsigned int i = 0; i < 600000; i++) {
		unsigned int count = 1 + (unsigned int)rand() % INSTRUCTION_MAX;

		fill(bytes, 0);
		for (unsigned int b = 0; b < INSTRUCTION_MAX; b++) {
			if (rand() % 4)
				bytes[b] = likely[(size_t)rand() % ARRAY_LEN(likely)];
		}
		compare(i % ARRAY_LEN(states), bytes, count);
	}
}

static const struct {
	ZydisMnemonic mnemonic;
	uint8_t size, opcode[3];
} plain[] = {
	{ ZYDIS_MNEMONIC_CPUID, 2, { 0x0F, 0xA2 } },
	{ ZYDIS_MNEMONIC_RDMSR, 2, { 0x0F, 0x32 } },
	{ ZYDIS_MNEMONIC_WRMSR, 2, { 0x0F, 0x30 } },
	{ ZYDIS_MNEMONIC_INVD, 2, { 0x0F, 0x08 } },
	{ ZYDIS_MNEMONIC_HLT, 1, { 0xF4 } },
	{ ZYDIS_MNEMONIC_XSETBV, 3, { 0x0F, 0x01, 0xD1 } },
	{ ZYDIS_MNEMONIC_VMRUN, 3, { 0x0F, 0x01, 0xD8 } },
	{ ZYDIS_MNEMONIC_VMMCALL, 3, { 0x0F, 0x01, 0xD9 } },
	{ ZYDIS_MNEMONIC_VMLOAD, 3, { 0x0F, 0x01, 0xDA } },
	{ ZYDIS_MNEMONIC_VMSAVE, 3, { 0x0F, 0x01, 0xDB } },
	{ ZYDIS_MNEMONIC_STGI, 3, { 0x0F, 0x01, 0xDC } },
	{ ZYDIS_MNEMONIC_CLGI, 3, { 0x0F, 0x01, 0xDD } },
	{ ZYDIS_MNEMONIC_SKINIT, 3, { 0x0F, 0x01, 0xDE } },
	{ ZYDIS_MNEMONIC_INVLPGA, 3, { 0x0F, 0x01, 0xDF } },
};

/*
 * Zydis refuses some behind 66, F2 or F3, or calls them something else; a processor that has exited
 * for such an instruction has taken the prefix, so that we do.
 */
TEST(instructions_without_operands_are_as_long_as_zydis_says)
{
	uint8_t bytes[INSTRUCTION_MAX];
	unsigned int same = 0;

	for (unsigned int i = 0; i < 400000; i++) {
		unsigned int mode = i % ARRAY_LEN(states), count, length, at;
		size_t p = (size_t)rand() % ARRAY_LEN(plain),
		       other = (size_t)rand() % ARRAY_LEN(plain);
		const char *prefix = prefixes[(size_t)rand() % ARRAY_LEN(prefixes)];
		struct zydis z;
		bool known;

		at = (unsigned int)strlen(prefix);
		fill(bytes, 0);
		memcpy(bytes, prefix, at);
		memcpy(bytes + at, plain[p].opcode, plain[p].size);
		count = at + (unsigned int)rand() % (INSTRUCTION_MAX + 1 - at);
		known = zydis_decode(mode, bytes, count, &z);
		length = decode_plain(&states[mode], bytes, count, plain[p].opcode, plain[p].size);
		if (known && z.instruction.mnemonic == plain[p].mnemonic) {
			same++;
			assert_int_equal(length, z.instruction.length);
		} else if (length > 0) {
			assert_int_equal(length, at + plain[p].size);
			assert_true(strpbrk(prefix, "\x66\xF2\xF3"));
			assert_null(strchr(prefix, 0xF0));
		}
		if (other != p)
			assert_int_equal(decode_plain(&states[mode], bytes, count,
			                              plain[other].opcode, plain[other].size),
			                 0);
	}
	assert_true(same > 100000);
}

TEST(an_instruction_longer_than_fifteen_bytes_is_none)
{
	uint8_t bytes[32];
	struct store store;

	memset(bytes, 0x2E, sizeof(bytes));
	memcpy(bytes + 13, "\x0F\xA2", 2);
	assert_int_equal(decode_plain(&states[0], bytes, 32, (const uint8_t *)"\x0F\xA2", 2), 15);
	memcpy(bytes + 13, "\x2E\x0F\xA2", 3);
	assert_int_equal(decode_plain(&states[0], bytes, 32, (const uint8_t *)"\x0F\xA2", 2), 0);
	memcpy(bytes + 13, "\x89\x00", 2);
	assert_true(decode_store(&states[0], &regs, bytes, 32, &store));
	assert_int_equal(store.length, 15);
	memcpy(bytes + 13, "\x2E\x89\x00", 3);
	assert_false(decode_store(&states[0], &regs, bytes, 32, &store));
}

TEST(a_refused_instruction_leaves_the_result_alone)
{
	struct store store = { .length = 77 };

	assert_false(decode_store(&states[0], &regs, (const uint8_t *)"\x88\x00", 2, &store));
	assert_false(decode_store(&states[0], &regs, (const uint8_t *)"", 0, &store));
	assert_int_equal(store.length, 77);
}

/* What Linux writes to the APIC page with: native_apic_mem_write, and its Debian form with XCHG. */
TEST(the_stores_of_a_kernel_to_its_apic_are_decoded)
{
	struct store store;

	/* mov %esi, -0xa03000(%rdi) */
	assert_true(decode_store(&states[0], &regs, (const uint8_t *)"\x89\xb7\x00\xd0\x5f\xff", 6,
	                         &store));
	assert_int_equal(store.length, 6);
	assert_int_equal(store.value, (uint32_t)regs.r[REG_RSI]);
	assert_int_equal(store.exchange, -1);
	/* xchg %r9d, 0xffffffffff5fd0b0 */
	assert_true(decode_store(&states[0], &regs,
	                         (const uint8_t *)"\x44\x87\x0c\x25\xb0\xd0\x5f\xff", 8, &store));
	assert_int_equal(store.length, 8);
	assert_int_equal(store.exchange, 9);
	/* movl $0x4500, 0x300(%rip), %esp as a source */
	assert_true(decode_store(&states[0], &regs,
	                         (const uint8_t *)"\xc7\x05\x00\x03\x00\x00\x00\x45\x00\x00", 10,
	                         &store));
	assert_int_equal(store.value, 0x4500);
	assert_true(decode_store(&states[1], &regs, (const uint8_t *)"\x89\x20", 2, &store));
	assert_int_equal(store.value, 0x5A5A5A50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_opcode_is_what_zydis_says),
		CASE(random_bytes_of_every_length_are_what_zydis_says),
		CASE(instructions_without_operands_are_as_long_as_zydis_says),
		CASE(an_instruction_longer_than_fifteen_bytes_is_none),
		CASE(a_refused_instruction_leaves_the_result_alone),
		CASE(the_stores_of_a_kernel_to_its_apic_are_decoded),
	};

	return cmocka_run_group_tests_name("hv-decode", tests, setup, NULL);
}
