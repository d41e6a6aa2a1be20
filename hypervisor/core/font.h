/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Glyphs of 8 x 16 pixels: a byte a row, the leftmost pixel in its highest bit.
 */
#ifndef HYPERVISOR_CORE_FONT_H
#define HYPERVISOR_CORE_FONT_H

#include <stdint.h>

#define FONT_FIRST  ' '
#define FONT_LAST   '~'
#define FONT_WIDTH  8u
#define FONT_HEIGHT 16u

extern const uint8_t font[FONT_LAST - FONT_FIRST + 1][FONT_HEIGHT];

#endif
