/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: a place that has images under names and tags, and their blobs under digests.  What
 * implements it: a registry (registry.c), a folder (folder.c), a folder that a web server shows
 * (web.c), a store in memory for tests.
 *
 * Names, tags and digests in calls are well-formed (library/reference.h).  Digests are texts,
 * "sha256:" and 64 digits in small letters.
 *
 * Trust: what a store says is hostile.  store_get_manifest() and store_read_blob() below verify
 * digests, so nothing reaches a caller that is not what was asked for; a manifest that was asked
 * for by tag is only as good as who signed it.
 *
 * Errors, all with a sentence that names the store and what was asked for: -ENOENT (no such name,
 * tag or blob), -EACCES (credentials), -EBADMSG (another digest, or an answer that makes no sense),
 * -EFBIG (past a bound), -EROFS (the store cannot be written), -EINTR (progress said stop),
 * -ETIMEDOUT, -ECONNREFUSED and others of a network that stay after the tries are used up.
 *
 * Threads: any number may use one store at once; close after the last has returned.
 */
#ifndef LIBRARY_STORE_H
#define LIBRARY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

#define STORE_MAX_MANIFEST (UINT32_C(4) << 20)
#define STORE_MAX_NAMES    100000u /* of a catalogue, and tags of a name */
#define STORE_DIGEST_ROOM  72u     /* "sha256:", 64 digits, NUL */
#define STORE_MEDIA_ROOM   128u

struct store_manifest {
	char *bytes; /* as they are: what the digest and signatures are over; ends in a NUL */
	size_t len;
	char media_type[STORE_MEDIA_ROOM];
	char digest[STORE_DIGEST_ROOM];
};

void store_manifest_free(struct store_manifest *manifest);
static inline void store_manifest_free_at(struct store_manifest *at)
{
	store_manifest_free(at);
}

/* Bytes of a blob in order, some at a time.  Anything but 0 ends the read with that. */
struct store_sink {
	int (*write)(void *arg, const void *buf, size_t len, struct error *err);
	void *arg;
};

/* One item of a listing; anything but 0 ends it with that. */
typedef int store_item(void *arg, const char *text, struct error *err);

struct store;
struct store_upload; /* a kind of store puts its own in front */

struct store_ops {
	/* `which` is a tag or a digest.  Unverified: callers use store_get_manifest(). */
	int (*get_manifest)(struct store *store, const char *name, const char *which,
	                    struct store_manifest *ret, struct error *err);
	/*
	 * Under a tag, or under its digest alone when `tag` is NULL.  What it names is there
	 * already.  One that has a `subject` becomes a referrer of that.
	 */
	int (*put_manifest)(struct store *store, const char *name, const char *tag,
	                    const struct store_manifest *manifest, struct error *err);
	/* A tag loses its name; a digest goes with all its tags. */
	int (*delete_manifest)(struct store *store, const char *name, const char *which,
	                       struct error *err);
	/* All names; all tags of one.  Sorted when the store sorts them. */
	int (*names)(struct store *store, store_item *item, void *arg, struct error *err);
	int (*tags)(struct store *store, const char *name, store_item *item, void *arg,
	            struct error *err);
	/* Digests of the manifests that refer to `digest` and have that artifactType; "": any. */
	int (*referrers)(struct store *store, const char *name, const char *digest,
	                 const char *artifact_type, store_item *item, void *arg, struct error *err);

	/* 0 with its size; -ENOENT. */
	int (*find_blob)(struct store *store, const char *name, const char *digest,
	                 uint64_t *ret_size, struct error *err);
	/* From `off` to the end; unverified: callers use store_read_blob(). */
	int (*read_blob)(struct store *store, const char *name, const char *digest, uint64_t off,
	                 const struct store_sink *sink, struct error *err);
	/* The URL or path that a disk reads the blob at; its last part is the digest. */
	int (*blob_place)(struct store *store, const char *name, const char *digest, char **ret,
	                  struct error *err);
	/* Have it without sending it, when `from` of the same store has it; -ENOENT. Optional. */
	int (*mount_blob)(struct store *store, const char *name, const char *digest,
	                  const char *from, struct error *err);
	/*
	 * Begin, or go on with, sending a blob of `size` bytes.  *ret_off says how many of its
	 * bytes are there already.  *ret is NULL when the blob is whole there.  NULL as a function:
	 * nothing can be written to this store.
	 */
	int (*begin_upload)(struct store *store, const char *name, const char *digest,
	                    uint64_t size, struct store_upload **ret, uint64_t *ret_off,
	                    struct error *err);
	/* The next bytes.  After an error: end_upload, and begin again tells how far it is. */
	int (*write_upload)(struct store_upload *upload, const void *buf, size_t len,
	                    struct error *err);
	/*
	 * All bytes were written: verify, flush, and have it under its digest.  -EBADMSG: it is
	 * another one, and none of it is gone on with.
	 */
	int (*finish_upload)(struct store_upload *upload, struct error *err);
	/* Let go of it, finished or not; what was sent may be gone on with later. */
	void (*end_upload)(struct store_upload *upload);
	/*
	 * Until *ret_fd is closed, nothing that is found or brought is swept away (folder_sweep()).
	 * Optional: registries look after themselves.
	 */
	int (*hold)(struct store *store, int *ret_fd, struct error *err);
	void (*close)(struct store *store);
};

struct store {
	const struct store_ops *ops;
	char *name; /* what messages call it: "registry.example", "/media/usb" */
};

struct store_upload {
	struct store *store;
};

struct store_options {
	const char *ca_file;          /* PEM bundle in place of the system's */
	const char *credentials_file; /* NULL: docker's and podman's */
	bool plain_http;              /* the registry does not speak TLS, and that is meant */
	const char *uploads_dir; /* where uploads of a registry are remembered; NULL: nowhere */
};

/* "HOST[:PORT]".  Contacts nothing yet. */
int registry_open(const char *host, const struct store_options *options, struct store **ret,
                  struct error *err);
/* Is it a registry, and does it know us?  -EACCES. */
int registry_ping(struct store *store, struct error *err);

/* A folder that is a library; -ENOENT and -EINVAL when it is none. */
int folder_open(const char *path, struct store **ret, struct error *err);
/* Make one, in a folder that is empty or missing; one that is a library already is left alone. */
int folder_create(const char *path, struct error *err);
/*
 * Remove what no manifest of the folder names: *ret_bytes of blobs, and uploads that nobody has
 * touched for a week.  -EBUSY while something is being copied into it: later is early enough.
 */
int folder_sweep(struct store *store, uint64_t *ret_bytes, struct error *err);

/*
 * A folder that a web server shows, read-only: `url` is where its index.json is.  Contacts nothing
 * yet.
 */
int web_open(const char *url, const struct store_options *options, struct store **ret,
             struct error *err);

void store_close(struct store *store);
DEFINE_CLEANUP(struct store *, store_close);

/* See store_ops.hold; -1 and 0 where there is nothing to hold. */
int store_hold(struct store *store, int *ret_fd, struct error *err);

/* Bounded, and its digest computed; compared when `which` is a digest. */
int store_get_manifest(struct store *store, const char *name, const char *which,
                       struct store_manifest *ret, struct error *err);

/*
 * A whole small blob, verified: at most `max` bytes.  The result ends in a NUL that is not counted;
 * the caller frees it.
 */
int store_get_blob(struct store *store, const char *name, const char *digest, size_t max,
                   char **ret, size_t *ret_len, struct error *err);

#endif
