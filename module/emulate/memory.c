// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From an operand to guest-physical memory or a port, with every check on the way (AMD64
 * Architecture Programmer's Manual volume 2, chapters 1, 4 and 8), and the log of what was done.
 * An operand is located whole before any of it is read or written, so that a fault of its second
 * page finds its first one untouched.
 */
#include "module/emulate/internal.h"

#define CR0_PE   0x00000001ull
#define CR0_AM   0x00040000ull
#define CR4_LA57 0x00001000ull
#define EFER_LMA 0x00000400ull
#define PAGE     4096u

bool emulate_protected(const struct sill_vcpu *cpu)
{
	return cpu->system.cr0 & CR0_PE && !(cpu->rflags & FLAG_VM);
}

static bool long_mode(const struct sill_vcpu *cpu)
{
	return cpu->system.efer & EFER_LMA;
}

bool emulate_code_64(const struct sill_vcpu *cpu)
{
	return long_mode(cpu) && cpu->segments[INSN_CS].attributes & EMULATE_SEGMENT_LONG;
}

int emulate_raise(struct emulate *e, uint8_t vector, uint32_t code)
{
	e->exception = (struct emulate_exception){ .vector = vector };
	/* In real mode nothing pushes an error code. */
	if (vector >= 10 && vector <= 17 && vector != 16 && e->cpu->system.cr0 & CR0_PE) {
		e->exception.has_code = true;
		e->exception.code = code;
	}
	return EMULATE_FAULT;
}

static bool canonical(const struct sill_vcpu *cpu, uint64_t linear)
{
	unsigned int bits = cpu->system.cr4 & CR4_LA57 ? 57 : 48;
	int64_t top = (int64_t)linear >> (bits - 1);

	return top == 0 || top == -1;
}

/* Type and limit of a segment outside 64-bit code. */
static bool segment_allows(const struct sill_vcpu *cpu, const struct sill_segment *segment,
                           uint64_t offset, unsigned int size, unsigned int access)
{
	unsigned int attributes = segment->attributes;
	uint64_t last = offset + size - 1;
	bool code = attributes & EMULATE_SEGMENT_CODE;
	bool writable = attributes & EMULATE_SEGMENT_WRITE && !code;
	bool readable = attributes & EMULATE_SEGMENT_WRITE || !code;

	/* In real and virtual 8086 mode only the limit counts. */
	if (emulate_protected(cpu)) {
		if (!(attributes & EMULATE_SEGMENT_PRESENT) ||
		    !(access & WALK_WRITE ? writable : readable))
			return false;
		if (!code && attributes & EMULATE_SEGMENT_DOWN)
			return offset > segment->limit &&
			       last <= (attributes & EMULATE_SEGMENT_BIG ? 0xFFFFFFFF : 0xFFFF);
	}
	return last <= segment->limit;
}

uint64_t emulate_linear(const struct emulate *e, unsigned int segment, uint64_t offset)
{
	const struct sill_segment *s = &e->cpu->segments[segment];

	if (!emulate_code_64(e->cpu))
		return (uint32_t)(s->base + offset);
	return segment >= INSN_FS ? s->base + offset : offset;
}

static int translate(struct emulate *e, uint64_t linear, unsigned int access,
                     uint64_t *ret_physical)
{
	struct emulate_exception fault = { .vector = VECTOR_PF,
		                           .has_code = true,
		                           .address = linear };
	int result = e->ops->translate(e->vcpu, linear, access, ret_physical, &fault.code);

	if (result != 1)
		return result;
	e->exception = fault;
	return EMULATE_FAULT;
}

static int locate_linear(struct emulate *e, uint64_t linear, unsigned int size, unsigned int access,
                         struct place *ret)
{
	unsigned int room = PAGE - (linear & (PAGE - 1));
	uint64_t next = linear + room;
	int result;

	ret->size[0] = (uint8_t)(size < room ? size : room);
	ret->size[1] = (uint8_t)(size - ret->size[0]);
	result = translate(e, linear, access, &ret->physical[0]);
	if (result || ret->size[1] == 0)
		return result;
	return translate(e, long_mode(e->cpu) ? next : (uint32_t)next, access, &ret->physical[1]);
}

