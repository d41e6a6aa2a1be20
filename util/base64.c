// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/base64.h"

#include <errno.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *ret)
{
	const uint8_t *in = data;

	for (; len > 0; in += 3, ret += 4) {
		size_t n = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)in[0] << 16;

		if (n > 1)
			bits |= (uint32_t)in[1] << 8;
		if (n > 2)
			bits |= in[2];
		for (unsigned int i = 0; i < 4; i++)
			ret[i] = i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=';
		len -= n;
	}
	*ret = '\0';
}

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Four characters: how many bytes they are, or -EINVAL. */
static int decode_four(const char *text, uint8_t ret[3])
{
	int n = text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1;
	uint32_t bits = 0;

	for (int i = 0; i < 4; i++) {
		int digit = i <= n ? digit_of(text[i]) : 0;

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
	}
	for (int i = 0; i < 3; i++)
		ret[i] = (uint8_t)(bits >> (16 - 8 * i));
	/* What pads must be zero, or two texts would mean the same. */
	if ((n < 2 && ret[1]) || (n < 3 && ret[2]))
		return -EINVAL;
	return n;
}

int base64_decode(const char *text, size_t len, void *ret, size_t room, size_t *ret_len)
{
	uint8_t *out = ret, bytes[3];
	size_t used = 0;

	if (len % 4 != 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		int n = decode_four(text + i, bytes);

		if (n < 0 || (n < 3 && i + 4 < len))
			return -EINVAL;
		if (room - used < (size_t)n)
			return -ENOSPC;
		memcpy(out + used, bytes, (size_t)n);
		used += (size_t)n;
	}
	*ret_len = used;
	return 0;
}
