// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An instruction of random bytes, on a processor in a random state, among callers that answer
 * anything at any time.  It ends; memory is asked for in pieces that lie in one page; and what is
 * not done changes no register.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "module/emulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is left of the input: the callers' answers. */
static const uint8_t *input;
static size_t left;

static uint8_t next(void)
{
	if (left == 0)
		return 0;
	left--;
	return *input++;
}

static void fill(void *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = next();
}

static int answer(int special)
{
	uint8_t byte = next();

	if (byte < 0xC0)
		return 0;
	return byte == 0xFF ? -EIO : special;
}

static void check_piece(uint64_t physical, unsigned int size, unsigned int most)
{
	if (size == 0 || size > most || (physical & 0xFFF) + size > 0x1000)
		abort();
}

static int translate(void *vcpu, uint64_t linear, unsigned int access, uint64_t *ret_physical,
                     uint32_t *ret_code)
{
	int result = answer(EMULATE_FAULT);

	(void)vcpu;
	if (access & ~(EMULATE_WRITE | EMULATE_USER | EMULATE_FETCH))
		abort();
	*ret_physical = (linear & 0xFFF) | (uint64_t)next() << 12;
	*ret_code = next();
	return result;
}

static int read_memory(void *vcpu, uint64_t physical, void *data, unsigned int size)
{
	int result = answer(EMULATE_DEVICE);

	(void)vcpu;
	check_piece(physical, size, 15);
	fill(data, size);
	return result;
}

static int write_memory(void *vcpu, uint64_t physical, const void *data, unsigned int size)
{
	(void)vcpu;
	(void)data;
	check_piece(physical, size, 8);
	return answer(EMULATE_DEVICE);
}

static int exchange(void *vcpu, uint64_t physical, const void *expected, const void *wanted,
                    unsigned int size)
{
	uint8_t a[16], b[16];

	(void)vcpu;
	check_piece(physical, size, 16);
	memcpy(a, expected, size);
	memcpy(b, wanted, size);
	return answer(next() & 1 ? EMULATE_AGAIN : EMULATE_DEVICE);
}

static int port_in(void *vcpu, uint16_t port, void *data, unsigned int size)
{
	(void)vcpu;
	(void)port;
	if (size != 1 && size != 2 && size != 4)
		abort();
	fill(data, size);
	return answer(EMULATE_DEVICE);
}

static int port_out(void *vcpu, uint16_t port, const void *data, unsigned int size)
{
	(void)data;
	return port_in(vcpu, port, (uint8_t[4]){ 0 }, size);
}

static void vector_read(void *vcpu, unsigned int number, uint8_t *data, unsigned int size)
{
	(void)vcpu;
	if (number > 15 || size > 32)
		abort();
	fill(data, size);
}

static void vector_write(void *vcpu, unsigned int number, const uint8_t *data, unsigned int size,
                         bool clear)
{
	uint8_t copy[32];

	(void)vcpu;
	(void)clear;
	if (number > 15 || size > 32)
		abort();
	memcpy(copy, data, size);
}

static const struct emulate_ops ops = { translate, read_memory, write_memory, exchange,
	                                port_in,   port_out,    vector_read,  vector_write };

/* An iteration of a repeated instruction may have been done before. */
static void check_unchanged(const struct emulate *e, const struct emulate_cpu *before)
{
	if (e->insn.op >= INSN_MOVS && e->insn.op <= INSN_OUTS)
		return;
	if (memcmp(e->cpu, before, sizeof(*before)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t bytes[INSN_MAX], count;
	struct emulate_cpu cpu = { 0 }, before;
	struct emulate e;
	int result;

	input = data;
	left = len;
	count = next() & 15;
	fill(bytes, count);
	fill(&cpu.cr0, 3);
	fill(&cpu.cr4, 3);
	fill(&cpu.efer, 2);
	fill(&cpu.xcr0, 1);
	fill(&cpu.rflags, 3);
	fill(&cpu.rip, 8);
	cpu.cpl = next() & 3;
	for (unsigned int i = 0; i < 6; i++)
		fill(&cpu.segment[i], sizeof(cpu.segment[i]));
	fill(&cpu.tr, sizeof(cpu.tr));
	for (unsigned int i = 0; i < 16; i++)
		fill(&cpu.gpr[i], next() & 7);
	emulate_begin(&e, &cpu, &ops, NULL, bytes, count);
	for (unsigned int i = 0; i < 64; i++) {
		before = cpu;
		result = emulate_run(&e, 1 + (next() & 3));
		if (memcmp(cpu.segment, before.segment, sizeof(cpu.segment)) != 0 ||
		    cpu.cr0 != before.cr0 || cpu.cpl != before.cpl)
			abort();
		if (result != EMULATE_DONE)
			check_unchanged(&e, &before);
		if (result == EMULATE_DEVICE) {
			if (e.access.kind <= EMULATE_MEMORY_WRITE)
				check_piece(e.access.address, e.access.size, 8);
			fill(e.access.data, sizeof(e.access.data));
			emulate_answer(&e);
		} else if (result != EMULATE_AGAIN) {
			break;
		}
	}
	return 0;
}
