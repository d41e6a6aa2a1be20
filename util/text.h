/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers as people write and read them, and text that they can read.
 */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/*
 * Bytes: a whole number with an optional K, M, G or T (powers of 1024, "KiB" and "kB" forms too).
 * -EINVAL with a sentence that quotes the text.
 */
int parse_bytes(const char *text, uint64_t *ret, struct error *err);

/* A whole decimal number from `low` to `high`, nothing after it. */
int parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret, struct error *err);

/* "86.5 MB": powers of 1000, three figures, as disks and networks are sold.  `out` holds 16. */
const char *format_bytes(uint64_t bytes, char out[16]);

/* As parse_bytes() reads it, exactly: "16M", "4T", "4095".  `out` holds 24. */
const char *format_bytes_exactly(uint64_t bytes, char out[24]);

/* "1:02:07", "2:07" or "7 s".  `out` holds 24. */
const char *format_seconds(uint64_t seconds, char out[24]);

/*
 * Make foreign text fit for terminals, logs and JSON: what is not UTF-8, and control characters,
 * become question marks, byte by byte.  Returns `text`.
 */
char *text_printable(char *text);

/* Is all of it UTF-8?  JSON takes no other. */
bool text_is_utf8(const char *text);

/* The character of UTF-8 (RFC 3629) at `text`: its bytes, or 0 when it is not well formed. */
size_t utf8_next(const char *text, uint32_t *ret);

#endif
