/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points of time as text, in the one form that all our files have: "2026-11-21T22:54:24Z" (RFC 3339
 * in UTC, whole seconds).
 */
#ifndef UTIL_UTC_H
#define UTIL_UTC_H

#include <stdint.h>

#include "util/error.h"

#define UTC_BYTES 21

/* The last second of the year 9999: what has more has no text. */
#define UTC_MAX INT64_C(253402300799)

/* Seconds since 1970, from 0 to UTC_MAX (what lies outside becomes the nearer end). */
const char *format_utc(int64_t seconds, char out[UTC_BYTES]);

/* -EINVAL with a sentence that quotes the text: another form, or a day that there is not. */
int parse_utc(const char *text, int64_t *ret, struct error *err);

#endif
