// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Open addressing.  Strangers choose digests, but only by trying out contents; and a set is at most
 * half full, so somebody who does that makes us slow and nothing else.
 */
#include "library/digest-set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/format/output.h"

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void raw_of(const char *digest, uint8_t ret[32])
{
	const char *at = digest + strlen("sha256:");

	for (size_t i = 0; i < 32; i++)
		ret[i] = (uint8_t)(nibble(at[2 * i]) << 4 | nibble(at[2 * i + 1]));
}

/* Where it is, or would be. */
static size_t slot_of(const struct digest_set *set, const uint8_t raw[32])
{
	size_t at = load_le64(raw) & (set->room - 1);

	while (!is_zero(set->slots[at], 32) && memcmp(set->slots[at], raw, 32) != 0)
		at = (at + 1) & (set->room - 1);
	return at;
}

static int grow(struct digest_set *set)
{
	struct digest_set more = { .room = set->room ? 2 * set->room : 64, .used = set->used };

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->room; i++)
		if (!is_zero(set->slots[i], 32))
			memcpy(more.slots[slot_of(&more, set->slots[i])], set->slots[i], 32);
	more.zero = set->zero;
	free(set->slots);
	*set = more;
	return 0;
}

int digest_set_add(struct digest_set *set, const char *digest)
{
	uint8_t raw[32];
	size_t at;

	raw_of(digest, raw);
	if (is_zero(raw, sizeof(raw))) {
		bool had = set->zero;

		set->zero = true;
		return !had;
	}
	if (2 * (set->used + 1) > set->room && grow(set) < 0)
		return -ENOMEM;
	at = slot_of(set, raw);
	if (!is_zero(set->slots[at], 32))
		return 0;
	memcpy(set->slots[at], raw, sizeof(raw));
	set->used++;
	return 1;
}

bool digest_set_has(const struct digest_set *set, const char *digest)
{
	uint8_t raw[32];

	raw_of(digest, raw);
	if (is_zero(raw, sizeof(raw)))
		return set->zero;
	return set->room > 0 && !is_zero(set->slots[slot_of(set, raw)], 32);
}

void digest_set_free(struct digest_set *set)
{
	free(set->slots);
	*set = (struct digest_set){ 0 };
}
