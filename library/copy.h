/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One image from a store to another: push, pull and mirror.  Order and promises:
 * docs/library.md, "Copying".
 */
#ifndef LIBRARY_COPY_H
#define LIBRARY_COPY_H

#include "library/store.h"

#define COPY_DEFAULT_THREADS 4u

struct copy_options {
	unsigned int threads;   /* blobs at a time [4] */
	bool any_kind;          /* not only machines: mirror takes what is there */
	const char *mount_from; /* a name of the destination that may have some; NULL: none */
	/*
	 * Bytes that are at the destination, of all.  Called from the caller's thread, some ten
	 * times a second.  False: stop with -EINTR.
	 */
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	/* For tests: how to pause before another try, from any thread.  NULL: wait. */
	void (*pause)(void *arg, uint32_t ms);
	void *arg;
};

struct copy_result {
	uint64_t bytes;                /* of all blobs and manifests */
	uint64_t sent, there, mounted; /* bytes of them */
	unsigned int blobs, signatures;
};

/*
 * -EMEDIUMTYPE for what is no machine, -EBADMSG for an image that is not whole or whose source
 * delivers other bytes, -EROFS, -ENOSPC, and what stores say.  After any of them what was brought
 * stays, and the next copy goes on there.
 *
 * Copy `manifest` of from/from_name, and what refers to it, to to/to_name under `tag` (NULL: under
 * its digest alone).  What is there is not sent again.
 */
int library_copy(struct store *from, const char *from_name, const struct store_manifest *manifest,
                 struct store *to, const char *to_name, const char *tag,
                 const struct copy_options *options, struct copy_result *ret, struct error *err);

#endif
