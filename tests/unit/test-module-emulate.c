// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "module/emulate/internal.h"
#include "tests/unit/emulate-world.h"

static struct world w, saved;
static struct emulate e;

/* An instruction at RIP in `code_size` code, RBX at the start of memory. */
static void prepare(unsigned int code_size, const char *bytes, unsigned int count)
{
	world_init(&w, code_size);
	memcpy(w.code, bytes, count);
	w.cpu.gpr[INSN_RBX] = WORLD_DATA;
	w.cpu.gpr[INSN_RSP] = WORLD_DATA + WORLD_SIZE;
	for (unsigned int i = 0; i < WORLD_SIZE; i++)
		w.data[i] = (uint8_t)(i * 7 + 1);
}

#define PREPARE(code_size, bytes) prepare(code_size, bytes, sizeof(bytes) - 1)

static int run(void)
{
	saved = w;
	return world_run(&w, &e, 1000);
}

static void assert_nothing_changed(void)
{
	assert_memory_equal(&w.cpu, &saved.cpu, sizeof(w.cpu));
	assert_memory_equal(w.data, saved.data, sizeof(w.data));
}

/* It faults, and nothing has changed. */
static void assert_fault(uint8_t vector, uint32_t code)
{
	assert_int_equal(run(), EMULATE_FAULT);
	assert_int_equal(e.exception.vector, vector);
	assert_int_equal(e.exception.code, code);
	assert_nothing_changed();
}

/* The first of ours that is wanted of the VMM. */
static void assert_wanted(enum emulate_kind kind, uint64_t address, unsigned int size)
{
	assert_int_equal(emulate_run(&e, 1000), EMULATE_DEVICE);
	assert_int_equal(e.access.kind, kind);
	assert_int_equal(e.access.address, address);
	assert_int_equal(e.access.size, size);
}

static void begin(void)
{
	saved = w;
	emulate_begin(&e, &w.cpu, w.xcr0, &world_ops, &w);
}

TEST(a_load_from_a_device_waits_for_its_value)
{
	PREPARE(8, "\x8B\x43\x10"); /* mov 0x10(%rbx), %eax */
	w.device[0] = true;
	w.cpu.gpr[INSN_RAX] = UINT64_MAX;
	begin();
	assert_wanted(EMULATE_MEMORY_READ, WORLD_DATA + 0x10, 4);
	assert_nothing_changed();
	memcpy(e.access.data, "\x78\x56\x34\x12", 4);
	emulate_answer(&e);
	assert_int_equal(emulate_run(&e, 1), EMULATE_DONE);
	assert_int_equal(w.cpu.gpr[INSN_RAX], 0x12345678);
	assert_int_equal(w.cpu.rip, WORLD_CODE + 3);
}

TEST(a_sum_in_a_device_is_one_read_and_one_write)
{
	PREPARE(8, "\xF0\x01\x03"); /* lock add %eax, (%rbx) */
	w.device[0] = true;
	w.cpu.gpr[INSN_RAX] = 5;
	begin();
	assert_wanted(EMULATE_MEMORY_READ, WORLD_DATA, 4);
	memcpy(e.access.data, "\x01\x00\x00\x00", 4);
	emulate_answer(&e);
	assert_wanted(EMULATE_MEMORY_WRITE, WORLD_DATA, 4);
	assert_memory_equal(e.access.data, "\x06\x00\x00\x00", 4);
	emulate_answer(&e);
	assert_int_equal(emulate_run(&e, 1), EMULATE_DONE);
	assert_int_equal(w.exchanges, 0);
	assert_int_equal(w.reads, 1); /* the code */
}

TEST(memory_that_was_written_before_a_device_waits_is_not_added_to_again)
{
	PREPARE(8, "\x01\x83\xFE\x0F\x00\x00"); /* add %eax, 0xffe(%rbx) */
	w.device[1] = true;
	memcpy(w.data + 0xFFE, "\xFF\xFF\x00\x00", 4);
	w.cpu.gpr[INSN_RAX] = 1;
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.data + 0xFFE, "\x00\x00\x01\x00", 4);
	assert_int_equal(w.answered, 2);
	assert_int_equal(w.writes, 1);
}

