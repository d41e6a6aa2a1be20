/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on the screen that the boot loader left us: VGA text, or pixels.  The screen is the
 * root's from screen_release() on; a panic takes it again.  The caller has the log's lock.
 */
#ifndef HYPERVISOR_CORE_SCREEN_H
#define HYPERVISOR_CORE_SCREEN_H

#include <stddef.h>
#include <stdint.h>

enum screen_kind { SCREEN_NONE, SCREEN_TEXT, SCREEN_PIXELS };

/* SCREEN_TEXT: width and height in characters, base is 0xB8000.  Colours: bit position and bits. */
struct boot_screen {
	enum screen_kind kind;
	uint64_t base;
	uint32_t pitch, width, height, bits; /* pitch in bytes */
	struct {
		uint8_t position, size;
	} red, green, blue;
};

/* Clears it.  A screen that cannot be written to (a palette, a pitch too small) is none. */
void screen_setup(const struct boot_screen *screen);

/* Text with lines that end in '\n'; what is too long goes on in the next one.  '\r' is nothing. */
void screen_write(const char *text, size_t length);

/* The root has it: nothing more is written. */
void screen_release(void);

/* Ours again, and empty. */
void screen_claim(void);

#endif
