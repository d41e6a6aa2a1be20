/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error: a number for the caller and one sentence for a person, made where the cause is known.
 *
 * Functions that can fail return 0 or -errno and take a `struct error *` as their last argument;
 * NULL is allowed there and means that nobody wants the sentence.  Libraries never print: a program
 * prints the sentence behind its name and exits.  Any thread, each with its own struct error.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <stdarg.h>

struct error {
	int code;       /* errno, positive; 0 when nothing went wrong */
	char text[508]; /* one sentence without its full stop, cut when too long, printable */
};

/*
 * Set the sentence; returns -code, so that `return error_set(err, EINVAL, "…")` reads well.  The
 * old sentence may be among the words: error_set(err, EINVAL, "--port: %s", err->text).
 */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_vset(struct error *err, int code, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

/* The same with ": " and the system's words for `code` at the end. */
int error_sys(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Put words and ": " in front of the sentence that is there; returns -err->code, or -EIO when nobody
 * wants the sentence: a failure stays one.
 */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The static analyzer does not look into error.c: it must know that these never return success. */
#if defined(__clang_analyzer__) && !defined(UTIL_ERROR_C)
#define error_fails(call)                        \
	({                                       \
		int fails_ = (call);             \
		if (fails_ >= 0)                 \
			__builtin_unreachable(); \
		fails_;                          \
	})
#define error_set(...)    error_fails((error_set)(__VA_ARGS__))
#define error_vset(...)   error_fails((error_vset)(__VA_ARGS__))
#define error_sys(...)    error_fails((error_sys)(__VA_ARGS__))
#define error_prefix(...) error_fails((error_prefix)(__VA_ARGS__))
#endif

#endif