TEST(an_access_to_two_pages_of_a_device_is_two_accesses)
{
	PREPARE(8, "\x48\x89\x83\xFD\x0F\x00\x00"); /* mov %rax, 0xffd(%rbx) */
	w.device[0] = w.device[1] = true;
	begin();
	assert_wanted(EMULATE_MEMORY_WRITE, WORLD_DATA + 0xFFD, 3);
	emulate_answer(&e);
	assert_wanted(EMULATE_MEMORY_WRITE, WORLD_DATA + 0x1000, 5);
	emulate_answer(&e);
	assert_int_equal(emulate_run(&e, 1), EMULATE_DONE);
}

TEST(thirty_two_bytes_of_a_device_come_in_pieces_of_eight)
{
	PREPARE(8, "\xC5\xFE\x6F\x0B"); /* vmovdqu (%rbx), %ymm1 */
	w.device[0] = true;
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.answered, 4);
	assert_memory_equal(w.vector[1], w.data, 32);
}

TEST(a_vex_move_clears_what_it_does_not_load_and_others_keep_it)
{
	PREPARE(8, "\xC5\xFA\x6F\x0B"); /* vmovdqu (%rbx), %xmm1 */
	memset(w.vector[1], 0xFF, 32);
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.vector[1], w.data, 16);
	assert_int_equal(w.vector[1][16], 0);
	PREPARE(8, "\x0F\x10\x0B"); /* movups (%rbx), %xmm1 */
	memset(w.vector[1], 0xFF, 32);
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.vector[1][16], 0xFF);
}

TEST(a_vex_move_stores_all_of_its_register)
{
	PREPARE(8, "\xC5\x7D\xE7\x4B\x20"); /* vmovntdq %ymm9, 0x20(%rbx) */
	for (unsigned int i = 0; i < 32; i++)
		w.vector[9][i] = (uint8_t)(200 - i);
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.data + 0x20, w.vector[9], 32);
}

TEST(vector_registers_that_are_not_enabled_are_undefined)
{
	PREPARE(8, "\x0F\x10\x0B"); /* movups */
	w.cpu.system.cr4 &= ~UINT64_C(0x200);
	assert_fault(VECTOR_UD, 0);
	PREPARE(8, "\x0F\x10\x0B");
	w.cpu.system.cr0 |= 8;
	assert_fault(VECTOR_NM, 0);
	PREPARE(8, "\xC5\xFE\x6F\x0B"); /* vmovdqu */
	w.xcr0 = 3;
	assert_fault(VECTOR_UD, 0);
	PREPARE(2, "\xC5\xFE\x6F\x0F"); /* in real mode */
	assert_fault(VECTOR_UD, 0);
}

TEST(an_aligned_move_to_an_odd_place_is_a_protection_fault)
{
	PREPARE(8, "\x0F\x28\x4B\x08"); /* movaps 8(%rbx), %xmm1 */
	assert_fault(VECTOR_GP, 0);
}

TEST(movbe_swaps_bytes_on_the_way)
{
	PREPARE(8, "\x0F\x38\xF0\x03"); /* movbe (%rbx), %eax */
	memcpy(w.data, "\x12\x34\x56\x78", 4);
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.cpu.gpr[INSN_RAX], 0x12345678);
	PREPARE(8, "\x66\x0F\x38\xF1\x03"); /* movbe %ax, (%rbx) */
	w.cpu.gpr[INSN_RAX] = 0xAABB;
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.data, "\xAA\xBB", 2);
	PREPARE(8, "\x48\x0F\x38\xF1\x03"); /* movbe %rax, (%rbx) */
	w.cpu.gpr[INSN_RAX] = UINT64_C(0x0102030405060708);
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.data, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
}

TEST(a_page_fault_says_its_address_and_kind)
{
	PREPARE(8, "\x89\x83\xFE\x1F\x00\x00"); /* mov %eax, 0x1ffe(%rbx) */
	w.cpu.cpl = 3;
	assert_fault(VECTOR_PF, WALK_WRITE | WALK_USER | WORLD_FAULT);
	assert_int_equal(e.exception.address, WORLD_DATA + WORLD_SIZE);
	PREPARE(8, "\x8B\x03"); /* mov (%rbx), %eax */
	w.cpu.gpr[INSN_RBX] = 0x9008;
	assert_fault(VECTOR_PF, WORLD_FAULT);
	assert_int_equal(e.exception.address, 0x9008);
}

