/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginnings of canonical names of images, by which trust is given: docs/trust.md, "Prefixes".
 *
 * A canonical name is "HOST[:PORT]/NAME" or "PATH#NAME", with ":TAG", "@DIGEST" or both behind it.
 */
#ifndef LIBRARY_PREFIX_H
#define LIBRARY_PREFIX_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define PREFIX_MAX 1024u /* characters */
#define PREFIX_ALL "all" /* covers every name */

/* -EINVAL with a sentence that quotes it: blanks, an end that is none, capitals in a host. */
int prefix_check(const char *prefix, struct error *err);

/*
 * How much of `name` the prefix covers: the longest one wins.  0: it does not cover it; 1 for "all",
 * which is less than every other.
 */
size_t prefix_covers(const char *prefix, const char *name);

/* The length of `name` without its tag and digest: what all tags of one name share. */
size_t canonical_stem(const char *name);
/* Does it say which bytes are meant ("@DIGEST")? */
bool canonical_by_digest(const char *name);

#endif
