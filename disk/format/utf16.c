// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths as Windows writes them into headers, to and from those of this system.
 *
 * What comes in is foreign and only a hint where to look, so damage becomes U+FFFD and a file that
 * is not found; what goes out must be right, so bytes that are not UTF-8 are refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "disk/format/format.h"
#include "util/text.h"

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

char *utf16_path(const void *text, size_t len, bool big_endian)
{
	const uint8_t *from = text;
	size_t units = len / 2, used = 0;
	char *out = malloc(units * 3 + 1); /* a pair, two units, makes four bytes */

	if (!out)
		return NULL;
	for (size_t i = 0; i < units; i++) {
		uint32_t c = (uint32_t)(from[2 * i + !big_endian] << 8 | from[2 * i + big_endian]);

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xe000) {
			uint32_t low = 0;

			if (c < 0xdc00 && i + 1 < units)
				low = (uint32_t)(from[2 * i + 2 + !big_endian] << 8 |
				                 from[2 * i + 2 + big_endian]);
			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			} else {
				c = 0xfffd;
			}
		}
		/* No name of a file that anyone means has control characters. */
		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			c = 0xfffd;
		used += put_utf8(out + used, c == '\\' ? '/' : c);
	}
	out[used] = '\0';
	return out;
}

static void put_unit(uint8_t *out, uint32_t unit, bool big_endian)
{
	if (big_endian)
		store_be16(out, (uint16_t)unit);
	else
		store_le16(out, (uint16_t)unit);
}

int utf16_encode(const char *text, bool big_endian, uint8_t *out, size_t room, size_t *ret_len)
{
	size_t used = 0;

	while (*text) {
		uint32_t c = 0;
		size_t n = utf8_next(text, &c);
		size_t bytes = c >= 0x10000 ? 4 : 2;

		if (n == 0)
			return -EILSEQ;
		if (room - used < bytes)
			return -ENAMETOOLONG;
		if (c >= 0x10000) {
			put_unit(out + used, 0xd800 + ((c - 0x10000) >> 10), big_endian);
			put_unit(out + used + 2, 0xdc00 + ((c - 0x10000) & 0x3ff), big_endian);
		} else {
			put_unit(out + used, c, big_endian);
		}
		used += bytes;
		text += n;
	}
	*ret_len = used;
	return 0;
}