TEST(a_write_fault_comes_before_the_device_is_read)
{
	PREPARE(8, "\x01\x03"); /* add %eax, (%rbx) */
	w.device[0] = w.read_only[0] = true;
	assert_fault(VECTOR_PF, WALK_WRITE | WORLD_FAULT);
	assert_int_equal(w.answered, 0);
	PREPARE(8, "\xA4"); /* movsb from a device to a page that may not be written */
	w.device[0] = w.read_only[1] = true;
	w.cpu.gpr[INSN_RSI] = WORLD_DATA;
	w.cpu.gpr[INSN_RDI] = WORLD_DATA + WORLD_PAGE;
	assert_fault(VECTOR_PF, WALK_WRITE | WORLD_FAULT);
	assert_int_equal(w.answered, 0);
}

TEST(code_that_goes_on_in_a_missing_page_faults_there)
{
	PREPARE(8, "");
	w.cpu.rip = WORLD_CODE + WORLD_PAGE - 1;
	w.code[WORLD_PAGE - 1] = 0x8B;
	assert_fault(VECTOR_PF, WALK_FETCH | WORLD_FAULT);
	assert_int_equal(e.exception.address, WORLD_CODE + WORLD_PAGE);
	/* One that ends there does not look at the next page. */
	w.code[WORLD_PAGE - 1] = 0x90;
	assert_int_equal(run(), EMULATE_DONE);
}

TEST(bytes_that_the_processor_gave_are_not_fetched)
{
	PREPARE(8, "\xF4"); /* hlt */
	memcpy(w.cpu.bytes, "\x88\x03", w.cpu.fetched = 2);
	emulate_begin(&e, &w.cpu, w.xcr0, &world_ops, &w);
	w.cpu.gpr[INSN_RAX] = 0x77;
	assert_int_equal(emulate_run(&e, 1), EMULATE_DONE);
	assert_int_equal(w.data[0], 0x77);
	assert_int_equal(w.reads, 0);
}

TEST(what_is_not_carried_out_is_told_with_its_bytes)
{
	PREPARE(8, "\xD9\x03\xAA\xBB"); /* flds (%rbx) */
	assert_int_equal(run(), EMULATE_UNKNOWN);
	assert_nothing_changed();
	assert_int_equal(e.count, 15);
	assert_memory_equal(e.bytes, "\xD9\x03\xAA\xBB", 4);
	PREPARE(8, "\x0F\xA2"); /* cpuid: decoded, no more */
	assert_int_equal(run(), EMULATE_UNKNOWN);
	assert_int_equal(e.insn.op, INSN_CPUID);
	assert_int_equal(e.insn.length, 2);
	assert_nothing_changed();
}

TEST(an_undefined_instruction_is_an_exception)
{
	PREPARE(8, "\xF0\x89\x03"); /* lock mov */
	assert_fault(VECTOR_UD, 0);
	prepare(8, "\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x2E\x89\x03", 16);
	assert_fault(VECTOR_GP, 0);
}

TEST(a_locked_sum_in_memory_is_one_step_and_starts_over_when_another_was_faster)
{
	PREPARE(8, "\xF0\x0F\xC1\x03"); /* lock xadd %eax, (%rbx) */
	memcpy(w.data, "\x10\x00\x00\x00", 4);
	w.cpu.gpr[INSN_RAX] = 1;
	w.slower = true;
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.exchanges, 2);
	assert_int_equal(w.writes, 0);
	assert_memory_equal(w.data, "\x12\x00\x00\x00", 4);
	assert_int_equal(w.cpu.gpr[INSN_RAX], 0x11);
}

TEST(an_exchange_with_memory_is_one_step_without_lock)
{
	PREPARE(8, "\x87\x03"); /* xchg %eax, (%rbx) */
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.exchanges, 1);
	assert_int_equal(w.writes, 0);
}

