// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random instructions on random registers and memory, ours beside those of Unicorn (QEMU's TCG as a
 * library).  Some of the memory and all of the ports may be a device's, so that most instructions
 * are run several times over from the log.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <unicorn/unicorn.h>

#include "module/emulate/internal.h"
#include "tests/unit/emulate-world.h"

static const uint8_t code_sizes[] = { 8, 4, 2 };
static uc_engine *engine;
static struct world ours, theirs, before;
static unsigned int faults, with_devices, done[256];

/* In our order. */
static const int gprs[16] = { UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
	                      UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
	                      UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
	                      UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15 };
static const int gprs_32[8] = { UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
	                        UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI };

static uint64_t random_64(void)
{
	return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* Small, at an edge, or anything: what makes flags interesting. */
static uint64_t random_value(void)
{
	switch (rand() % 6) {
	case 0:
		return (uint64_t)(rand() % 5) - 2;
	case 1:
		return (UINT64_C(1) << rand() % 64) - (uint64_t)(rand() % 3);
	default:
		return random_64();
	}
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
	uint32_t value = world_input(data);

	(void)uc;
	(void)port;
	return size == 4 ? value : value & ((1u << size * 8) - 1);
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
	(void)uc;
	world_output(data, (uint16_t)port, size == 4 ? value : value & ((1u << size * 8) - 1),
	             (unsigned int)size);
}

/* One at a time: each fills a gigabyte with zeros for the code that it makes. */
static uc_engine *start_engine(unsigned int mode)
{
	static const uc_mode modes[] = { UC_MODE_64, UC_MODE_32, UC_MODE_16 };
	uc_engine *uc;
	uc_hook hook;

	assert_int_equal(uc_open(UC_ARCH_X86, modes[mode], &uc), UC_ERR_OK);
	assert_int_equal(uc_ctl_set_cpu_model(uc, UC_CPU_X86_ICELAKE_SERVER), UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(uc, WORLD_CODE, WORLD_PAGE, UC_PROT_READ | UC_PROT_EXEC,
	                                theirs.code),
	                 UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(uc, WORLD_DATA, WORLD_SIZE, UC_PROT_READ | UC_PROT_WRITE,
	                                theirs.data),
	                 UC_ERR_OK);
	assert_int_equal(
		uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_in, &theirs, 1, 0, UC_X86_INS_IN),
		UC_ERR_OK);
	assert_int_equal(
		uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_out, &theirs, 1, 0, UC_X86_INS_OUT),
		UC_ERR_OK);
	return uc;
}

/* Registers of `theirs` to the engine, or back. */
static void exchange_registers(unsigned int mode, bool write)
{
	uc_engine *uc = engine;
	uc_err (*move)(uc_engine *, int, void *) = uc_reg_read;
	unsigned int count = mode == 0 ? 16 : 8;

	for (unsigned int i = 0; i < count; i++) {
		int reg = mode == 0 ? gprs[i] : gprs_32[i];

		if (write)
			uc_reg_write(uc, reg, &theirs.cpu.gpr[i]);
		else
			move(uc, reg, &theirs.cpu.gpr[i]);
	}
	for (int i = 0; i < (int)count; i++) {
		if (write)
			uc_reg_write(uc, UC_X86_REG_XMM0 + i, theirs.vector[i]);
		else
			move(uc, UC_X86_REG_XMM0 + i, theirs.vector[i]);
	}
	if (write) {
		uc_reg_write(uc, UC_X86_REG_EFLAGS, &theirs.cpu.rflags);
		if (mode == 0) {
			uc_reg_write(uc, UC_X86_REG_FS_BASE, &theirs.cpu.segments[INSN_FS].base);
			uc_reg_write(uc, UC_X86_REG_GS_BASE, &theirs.cpu.segments[INSN_GS].base);
		}
	} else {
		theirs.cpu.rip = theirs.cpu.rflags = 0;
		move(uc, UC_X86_REG_EFLAGS, &theirs.cpu.rflags);
		move(uc, mode == 0 ? UC_X86_REG_RIP : UC_X86_REG_EIP, &theirs.cpu.rip);
	}
}

