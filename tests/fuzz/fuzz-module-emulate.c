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
	int result = answer(1);

	(void)vcpu;
	if (access & ~(WALK_WRITE | WALK_USER | WALK_FETCH))
		abort();
	*ret_physical = (linear & 0xFFF) | (uint64_t)next() << 12;
	*ret_code = next();
	return result;
}

static int do_access(void *vcpu, struct emulate_access *access)
{
	(void)vcpu;
	if (access->kind <= EMULATE_MEMORY_WRITE)
		check_piece(access->address, access->size,
		            access->kind == EMULATE_MEMORY_READ ? 15 : 8);
	else if (access->size != 1 && access->size != 2 && access->size != 4)
		abort();
	if (!emulate_writes(access))
		fill(access->data, access->size);
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

static const struct emulate_ops ops = { translate, do_access, exchange, vector_read, vector_write };

/* An iteration of a repeated instruction may have been done before. */
static void check_unchanged(const struct emulate *e, const struct sill_vcpu *before)
{
	if (e->insn.op >= INSN_MOVS && e->insn.op <= INSN_OUTS)
		return;
	if (memcmp(e->cpu, before, sizeof(*before)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sill_vcpu cpu = { 0 }, before;
	struct emulate e;
	uint64_t xcr0 = 0;
	int result;

	input = data;
	left = len;
	cpu.fetched = next() & 15;
	fill(cpu.bytes, cpu.fetched);
	fill(&cpu.system.cr0, 3);
	fill(&cpu.system.cr4, 3);
	fill(&cpu.system.efer, 2);
	fill(&xcr0, 1);
	fill(&cpu.rflags, 3);
	fill(&cpu.rip, 8);
	cpu.cpl = next() & 3;
	for (unsigned int i = 0; i < 6; i++)
		fill(&cpu.segments[i], sizeof(cpu.segments[i]));
	fill(&cpu.segments[SILL_TR], sizeof(cpu.segments[SILL_TR]));
	for (unsigned int i = 0; i < 16; i++)
		fill(&cpu.gpr[i], next() & 7);
	emulate_begin(&e, &cpu, xcr0, &ops, NULL);
	for (unsigned int i = 0; i < 64; i++) {
		before = cpu;
		result = emulate_run(&e, 1 + (next() & 3));
		if (memcmp(cpu.segments, before.segments, sizeof(cpu.segments)) != 0 ||
		    cpu.system.cr0 != before.system.cr0 || cpu.cpl != before.cpl)
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