TEST(a_repetition_stops_at_its_bound_and_goes_on)
{
	PREPARE(8, "\xF3\xAA"); /* rep stosb */
	w.cpu.gpr[INSN_RDI] = WORLD_DATA;
	w.cpu.gpr[INSN_RCX] = 10;
	w.cpu.gpr[INSN_RAX] = 0xEE;
	begin();
	assert_int_equal(emulate_run(&e, 4), EMULATE_AGAIN);
	assert_int_equal(w.cpu.gpr[INSN_RCX], 6);
	assert_int_equal(w.cpu.gpr[INSN_RDI], WORLD_DATA + 4);
	assert_int_equal(w.cpu.rip, WORLD_CODE);
	assert_int_equal(emulate_run(&e, 4), EMULATE_AGAIN);
	assert_int_equal(emulate_run(&e, 4), EMULATE_DONE);
	assert_int_equal(w.cpu.gpr[INSN_RCX], 0);
	assert_int_equal(w.data[9], 0xEE);
	assert_int_equal(w.data[10], (uint8_t)(10 * 7 + 1));
	assert_int_equal(w.cpu.rip, WORLD_CODE + 2);
}

TEST(a_fault_in_a_repetition_keeps_what_was_done)
{
	PREPARE(8, "\xF3\xA4"); /* rep movsb */
	w.cpu.gpr[INSN_RSI] = WORLD_DATA;
	w.cpu.gpr[INSN_RDI] = WORLD_DATA + WORLD_SIZE - 3;
	w.cpu.gpr[INSN_RCX] = 10;
	assert_int_equal(run(), EMULATE_FAULT);
	assert_int_equal(e.exception.vector, VECTOR_PF);
	assert_int_equal(e.exception.address, WORLD_DATA + WORLD_SIZE);
	assert_int_equal(w.cpu.gpr[INSN_RCX], 7);
	assert_int_equal(w.cpu.gpr[INSN_RSI], WORLD_DATA + 3);
	assert_int_equal(w.cpu.rip, WORLD_CODE);
}

TEST(a_repetition_of_none_does_nothing)
{
	PREPARE(8, "\xF3\x67\xA4"); /* rep movsb by ECX */
	w.cpu.gpr[INSN_RCX] = UINT64_C(0x100000000);
	w.cpu.gpr[INSN_RSI] = w.cpu.gpr[INSN_RDI] = 0;
	assert_int_equal(run(), EMULATE_DONE);
	assert_memory_equal(w.data, saved.data, sizeof(w.data));
	assert_int_equal(w.cpu.rip, WORLD_CODE + 3);
}

TEST(a_string_from_a_port_asks_once_for_each_element)
{
	PREPARE(4, "\xF3\x6D"); /* rep insl */
	w.ports_elsewhere = true;
	w.cpu.gpr[INSN_RDI] = WORLD_DATA;
	w.cpu.gpr[INSN_RCX] = 3;
	w.cpu.gpr[INSN_RDX] = 0x1F0;
	assert_int_equal(run(), EMULATE_DONE);
	assert_int_equal(w.answered, 3);
	world_init(&saved, 4);
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t value = world_input(&saved);

		assert_memory_equal(w.data + 4 * (size_t)i, &value, 4);
	}
}

/* A task state segment at the start of memory, its bit map at 70h. */
static void make_task_state(uint16_t limit)
{
	w.cpu.segments[SILL_TR] = (struct sill_segment){ 0x40, 0x8B, limit, WORLD_DATA };
	memset(w.data, 0, 0x200);
	w.data[0x66] = 0x70;
}

TEST(ports_of_a_program_are_those_of_its_bit_map)
{
	PREPARE(4, "\xEC"); /* inb */
	make_task_state(0x200);
	w.cpu.cpl = 3;
	w.cpu.gpr[INSN_RDX] = 0x3F9;
	assert_int_equal(run(), EMULATE_DONE);
	w.cpu.rip = WORLD_CODE;
	w.data[0x70 + 0x3F8 / 8] = 2;
	assert_fault(VECTOR_GP, 0);
	w.cpu.rflags |= 0x3000; /* IOPL */
	assert_int_equal(run(), EMULATE_DONE);
}

TEST(a_port_beyond_the_bit_map_is_a_protection_fault)
{
	PREPARE(4, "\xED"); /* inl */
	make_task_state(0x70 + 0x80);
	w.cpu.cpl = 3;
	w.cpu.gpr[INSN_RDX] = 0x3F8;
	assert_int_equal(run(), EMULATE_DONE);
	w.cpu.rip = WORLD_CODE;
	w.cpu.segments[SILL_TR].limit = 0x70 + 0x7F;
	assert_fault(VECTOR_GP, 0);
	make_task_state(0x200);
	w.cpu.segments[SILL_TR].attributes = 0x83; /* of 16 bits */
	assert_fault(VECTOR_GP, 0);
	w.cpu.system.cr0 = 0x10; /* real mode has no such thing */
	assert_int_equal(run(), EMULATE_DONE);
}

