// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Segments, canonical addresses, and stacks: what a processor checks before it translates.
 */
#include "tests/unit/unit.h"

#include "module/emulate/internal.h"
#include "tests/unit/emulate-world.h"

static struct world w, saved;
static struct emulate e;

/* An instruction at RIP; RBX is 0, and DS and SS have their base where memory is. */
static void prepare(unsigned int code_size, const char *bytes, unsigned int count)
{
	world_init(&w, code_size);
	memcpy(w.code, bytes, count);
	w.cpu.segments[INSN_DS].base = w.cpu.segments[INSN_SS].base = WORLD_DATA;
	w.cpu.segments[INSN_DS].limit = w.cpu.segments[INSN_SS].limit = 0xFFF;
}

#define PREPARE(code_size, bytes) prepare(code_size, bytes, sizeof(bytes) - 1)

static int run(void)
{
	w.cpu.rip = WORLD_CODE;
	saved = w;
	return world_run(&w, &e, 1000);
}

static void assert_done(void)
{
	assert_int_equal(run(), EMULATE_DONE);
}

static void assert_fault(uint8_t vector)
{
	assert_int_equal(run(), EMULATE_FAULT);
	assert_int_equal(e.exception.vector, vector);
	assert_int_equal(e.exception.has_code, (w.cpu.system.cr0 & 1) != 0);
	assert_int_equal(e.exception.code, 0);
	assert_memory_equal(&w.cpu, &saved.cpu, sizeof(w.cpu));
	assert_memory_equal(w.data, saved.data, sizeof(w.data));
}

TEST(an_access_ends_at_the_limit)
{
	PREPARE(4, "\x89\x03"); /* mov %eax, (%ebx) */
	w.cpu.gpr[INSN_RBX] = 0xFFC;
	assert_done();
	w.cpu.gpr[INSN_RBX] = 0xFFD;
	assert_fault(VECTOR_GP);
}

TEST(a_segment_that_expands_down_begins_above_its_limit)
{
	PREPARE(4, "\x89\x03"); /* mov %eax, (%ebx) */
	w.cpu.segments[INSN_DS].attributes = 0x97;
	w.cpu.segments[INSN_DS].limit = 0xFF;
	w.cpu.gpr[INSN_RBX] = 0xFF;
	assert_fault(VECTOR_GP);
	w.cpu.gpr[INSN_RBX] = 0x100;
	assert_done();
	w.cpu.segments[INSN_DS].base = WORLD_DATA - 0x10000;
	w.cpu.gpr[INSN_RBX] = 0x10000;
	assert_fault(VECTOR_GP);
	w.cpu.segments[INSN_DS].attributes |= EMULATE_SEGMENT_BIG;
	assert_done();
}

TEST(the_stack_has_a_fault_of_its_own)
{
	PREPARE(4, "\x89\x45\x00"); /* mov %eax, (%ebp) */
	w.cpu.gpr[INSN_RBP] = 0xFFD;
	assert_fault(VECTOR_SS);
	PREPARE(4, "\x3E\x89\x45\x00"); /* the same by way of DS */
	w.cpu.gpr[INSN_RBP] = 0xFFD;
	assert_fault(VECTOR_GP);
}

TEST(code_may_not_be_written_nor_read_unless_it_says_so)
{
	PREPARE(4, "\x8B\x03"); /* mov (%ebx), %eax */
	w.cpu.segments[INSN_DS].attributes = 0x9B;
	assert_done();
	w.cpu.segments[INSN_DS].attributes = 0x99;
	assert_fault(VECTOR_GP);
	PREPARE(4, "\x89\x03"); /* mov %eax, (%ebx) */
	w.cpu.segments[INSN_DS].attributes = 0x9B;
	assert_fault(VECTOR_GP);
	w.cpu.segments[INSN_DS].attributes = 0x91;
	assert_fault(VECTOR_GP);
	w.cpu.segments[INSN_DS].attributes = 0x93;
	assert_done();
}

TEST(a_null_selector_reaches_nothing)
{
	PREPARE(4, "\x8B\x03"); /* mov (%ebx), %eax */
	w.cpu.segments[INSN_DS].attributes = 0;
	assert_fault(VECTOR_GP);
}

TEST(real_mode_has_limits_and_no_types)
{
	PREPARE(2, "\x89\x07"); /* mov %ax, (%bx) */
	w.cpu.segments[INSN_DS].limit = 0xFFFF;
	w.cpu.segments[INSN_DS].attributes = 0x9B;
	w.cpu.gpr[INSN_RBX] = 0x1000;
	assert_done();
	w.cpu.gpr[INSN_RBX] = 0xFFFF;
	assert_fault(VECTOR_GP);
}

TEST(big_real_mode_reaches_beyond_64_kilobytes)
{
	PREPARE(2, "\x67\x89\x03"); /* mov %ax, (%ebx) */
	w.cpu.segments[INSN_DS].base = 0xFFFF4000;
	w.cpu.segments[INSN_DS].limit = UINT32_MAX;
	w.cpu.gpr[INSN_RBX] = 0x10100;
	w.cpu.gpr[INSN_RAX] = 0x1234;
	assert_done();
	assert_memory_equal(w.data + 0x100, "\x34\x12", 2);
}

TEST(sixteen_bit_addresses_wrap)
{
	PREPARE(2, "\x89\x00"); /* mov %ax, (%bx,%si) */
	w.cpu.gpr[INSN_RBX] = 0xFFFF;
	w.cpu.gpr[INSN_RSI] = 0x11;
	w.cpu.gpr[INSN_RAX] = 0x1234;
	assert_done();
	assert_memory_equal(w.data + 0x10, "\x34\x12", 2);
}

