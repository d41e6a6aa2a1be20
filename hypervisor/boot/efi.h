/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UEFI's memory map (UEFI 2.10 section 7.2.3), which the root gets beside the E820 map: it finds
 * the runtime services by it, and a place for itself.
 */
#ifndef HYPERVISOR_BOOT_EFI_H
#define HYPERVISOR_BOOT_EFI_H

#include "hypervisor/boot/boot-info.h"

enum { EFI_RESERVED = 0, EFI_LOADER_DATA = 2, EFI_BOOT_CODE = 3, EFI_BOOT_DATA = 4 };

struct efi_descriptor {
	uint32_t type, reserved;
	uint64_t base, virtual_base, pages, attributes;
} __attribute__((packed));
_Static_assert(sizeof(struct efi_descriptor) == 40, "as the specification has it");

/*
 * memory_map_find() clear of what belonged to boot services: it is usable, but the root still reads
 * tables there.  If there is no such place, any.
 */
bool efi_find(const struct phys *phys, const struct boot_efi *efi, const struct memory_map *map,
              const struct memory_wish *wish, uint64_t *ret_base);

/* A range that gets another type (its kind).  Whole pages; size 0: none. */
#define EFI_CLAIMS 2u

/* Bytes for a copy of the map in which EFI_CLAIMS ranges have got another type. */
uint32_t efi_map_room(const struct boot_efi *efi);

/* Writes that copy, splitting descriptors; returns its bytes, at most efi_map_room(). */
uint32_t efi_map_copy(const struct phys *phys, const struct boot_efi *efi,
                      const struct memory_range claims[static EFI_CLAIMS], uint8_t *to);

#endif