static const uint8_t one_byte[] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0A, 0x0B, 0x10, 0x11, 0x12, 0x13,
	0x18, 0x19, 0x1A, 0x1B, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D,
	0x30, 0x31, 0x32, 0x33, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x63, 0x68, 0x69, 0x6A,
	0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
	0x8A, 0x8B, 0x8C, 0x8F, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9,
	0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0xC0, 0xC1, 0xC6, 0xC7, 0xD0, 0xD1, 0xD2, 0xD3,
	0xE4, 0xE5, 0xE6, 0xE7, 0xEC, 0xED, 0xEE, 0xEF, 0xF6, 0xF7, 0xFE, 0xFF
};
static const uint8_t two_bytes[] = {
	0x0D, 0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x18, 0x1F, 0x28, 0x29, 0x2B, 0x40, 0x41, 0x42,
	0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x6E, 0x6F,
	0x7E, 0x7F, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C,
	0x9D, 0x9E, 0x9F, 0xA3, 0xA4, 0xA5, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0xB0, 0xB1, 0xB3, 0xB6,
	0xB7, 0xBA, 0xBB, 0xBE, 0xBF, 0xC0, 0xC1, 0xC3, 0xC7, 0xD6, 0xE7, 0xF0
};
static const uint8_t three_bytes[] = { 0x2A }; /* Unicorn 2.0 has no MOVBE */

/* Bytes of some instruction; returns where its ModRM is, or its offset. */
static unsigned int make_bytes(unsigned int mode, uint8_t bytes[INSN_MAX])
{
	static const uint8_t likely[] = { 0x66, 0x67, 0xF2, 0xF3, 0xF3, 0xF0, 0x64, 0x36 };
	unsigned int at = 0, kind = (unsigned int)rand() % 20;

	for (unsigned int i = 0; i < INSN_MAX; i++)
		bytes[i] = (uint8_t)(rand() >> 7);
	while (rand() % 3 == 0 && at < 3)
		bytes[at++] = likely[(size_t)rand() % ARRAY_LEN(likely)];
	if (mode == 0 && rand() % 2)
		bytes[at++] = (uint8_t)(0x40 | (rand() & 0xF));
	if (kind >= 10)
		bytes[at++] = 0x0F;
	if (kind == 19)
		bytes[at++] = 0x38;
	if (kind < 10)
		bytes[at++] = one_byte[(size_t)rand() % ARRAY_LEN(one_byte)];
	else if (kind < 19)
		bytes[at++] = two_bytes[(size_t)rand() % ARRAY_LEN(two_bytes)];
	else
		bytes[at++] = three_bytes[(size_t)rand() % ARRAY_LEN(three_bytes)];
	return at;
}

static uint64_t random_place(void)
{
	if (rand() % 3 == 0)
		return WORLD_DATA + WORLD_PAGE - 16 + (uint64_t)(rand() % 20);
	return WORLD_DATA + ((uint64_t)rand() % (WORLD_SIZE + 8));
}

/* Set registers, or the displacement at `at`, so that the operand lies in our memory. */
static void aim(unsigned int mode, struct insn *in, uint8_t *bytes, unsigned int at)
{
	struct sill_vcpu *cpu = &before.cpu;
	uint64_t target = random_place(), mask = size_mask(mode == 0 ? 8 : 4);

	if (mode != 1 && (mode != 0 || in->segment >= INSN_FS))
		target -= cpu->segments[in->segment].base;
	if (in->index != INSN_NO_REGISTER && in->index != in->base)
		cpu->gpr[in->index] = (uint64_t)(rand() % 0x400);
	if (in->index != INSN_NO_REGISTER)
		target -= cpu->gpr[in->index] * in->scale;
	if (in->base < 16 && in->base != in->index) {
		cpu->gpr[in->base] = (target - (uint64_t)in->displacement) & mask;
		return;
	}
	if (in->base < 16)
		return;
	if (in->base == INSN_RIP)
		target -= cpu->rip + in->length;
	/* An offset stands behind the opcode, a displacement behind ModRM and SIB. */
	if (in->to != INSN_IN_ACC && in->from != INSN_IN_ACC) {
		at++;
		if (in->address_size != 2 && (bytes[at - 1] & 7) == 4)
			at++;
	} else if (bytes[at - 1] < 0xA0 || bytes[at - 1] > 0xA3) {
		return;
	}
	if (at + 4 <= INSN_MAX)
		memcpy(bytes + at, &target, in->address_size == 2 ? 2 : 4);
	if (in->address_size == 8 && in->base != INSN_RIP && at + 8 <= INSN_MAX &&
	    bytes[at - 1] >= 0xA0 && bytes[at - 1] <= 0xA3)
		memcpy(bytes + at, &target, 8);
}