TEST(long_mode_ignores_all_but_two_bases)
{
	PREPARE(8, "\x88\x03"); /* mov %al, (%rbx) */
	w.cpu.gpr[INSN_RBX] = WORLD_DATA;
	w.cpu.gpr[INSN_RAX] = 1;
	w.cpu.segments[INSN_DS].attributes = 0;
	assert_done();
	assert_int_equal(w.data[0], 1);
	PREPARE(8, "\x65\x88\x03"); /* mov %al, %gs:(%rbx) */
	w.cpu.segments[INSN_GS].base = WORLD_DATA + 7;
	w.cpu.gpr[INSN_RAX] = 1;
	assert_done();
	assert_int_equal(w.data[7], 1);
}

TEST(an_address_that_is_not_canonical_is_a_protection_fault)
{
	PREPARE(8, "\x48\x8B\x03"); /* mov (%rbx), %rax */
	w.cpu.gpr[INSN_RBX] = UINT64_C(0x00007FFFFFFFFFFC);
	assert_fault(VECTOR_GP);
	w.cpu.gpr[INSN_RBX] = UINT64_C(0xFFFF7FFFFFFFFFFF);
	assert_fault(VECTOR_GP);
	PREPARE(8, "\x48\x8B\x45\x00"); /* mov (%rbp), %rax */
	w.cpu.gpr[INSN_RBP] = UINT64_C(1) << 50;
	assert_fault(VECTOR_SS);
	/* With five levels it is, and is not there. */
	w.cpu.system.cr4 |= UINT64_C(1) << 12;
	assert_int_equal(run(), EMULATE_FAULT);
	assert_int_equal(e.exception.vector, VECTOR_PF);
}

TEST(alignment_is_checked_for_programs_that_ask)
{
	PREPARE(8, "\x8B\x03"); /* mov (%rbx), %eax */
	w.cpu.gpr[INSN_RBX] = WORLD_DATA + 1;
	w.cpu.system.cr0 |= 1 << 18;
	w.cpu.rflags |= FLAG_AC;
	assert_done();
	w.cpu.cpl = 3;
	assert_fault(VECTOR_AC);
	w.cpu.system.cr0 &= ~(UINT64_C(1) << 18);
	assert_done();
	w.cpu.system.cr0 |= 1 << 18;
	w.cpu.gpr[INSN_RBX] = WORLD_DATA + 4;
	assert_done();
}

TEST(a_push_below_the_stack_is_a_stack_fault)
{
	PREPARE(4, "\xFF\x33"); /* pushl (%ebx) */
	w.cpu.gpr[INSN_RSP] = 2;
	assert_fault(VECTOR_SS);
	w.cpu.gpr[INSN_RSP] = 4;
	assert_done();
	assert_int_equal(w.cpu.gpr[INSN_RSP], 0);
}

TEST(a_stack_of_16_bits_moves_only_sp)
{
	PREPARE(4, "\xFF\x33"); /* pushl (%ebx) */
	w.cpu.segments[INSN_SS].attributes &= (uint16_t)~EMULATE_SEGMENT_BIG;
	w.cpu.gpr[INSN_RSP] = 0xABCD0010;
	w.data[0] = 0x55;
	assert_done();
	assert_int_equal(w.cpu.gpr[INSN_RSP], 0xABCD000C);
	assert_int_equal(w.data[0xC], 0x55);
}

TEST(a_pop_by_way_of_the_stack_pointer_sees_it_moved)
{
	PREPARE(8, "\x8F\x04\x24"); /* popq (%rsp) */
	w.cpu.gpr[INSN_RSP] = WORLD_DATA;
	w.data[0] = 0x55;
	assert_done();
	assert_int_equal(w.data[8], 0x55);
	assert_int_equal(w.cpu.gpr[INSN_RSP], WORLD_DATA + 8);
}

TEST(code_ends_at_its_limit)
{
	PREPARE(4, "\x8B\x03");
	w.cpu.segments[INSN_CS].limit = WORLD_CODE;
	assert_fault(VECTOR_GP);
	w.cpu.segments[INSN_CS].limit = WORLD_CODE + 1;
	assert_done();
}

TEST(an_instruction_that_is_done_ends_the_resume_flag)
{
	PREPARE(4, "\x8B\x03");
	w.cpu.rflags |= FLAG_RF;
	assert_done();
	assert_false(w.cpu.rflags & FLAG_RF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_access_ends_at_the_limit),
		CASE(a_segment_that_expands_down_begins_above_its_limit),
		CASE(the_stack_has_a_fault_of_its_own),
		CASE(code_may_not_be_written_nor_read_unless_it_says_so),
		CASE(a_null_selector_reaches_nothing),
		CASE(real_mode_has_limits_and_no_types),
		CASE(big_real_mode_reaches_beyond_64_kilobytes),
		CASE(sixteen_bit_addresses_wrap),
		CASE(long_mode_ignores_all_but_two_bases),
		CASE(an_address_that_is_not_canonical_is_a_protection_fault),
		CASE(alignment_is_checked_for_programs_that_ask),
		CASE(a_push_below_the_stack_is_a_stack_fault),
		CASE(a_stack_of_16_bits_moves_only_sp),
		CASE(a_pop_by_way_of_the_stack_pointer_sees_it_moved),
		CASE(code_ends_at_its_limit),
		CASE(an_instruction_that_is_done_ends_the_resume_flag),
	};

	return cmocka_run_group_tests_name("module-segments", tests, NULL, NULL);
}
