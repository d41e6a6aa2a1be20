/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places of one file: what a chain is made of, and where the files beside it are.
 */
#ifndef DISK_SOURCE_PLACES_H
#define DISK_SOURCE_PLACES_H

#include "disk/source/source.h"

struct source_place {
	const char *url; /* or a path */
	int priority;    /* lower goes first; equal ones in the order given */
	const char
		*digest; /* "sha256:…" of the whole file, vouched for by the person; NULL: none */
};

/* Ordered by priority.  Who made a list with source_places_add() owns it and its texts. */
struct source_places {
	struct source_place *at;
	size_t n;
};

#define SOURCE_MAX_PLACES 64

/* A list of one, or of none for NULL, that lasts as long as the block it stands in. */
#define SOURCE_PLACE(address)                                                      \
	((struct source_places){ .at = &(struct source_place){ .url = (address) }, \
	                         .n = (address) != NULL })

/* Copies what it is given to its place by priority; -E2BIG past SOURCE_MAX_PLACES. */
int source_places_add(struct source_places *places, const struct source_place *place,
                      struct error *err);
/* Is that URL or path one of them? */
bool source_places_have(const struct source_places *places, const char *url);
void source_places_free(struct source_places *places);
static inline void source_places_free_at(struct source_places *at)
{
	source_places_free(at);
}

/*
 * The digest that is the file's name, as where content is named by it: "sha256:" and 64 digits, or
 * the digits alone, behind the last slash.  False: it has another name.
 */
bool source_named_digest(const char *url, char ret[72]);

/*
 * Where a file named `name` is beside one that is at `of`: source_sibling() of each, with its
 * priority.  Places without siblings (nbd:) have none; when no place has one that is what the first
 * said.  -EPERM when one of them is a network's and the name is a local file's: what names it may
 * have come from there.
 */
int source_places_beside(const struct source_places *of, const char *name,
                         struct source_places *ret, struct error *err);

#endif
