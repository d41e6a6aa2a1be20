// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page tables of a guest (AMD64 Architecture Programmer's Manual volume 2, chapter 5).  Every mode
 * is the same loop over levels with other sizes; a row says which.  The tables are the guest's, may
 * point anywhere, and may change meanwhile: an entry is read once, and its accessed bits are set
 * only if it is still the same.
 */
#include "module/walk.h"

#define P             UINT64_C(1)
#define W             UINT64_C(2)
#define U             UINT64_C(4)
#define A             UINT64_C(0x20)
#define D             UINT64_C(0x40)
#define PS            UINT64_C(0x80)
#define NX            (UINT64_C(1) << 63)

#define CR0_WP        (UINT64_C(1) << 16)
#define CR0_PG        (UINT64_C(1) << 31)
#define CR4_PSE       (UINT64_C(1) << 4)
#define CR4_PAE       (UINT64_C(1) << 5)
#define CR4_LA57      (UINT64_C(1) << 12)
#define CR4_SMEP      (UINT64_C(1) << 20)
#define CR4_SMAP      (UINT64_C(1) << 21)
#define EFER_LMA      (UINT64_C(1) << 10)
#define EFER_NX       (UINT64_C(1) << 11)
#define ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)

/* How often a walk begins anew because another processor has changed an entry. */
#define TRIES 16u

struct mode {
	unsigned int levels;
	unsigned int entry;   /* bytes */
	unsigned int bits;    /* of the address, for each level but the highest */
	unsigned int top;     /* of the address, for the highest */
	unsigned int largest; /* the highest level that may be a page: 0 is the lowest */
};

static const struct mode mode_32 = { 2, 4, 10, 10, 1 };
static const struct mode mode_pae = { 3, 8, 9, 2, 1 };
static const struct mode mode_4 = { 4, 8, 9, 9, 2 };
static const struct mode mode_5 = { 5, 8, 9, 9, 2 };

static const struct mode *choose_mode(const struct walk *walk)
{
	if (walk->efer & EFER_LMA)
		return walk->cr4 & CR4_LA57 ? &mode_5 : &mode_4;
	return walk->cr4 & CR4_PAE ? &mode_pae : &mode_32;
}

static bool no_execute(const struct walk *walk)
{
	return (walk->cr4 & CR4_PAE) && (walk->efer & EFER_NX);
}

static uint32_t fault_code(const struct walk *walk, unsigned int access, uint32_t code)
{
	if (!no_execute(walk) && !(walk->cr4 & CR4_SMEP))
		access &= ~WALK_FETCH;
	return code | access;
}

/* Bits of an entry that must be 0. */
static uint64_t reserved_bits(const struct walk *walk, const struct mode *mode, unsigned int level,
                              uint64_t entry)
{
	uint64_t too_high = ~((UINT64_C(1) << walk->address_bits) - 1) & ENTRY_ADDRESS,
		 bits = too_high;
	bool large = level > 0 && (entry & PS);

	if (mode->entry == 4)
		/* PSE-36: bits 13 to 20 are address bits 32 to 39. */
		return large && (walk->cr4 & CR4_PSE) ? UINT64_C(1) << 21 : 0;
	if (!no_execute(walk))
		bits |= NX;
	if (mode == &mode_pae) {
		bits |= UINT64_C(0x7ff) << 52;
		/* Pointers have few attributes. */
		if (level == 2)
			return bits | NX | 0x1e6;
	}
	if (level > mode->largest)
		bits |= PS;
	else if (large)
		bits |= ((UINT64_C(1) << (9 * level)) - 1) << 12 & ~UINT64_C(0x1000);
	return bits;
}