int emulate_locate(struct emulate *e, unsigned int segment, uint64_t offset, unsigned int size,
                   unsigned int access, struct place *ret)
{
	const struct sill_vcpu *cpu = e->cpu;
	uint64_t linear = emulate_linear(e, segment, offset);
	bool allowed;

	if (emulate_code_64(cpu))
		allowed = canonical(cpu, linear) && canonical(cpu, linear + size - 1);
	else
		allowed = segment_allows(cpu, &cpu->segments[segment], offset, size, access);
	if (!allowed)
		return emulate_raise(e, segment == INSN_SS ? VECTOR_SS : VECTOR_GP, 0);
	if (cpu->cpl == 3) {
		access |= WALK_USER;
		if (cpu->system.cr0 & CR0_AM && cpu->rflags & FLAG_AC && size <= 8 &&
		    linear & (size - 1))
			return emulate_raise(e, VECTOR_AC, 0);
	}
	return locate_linear(e, linear, size, access, ret);
}

int emulate_access(struct emulate *e, enum emulate_kind kind, uint64_t address, void *data,
                   unsigned int size)
{
	struct emulate_access *entry = &e->log[e->at];
	int result;

	if (e->at >= e->logged || entry->kind != kind || entry->address != address ||
	    entry->size != size) {
		/* Or another processor has changed the way there, and it is another instruction. */
		e->logged = e->at;
		if (e->at == EMULATE_LOG)
			return EMULATE_UNKNOWN;
		*entry = (struct emulate_access){ .address = address,
			                          .kind = (uint8_t)kind,
			                          .size = (uint8_t)size };
		if (emulate_writes(entry))
			memcpy(entry->data, data, size);
		result = e->ops->access(e->vcpu, entry);
		if (result == EMULATE_DEVICE)
			e->access = *entry;
		if (result)
			return result;
		e->logged++;
	}
	if (!emulate_writes(entry))
		memcpy(data, entry->data, size);
	e->at++;
	return 0;
}

void emulate_answer(struct emulate *e)
{
	if (e->logged < EMULATE_LOG)
		e->log[e->logged++] = e->access;
}

/* In pieces of at most 8 bytes, none of which is in two pages. */
static int transfer(struct emulate *e, enum emulate_kind kind, const struct place *place,
                    uint8_t *data)
{
	for (unsigned int part = 0; part < 2; part++) {
		for (unsigned int done = 0, piece; done < place->size[part]; done += piece) {
			int result;

			piece = place->size[part] - done;
			if (piece > 8)
				piece = 8;
			result = emulate_access(e, kind, place->physical[part] + done, data, piece);
			if (result)
				return result;
			data += piece;
		}
	}
	return 0;
}

int emulate_read(struct emulate *e, const struct place *place, void *data)
{
	return transfer(e, EMULATE_MEMORY_READ, place, data);
}

int emulate_write(struct emulate *e, const struct place *place, const void *data)
{
	uint8_t copy[32];

	memcpy(copy, data, place->size[0] + place->size[1]);
	return transfer(e, EMULATE_MEMORY_WRITE, place, copy);
}

int emulate_exchange(struct emulate *e, const struct place *place, const void *expected,
                     const void *wanted)
{
	int result = EMULATE_DEVICE;

	/* With more in the log, the write has begun as one to a device. */
	if (place->size[1] == 0 && e->at == e->logged)
		result = e->ops->exchange(e->vcpu, place->physical[0], expected, wanted,
		                          place->size[0]);
	return result == EMULATE_DEVICE ? emulate_write(e, place, wanted) : result;
}

/* Two bytes of the task state segment, by no program's rights. */
static int read_task_state(struct emulate *e, uint32_t offset, uint16_t *ret)
{
	const struct sill_segment *tr = &e->cpu->segments[SILL_TR];
	uint64_t linear = tr->base + offset;
	struct place place;
	int result;

	/* 32-bit or 64-bit, available or busy. */
	if (!(tr->attributes & EMULATE_SEGMENT_PRESENT) ||
	    (tr->attributes & EMULATE_SEGMENT_TYPE & ~2) != 9 || offset + 1 > tr->limit)
		return emulate_raise(e, VECTOR_GP, 0);
	result = locate_linear(e, long_mode(e->cpu) ? linear : (uint32_t)linear, sizeof(*ret), 0,
	                       &place);
	return result ? result : emulate_read(e, &place, ret);
}

