/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Searching one library: its catalogue when it has one, else what it says its names are.
 */
#ifndef LIBRARY_SEARCH_H
#define LIBRARY_SEARCH_H

#include "library/catalogue.h"
#include "library/find.h"

/* The entry's name is without the library's prefix.  Anything but 0 ends the search with that. */
typedef int search_each(void *arg, const struct library *library,
                        const struct catalogue_entry *entry, struct error *err);

/*
 * Each image of the library that has `term` in its name, title or description.  What has no
 * catalogue has names, and a folder's images their manifests' titles and descriptions.
 */
int library_search(const struct library *library, const struct find_options *options,
                   const char *term, search_each *each, void *arg, struct error *err);

/* A library's catalogue as bytes, to be freed by the caller; -ENOENT when it has none. */
int library_catalogue(const struct library *library, const struct store_options *options,
                      char **ret, size_t *ret_len, struct error *err);

#endif
