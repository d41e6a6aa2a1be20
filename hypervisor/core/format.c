// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The little of printf that messages need.  Any processor, in a panic too: no state, no locks.
 */
#include "hypervisor/core/say.h"

#include <stdint.h>

#include "hypervisor/core/string.h"

struct out {
	char *at, *end; /* end: where the last zero byte goes at the latest */
};

struct directive {
	unsigned int width, longs;
	char pad; /* ' ' or '0' */
	bool left;
};

static void put(struct out *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
}

/* `prefix`: what stands before the zeros that fill, such as a sign. */
static void put_field(struct out *out, const struct directive *how, const char *prefix,
                      const char *text, size_t length)
{
	size_t used = strlen(prefix) + length, fill = used < how->width ? how->width - used : 0;

	if (!how->left && how->pad == ' ') {
		for (; fill > 0; fill--)
			put(out, ' ');
	}
	for (; *prefix; prefix++)
		put(out, *prefix);
	if (!how->left) {
		for (; fill > 0; fill--)
			put(out, '0');
	}
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
	for (; fill > 0; fill--)
		put(out, ' ');
}

static void put_number(struct out *out, const struct directive *how, const char *prefix,
                       uint64_t value, unsigned int base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	put_field(out, how, prefix, digits + at, sizeof(digits) - at);
}

static const char *parse_directive(const char *text, struct directive *ret)
{
	*ret = (struct directive){ .pad = ' ' };
	for (;; text++) {
		if (*text == '-')
			ret->left = true;
		else if (*text == '0')
			ret->pad = '0';
		else
			break;
	}
	for (; *text >= '0' && *text <= '9'; text++) {
		if (ret->width < 1000)
			ret->width = ret->width * 10 + (unsigned int)(*text - '0');
	}
	for (; *text == 'l' || *text == 'z'; text++)
		ret->longs++;
	return text;
}

size_t format_list(char *to, size_t size, const char *text, va_list list)
{
	struct out out = { to, to + size - 1 };
	struct directive how;
	const char *string;
	char c;

	if (size == 0)
		return 0;
	for (; *text; text++) {
		if (*text != '%') {
			put(&out, *text);
			continue;
		}
		text = parse_directive(text + 1, &how);
		if (*text == 's') {
			string = va_arg(list, const char *);
			string = string ? string : "(none)";
			how.pad = ' ';
			put_field(&out, &how, "", string, strlen(string));
		} else if (*text == 'c') {
			c = (char)va_arg(list, int);
			how.pad = ' ';
			put_field(&out, &how, "", &c, 1);
		} else if (*text == 'd') {
			int64_t value = how.longs ? va_arg(list, long long) : va_arg(list, int);

			put_number(&out, &how, value < 0 ? "-" : "",
			           value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
		} else if (*text == 'u' || *text == 'x') {
			put_number(&out, &how, "",
			           how.longs ? va_arg(list, unsigned long long)
			                     : va_arg(list, unsigned int),
			           *text == 'x' ? 16 : 10);
		} else if (*text == 'p') {
			put_number(&out, &how, "0x", (uintptr_t)va_arg(list, void *), 16);
		} else {
			/* %%, or a mistake, which then is seen. */
			put(&out, *text ? *text : '%');
			if (!*text)
				break;
		}
	}
	*out.at = '\0';
	return (size_t)(out.at - to);
}

size_t format(char *to, size_t size, const char *text, ...)
{
	va_list list;
	size_t length;

	va_start(list, text);
	length = format_list(to, size, text, list);
	va_end(list);
	return length;
}
