// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "hypervisor/core/backtrace.h"
#include "hypervisor/core/layout.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/serial.h"
#include "hypervisor/core/symbols.h"
#include "hypervisor/core/trap.h"

/* A table as symbols.sh writes it, and a stack, under the names that the image has for its own. */
__asm__("	.section .rodata\n"
        "	.globl symbols_start, symbols_end\n"
        "symbols_start:\n"
        "	.long 4\n"
        "	.long 0x80000000, 36, 0x80000010, 42, 0x80000200, 47, 0x80001000, 52\n"
        "	.asciz \"start\", \"main\", \"tail\", \"\"\n"
        "symbols_end:\n"
        "	.data\n"
        "	.balign 16\n"
        "	.globl early_stack, early_stack_end\n"
        "early_stack:\n"
        "	.skip 1024\n"
        "early_stack_end:\n"
        "	.text\n");
extern const uint8_t symbols_start[], symbols_end[];
extern uint64_t early_stack[], early_stack_end[];

static char said[8192];
static size_t said_length;

void serial_setup(uint16_t port)
{
	(void)port;
}

void serial_write(uint16_t port, const char *text, size_t length)
{
	(void)port;
	assert_true(length < sizeof(said) - said_length);
	memcpy(said + said_length, text, length);
	said_length += length;
	said[said_length] = '\0';
}

static int begin(void **state)
{
	(void)state;
	said_length = 0;
	said[0] = '\0';
	log_setup(1, LOG_ERROR);
	memset(early_stack, 0, 1024);
	return 0;
}

static void assert_name(uint64_t address, const char *name, uint64_t offset)
{
	uint64_t found;
	const char *got = symbol_at(address, &found);

	if (!name) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, name);
	assert_int_equal(found, offset);
}

TEST(an_address_has_the_name_of_the_function_it_is_in)
{
	assert_name(0xFFFFFFFF80000000, "start", 0);
	assert_name(0xFFFFFFFF8000000F, "start", 15);
	assert_name(0xFFFFFFFF80000010, "main", 0);
	assert_name(0xFFFFFFFF800001FF, "main", 0x1EF);
	assert_name(0xFFFFFFFF80000FFF, "tail", 0xDFF);
}

TEST(an_address_outside_the_code_has_no_name)
{
	assert_name(0, NULL, 0);
	assert_name(0x80000010, NULL, 0);
	assert_name(0xFFFFFFFE80000010, NULL, 0);
	assert_name(0xFFFFFFFF7FFFFFFF, NULL, 0);
	assert_name(0xFFFFFFFF80001000, NULL, 0);
	assert_name(UINT64_MAX, NULL, 0);
}

/* A table of one kind of damage: of its exact size, so that ASan sees a byte too far. */
static const char *find_in_damaged(uint32_t count, uint32_t name, size_t size)
{
	size_t whole = (uintptr_t)symbols_end - (uintptr_t)symbols_start;
	uint8_t *table = malloc(size);
	const char *found;
	uint64_t offset;

	memcpy(table, symbols_start, size < whole ? size : whole);
	if (size >= 16) {
		store_le32(table, count);
		store_le32(table + 16, name);
	}
	found = symbol_find(table, size, 0xFFFFFFFF80000020, &offset);
	free(table);
	return found;
}

TEST(a_damaged_table_has_no_names)
{
	size_t whole = (uintptr_t)symbols_end - (uintptr_t)symbols_start;

	assert_non_null(find_in_damaged(4, 42, whole));
	assert_null(find_in_damaged(0, 42, whole));
	assert_null(find_in_damaged(7, 42, whole));
	assert_null(find_in_damaged(UINT32_MAX, 42, whole));
	assert_null(find_in_damaged(4, UINT32_MAX, whole));
	assert_null(find_in_damaged(4, (uint32_t)whole, whole));
	/* The name's end is missing. */
	assert_null(find_in_damaged(4, 42, 45));
	for (size_t size = 1; size < 16; size++)
		assert_null(find_in_damaged(4, 42, size));
}

TEST(random_tables_agree_with_a_search_from_the_start)
{
	uint8_t table[4 + 50 * 8 + 50 * 4];

	srand(3);
	for (unsigned int round = 0; round < 2000; round++) {
		uint32_t count = (uint32_t)rand() % 51, low = 0x80000000;
		uint64_t offset = 0;

		store_le32(table, count);
		for (uint32_t i = 0; i < count; i++) {
			low += 1 + (uint32_t)rand() % 64;
			store_le32(table + 4 + i * 8, low);
			store_le32(table + 8 + i * 8, 4 + count * 8 + i * 4);
			memcpy(table + 4 + count * 8 + i * 4, "f00", 4);
			table[4 + count * 8 + i * 4 + 1] = (uint8_t)('0' + i / 10);
			table[4 + count * 8 + i * 4 + 2] = (uint8_t)('0' + i % 10);
		}
		for (unsigned int i = 0; i < 20; i++) {
			uint64_t address = 0xFFFFFFFF80000000 + (uint64_t)rand() % 2000;
			const char *name = symbol_find(table, 4 + count * 12, address, &offset);
			uint32_t n = 0;

			while (n < count && load_le32(table + 4 + n * 8) <= (uint32_t)address)
				n++;
			if (n == 0) {
				assert_null(name);
				continue;
			}
			assert_non_null(name);
			assert_int_equal(strtoul(name + 1, NULL, 10), n - 1);
			assert_int_equal(offset,
			                 (uint32_t)address - load_le32(table + 4 + (n - 1) * 8));
		}
	}
}

