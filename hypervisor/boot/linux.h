/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting the root kernel: the Linux boot protocol (the kernel's Documentation/arch/x86/boot.rst
 * and zero-page.rst), 32-bit entry.  First plan where everything goes, then put it there.
 */
#ifndef HYPERVISOR_BOOT_LINUX_H
#define HYPERVISOR_BOOT_LINUX_H

#include "hypervisor/boot/boot-info.h"

/* Physical places, none overlapping another, the modules or what must be avoided. */
struct linux_plan {
	uint64_t kernel;          /* the protected-mode code; also the 32-bit entry point */
	uint64_t code, code_size; /* where that code lies in the module, and its bytes */
	uint64_t init_size;       /* bytes the kernel wants from `kernel` on */
	uint64_t params;          /* the zero page; the command line follows it */
	uint64_t params_size;
	uint64_t efi_map; /* offset from `params` of UEFI's map */
	uint64_t e820;    /* the same of the ranges that the page has no room for */
	uint64_t initrd;  /* as loaded, or moved where the kernel reaches it */
};

/*
 * Checks the header (bzImage, protocol 2.12 or later, 64-bit, relocatable or its place is free,
 * command line not too long) and finds a place for everything below 4 GiB.  `map` is the map the
 * root will get, our own memory reserved in it.
 */
bool linux_plan(const struct phys *phys, const struct boot_info *info, const struct memory_map *map,
                struct linux_plan *ret, struct sentence *why);

/*
 * Copies and fills in: kernel, zero page (E820 map, screen, EFI, initrd, ACPI), command line, and
 * an EFI memory map in which `own` (our memory) is reserved.  Maps over 128 E820 ranges go on in a
 * SETUP_E820_EXT node.  Nothing fails after a plan.
 */
void linux_load(const struct phys *phys, const struct boot_info *info, const struct memory_map *map,
                const struct memory_range *own, const struct linux_plan *plan);

#endif
