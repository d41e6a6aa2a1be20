/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two Multiboot protocols have in common.  Everything comes from the boot loader and is
 * checked here.
 */
#ifndef HYPERVISOR_BOOT_LOADER_H
#define HYPERVISOR_BOOT_LOADER_H

#include "hypervisor/boot/boot-info.h"

/* More than any loader gives; walks are bounded by it. */
#define LOADER_BYTES_MAX (1u << 20)

/* Copies a text that ends within `max` bytes.  `what` is for the sentence: "the command line". */
bool loader_text(const struct phys *phys, uint64_t at, uint64_t max, const char *what,
                 char to[static BOOT_TEXT_MAX], struct sentence *why);

/*
 * The next module: first the kernel, then the initrd.  `bytes`: where it begins and ends, four
 * each.  Its text is at `text`, at most `text_max` bytes; address 0: it has none.
 */
bool loader_module(const struct phys *phys, struct boot_info *info, const uint8_t *bytes,
                   uint64_t text, uint64_t text_max, struct sentence *why);

/* The framebuffer fields that both protocols have, in this order, at any address. */
struct loader_screen {
	uint64_t base;
	uint32_t pitch, width, height;
	uint8_t bits, type;
} __attribute__((packed));
_Static_assert(sizeof(struct loader_screen) == 22, "as both specifications have it");

/* `colours`: position and bits of red, green and blue.  A screen with a palette is none for us. */
bool loader_screen(struct boot_info *info, const struct loader_screen *screen,
                   const uint8_t colours[static 6], struct sentence *why);

/* 80 by 25 characters, as a PC's BIOS leaves its screen. */
extern const struct boot_screen loader_text_screen;

#endif
