/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a person names an image: docs/library.md, "References".  Grammar: OCI distribution
 * specification 1.1, "Pulling manifests".
 */
#ifndef LIBRARY_REFERENCE_H
#define LIBRARY_REFERENCE_H

#include <stdbool.h>

#include "util/error.h"

#define REFERENCE_NAME_MAX 255u
#define REFERENCE_TAG_MAX  128u
#define REFERENCE_HOST_MAX 261u /* a DNS name, ':' and a port */

struct reference {
	char *folder;                      /* the path before a '#'; NULL: no folder */
	char host[REFERENCE_HOST_MAX + 1]; /* "" when none was said */
	char name[REFERENCE_NAME_MAX + 1];
	char tag[REFERENCE_TAG_MAX + 1]; /* "latest" when neither tag nor digest was said */
	char digest[72];                 /* "" when none was said; it decides over the tag */
};

/* -EINVAL with the rule that is broken. */
int reference_parse(const char *text, struct reference *ret, struct error *err);
void reference_free(struct reference *ref);
static inline void reference_free_at(struct reference *at)
{
	reference_free(at);
}

/* What a store is asked for: the digest, or else the tag. */
const char *reference_which(const struct reference *ref);

bool reference_name_valid(const char *text);
bool reference_tag_valid(const char *text);
/* "sha256:" and 64 digits in small letters. */
bool reference_digest_valid(const char *text);

/* Is `text` a reference, and not the path or URL of an image file?  Looks at the file system. */
bool reference_is_one(const char *text);

#endif