TEST(an_answer_for_a_place_that_is_no_longer_meant_is_dropped)
{
	PREPARE(8, "\x01\x03"); /* add %eax, (%rbx) */
	w.device[0] = true;
	begin();
	assert_wanted(EMULATE_MEMORY_READ, WORLD_DATA, 4);
	memset(e.access.data, 0x11, 4);
	emulate_answer(&e);
	/* As if the page tables led elsewhere now. */
	w.cpu.gpr[INSN_RBX] += 8;
	assert_wanted(EMULATE_MEMORY_READ, WORLD_DATA + 8, 4);
	memset(e.access.data, 0x22, 4);
	emulate_answer(&e);
	assert_wanted(EMULATE_MEMORY_WRITE, WORLD_DATA + 8, 4);
	assert_memory_equal(e.access.data, "\x22\x22\x22\x22", 4);
}

static int broken_access(void *vcpu, struct emulate_access *access)
{
	return access->address >= WORLD_DATA ? -EIO : world_access(vcpu, access);
}

TEST(an_error_of_the_caller_is_passed_on)
{
	struct emulate_ops broken = world_ops;

	PREPARE(8, "\x8B\x03"); /* mov (%rbx), %eax */
	broken.access = broken_access;
	saved = w;
	emulate_begin(&e, &w.cpu, w.xcr0, &broken, &w);
	assert_int_equal(emulate_run(&e, 1), -EIO);
	assert_nothing_changed();
}

TEST(the_place_of_an_operand_is_told_without_running)
{
	PREPARE(4, "\x64\x0F\xAE\x7B\x10"); /* clflush %fs:0x10(%ebx) */
	w.cpu.segments[INSN_FS].base = 0xFFFFC000;
	begin();
	assert_int_equal(emulate_decode(&e), EMULATE_DONE);
	assert_int_equal(e.insn.op, INSN_CLFLUSH);
	assert_int_equal(emulate_offset(&e), WORLD_DATA + 0x10);
	assert_int_equal(emulate_linear(&e, e.insn.segment, emulate_offset(&e)), 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_load_from_a_device_waits_for_its_value),
		CASE(a_sum_in_a_device_is_one_read_and_one_write),
		CASE(memory_that_was_written_before_a_device_waits_is_not_added_to_again),
		CASE(an_access_to_two_pages_of_a_device_is_two_accesses),
		CASE(thirty_two_bytes_of_a_device_come_in_pieces_of_eight),
		CASE(a_vex_move_clears_what_it_does_not_load_and_others_keep_it),
		CASE(a_vex_move_stores_all_of_its_register),
		CASE(vector_registers_that_are_not_enabled_are_undefined),
		CASE(an_aligned_move_to_an_odd_place_is_a_protection_fault),
		CASE(movbe_swaps_bytes_on_the_way),
		CASE(a_page_fault_says_its_address_and_kind),
		CASE(a_write_fault_comes_before_the_device_is_read),
		CASE(code_that_goes_on_in_a_missing_page_faults_there),
		CASE(bytes_that_the_processor_gave_are_not_fetched),
		CASE(what_is_not_carried_out_is_told_with_its_bytes),
		CASE(an_undefined_instruction_is_an_exception),
		CASE(a_locked_sum_in_memory_is_one_step_and_starts_over_when_another_was_faster),
		CASE(an_exchange_with_memory_is_one_step_without_lock),
		CASE(a_repetition_stops_at_its_bound_and_goes_on),
		CASE(a_fault_in_a_repetition_keeps_what_was_done),
		CASE(a_repetition_of_none_does_nothing),
		CASE(a_string_from_a_port_asks_once_for_each_element),
		CASE(ports_of_a_program_are_those_of_its_bit_map),
		CASE(a_port_beyond_the_bit_map_is_a_protection_fault),
		CASE(an_answer_for_a_place_that_is_no_longer_meant_is_dropped),
		CASE(an_error_of_the_caller_is_passed_on),
		CASE(the_place_of_an_operand_is_told_without_running),
	};

	return cmocka_run_group_tests_name("module-emulate", tests, NULL, NULL);
}
