/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Public ed25519 keys (RFC 8032) and what is written of them: docs/trust.md, "Keys".
 *
 * Trust: lines and files come from other people.  The name in them is only what somebody called
 * the key; who it is, the id says.
 */
#ifndef LIBRARY_PUBLIC_KEY_H
#define LIBRARY_PUBLIC_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define KEY_BYTES           32u
#define KEY_SIGNATURE_BYTES 64u
#define KEY_ID_ROOM         51u /* "SHA256:", 43 characters of base64, NUL */
#define KEY_NAME_MAX        63u
#define KEY_LINE_ROOM       128u
#define KEY_FILE_MAX        65536u /* bytes of a file with one */

struct public_key {
	uint8_t bytes[KEY_BYTES];
	char name[KEY_NAME_MAX + 1]; /* "" when it came without */
};

/* "SHA256:…" of the public bytes. */
void key_id(const uint8_t bytes[KEY_BYTES], char ret[KEY_ID_ROOM]);
/* "SHA256:" and 43 characters: is it an id in full? */
bool key_id_valid(const char *text);

/* Letters, digits, '.', '_', '-', '@', the first a letter or digit.  -EINVAL with a sentence. */
int key_name_check(const char *name, struct error *err);

/*
 * A line "sill-ed25519 BASE64 NAME" (blanks and lines with '#' around it are passed over), or a
 * public key in PEM.  -EINVAL with a sentence, for a private key too.
 */
int public_key_parse(const char *text, size_t len, struct public_key *ret, struct error *err);
/* The line, with its end. */
void public_key_line(const struct public_key *key, char ret[KEY_LINE_ROOM]);

/*
 * Is `signature` the key's over these bytes?  0; -EBADMSG when it is not, which is also what bytes
 * that are no key at all give; -ENOMEM.
 */
int public_key_verify(const uint8_t bytes[KEY_BYTES], const void *data, size_t len,
                      const uint8_t signature[KEY_SIGNATURE_BYTES]);

#endif
