/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a registry says: refusals, pages of lists, where the next page is, how far an upload is.
 * Pure.  Facts: OCI distribution specification 1.1, "Error Codes", "Content Discovery", "Pushing a
 * blob in chunks"; RFC 8288 for Link.
 *
 * Trust: hostile.
 */
#ifndef LIBRARY_REGISTRY_ANSWER_H
#define LIBRARY_REGISTRY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "library/store.h"

struct registry_error {
	char code[64];     /* "MANIFEST_UNKNOWN"; "" when there is none */
	char message[200]; /* printable, cut */
};

/* The first of its errors. */
void registry_error_parse(const char *text, size_t len, struct registry_error *ret);

/*
 * The texts of the list `member` of a page ("repositories", "tags"): each is told to `item`, at most
 * `max` of them (-EFBIG).  -EBADMSG for what is no such page.
 */
int registry_page_parse(const char *text, size_t len, const char *member, size_t max,
                        store_item *item, void *arg, size_t *ret_n, struct error *err);

/* The target of the link whose rel is "next"; false when there is none, or it does not fit. */
bool registry_next_link(const char *header, char *ret, size_t room);

/* "0-99" of an upload: 100 bytes are there.  "0-0" is what an empty one has. */
int registry_upload_range(const char *header, uint64_t *ret_len);

#endif
