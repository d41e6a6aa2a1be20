// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the screen shows is kept as text, so that video memory, which is slow to read, is never
 * read: to scroll is to draw those cells that change.  Larger screens are used as far as the text
 * goes.
 */
#include "hypervisor/core/screen.h"

#include <stdbool.h>

#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/core/font.h"
#include "hypervisor/core/layout.h"
#include "hypervisor/core/string.h"

#define COLUMNS_MAX    160u
#define ROWS_MAX       64u
#define TEXT_GREY      0x0700 /* attribute byte of VGA text: grey on black */
#define GREY_NUMERATOR 3u     /* the same of each colour's range: 3/4 */

static struct {
	bool usable, released;
	enum screen_kind kind;
	uint8_t *base;
	uint32_t pitch, pixel_bytes, grey;
	uint32_t columns, rows, column, row;
	char text[ROWS_MAX][COLUMNS_MAX];
} screen;

static void draw_glyph(uint8_t *at, const uint8_t *glyph)
{
	for (uint32_t y = 0; y < FONT_HEIGHT; y++, at += screen.pitch) {
		uint8_t *pixel = at;

		for (uint32_t x = 0; x < FONT_WIDTH; x++, pixel += screen.pixel_bytes) {
			uint32_t colour = glyph[y] & 0x80 >> x ? screen.grey : 0;

			if (screen.pixel_bytes == 4) {
				store_le32(pixel, colour);
				continue;
			}
			store_le16(pixel, (uint16_t)colour);
			if (screen.pixel_bytes == 3)
				pixel[2] = (uint8_t)(colour >> 16);
		}
	}
}

static void draw(uint32_t row, uint32_t column)
{
	char c = screen.text[row][column];

	if (screen.kind == SCREEN_TEXT)
		store_le16(screen.base + (uint64_t)row * screen.pitch + column * 2,
		           (uint16_t)(TEXT_GREY | c));
	else
		draw_glyph(screen.base + (uint64_t)row * FONT_HEIGHT * screen.pitch +
		                   (uint64_t)column * FONT_WIDTH * screen.pixel_bytes,
		           font[c - FONT_FIRST]);
}

static void put(uint32_t row, uint32_t column, char c)
{
	if (screen.text[row][column] != c) {
		screen.text[row][column] = c;
		draw(row, column);
	}
}

static void next_line(void)
{
	screen.column = 0;
	if (++screen.row < screen.rows)
		return;
	screen.row = screen.rows - 1;
	for (uint32_t row = 0; row < screen.rows; row++) {
		for (uint32_t column = 0; column < screen.columns; column++)
			put(row, column, row < screen.row ? screen.text[row + 1][column] : ' ');
	}
}

static void clear(void)
{
	memset(screen.text, 0, sizeof(screen.text));
	for (uint32_t row = 0; row < screen.rows; row++) {
		for (uint32_t column = 0; column < screen.columns; column++)
			put(row, column, ' ');
	}
	screen.row = screen.column = 0;
}

static bool colour_of(uint8_t position, uint8_t size, uint32_t bits)
{
	if (size == 0 || size > 16 || position + size > bits)
		return false;
	screen.grey |= ((1u << size) - 1) * GREY_NUMERATOR / 4 << position;
	return true;
}

static bool take(const struct boot_screen *from)
{
	uint32_t wide = FONT_WIDTH, high = FONT_HEIGHT;

	if (from->kind == SCREEN_TEXT) {
		screen.pixel_bytes = 2;
		wide = high = 1;
	} else if (from->kind == SCREEN_PIXELS) {
		screen.pixel_bytes = (from->bits + 7) / 8;
		if (from->bits < 15 || from->bits > 32 ||
		    !colour_of(from->red.position, from->red.size, from->bits) ||
		    !colour_of(from->green.position, from->green.size, from->bits) ||
		    !colour_of(from->blue.position, from->blue.size, from->bits))
			return false;
	} else {
		return false;
	}
	screen.kind = from->kind;
	screen.base = (uint8_t *)(DIRECT_BASE + from->base);
	screen.pitch = from->pitch;
	screen.columns = (uint32_t)min_u64(from->width / wide, COLUMNS_MAX);
	screen.rows = (uint32_t)min_u64(from->height / high, ROWS_MAX);
	return screen.columns > 0 && screen.rows > 0 &&
	       screen.pitch / screen.pixel_bytes >= from->width;
}

void screen_setup(const struct boot_screen *from)
{
	memset(&screen, 0, sizeof(screen));
	screen.usable = take(from);
	screen_claim();
}

void screen_write(const char *text, size_t length)
{
	if (!screen.usable || screen.released)
		return;
	for (size_t i = 0; i < length; i++) {
		bool known = text[i] >= FONT_FIRST && text[i] <= FONT_LAST;

		if (text[i] == '\n') {
			next_line();
		} else if (text[i] != '\r') {
			if (screen.column == screen.columns)
				next_line();
			put(screen.row, screen.column++, known ? text[i] : '?');
		}
	}
}

void screen_release(void)
{
	screen.released = true;
}

void screen_claim(void)
{
	screen.released = false;
	if (screen.usable)
		clear();
}
