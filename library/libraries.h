/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The libraries that this host knows, in the order in which they are asked: its own folder first.
 *
 * They are lines "NAME PLACE" of the files `libraries` of util/config.h; a person's come before the
 * host's, and hide those of the same name.  A line that begins with '#' is a comment.  A place is
 *
 *   registry.example[:PORT][/team]  a registry, and what its names begin with
 *   https://registry.example, http://registry.example:5000/v2/team
 *                                   the same; http: it does not speak TLS
 *   https://images.example/lib      a folder that a web server shows
 *   /media/usb                      a folder
 *
 * So a URL names a registry when it has no path or one that begins with /v2.
 */
#ifndef LIBRARY_LIBRARIES_H
#define LIBRARY_LIBRARIES_H

#include "library/reference.h"
#include "library/store.h"

enum library_kind { LIBRARY_OWN, LIBRARY_REGISTRY, LIBRARY_FOLDER, LIBRARY_WEB };

struct library {
	char *name;    /* short; "local" is the host's own */
	char *place;   /* as it was written */
	char *address; /* "HOST[:PORT]", a path, or a URL without '/' at its end */
	char *prefix;  /* of names in a registry, "team/"; "" for none */
	enum library_kind kind;
	bool plain_http;
};

struct libraries {
	struct library *at;
	size_t n;
};

#define LIBRARIES_MAX    64u

#define LIBRARY_OWN_NAME "local"
#define LIBRARY_NAME_MAX 32u

/* "NAME PLACE" as in the files: -EINVAL with what is wrong.  library_free() frees what *ret has. */
int library_parse(const char *name, const char *place, struct library *ret, struct error *err);
void library_free(struct library *library);
static inline void library_free_at(struct library *at)
{
	library_free(at);
}

/* The libraries that lines of a file name, behind those that *ret has already. */
int libraries_parse(char *text, struct libraries *ret, struct error *err);

/* `own` is the path of the host's own library. */
int libraries_load(const char *own, struct libraries *ret, struct error *err);
void libraries_free(struct libraries *libraries);
static inline void libraries_free_at(struct libraries *at)
{
	libraries_free(at);
}
/* By name; NULL: there is none. */
const struct library *libraries_get(const struct libraries *libraries, const char *name);

/*
 * Written to the person's file, whole.  -EEXIST, -ENOENT.  A path is written as it is: make it
 * absolute.  What else is in the file stays.
 */
int libraries_add(const char *name, const char *place, struct error *err);
int libraries_remove(const char *name, struct error *err);

#endif
