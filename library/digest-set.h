/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of SHA-256 digests.  One thread at a time.
 */
#ifndef LIBRARY_DIGEST_SET_H
#define LIBRARY_DIGEST_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest_set {
	uint8_t (*slots)[32]; /* all zero: empty */
	size_t room, used;    /* room is a power of two, or 0 */
	bool zero;            /* the digest that is all zero is in it */
};

/* `digest` is "sha256:" and 64 digits.  1 when it is new, 0 when it was there, -ENOMEM. */
int digest_set_add(struct digest_set *set, const char *digest);
bool digest_set_has(const struct digest_set *set, const char *digest);
void digest_set_free(struct digest_set *set);
static inline void digest_set_free_at(struct digest_set *at)
{
	digest_set_free(at);
}

#endif
