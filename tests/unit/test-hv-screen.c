// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/core/font.h"
#include "hypervisor/core/layout.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/screen.h"
#include "hypervisor/core/serial.h"

void serial_setup(uint16_t port)
{
	(void)port;
}

void serial_write(uint16_t port, const char *text, size_t length)
{
	(void)port;
	(void)text;
	(void)length;
}

/* Video memory of its exact size, full of what the boot loader left. */
static uint8_t *video;
static size_t video_size;
static struct boot_screen boot;

static void begin(size_t size)
{
	free(video);
	video_size = size;
	video = malloc(size);
	memset(video, 0xEE, size);
	/* The screen looks for it in the map of all physical memory. */
	boot.base = (uintptr_t)video - DIRECT_BASE;
	screen_setup(&boot);
}

static void begin_text(uint32_t width, uint32_t height)
{
	boot = (struct boot_screen){
		.kind = SCREEN_TEXT, .pitch = width * 2, .width = width, .height = height
	};
	begin((size_t)width * height * 2);
}

static void begin_pixels(uint32_t width, uint32_t height, uint32_t bits, uint32_t slack)
{
	boot = (struct boot_screen){ .kind = SCREEN_PIXELS,
		                     .pitch = width * ((bits + 7) / 8) + slack,
		                     .width = width,
		                     .height = height,
		                     .bits = bits };
	if (bits == 15 || bits == 16) {
		boot.red.position = bits == 16 ? 11 : 10, boot.red.size = 5;
		boot.green.position = 5, boot.green.size = bits == 16 ? 6 : 5;
		boot.blue.position = 0, boot.blue.size = 5;
	} else {
		boot.red.position = 16, boot.green.position = 8, boot.blue.position = 0;
		boot.red.size = boot.green.size = boot.blue.size = 8;
	}
	begin((size_t)boot.pitch * height);
}

static void print(const char *text)
{
	screen_write(text, strlen(text));
}

/* Row `row` of the text screen says this, blanks after it. */
static void assert_row(uint32_t row, const char *text)
{
	for (uint32_t x = 0; x < boot.width; x++) {
		const uint8_t *cell = video + (row * boot.width + x) * 2;

		assert_int_equal(cell[0], x < strlen(text) ? text[x] : ' ');
		assert_int_equal(cell[1], 7);
	}
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
	uint32_t bytes = (boot.bits + 7) / 8;
	const uint8_t *at = video + y * boot.pitch + x * bytes;

	return at[0] | at[1] << 8 | (bytes > 2 ? at[2] << 16 : 0) |
	       (bytes > 3 ? (uint32_t)at[3] << 24 : 0);
}

/* The cell shows the character in that colour on black. */
static void assert_cell(uint32_t column, uint32_t row, char c, uint32_t colour)
{
	for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
		for (uint32_t x = 0; x < FONT_WIDTH; x++) {
			bool lit = font[c - FONT_FIRST][y] >> (7 - x) & 1;

			assert_int_equal(pixel(column * FONT_WIDTH + x, row * FONT_HEIGHT + y),
			                 lit ? colour : 0);
		}
	}
}

TEST(text_stands_on_a_vga_screen_from_the_top)
{
	begin_text(80, 25);
	print("sill: one\r\nsill: two\r\n");
	assert_row(0, "sill: one");
	assert_row(1, "sill: two");
	for (uint32_t row = 2; row < 25; row++)
		assert_row(row, "");
}

TEST(a_full_screen_scrolls_and_keeps_the_newest)
{
	char line[32];

	begin_text(80, 25);
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "%0*d\n", 1 + i % 9, i);
		print(line);
	}
	for (int i = 0; i < 24; i++) {
		snprintf(line, sizeof(line), "%0*d", 1 + (76 + i) % 9, 76 + i);
		assert_row((uint32_t)i, line);
	}
	assert_row(24, "");
}

TEST(a_line_too_long_goes_on_in_the_next)
{
	begin_text(10, 4);
	print("0123456789abc\nx");
	assert_row(0, "0123456789");
	assert_row(1, "abc");
	assert_row(2, "x");
	/* One that fits exactly needs no empty line. */
	begin_text(10, 4);
	print("0123456789\nx");
	assert_row(1, "x");
}

TEST(what_the_font_does_not_have_is_a_question_mark)
{
	begin_text(10, 2);
	print("\x01\x7f\xff\xc3\xa9 ~");
	assert_row(0, "????? ~");
}

static void pixels_show_the_font(uint32_t bits, uint32_t colour)
{
	begin_pixels(8 * 12 + 3, 16 * 3 + 5, bits, 7);
	print("sill: Ag~");
	for (uint32_t i = 0; i < 12; i++)
		assert_cell(i, 0, i < 9 ? "sill: Ag~"[i] : ' ', colour);
	for (uint32_t i = 0; i < 24; i++)
		assert_cell(i % 12, 1 + i / 12, ' ', colour);
	/* The rest of the screen, and between its lines, is as it was. */
	assert_int_equal(video[12 * 8 * ((bits + 7) / 8)], 0xEE);
	assert_int_equal(video[48 * boot.pitch], 0xEE);
	assert_int_equal(video[boot.pitch - 1], 0xEE);
}

TEST(pixels_of_every_depth_show_the_font)
{
	pixels_show_the_font(32, 0xBFBFBF);
	pixels_show_the_font(24, 0xBFBFBF);
	pixels_show_the_font(16, 23 << 11 | 47 << 5 | 23);
	pixels_show_the_font(15, 23 << 10 | 23 << 5 | 23);
}