static void make_registers(unsigned int mode)
{
	uint64_t mask = size_mask(mode == 0 ? 8 : 4);

	world_init(&before, code_sizes[mode]);
	for (unsigned int i = 0; i < (mode == 0 ? 16 : 8); i++)
		before.cpu.gpr[i] = random_value() & mask;
	for (unsigned int i = 0; i < 16; i++) {
		for (unsigned int j = 0; j < 16; j++)
			before.vector[i][j] = (uint8_t)(mode == 0 || i < 8 ? rand() >> 7 : 0);
	}
	before.cpu.rflags = ((uint64_t)rand() & (FLAGS_MATH | FLAG_DF)) | 2;
	if (mode == 0) {
		before.cpu.segments[INSN_FS].base = random_64() >> 20;
		before.cpu.segments[INSN_GS].base = (uint64_t)(rand() & 0xFFF);
	}
	for (unsigned int i = 0; i < WORLD_SIZE; i += 4) {
		uint32_t value = rand() % 4 ? (uint32_t)rand() << 1 : (uint32_t)(rand() % 5) - 2;

		memcpy(before.data + i, &value, 4);
	}
	before.cpu.gpr[INSN_RSP] = random_place();
}

static unsigned int mandatory_prefixes(const uint8_t *bytes)
{
	unsigned int count = 0;

	for (; *bytes != 0x0F; bytes++)
		count += *bytes == 0x66 || *bytes == 0xF2 || *bytes == 0xF3;
	return count;
}

/* Where Unicorn 2.0 is known to be wrong: no case is made of it. */
static bool misunderstood(unsigned int mode, const struct insn *in, const uint8_t *bytes)
{
	/* It takes 66 where F2 and F3 count more, and knows no vector registers in real mode. */
	if (in->op >= INSN_VMOV && in->op <= INSN_VHIGH &&
	    (mode == 2 || mandatory_prefixes(bytes) > 1))
		return true;
	/* REX.R means nothing to MOV of an immediate; and it knows not all kinds of CLFLUSH. */
	if ((in->op == INSN_MOV && in->from == INSN_IN_IMM && in->reg >= 8) ||
	    (in->op == INSN_CLFLUSH && memchr(bytes, 0x66, 4)))
		return true;
	/* Of both repeating prefixes the last one counts. */
	if (in->repeat && memchr(bytes, 0xF2, 4) && memchr(bytes, 0xF3, 4))
		return true;
	/* The flags of an atomic NEG are not those of its result. */
	if (in->op == INSN_NEG && in->lock)
		return true;
	/* It lets a segment prefix that means nothing in 64-bit code end one that does. */
	return mode == 0 && in->segment >= INSN_FS && memchr(bytes, 0x36, 3);
}