/* May this access be made, given all rights along the way? */
static bool allowed(const struct walk *walk, uint64_t rights, unsigned int access)
{
	if ((access & WALK_FETCH) && (rights & NX) && no_execute(walk))
		return false;
	if (access & WALK_USER)
		return (rights & U) && (!(access & WALK_WRITE) || (rights & W));
	if ((rights & U) && (access & WALK_FETCH) && (walk->cr4 & CR4_SMEP))
		return false;
	if ((rights & U) && !(access & WALK_FETCH) && (walk->cr4 & CR4_SMAP) && !walk->smap_off)
		return false;
	return !(access & WALK_WRITE) || (rights & W) || !(walk->cr0 & CR0_WP);
}

static uint64_t page_address(const struct mode *mode, unsigned int level, uint64_t entry,
                             uint64_t linear)
{
	uint64_t inside = (UINT64_C(1) << (12 + mode->bits * level)) - 1;
	uint64_t base = entry & ENTRY_ADDRESS;

	if (mode->entry == 4) {
		base = entry & 0xfffff000u;
		if (level == 1)
			base = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
	}
	return (base & ~inside) | (linear & inside);
}

/* One walk: as walk_translate, or -EAGAIN. */
static int walk_once(const struct walk *walk, const struct mode *mode, uint64_t linear,
                     unsigned int access, uint64_t *ret_guest, uint32_t *ret_code)
{
	uint64_t table = walk->cr3 & (mode == &mode_pae  ? 0xffffffe0u
	                              : mode->entry == 4 ? 0xfffff000u
	                                                 : ENTRY_ADDRESS);
	uint64_t rights = W | U, entry = 0, at, wanted;
	unsigned int level = mode->levels;
	int error;

	do {
		unsigned int shift, bits;

		level--;
		shift = 12 + mode->bits * level;
		bits = level == mode->levels - 1 ? mode->top : mode->bits;
		at = table + (linear >> shift & ((UINT64_C(1) << bits) - 1)) * mode->entry;
		error = walk->read(walk->context, at, mode->entry, &entry);
		if (error)
			return error;
		if (!(entry & P)) {
			*ret_code = fault_code(walk, access, 0);
			return 1;
		}
		if (entry & reserved_bits(walk, mode, level, entry)) {
			*ret_code = fault_code(walk, access, WALK_PRESENT | WALK_RESERVED);
			return 1;
		}
		/* PAE's pointers give no rights. */
		if (!(mode == &mode_pae && level == 2))
			rights = (rights & entry & (W | U)) | ((rights | entry) & NX);
		if (level > 0 && level <= mode->largest && (entry & PS) &&
		    (mode->entry == 8 || (walk->cr4 & CR4_PSE)))
			break;
		if (level > 0 && !(mode == &mode_pae && level == 2) && !(entry & A)) {
			error = walk->set(walk->context, at, mode->entry, entry, entry | A);
			if (error)
				return error;
		}
		table = entry & (mode->entry == 4 ? 0xfffff000u : ENTRY_ADDRESS);
	} while (level > 0);

	if (!allowed(walk, rights, access)) {
		*ret_code = fault_code(walk, access, WALK_PRESENT);
		return 1;
	}
	wanted = entry | A | (access & WALK_WRITE ? D : 0);
	if (wanted != entry) {
		error = walk->set(walk->context, at, mode->entry, entry, wanted);
		if (error)
			return error;
	}
	*ret_guest = page_address(mode, level, entry, linear);
	return 0;
}

int walk_translate(const struct walk *walk, uint64_t linear, unsigned int access,
                   uint64_t *ret_guest, uint32_t *ret_code)
{
	const struct mode *mode = choose_mode(walk);
	unsigned int i;
	int result = -EAGAIN;

	if (!(walk->efer & EFER_LMA))
		linear &= 0xffffffffu;
	if (!(walk->cr0 & CR0_PG)) {
		*ret_guest = linear;
		return 0;
	}
	for (i = 0; i < TRIES && result == -EAGAIN; i++)
		result = walk_once(walk, mode, linear, access, ret_guest, ret_code);
	return result;
}