TEST(pixels_scroll_as_text_does)
{
	begin_pixels(8 * 4, 16 * 3, 32, 0);
	print("a\nbc\nd\ne\n");
	assert_cell(0, 0, 'd', 0xBFBFBF);
	assert_cell(1, 0, ' ', 0xBFBFBF);
	assert_cell(0, 1, 'e', 0xBFBFBF);
	assert_cell(0, 2, ' ', 0xBFBFBF);
}

TEST(scrolling_draws_only_what_changes)
{
	begin_text(8, 3);
	print("same\nsame\nother");
	/* The letter below it is the same: it is not drawn again. */
	video[0] = '#';
	print("\n");
	assert_row(0, "#ame");
	assert_row(1, "other");
	assert_row(2, "");
}

TEST(a_huge_screen_is_used_as_far_as_the_text_goes)
{
	begin_pixels(3840, 2160, 32, 0);
	for (int i = 0; i < 200; i++)
		print("0123456789012345678901234567890123456789012345678901234567890123456789\n");
	assert_cell(69, 62, '9', 0xBFBFBF);
	assert_int_equal(pixel(160 * 8, 0), 0xEEEEEEEE);
	assert_int_equal(pixel(0, 64 * 16), 0xEEEEEEEE);
}

TEST(a_released_screen_is_not_touched)
{
	begin_text(20, 5);
	print("before\n");
	screen_release();
	memset(video, 0x55, video_size);
	print("hidden\n");
	for (size_t i = 0; i < video_size; i++)
		assert_int_equal(video[i], 0x55);
}

TEST(a_claimed_screen_is_cleared_and_written_from_the_top)
{
	begin_text(20, 5);
	print("before\nbefore\n");
	screen_release();
	memset(video, 0x55, video_size);
	screen_claim();
	print("PANIC\n");
	assert_row(0, "PANIC");
	for (uint32_t row = 1; row < 5; row++)
		assert_row(row, "");
}

static void assert_unused(void)
{
	begin(boot.width * boot.height * 4 + 4096);
	print("nothing\n");
	screen_claim();
	for (size_t i = 0; i < video_size; i++)
		assert_int_equal(video[i], 0xEE);
}

TEST(a_screen_that_cannot_be_is_left_alone)
{
	boot = (struct boot_screen){ .kind = SCREEN_NONE, .pitch = 160, .width = 80, .height = 25 };
	assert_unused();
	boot.kind = SCREEN_TEXT;
	boot.pitch = 100;
	assert_unused();
	boot.pitch = 160;
	boot.height = 0;
	assert_unused();
	/*
	 * A palette; a pixel narrower or wider than any; a pitch too small; no room for one letter;
	 * a colour outside the pixel.
	 */
	for (int fault = 0; fault < 7; fault++) {
		begin_pixels(64, 32, 32, 0);
		if (fault == 0)
			boot.bits = 8, boot.red.position = 5, boot.green.position = 2,
			boot.red.size = boot.green.size = 3, boot.blue.size = 2;
		else if (fault == 1)
			boot.bits = 0;
		else if (fault == 2)
			boot.bits = 64, boot.pitch = 512;
		else if (fault == 3)
			boot.pitch = 255;
		else if (fault == 4)
			boot.width = 7;
		else if (fault == 5)
			boot.red.position = 25;
		else
			boot.blue.size = 0;
		assert_unused();
	}
}

TEST(the_log_is_on_the_screen)
{
	begin_text(40, 4);
	log_setup(0, LOG_WARNING);
	log_line(LOG_WARNING, "memory is %s", "short");
	log_line(LOG_INFO, "not shown");
	assert_row(0, "sill: memory is short");
	assert_row(1, "");
}

TEST(glyphs_are_all_different)
{
	for (int a = 0; a <= FONT_LAST - FONT_FIRST; a++) {
		for (int b = 0; b < a; b++)
			assert_memory_not_equal(font[a], font[b], FONT_HEIGHT);
	}
	for (unsigned int y = 0; y < FONT_HEIGHT; y++)
		assert_int_equal(font[0][y], 0);
	/* An underscore is a line at the bottom, a bar one in the middle. */
	assert_int_equal(font['_' - FONT_FIRST][14], 0x7F);
	assert_int_equal(font['|' - FONT_FIRST][8], 0x08);
}

static int end(void **state)
{
	(void)state;
	free(video);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(text_stands_on_a_vga_screen_from_the_top),
		CASE(a_full_screen_scrolls_and_keeps_the_newest),
		CASE(a_line_too_long_goes_on_in_the_next),
		CASE(what_the_font_does_not_have_is_a_question_mark),
		CASE(pixels_of_every_depth_show_the_font),
		CASE(pixels_scroll_as_text_does),
		CASE(scrolling_draws_only_what_changes),
		CASE(a_huge_screen_is_used_as_far_as_the_text_goes),
		CASE(a_released_screen_is_not_touched),
		CASE(a_claimed_screen_is_cleared_and_written_from_the_top),
		CASE(a_screen_that_cannot_be_is_left_alone),
		CASE(the_log_is_on_the_screen),
		CASE(glyphs_are_all_different),
	};

	return cmocka_run_group_tests_name("hv-screen", tests, NULL, end);
}