/* A case into `before`; false: try another. */
static bool make_case(unsigned int mode, struct insn *in)
{
	struct sill_vcpu *cpu = &before.cpu;
	uint64_t mask = size_mask(mode == 0 ? 8 : 4);
	uint8_t bytes[INSN_MAX];
	unsigned int at;

	at = make_bytes(mode, bytes);
	if (insn_decode(bytes, INSN_MAX, code_sizes[mode], in) != INSN_OK || in->op >= INSN_EXITS ||
	    in->vex || misunderstood(mode, in, bytes))
		return false;
	make_registers(mode);
	if (in->op >= INSN_MOVS && in->op <= INSN_OUTS) {
		cpu->gpr[INSN_RSI] = random_place();
		cpu->gpr[INSN_RDI] = random_place();
		if (in->segment >= INSN_FS)
			cpu->gpr[INSN_RSI] -= cpu->segments[in->segment].base;
		cpu->gpr[INSN_RSI] &= mask;
		cpu->gpr[INSN_RCX] = (uint64_t)(rand() % 12) + 1;
	}
	if (in->memory && in->op >= INSN_BT && in->op <= INSN_BTC && rand() % 4)
		cpu->gpr[in->reg] = ((uint64_t)(rand() % 0x4000) - 0x2000) & mask;
	if (in->memory)
		aim(mode, in, bytes, at);
	if (in->op == INSN_CMPXCHG && rand() % 2 && !in->memory)
		cpu->gpr[INSN_RAX] = cpu->gpr[in->rm];
	memcpy(before.code, bytes, INSN_MAX);
	return insn_decode(bytes, INSN_MAX, code_sizes[mode], in) == INSN_OK;
}

/* The flags that this instruction leaves undefined. */
static uint64_t undefined_flags(const struct insn *in)
{
	unsigned int bits = in->size * 8u, count = 1;
	uint64_t rcx = before.cpu.gpr[INSN_RCX];

	if (in->from == INSN_IN_CL)
		count = (unsigned int)rcx & (bits == 64 ? 63 : 31);
	else if (in->from == INSN_IN_IMM)
		count = (unsigned int)in->immediate & (bits == 64 ? 63 : 31);
	switch (in->op) {
	case INSN_AND:
	case INSN_OR:
	case INSN_XOR:
	case INSN_TEST:
		return FLAG_AF;
	case INSN_ROL:
	case INSN_ROR:
	case INSN_RCL:
	case INSN_RCR:
		return count == 1 ? 0 : FLAG_OF;
	case INSN_SHL:
	case INSN_SHR:
	case INSN_SAR:
		return count == 0 ? 0
		                  : FLAG_AF | (count == 1 ? 0 : FLAG_OF) |
		                            (count > bits ? FLAG_CF : 0);
	case INSN_BT:
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		return FLAGS_MATH & ~FLAG_CF;
	default:
		return 0;
	}
}

static void show(unsigned int mode, const struct insn *in)
{
	fprintf(stderr, "mode %u, op %u:", mode, in->op);
	for (unsigned int i = 0; i < in->length; i++)
		fprintf(stderr, " %02x", before.code[i]);
	fprintf(stderr, "\n");
	for (unsigned int i = 0; i < 16; i++)
		fprintf(stderr, "r%u %lx: ours %lx, theirs %lx\n", i, before.cpu.gpr[i],
		        ours.cpu.gpr[i], theirs.cpu.gpr[i]);
	fprintf(stderr, "flags %lx: ours %lx, theirs %lx; rip ours %lx, theirs %lx\n",
	        before.cpu.rflags, ours.cpu.rflags, theirs.cpu.rflags, ours.cpu.rip,
	        theirs.cpu.rip);
	for (unsigned int i = 0; i < WORLD_SIZE; i++) {
		if (ours.data[i] != theirs.data[i])
			fprintf(stderr, "memory %x: %02x: ours %02x, theirs %02x\n", i + 0x4000,
			        before.data[i], ours.data[i], theirs.data[i]);
	}
}

static bool same_result(const struct insn *in)
{
	uint64_t care = (FLAGS_MATH | FLAG_DF) & ~undefined_flags(in);

	return memcmp(ours.cpu.gpr, theirs.cpu.gpr, sizeof(ours.cpu.gpr)) == 0 &&
	       memcmp(ours.data, theirs.data, WORLD_SIZE) == 0 &&
	       memcmp(ours.vector, theirs.vector, sizeof(ours.vector)) == 0 &&
	       ours.cpu.rip == theirs.cpu.rip && ours.inputs == theirs.inputs &&
	       ours.outputs == theirs.outputs && !((ours.cpu.rflags ^ theirs.cpu.rflags) & care);
}

