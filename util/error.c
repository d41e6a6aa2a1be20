// SPDX-License-Identifier: GPL-2.0-or-later
#define UTIL_ERROR_C
#include "util/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

int error_vset(struct error *err, int code, const char *fmt, va_list args)
{
	char text[sizeof(err->text)];

	if (err) {
		/* Aside, for the old sentence may be among the words of the new one. */
		vsnprintf(text, sizeof(text), fmt, args);
		memcpy(err->text, text_printable(text), strlen(text) + 1);
		err->code = code;
	}
	return -code;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_vset(err, code, fmt, args);
	va_end(args);
	return -code;
}

int error_sys(struct error *err, int code, const char *fmt, ...)
{
	va_list args;
	char system[128];
	size_t used;

	if (!err)
		return -code;
	va_start(args, fmt);
	error_vset(err, code, fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s",
	         strerror_r(code, system, sizeof(system)));
	text_printable(err->text);
	return -code;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	va_list args;
	struct error old;

	if (!err)
		return -EIO;
	old = *err;
	va_start(args, fmt);
	error_vset(err, old.code, fmt, args);
	va_end(args);

	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, ": %s", old.text);
	text_printable(err->text);
	return -old.code;
}
