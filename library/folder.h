/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of a folder share; docs/library.md, "Stores".
 *
 *   folder.c         opening, making, reading
 *   folder-write.c   index.json and manifests
 *   folder-upload.c  blobs on their way in
 *   folder-sweep.c   what nobody names goes
 *
 * Locks, all flock(2), in the order in which they are taken: "uploads" is held with others by whoever
 * counts on what is there (store_ops.hold); "lock" is held alone by whoever changes index.json or
 * removes blobs; a file in uploads/ is held alone by whoever writes it.  The sweep has "lock" and
 * tries to have "uploads" alone, without waiting.
 */
#ifndef LIBRARY_FOLDER_H
#define LIBRARY_FOLDER_H

#include "base/bits.h"
#include "library/layout.h"

#define FOLDER_BLOBS   "blobs/sha256"
#define FOLDER_UPLOADS "uploads"
#define FOLDER_LOCK    "lock"
#define FOLDER_MARK    "oci-layout"
#define FOLDER_INDEX   "index.json"
#define FOLDER_PATH    160u /* room for a path below the folder */

struct folder {
	struct store store;
	char *path; /* absolute */
	int fd;
};

static inline struct folder *to_folder(struct store *store)
{
	return container_of(store, struct folder, store);
}

/* The digits of "sha256:…". */
static inline const char *digest_digits(const char *digest)
{
	return digest + sizeof("sha256:") - 1;
}

/* folder.c */
int folder_load(struct folder *folder, struct layout *ret, struct error *err);
/* -ENOENT without a sentence when it is not there. */
int folder_blob_size(struct folder *folder, const char *digest, uint64_t *ret, struct error *err);
/* Is it what a replacement of one of the folder's files left, which was cut short? */
bool folder_is_half(const char *name);

/* folder-write.c */
int folder_lock(struct folder *folder, int *ret_fd, struct error *err);
int folder_put_manifest(struct store *store, const char *name, const char *tag,
                        const struct store_manifest *manifest, struct error *err);
int folder_delete_manifest(struct store *store, const char *name, const char *which,
                           struct error *err);

/* folder-upload.c */
int folder_hold(struct store *store, int *ret_fd, struct error *err);
int folder_begin_upload(struct store *store, const char *name, const char *digest, uint64_t size,
                        struct store_upload **ret, uint64_t *ret_off, struct error *err);
int folder_write_upload(struct store_upload *upload, const void *buf, size_t len,
                        struct error *err);
int folder_finish_upload(struct store_upload *upload, struct error *err);
void folder_end_upload(struct store_upload *upload);

#endif
