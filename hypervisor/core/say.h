/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sentence for a person, made where the cause is known.  Functions that can fail return false
 * and put it into a struct sentence of their caller.  Libraries do not print; main.c and panic.c
 * do.
 */
#ifndef HYPERVISOR_CORE_SAY_H
#define HYPERVISOR_CORE_SAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct sentence {
	char text[240];
};

/*
 * printf's %s %c %d %u %x %p %%, with width, 0, - and l, ll, z; nothing else.  Always ends with a
 * zero byte, cuts what does not fit, and returns the bytes it wrote without that zero.
 */
size_t format(char *to, size_t size, const char *text, ...) __attribute__((format(printf, 3, 4)));
size_t format_list(char *to, size_t size, const char *text, va_list list);

/* Fills the sentence and returns false, so that a failing function ends with `return say(…)`. */
bool say(struct sentence *why, const char *text, ...) __attribute__((format(printf, 2, 3)));

#endif
