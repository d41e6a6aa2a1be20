/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an image consists of, all of it read and held against each other before anything is sent.
 *
 * Threads: one at a time; whoever only reads a plan that is made may be many.
 */
#ifndef LIBRARY_COPY_PLAN_H
#define LIBRARY_COPY_PLAN_H

#include "library/oci.h"

#define PLAN_MAX_BLOBS     65536u /* of an image, of all that it lists, and of what refers to it */
#define PLAN_MAX_REFERRERS 256u

struct plan_blob {
	char digest[STORE_DIGEST_ROOM];
	uint64_t size;
	size_t order; /* where it was first named */
};

struct plan_manifests {
	struct store_manifest *at;
	size_t n;
};

struct copy_plan {
	struct store *from;
	const char *name;
	bool any_kind;
	struct plan_blob *blobs; /* each once, in the order in which they are named */
	size_t n_blobs, room;
	uint64_t bytes;                 /* of blobs and manifests */
	struct plan_manifests children; /* that a list of images has, in the order of putting */
	struct plan_manifests referrers;
};

/*
 * -EMEDIUMTYPE for what is no machine, unless any kind is wanted; -EBADMSG for one that is not whole;
 * -E2BIG past the bounds.
 */
int copy_plan_make(struct store *from, const char *name, const struct store_manifest *manifest,
                   bool any_kind, struct copy_plan *ret, struct error *err);
void copy_plan_free(struct copy_plan *plan);

#endif
