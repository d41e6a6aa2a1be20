/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the registry client share: registry.c (manifests), registry-blobs.c, registry-list.c
 * (names, tags), registry-referrers.c, registry-upload.c.
 */
#ifndef LIBRARY_REGISTRY_H
#define LIBRARY_REGISTRY_H

#include "library/http.h"
#include "library/store.h"

#define REGISTRY_SCOPE_ROOM 640u

struct registry {
	struct store store;
	struct http_client *client;
	char *uploads_dir; /* NULL: uploads are not remembered */
	bool no_referrers; /* with __atomic: it has no referrers API */
	size_t chunk;      /* bytes of an upload sent at once */
	size_t page;       /* names asked for at once */
};

static inline struct registry *registry_of(struct store *store)
{
	return (struct registry *)store;
}

/* For tests: small chunks and pages, and no sleeping. */
void registry_tune(struct store *store, size_t chunk, size_t page,
                   void (*pause)(void *arg, uint32_t ms), void *arg);

/* "repository:NAME:pull,push", and for a mount " repository:FROM:pull" as well. */
void registry_scope(char out[REGISTRY_SCOPE_ROOM], const char *name, const char *actions,
                    const char *from);

/*
 * One call about a name and what is asked for there (both may be NULL): sentences begin with
 * "registry.example/name:which".  Any status is an answer.
 */
int registry_call(struct registry *registry, const char *name, const char *which,
                  const struct http_call *call, struct exchange_answer *ret, struct error *err);

/*
 * An answer that is a refusal, as -errno with a sentence; `what` is the noun it is about: "there is
 * no such manifest".
 */
int registry_refuse(struct registry *registry, const char *name, const char *which,
                    const char *what, const struct exchange_answer *answer, struct error *err);

/* Put "registry.example/name:which" in front of the sentence, when there is one. */
void registry_prefix(const struct registry *registry, const char *name, const char *which,
                     struct error *err);

/* registry.c */
int registry_get_manifest(struct store *store, const char *name, const char *which,
                          struct store_manifest *ret, struct error *err);
int registry_send_manifest(struct registry *registry, const char *name, const char *which,
                           const struct store_manifest *manifest, bool *ret_subject,
                           struct error *err);

/* registry-blobs.c */
int registry_find_blob(struct store *store, const char *name, const char *digest,
                       uint64_t *ret_size, struct error *err);
int registry_read_blob(struct store *store, const char *name, const char *digest, uint64_t off,
                       const struct store_sink *sink, struct error *err);
int registry_blob_place(struct store *store, const char *name, const char *digest, char **ret,
                        struct error *err);

/* registry-list.c */
int registry_names(struct store *store, store_item *item, void *arg, struct error *err);
int registry_tags(struct store *store, const char *name, store_item *item, void *arg,
                  struct error *err);
/* registry-referrers.c */
int registry_referrers(struct store *store, const char *name, const char *digest,
                       const char *artifact_type, store_item *item, void *arg, struct error *err);
/* The list under the tag "sha256-…", for a registry without the API: one more, one less. */
int registry_list_referrer(struct registry *registry, const char *name,
                           const struct store_manifest *manifest, bool add, struct error *err);

/* registry-upload.c */
int registry_mount_blob(struct store *store, const char *name, const char *digest, const char *from,
                        struct error *err);
int registry_begin_upload(struct store *store, const char *name, const char *digest, uint64_t size,
                          struct store_upload **ret, uint64_t *ret_off, struct error *err);
int registry_write_upload(struct store_upload *upload, const void *buf, size_t len,
                          struct error *err);
int registry_finish_upload(struct store_upload *upload, struct error *err);
void registry_end_upload(struct store_upload *upload);

#endif
