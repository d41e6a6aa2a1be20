/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what a person wrote to the place that has it: docs/library.md, "References".
 */
#ifndef LIBRARY_FIND_H
#define LIBRARY_FIND_H

#include "library/libraries.h"
#include "library/store.h"

/* How stores are opened; tests give their own. */
typedef int library_opener(const struct library *library, const struct store_options *options,
                           struct store **ret, struct error *err);

/* -ENOENT: the folder of the host's own library has not been made yet. */
library_opener library_open;

struct find_options {
	struct store_options store;
	library_opener *open; /* NULL: library_open() */
	/* What a person should know although it is no failure: a library that does not answer. */
	void (*say)(void *arg, const char *text);
	void *arg;
};

/* Where an image was found, or is to be brought. */
struct library_found {
	struct store *store;
	char name[REFERENCE_NAME_MAX + 1]; /* in that store */
	/*
	 * What trust and messages call it, without the tag: "HOST/NAME", "PATH#NAME", and
	 * "local/NAME" for what the host's own library has under a name without a host.
	 */
	char *canonical;
	char own_name[REFERENCE_NAME_MAX + 1]; /* what the host's own library calls a copy */
	size_t prefix; /* bytes of `name` that its library puts in front of what a person says */
	bool own;      /* the store is the host's own library */
	struct store_manifest manifest;
};

/*
 * Find `ref`.  One with a digest is taken from the host's own library when that has it; one with a
 * tag too, with a word to the person, when its registry does not answer.  -ENOENT with each
 * library's answer.  library_found_free() frees what *ret has.
 */
int library_find(const struct libraries *libraries, const struct reference *ref,
                 const struct find_options *options, struct library_found *ret, struct error *err);

/*
 * Where `ref` says that an image is to be brought, without asking whether it is there: a name
 * without a host and a library is one of the host's own library.  `manifest` stays empty.
 */
int library_place(const struct libraries *libraries, const struct reference *ref,
                  const struct find_options *options, struct library_found *ret, struct error *err);

void library_found_free(struct library_found *found);
static inline void library_found_free_at(struct library_found *at)
{
	library_found_free(at);
}

#endif
