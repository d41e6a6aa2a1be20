/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A computer for the emulator: a page of code, two pages of memory (any byte of which may be a
 * device's), ports, vector registers; and who answers for its devices.
 */
#ifndef TESTS_UNIT_EMULATE_WORLD_H
#define TESTS_UNIT_EMULATE_WORLD_H

#include <errno.h>

#include "base/bits.h"
#include "module/emulate.h"

#define WORLD_CODE  UINT64_C(0x1000)
#define WORLD_DATA  UINT64_C(0x4000)
#define WORLD_SIZE  0x2000u
#define WORLD_PAGE  0x1000u
#define WORLD_FAULT 0x8u /* a bit that translate() adds to the error code */

struct world {
	struct sill_vcpu cpu;
	uint64_t xcr0;
	uint8_t code[WORLD_PAGE], data[WORLD_SIZE], vector[16][32];
	bool device[2];       /* a page of data is a device's: the VMM answers */
	bool read_only[2];    /* in the page tables */
	bool ports_elsewhere; /* the VMM answers */
	bool slower;          /* the next exchange finds another value */
	uint32_t inputs;      /* what ports say next */
	uint32_t outputs;     /* a sum of what they were told */
	unsigned int reads, writes, exchanges, answered, translations;
};

static inline uint8_t *world_at(struct world *w, uint64_t physical, unsigned int size)
{
	if (physical >= WORLD_DATA && range_inside(physical - WORLD_DATA, size, WORLD_SIZE))
		return w->data + (physical - WORLD_DATA);
	if (physical >= WORLD_CODE && range_inside(physical - WORLD_CODE, size, WORLD_PAGE))
		return w->code + (physical - WORLD_CODE);
	return NULL;
}

static inline bool world_is_device(const struct world *w, uint64_t physical)
{
	return physical >= WORLD_DATA && w->device[(physical - WORLD_DATA) / WORLD_PAGE & 1];
}

static inline int world_translate(void *vcpu, uint64_t linear, unsigned int access,
                                  uint64_t *ret_physical, uint32_t *ret_code)
{
	struct world *w = vcpu;
	bool data = linear - WORLD_DATA < WORLD_SIZE, code = linear - WORLD_CODE < WORLD_PAGE;
	bool read_only = code || (data && w->read_only[(linear - WORLD_DATA) / WORLD_PAGE]);

	w->translations++;
	if ((!data && !code) || (access & WALK_WRITE && read_only)) {
		*ret_code = access | WORLD_FAULT;
		return 1;
	}
	*ret_physical = linear;
	return 0;
}

static inline int world_exchange(void *vcpu, uint64_t physical, const void *expected,
                                 const void *wanted, unsigned int size)
{
	struct world *w = vcpu;
	uint8_t *at = world_at(w, physical, size);

	if (!at)
		return -EFAULT;
	if (world_is_device(w, physical))
		return EMULATE_DEVICE;
	w->exchanges++;
	if (w->slower) {
		w->slower = false;
		at[0]++;
	}
	if (memcmp(at, expected, size) != 0)
		return EMULATE_AGAIN;
	memcpy(at, wanted, size);
	return 0;
}

static inline uint32_t world_input(struct world *w)
{
	w->inputs = w->inputs * 1664525 + 1013904223;
	return w->inputs;
}

static inline void world_output(struct world *w, uint16_t port, uint32_t value, unsigned int size)
{
	w->outputs = w->outputs * 31 + port * 7u + value + size;
}

/* Does an access that is not the VMM's. */
static inline void world_do(struct world *w, struct emulate_access *access)
{
	uint32_t value = 0;
	uint8_t *at;

	switch (access->kind) {
	case EMULATE_PORT_IN:
		value = world_input(w);
		memcpy(access->data, &value, access->size);
		break;
	case EMULATE_PORT_OUT:
		memcpy(&value, access->data, access->size);
		world_output(w, (uint16_t)access->address, value, access->size);
		break;
	default:
		at = world_at(w, access->address, access->size);
		if (access->kind == EMULATE_MEMORY_READ)
			memcpy(access->data, at, access->size);
		else
			memcpy(at, access->data, access->size);
	}
}

static inline int world_access(void *vcpu, struct emulate_access *access)
{
	struct world *w = vcpu;
	bool port = access->kind >= EMULATE_PORT_IN;

	if (!port && !world_at(w, access->address, access->size))
		return -EFAULT;
	if (port ? w->ports_elsewhere : world_is_device(w, access->address))
		return EMULATE_DEVICE;
	w->reads += access->kind == EMULATE_MEMORY_READ;
	w->writes += access->kind == EMULATE_MEMORY_WRITE;
	world_do(w, access);
	return 0;
}

static inline void world_vector_read(void *vcpu, unsigned int number, uint8_t *data,
                                     unsigned int size)
{
	memcpy(data, ((struct world *)vcpu)->vector[number], size);
}

static inline void world_vector_write(void *vcpu, unsigned int number, const uint8_t *data,
                                      unsigned int size, bool clear)
{
	uint8_t *to = ((struct world *)vcpu)->vector[number];

	memcpy(to, data, size);
	if (clear)
		memset(to + size, 0, 32 - size);
}

static const struct emulate_ops world_ops = {
	.translate = world_translate,
	.access = world_access,
	.exchange = world_exchange,
	.vector_read = world_vector_read,
	.vector_write = world_vector_write,
};

/* The VMM: does the access that is wanted. */
static inline void world_answer(struct world *w, struct emulate *e)
{
	w->answered++;
	world_do(w, &e->access);
	emulate_answer(e);
}

/* To the end of the instruction at RIP, whoever has to be asked.  Returns the last result. */
static inline int world_run(struct world *w, struct emulate *e, unsigned int iterations)
{
	int result;

	emulate_begin(e, &w->cpu, w->xcr0, &world_ops, w);
	while ((result = emulate_run(e, iterations)) == EMULATE_DEVICE || result == EMULATE_AGAIN) {
		if (result == EMULATE_DEVICE)
			world_answer(w, e);
	}
	return result;
}

/* Flat segments of `code_size` bytes, ring 0: 8 is long mode, 4 protected mode, 2 real mode. */
static inline void world_init(struct world *w, unsigned int code_size)
{
	uint16_t size = code_size == 8   ? EMULATE_SEGMENT_LONG
	                : code_size == 4 ? EMULATE_SEGMENT_BIG
	                                 : 0;

	memset(w, 0, sizeof(*w));
	for (unsigned int i = 0; i < 6; i++)
		w->cpu.segments[i] =
			(struct sill_segment){ .limit = UINT32_MAX, .attributes = 0x93 };
	if (code_size == 4)
		w->cpu.segments[INSN_SS].attributes |= EMULATE_SEGMENT_BIG;
	w->cpu.segments[INSN_CS].attributes = 0x9B | size;
	w->cpu.system.cr0 = code_size == 2 ? 0x10 : 0x80000011;
	w->cpu.system.cr4 = 0x40620;
	w->xcr0 = 7;
	w->cpu.system.efer = code_size == 8 ? 0x500 : 0;
	w->cpu.rip = WORLD_CODE;
	w->cpu.rflags = 2;
}

#endif
