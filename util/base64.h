/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base64 with padding (RFC 4648, section 4), strictly: for every row of bytes there is one text,
 * and no other is taken.
 */
#ifndef UTIL_BASE64_H
#define UTIL_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* The text's bytes without the NUL behind it, and the most bytes that a text of `len` holds. */
#define BASE64_LEN(len)   (((len) + 2) / 3 * 4)
#define BASE64_ROOM(len)  (BASE64_LEN(len) + 1)
#define BASE64_BYTES(len) ((len) / 4 * 3)

/* `ret` holds BASE64_ROOM(len). */
void base64_encode(const void *data, size_t len, char *ret);

/*
 * `text` has `len` characters and need not end in a NUL.  -EINVAL when it is not base64, has other
 * characters around it, or bits that stand for nothing; -ENOSPC when it is more than `room` bytes.
 */
int base64_decode(const char *text, size_t len, void *ret, size_t room, size_t *ret_len);

#endif
