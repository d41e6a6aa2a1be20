// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"

/* Digits only: strtoull alone would take a sign and leading blanks. */
static int take_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	*ret_end = end;
	return 0;
}

int parse_bytes(const char *text, uint64_t *ret, struct error *err)
{
	static const char units[] = "KMGT";
	const char *end;
	uint64_t n;

	if (take_digits(text, &n, &end) < 0)
		return error_set(err, EINVAL, "'%s' is not a number of bytes, such as 512M or 4G",
		                 text);
	if (*end) {
		const char *unit = strchr(units, *end & ~0x20);
		const char *rest = end + 1;

		if (!unit || (*rest && strcasecmp(rest, "B") != 0 && strcasecmp(rest, "iB") != 0))
			return error_set(err, EINVAL,
			                 "'%s' is not a number of bytes, such as 512M or 4G", text);
		if (__builtin_mul_overflow(n, UINT64_C(1) << 10 * (unit - units + 1), &n))
			return error_set(err, ERANGE, "'%s' is too large", text);
	}
	*ret = n;
	return 0;
}

int parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret, struct error *err)
{
	const char *end;
	uint64_t n;

	if (take_digits(text, &n, &end) < 0 || *end || n < low || n > high)
		return error_set(err, EINVAL, "'%s' is not a whole number from %llu to %llu", text,
		                 (unsigned long long)low, (unsigned long long)high);
	*ret = n;
	return 0;
}

const char *format_bytes(uint64_t bytes, char out[16])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double n = (double)bytes;
	size_t unit = 0;

	for (; n >= 999.5 && unit + 1 < ARRAY_LEN(units); unit++)
		n /= 1000;
	if (unit == 0)
		snprintf(out, 16, "%u B", (unsigned int)bytes);
	else
		snprintf(out, 16, "%.*f %s", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, units[unit]);
	return out;
}

const char *format_bytes_exactly(uint64_t bytes, char out[24])
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	size_t unit = 0;

	for (; bytes && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units); unit++)
		bytes /= 1024;
	snprintf(out, 24, "%llu%s", (unsigned long long)bytes, units[unit]);
	return out;
}

const char *format_seconds(uint64_t seconds, char out[24])
{
	unsigned long long h = seconds / 3600, m = seconds / 60 % 60, s = seconds % 60;

	if (h)
		snprintf(out, 24, "%llu:%02llu:%02llu", h, m, s);
	else if (m)
		snprintf(out, 24, "%llu:%02llu", m, s);
	else
		snprintf(out, 24, "%llu s", s);
	return out;
}

size_t utf8_next(const char *text, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *in = (const uint8_t *)text;
	size_t n = in[0] < 0x80 ? 1 : in[0] < 0xc0 ? 0 : in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? in[0] : in[0] & (0x7fu >> n);

	if (n == 0 || in[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((in[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (in[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

bool text_is_utf8(const char *text)
{
	uint32_t c;
	size_t n = 1;

	for (; *text && n; text += n)
		n = utf8_next(text, &c);
	return n > 0;
}

char *text_printable(char *text)
{
	for (char *at = text; *at;) {
		uint32_t c = 0;
		size_t n = utf8_next(at, &c);
		bool fine = n > 0 && c >= 0x20 && (c < 0x7f || c >= 0xa0);

		for (size_t i = 0; !fine && i < (n ? n : 1); i++)
			at[i] = '?';
		at += n ? n : 1;
	}
	return text;
}