int emulate_port_check(struct emulate *e, uint16_t port, unsigned int size)
{
	const struct sill_vcpu *cpu = e->cpu;
	uint16_t map = 0, bits = 0;
	int result;

	if (!(cpu->system.cr0 & CR0_PE) ||
	    (!(cpu->rflags & FLAG_VM) && cpu->cpl <= (cpu->rflags >> 12 & 3)))
		return 0;
	/* The bit map's place is at byte 66h; volume 2, section 12.2.4. */
	result = read_task_state(e, 0x66, &map);
	if (!result)
		result = read_task_state(e, (uint32_t)map + port / 8, &bits);
	if (result)
		return result;
	return bits >> (port & 7) & ((1u << size) - 1) ? emulate_raise(e, VECTOR_GP, 0) : 0;
}

/* Bytes from where the known ones end to the end of that page. */
static int fetch(struct emulate *e)
{
	const struct sill_vcpu *cpu = e->cpu;
	const struct sill_segment *cs = &cpu->segments[INSN_CS];
	uint64_t offset = cpu->rip + e->count, linear;
	struct emulate_access access = { .kind = EMULATE_MEMORY_READ };
	unsigned int size = INSN_MAX - e->count, room;
	int result;

	if (!emulate_code_64(cpu)) {
		offset = (uint32_t)offset;
		if (offset > cs->limit)
			return emulate_raise(e, VECTOR_GP, 0);
		if (size > cs->limit - offset)
			size = (unsigned int)(cs->limit - offset) + 1;
	}
	linear = emulate_linear(e, INSN_CS, offset);
	if (emulate_code_64(cpu) && !canonical(cpu, linear))
		return emulate_raise(e, VECTOR_GP, 0);
	room = PAGE - (linear & (PAGE - 1));
	if (size > room)
		size = room;
	access.size = (uint8_t)size;
	result =
		translate(e, linear, WALK_FETCH | (cpu->cpl == 3 ? WALK_USER : 0), &access.address);
	if (!result)
		result = e->ops->access(e->vcpu, &access);
	if (!result) {
		memcpy(e->bytes + e->count, access.data, size);
		e->count = (uint8_t)(e->count + size);
	}
	/* Code in a device's memory. */
	return result == EMULATE_DEVICE ? EMULATE_UNKNOWN : result;
}

int emulate_decode(struct emulate *e)
{
	const struct sill_segment *cs = &e->cpu->segments[INSN_CS];
	unsigned int code_size = 2;
	int result;

	if (emulate_code_64(e->cpu))
		code_size = 8;
	else if (cs->attributes & EMULATE_SEGMENT_BIG)
		code_size = 4;
	while (!e->decoded) {
		switch (insn_decode(e->bytes, e->count, code_size, &e->insn)) {
		case INSN_OK:
			e->decoded = true;
			break;
		case INSN_SHORT:
			result = fetch(e);
			if (result)
				return result;
			break;
		case INSN_TOO_LONG:
			return emulate_raise(e, VECTOR_GP, 0);
		case INSN_UNDEFINED:
			return emulate_raise(e, VECTOR_UD, 0);
		default:
			return EMULATE_UNKNOWN;
		}
	}
	return 0;
}

void emulate_begin(struct emulate *e, struct sill_vcpu *cpu, uint64_t xcr0,
                   const struct emulate_ops *ops, void *vcpu)
{
	e->cpu = cpu;
	e->xcr0 = xcr0;
	e->ops = ops;
	e->vcpu = vcpu;
	e->decoded = false;
	e->logged = e->at = 0;
	e->count = cpu->fetched < INSN_MAX ? cpu->fetched : INSN_MAX;
	memcpy(e->bytes, cpu->bytes, INSN_MAX);
	e->insn = (struct insn){ 0 };
	e->exception = (struct emulate_exception){ 0 };
}
