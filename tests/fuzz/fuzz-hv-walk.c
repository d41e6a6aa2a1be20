// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest's registers, and all of its memory, which holds its page tables.
 */
#include <string.h>

#include "base/endian.h"
#include "hypervisor/core/guest.h"
#include "tests/unit/hv-memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BASE   0x1000u
#define HEADER 25u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct guest_state state;
	struct hv_memory memory;
	uint8_t bytes[INSTRUCTION_MAX];
	uint64_t physical = 1;
	unsigned int count;

	if (len <= HEADER)
		return 0;
	state = (struct guest_state){
		.cr0 = data[0] & 1 ? 0x80000001 : 1,
		.cr4 = (data[0] & 2 ? 0x10u : 0) | (data[0] & 4 ? 0x20u : 0) |
		       (data[0] & 8 ? 0x1000u : 0),
		.efer = data[0] & 16 ? 0x500 : 0,
		.code_64 = data[0] & 32,
		.code_32 = data[0] & 64,
		.cr3 = load_le64(data + 1),
		.rip = load_le64(data + 9),
		.cs_base = load_le64(data + 17),
	};
	memory = hv_memory_new(BASE, len - HEADER);
	memcpy(memory.bytes, data + HEADER, memory.size);
	if (guest_walk(&memory.phys, &state, state.rip, &physical) && physical >> 52)
		abort();
	count = guest_fetch(&memory.phys, &state, bytes);
	if (count > INSTRUCTION_MAX)
		abort();
	/* Each byte is memory's, where the walk alone finds it. */
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *at;

		if (!guest_walk(&memory.phys, &state, state.cs_base + state.rip + i, &physical))
			abort();
		at = phys_window(&memory.phys, physical, 1);
		if (!at || *at != bytes[i])
			abort();
	}
	free(memory.bytes);
	return 0;
}
