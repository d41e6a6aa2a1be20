// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines on the first serial port.  One processor prints at a time: the one whose turn it is. */
#include "tests/pc/hostile/hostile.h"

#define PORT   0x3f8
#define STATUS 0x3fd

void print(const char *text, ...)
{
	char line[400];
	va_list list;
	size_t length;

	va_start(list, text);
	length = format_list(line, sizeof(line), text, list);
	va_end(list);
	for (size_t i = 0; i < length; i++) {
		while (!(in8(STATUS) & 0x20))
			__builtin_ia32_pause();
		out8(PORT, (uint8_t)line[i]);
	}
}