/* What the processor leaves undefined altogether, or Unicorn does not do. */
static bool excused(const struct insn *in, int result, const struct emulate *e)
{
	/* Vendors do not agree on prefetches of a register; the other TEST is not documented. */
	if ((in->op == INSN_NOP && !in->memory) ||
	    (in->op == INSN_TEST && in->from == INSN_IN_IMM && in->reg & 1))
		return true;
	/* It does not look where a CLFLUSH goes. */
	if (in->op == INSN_CLFLUSH && result == EMULATE_FAULT)
		return true;
	/* It looks neither at alignment nor at the types of segments. */
	return result == EMULATE_FAULT && e->exception.vector == VECTOR_GP &&
	       (in->aligned || in->segment == INSN_CS);
}

/* It clears the upper half of what CMPXCHG of 32 bits leaves alone; processors do not. */
static void keep_upper_half(unsigned int number)
{
	if ((uint32_t)theirs.cpu.gpr[number] == (uint32_t)before.cpu.gpr[number])
		theirs.cpu.gpr[number] = before.cpu.gpr[number];
}

/* It stops without a word now and then, and does it when it is told again. */
static uc_err start(unsigned int mode, const struct insn *in)
{
	uc_err error = UC_ERR_OK;

	for (unsigned int i = 0; i < 2; i++) {
		error = uc_emu_start(engine, WORLD_CODE, WORLD_CODE + in->length, 0, 0);
		exchange_registers(mode, false);
		if (error != UC_ERR_OK || theirs.cpu.rip != WORLD_CODE)
			return error;
	}
	return UC_ERR_EXCEPTION;
}

static void compare(unsigned int mode, struct insn *in)
{
	struct emulate e;
	uc_err error;
	int result;

	memcpy(&theirs, &before, sizeof(before));
	memcpy(&ours, &before, sizeof(before));
	ours.device[0] = rand() & 1;
	ours.device[1] = rand() & 1;
	ours.ports_elsewhere = rand() & 1;
	result = world_run(&ours, &e, 1 + (unsigned int)rand() % 4);
	if (excused(in, result, &e))
		return;
	uc_ctl_remove_cache(engine, WORLD_CODE, WORLD_CODE + 32);
	exchange_registers(mode, true);
	error = start(mode, in);
	if (in->op == INSN_CMPXCHG && in->size == 4) {
		if (in->memory || in->rm != INSN_RAX)
			keep_upper_half(INSN_RAX);
		if (!in->memory &&
		    (uint32_t)before.cpu.gpr[in->rm] != (uint32_t)before.cpu.gpr[INSN_RAX])
			keep_upper_half(in->rm);
	}
	with_devices += ours.answered > 0;
	if (result == EMULATE_FAULT && error != UC_ERR_OK) {
		faults++;
		return;
	}
	if (result != EMULATE_DONE || error != UC_ERR_OK || !same_result(in)) {
		show(mode, in);
		fail_msg("ours: %d (vector %u at %lx), theirs: %s", result, e.exception.vector,
		         e.exception.address, uc_strerror(error));
	}
	done[in->op]++;
}

TEST(instructions_do_what_qemu_does)
{
	unsigned int cases = getenv("FULL") ? 210000 : 30000;
	struct insn in;

	srand(20261121);
	for (unsigned int mode = 0; mode < ARRAY_LEN(code_sizes); mode++) {
		engine = start_engine(mode);
		for (unsigned int i = 0; i < cases / ARRAY_LEN(code_sizes);) {
			if (!make_case(mode, &in))
				continue;
			compare(mode, &in);
			i++;
		}
		uc_close(engine);
	}
	assert_true(with_devices > cases / 8);
	assert_true(faults < cases / 4);
	for (unsigned int op = INSN_NONE + 1; op < INSN_EXITS; op++) {
		if (op != INSN_SAL && op != INSN_MOVBE && done[op] < 5)
			fail_msg("operation %u came %u times", op, done[op]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(instructions_do_what_qemu_does),
	};

	return cmocka_run_group_tests_name("module-emulate-model", tests, NULL, NULL);
}
