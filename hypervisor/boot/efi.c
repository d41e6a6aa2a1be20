// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/boot/efi.h"

#include "base/bits.h"
#include "hypervisor/core/string.h"

#define EFI_PAGE 4096u

/* Also where it ends: at its base if its pages make no sense. */
static const struct efi_descriptor *
descriptor_at(const struct phys *phys, const struct boot_efi *efi, uint32_t at, uint64_t *ret_end)
{
	const struct efi_descriptor *descriptor =
		phys_window(phys, efi->map + at, efi->descriptor_size);
	uint64_t size;

	if (descriptor->base % EFI_PAGE != 0 ||
	    __builtin_mul_overflow(descriptor->pages, EFI_PAGE, &size) ||
	    __builtin_add_overflow(descriptor->base, size, ret_end))
		*ret_end = descriptor->base;
	return descriptor;
}

/*
 * Moves the wish on behind a piece of boot services memory that [base, base + size) touches; false:
 * there is none.
 */
static bool evade(const struct phys *phys, const struct boot_efi *efi, struct memory_wish *wish,
                  uint64_t base)
{
	for (uint32_t at = 0; at < efi->map_size; at += efi->descriptor_size) {
		uint64_t end;
		const struct efi_descriptor *descriptor = descriptor_at(phys, efi, at, &end);

		if ((descriptor->type != EFI_BOOT_CODE && descriptor->type != EFI_BOOT_DATA) ||
		    descriptor->base >= base + wish->size || end <= base)
			continue;
		if (wish->lowest)
			wish->floor = end;
		else
			wish->limit = descriptor->base;
		return true;
	}
	return false;
}

bool efi_find(const struct phys *phys, const struct boot_efi *efi, const struct memory_map *map,
              const struct memory_wish *wish, uint64_t *ret_base)
{
	struct memory_wish clear = *wish;

	/* Each turn leaves one descriptor behind for good. */
	while (memory_map_find(map, &clear, ret_base)) {
		if (!evade(phys, efi, &clear, *ret_base))
			return true;
	}
	return memory_map_find(map, wish, ret_base);
}

uint32_t efi_map_room(const struct boot_efi *efi)
{
	/* Each border of a claim may split a descriptor. */
	return efi->map_size + 2 * EFI_CLAIMS * efi->descriptor_size;
}

/* The type at an address, and where the next may begin. */
static uint32_t type_at(const struct memory_range *claims, uint64_t at, uint32_t type,
                        uint64_t *next)
{
	for (unsigned int i = 0; i < EFI_CLAIMS; i++) {
		if (claims[i].base > at)
			*next = min_u64(*next, claims[i].size ? claims[i].base : *next);
		else if (at - claims[i].base < claims[i].size) {
			*next = min_u64(*next, claims[i].base + claims[i].size);
			type = claims[i].kind;
		}
	}
	return type;
}

uint32_t efi_map_copy(const struct phys *phys, const struct boot_efi *efi,
                      const struct memory_range claims[static EFI_CLAIMS], uint8_t *to)
{
	uint32_t splits = 2 * EFI_CLAIMS;
	uint8_t *out = to;

	for (uint32_t i = 0; i < efi->map_size; i += efi->descriptor_size) {
		uint64_t end, next;
		const struct efi_descriptor *from = descriptor_at(phys, efi, i, &end);
		uint64_t at = from->base;

		do {
			struct efi_descriptor *piece = memcpy(out, from, efi->descriptor_size);

			next = end;
			piece->type = type_at(claims, at, from->type, &next);
			/* Only overlaps, which no good firmware has, use up the splits. */
			if (splits == 0)
				next = end;
			splits -= next < end;
			piece->base = at;
			if (end > at)
				piece->pages = (next - at) / EFI_PAGE;
			out += efi->descriptor_size;
			at = next;
		} while (at < end);
	}
	return (uint32_t)(out - to);
}
