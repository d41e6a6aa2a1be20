/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The libraries that this host knows, in the order in which they are asked: its own folder first.
 *
 * They are lines of $XDG_CONFIG_HOME/sill/libraries (root: /etc/sill/libraries; a person's come
 * before the host's): a short name, then a registry ("registry.example", "registry.example/team"
 * for names that begin so, "http://…" for plain HTTP), a web folder ("https://images.example/lib/")
 * or a path.  '#' begins a comment.
 */
#ifndef LIBRARY_LIBRARIES_H
#define LIBRARY_LIBRARIES_H

#include "library/reference.h"
#include "library/store.h"

enum library_kind { LIBRARY_OWN, LIBRARY_REGISTRY, LIBRARY_FOLDER, LIBRARY_WEB };

struct library {
	char *name;  /* short; "local" is the host's own */
	char *place; /* as it was written */
	enum library_kind kind;
	char *prefix; /* of names in a registry, "team/"; "" for none */
	bool plain_http;
};

struct libraries {
	struct library *at;
	size_t n;
};

#define LIBRARIES_MAX 64u

/* `own` is the path of the host's own library. */
int libraries_load(const char *own, struct libraries *ret, struct error *err);
void libraries_free(struct libraries *libraries);
/* Written to the person's file, whole; -EEXIST, -ENOENT. */
int libraries_add(const char *name, const char *place, struct error *err);
int libraries_remove(const char *name, struct error *err);

int library_open(const struct library *library, const struct store_options *options,
                 struct store **ret, struct error *err);

/* Where an image was found. */
struct library_found {
	struct store *store;
	char name[REFERENCE_NAME_MAX + 1]; /* in that store */
	/* "HOST/NAME" or "PATH#NAME": what trust and messages call it, without the tag. */
	char *canonical;
	struct store_manifest manifest;
};

/*
 * Find `ref` as docs/library.md, "References", says.  -ENOENT with each one's answer.  The caller
 * frees with library_found_free(), also what *ret has after an error.
 */
int libraries_find(const struct libraries *libraries, const struct reference *ref,
                   const struct store_options *options, struct library_found *ret,
                   struct error *err);
void library_found_free(struct library_found *found);

#endif
