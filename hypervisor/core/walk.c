// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's own page tables (AMD64 Architecture Programmer's Manual volume 2, chapter 5), read as
 * the processor would to fetch.  It has fetched already: so permissions, reserved bits and accessed
 * bits are no concern here, only where the bytes are.  The tables are the guest's and may point
 * anywhere: what `phys` does not have ends the walk.
 */
#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/core/guest.h"
#include "hypervisor/core/x86.h"

/* Two levels of 1024 entries of 4 bytes. */
static bool walk_32(const struct phys *phys, const struct guest_state *state, uint32_t linear,
                    uint64_t *ret_physical)
{
	uint64_t table = state->cr3 & 0xFFFFF000u;
	const void *at = phys_window(phys, table + (linear >> 22) * 4, 4);
	uint32_t entry;

	if (!at)
		return false;
	entry = load_le32(at);
	if (!(entry & PTE_P))
		return false;
	if (entry & PTE_PS && state->cr4 & CR4_PSE) {
		/* PSE-36: bits 13 to 20 are bits 32 to 39 of the address. */
		*ret_physical = (uint64_t)(entry >> 13 & 0xFF) << 32 | (entry & 0xFFC00000u) |
		                (linear & 0x3FFFFF);
		return true;
	}
	at = phys_window(phys, (entry & 0xFFFFF000u) + (linear >> 12 & 0x3FF) * 4, 4);
	if (!at)
		return false;
	entry = load_le32(at);
	if (!(entry & PTE_P))
		return false;
	*ret_physical = (entry & 0xFFFFF000u) | (linear & 0xFFF);
	return true;
}

/* `level` tables of 512 entries of 8 bytes; of the third one under PAE there are 4. */
static bool walk_64(const struct phys *phys, uint64_t table, unsigned int level, unsigned int large,
                    uint64_t linear, uint64_t *ret_physical)
{
	for (; level > 0; level--) {
		unsigned int shift = 3 + 9 * level;
		const void *at = phys_window(phys, table + (linear >> shift & 0x1FF) * 8, 8);
		uint64_t entry;

		if (!at)
			return false;
		entry = load_le64(at);
		if (!(entry & PTE_P))
			return false;
		table = entry & PTE_ADDRESS;
		if (level == 1 || entry & PTE_PS) {
			uint64_t inside = (UINT64_C(1) << shift) - 1;

			*ret_physical = (table & ~inside) | (linear & inside);
			return level <= large;
		}
	}
	return false;
}

bool guest_walk(const struct phys *phys, const struct guest_state *state, uint64_t linear,
                uint64_t *ret_physical)
{
	unsigned int levels = state->cr4 & CR4_LA57 ? 5 : 4, unused = 64 - (12 + 9 * levels);
	uint64_t physical;
	bool found;

	if (!state->code_64)
		linear &= 0xFFFFFFFF;
	if (!(state->cr0 & CR0_PG)) {
		*ret_physical = (uint32_t)linear;
		return true;
	}
	if (state->efer & EFER_LMA) {
		/* Canonical: bits that index no table repeat the highest one that does. */
		if ((uint64_t)((int64_t)(linear << unused) >> unused) != linear)
			return false;
		found = walk_64(phys, state->cr3 & PTE_ADDRESS, levels, 3, linear, &physical);
	} else if (state->cr4 & CR4_PAE) {
		found = walk_64(phys, state->cr3 & 0xFFFFFFE0, 3, 2, linear, &physical);
	} else {
		found = walk_32(phys, state, (uint32_t)linear, &physical);
	}
	if (found)
		*ret_physical = physical;
	return found;
}

unsigned int guest_fetch(const struct phys *phys, const struct guest_state *state,
                         uint8_t bytes[static INSTRUCTION_MAX])
{
	uint64_t linear = state->cs_base + state->rip, physical;
	unsigned int count = 0;

	while (count < INSTRUCTION_MAX) {
		uint64_t room = PAGE_SIZE - (linear + count) % PAGE_SIZE;
		unsigned int n = (unsigned int)min_u64(INSTRUCTION_MAX - count, room);
		const uint8_t *at;

		if (!guest_walk(phys, state, linear + count, &physical))
			break;
		at = phys_window(phys, physical, n);
		if (!at)
			break;
		while (n-- > 0)
			bytes[count++] = *at++;
	}
	return count;
}
