// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest's registers, and all of its memory, which holds its page tables and changes while they
 * are walked.
 */
#include <stdlib.h>

#include "base/endian.h"
#include "module/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEADER 28u

/* Bits that a walk may set. */
#define ACCESSED UINT64_C(0x20)
#define DIRTY    UINT64_C(0x40)

struct memory {
	uint8_t *bytes;
	size_t size;
	uint8_t interferences; /* entries that somebody else has changed just now */
	unsigned int steps;
};

static int read_entry(void *context, uint64_t guest, unsigned int size, uint64_t *ret)
{
	struct memory *memory = context;

	/* Five levels, sixteen times. */
	if (++memory->steps > 200 || (size != 4 && size != 8) || guest % size != 0)
		abort();
	*ret = 0;
	if (memory->size < size || guest > memory->size - size)
		return -EFAULT;
	memcpy(ret, memory->bytes + guest, size);
	return 0;
}

static int set_entry(void *context, uint64_t guest, unsigned int size, uint64_t old, uint64_t new)
{
	struct memory *memory = context;

	/* Only where it has read, and only those bits. */
	if (guest > memory->size - size || (old ^ new) & ~(ACCESSED | DIRTY) || (old & ~new))
		abort();
	if (memory->interferences > 0) {
		memory->interferences--;
		memory->bytes[guest] ^= 0x40;
		return -EAGAIN;
	}
	if (memcmp(memory->bytes + guest, &old, size) != 0)
		return -EAGAIN;
	memcpy(memory->bytes + guest, &new, size);
	return 0;
}

static struct walk registers(const uint8_t *data, struct memory *memory)
{
	return (struct walk){
		.cr0 = 1 | (data[0] & 1 ? 0x80000000u : 0) | (data[0] & 2 ? 0x10000 : 0),
		.cr4 = (data[0] & 4 ? 0x10u : 0) | (data[0] & 8 ? 0x20u : 0) |
		       (data[0] & 16 ? 0x1000u : 0) | (data[0] & 32 ? 0x100000u : 0) |
		       (data[0] & 64 ? 0x200000u : 0),
		/* There is no long mode without paging. */
		.efer = ((data[0] & data[1] & 1) ? 0x400u : 0) | (data[1] & 2 ? 0x800u : 0),
		.smap_off = data[1] & 4,
		.address_bits = 32 + data[2] % 21,
		.cr3 = load_le64(data + 4),
		.context = memory,
		.read = read_entry,
		.set = set_entry,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct memory memory;
	struct walk walk;
	uint64_t linear, guest = 0;
	uint32_t code = 0;
	int result;

	if (len <= HEADER)
		return 0;
	memory = (struct memory){ malloc(len - HEADER), len - HEADER, data[3] & 31, 0 };
	if (!memory.bytes)
		abort();
	memcpy(memory.bytes, data + HEADER, memory.size);
	walk = registers(data, &memory);
	linear = load_le64(data + 12);
	result = walk_translate(&walk, linear, data[20] & (WALK_WRITE | WALK_USER | WALK_FETCH),
	                        &guest, &code);
	if (result == 0 && (guest >> 52 || (guest ^ linear) % 4096))
		abort();
	if (result == 1 && (code & ~31u || (code & WALK_RESERVED && !(code & WALK_PRESENT))))
		abort();
	if (result != 0 && result != 1 && result != -EFAULT && result != -EAGAIN)
		abort();
	/*
	 * What was allowed once is again, and leads to the same place, when nobody interferes.  (In
	 * PAE's pointers, which may be pages' entries too, the bits that a walk sets are reserved.)
	 */
	if (result == 0 && memory.interferences == 0 &&
	    (!(walk.cr4 & 0x20) || (walk.efer & 0x400))) {
		uint64_t again = 0;

		memory.steps = 0;
		if (walk_translate(&walk, linear, data[20] & (WALK_WRITE | WALK_USER | WALK_FETCH),
		                   &again, &code) != 0 ||
		    again != guest)
			abort();
	}
	free(memory.bytes);
	return 0;
}
