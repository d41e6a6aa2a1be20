/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a library says about its images: catalogue.json beside its blobs, a file that any HTTP server
 * can carry.  Its members: docs/library.md, "The catalogue".
 *
 * Trust: hostile.  Entries are read one after the other, so that memory does not depend on how many
 * there are, nor on what else is in the file.  Texts come out printable.
 */
#ifndef LIBRARY_CATALOGUE_H
#define LIBRARY_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define CATALOGUE_FILE      "catalogue.json"
#define CATALOGUE_MAX_BYTES (UINT32_C(64) << 20)
#define CATALOGUE_MAX_ENTRY (UINT32_C(64) << 10) /* bytes of one entry, and of any other member */
#define CATALOGUE_MAX       100000u              /* entries */
#define CATALOGUE_MAX_TAGS  256u

/* Texts last until the callback returns; those that are not known are "". */
struct catalogue_entry {
	const char *name; /* well-formed, as in that library */
	const char *tags[CATALOGUE_MAX_TAGS];
	size_t n_tags;
	const char *title;       /* at most 256 bytes */
	const char *description; /* 8192 */
	const char *picture;     /* 2048; https:, or relative to the catalogue */
	const char *licence;     /* 256 */
	const char *publisher;   /* 256 */
	const char *released;    /* a date, and perhaps a time: RFC 3339; at most 64 bytes */
	uint64_t size;           /* bytes; 0: not known */
};

/*
 * Each entry in order; `each` ends it with anything but 0, which is returned then.  -EBADMSG with
 * the entry's number and the member that is wrong.  Members that are not known are ignored.
 */
int catalogue_each(const char *text, size_t len,
                   int (*each)(void *arg, const struct catalogue_entry *entry, struct error *err),
                   void *arg, struct error *err);

/* Is `term` in its name, title or description, small and capital letters being the same? */
bool catalogue_matches(const struct catalogue_entry *entry, const char *term);

#endif
