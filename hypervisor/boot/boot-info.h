/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the boot loader told us, whatever protocol it spoke.  Filled once at the start, copied out
 * of the loader's memory, which may be overwritten afterwards.
 */
#ifndef HYPERVISOR_BOOT_BOOT_INFO_H
#define HYPERVISOR_BOOT_BOOT_INFO_H

#include "hypervisor/core/memory-map.h"
#include "hypervisor/core/phys.h"
#include "hypervisor/core/screen.h"

#define BOOT_TEXT_MAX 2048

/* size 0: there is none. */
struct boot_module {
	uint64_t base, size;
	char text[BOOT_TEXT_MAX]; /* the kernel's command line; of no use for the initrd */
};

/*
 * All 0: not started by UEFI.  The map is the boot loader's copy, after it left boot services;
 * whole descriptors.
 */
struct boot_efi {
	uint64_t system_table, map;
	uint32_t map_size, descriptor_size, descriptor_version;
};

struct boot_info {
	char command_line[BOOT_TEXT_MAX];
	struct memory_map map;
	struct boot_module kernel, initrd;
	struct boot_screen screen;
	struct boot_efi efi;
	uint64_t rsdp; /* ACPI's root pointer or the loader's copy of it; 0: search */
};

#define MULTIBOOT1_MAGIC 0x2BADB002u
#define MULTIBOOT2_MAGIC 0x36D76289u

/*
 * Multiboot 0.6.96 section 3.3 (what QEMU's -kernel speaks), and Multiboot2 2.0 section 3.6: the
 * information structure at physical address `at`.  A missing memory map, a text too long, a third
 * module or a structure that points outside memory is an error.  Without a kernel module both
 * succeed; the caller decides.
 */
bool multiboot1_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why);
bool multiboot2_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why);

#endif
