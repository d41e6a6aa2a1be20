/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image's manifest, keys, and signatures of it, for the tests of signatures and policies. */
#ifndef TESTS_UNIT_SIGNED_IMAGE_H
#define TESTS_UNIT_SIGNED_IMAGE_H

#include "tests/unit/unit.h"

#include <string.h>

#include "library/signature.h"

#define NOW  INT64_C(1795301664) /* 2026-11-21T22:54:24Z */
#define DAY  INT64_C(86400)
#define YEAR (365 * DAY)

/* The descriptor of a manifest; other letters, another manifest. */
static inline struct oci_descriptor image_of(char letter)
{
	struct oci_descriptor image = { .media_type = OCI_MANIFEST, .size = 1234 };

	oci_digest(&letter, 1, image.digest);
	return image;
}

static inline struct key *new_key(char ret_id[KEY_ID_ROOM])
{
	struct key *key = NULL;
	uint8_t public[KEY_BYTES];

	assert_int_equal(key_new(&key, NULL), 0);
	key_public(key, public);
	key_id(public, ret_id);
	return key;
}

static inline struct signature sign_image(const struct key *key, char letter, uint64_t release,
                                          int64_t created, int64_t expires)
{
	const struct signature_claim claim = { .release = release,
		                               .created = created,
		                               .expires = expires };
	const struct oci_descriptor image = image_of(letter);
	struct signature signature;
	struct error err = { 0 };

	if (signature_make(key, &image, &claim, &signature, &err) < 0)
		fail_msg("%s", err.text);
	return signature;
}

#endif