/* Frames one above the other, the outermost with nothing before it. */
static uint64_t stack_of(unsigned int frames)
{
	for (unsigned int i = 0; i < frames; i++) {
		early_stack[i * 4] = i + 1 < frames ? (uint64_t)&early_stack[(i + 1) * 4] : 0;
		early_stack[i * 4 + 1] = 0xFFFFFFFF80000100 + i * 0x100;
	}
	return (uint64_t)early_stack;
}

TEST(callers_are_found_from_the_innermost_on)
{
	uint64_t callers[BACKTRACE_MAX], rbp = stack_of(3);

	assert_int_equal(backtrace_walk(rbp, rbp + 1024, rbp, callers), 3);
	assert_true(callers[0] == 0xFFFFFFFF80000100);
	assert_true(callers[1] == 0xFFFFFFFF80000200);
	assert_true(callers[2] == 0xFFFFFFFF80000300);
}

TEST(a_chain_without_end_is_cut)
{
	uint64_t callers[BACKTRACE_MAX], rbp = stack_of(32);

	assert_int_equal(backtrace_walk(rbp, rbp + 1024, rbp, callers), BACKTRACE_MAX);
}

TEST(a_broken_chain_ends_where_it_breaks)
{
	uint64_t callers[BACKTRACE_MAX], rbp = stack_of(8), high = rbp + 1024;
	uint64_t wrong[] = { rbp + 32, rbp + 64, rbp + 64 + 33,   high,       high - 8,
		             rbp - 16, 0,        UINT64_MAX - 15, UINT64_MAX, 0x8000000000000000,
		             8 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		/* The third frame: below it there are three callers. */
		early_stack[8] = wrong[i];
		assert_int_equal(backtrace_walk(rbp, high, rbp, callers), 3);
		if (wrong[i] < rbp || wrong[i] > high - 16 || wrong[i] % 8)
			assert_int_equal(backtrace_walk(rbp, high, wrong[i], callers), 0);
	}
}

TEST(a_frame_that_ends_with_the_stack_is_read_whole)
{
	uint64_t callers[BACKTRACE_MAX];

	early_stack[127] = 0xFFFFFFFF80000100;
	assert_int_equal(backtrace_walk((uint64_t)early_stack, (uint64_t)early_stack_end,
	                                (uint64_t)&early_stack[126], callers),
	                 1);
}

TEST(a_backtrace_has_names_where_there_are_any)
{
	uint64_t rbp = stack_of(3);

	/* Return addresses: right behind a function that does not return the next one starts. */
	early_stack[5] = 0xFFFFFFFF80000200;
	early_stack[9] = 0x1234;
	backtrace_print(0xFFFFFFFF80000010, rbp);
	assert_string_equal(said, "sill:   main+0x0\r\n"
	                          "sill:   main+0xf0\r\n"
	                          "sill:   main+0x1f0\r\n"
	                          "sill:   0x1234\r\n");
}

TEST(every_register_is_printed)
{
	struct trap_frame frame = { 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
		                    12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22 };

	registers_print(&frame);
	assert_string_equal(
		said, "sill: rip 0000000000000012  rsp 0000000000000015  flg 0000000000000014\r\n"
		      "sill: rax 000000000000000f  rbx 000000000000000c  rcx 000000000000000e\r\n"
		      "sill: rdx 000000000000000d  rsi 000000000000000a  rdi 0000000000000009\r\n"
		      "sill: rbp 000000000000000b  r8  0000000000000008  r9  0000000000000007\r\n"
		      "sill: r10 0000000000000006  r11 0000000000000005  r12 0000000000000004\r\n"
		      "sill: r13 0000000000000003  r14 0000000000000002  r15 0000000000000001\r\n");
}

#define SYMBOL_CASE(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYMBOL_CASE(an_address_has_the_name_of_the_function_it_is_in),
		SYMBOL_CASE(an_address_outside_the_code_has_no_name),
		SYMBOL_CASE(a_damaged_table_has_no_names),
		SYMBOL_CASE(random_tables_agree_with_a_search_from_the_start),
		SYMBOL_CASE(callers_are_found_from_the_innermost_on),
		SYMBOL_CASE(a_chain_without_end_is_cut),
		SYMBOL_CASE(a_broken_chain_ends_where_it_breaks),
		SYMBOL_CASE(a_frame_that_ends_with_the_stack_is_read_whole),
		SYMBOL_CASE(a_backtrace_has_names_where_there_are_any),
		SYMBOL_CASE(every_register_is_printed),
	};

	return cmocka_run_group_tests_name("hv-symbols", tests, NULL, NULL);
}
