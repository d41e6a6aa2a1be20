// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing what a folder names.
 *
 * index.json is replaced as a whole under the lock, after everything that it will name is there and
 * flushed; so whoever reads it at any time, after a crash too, finds what it names.
 */
#include "library/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/io.h"

int folder_lock(struct folder *folder, int *ret_fd, struct error *err)
{
	cleanup_close int fd =
		openat(folder->fd, FOLDER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "%s/" FOLDER_LOCK, folder->store.name);
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return error_sys(err, errno, "%s/" FOLDER_LOCK, folder->store.name);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The blob is there, as large as somebody says. */
static int expect_blob(struct folder *folder, const struct oci_descriptor *blob, struct error *err)
{
	uint64_t size;
	int r = folder_blob_size(folder, blob->digest, &size, err);

	if (r == 0 && size != blob->size)
		r = error_set(err, EBADMSG, "%s: the blob %s has %llu bytes, not %llu",
		              folder->store.name, blob->digest, (unsigned long long)size,
		              (unsigned long long)blob->size);
	return r;
}

static int expect_child(void *arg, const struct oci_descriptor *child, struct error *err)
{
	return expect_blob(arg, child, err);
}

/* Everything that a manifest names is there; *ret_type is what index.json says of its kind. */
static int expect_all(struct folder *folder, const struct store_manifest *bytes,
                      char ret_type[STORE_MEDIA_ROOM], struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	int r;

	ret_type[0] = '\0';
	if (oci_is_index(bytes->media_type))
		return oci_index_each(bytes->bytes, bytes->len, expect_child, folder, err);
	r = oci_manifest_parse(bytes->bytes, bytes->len, &manifest, err);
	if (r == 0)
		r = expect_blob(folder, &manifest->config, err);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = expect_blob(folder, &manifest->layers[i], err);
	if (r == 0)
		memcpy(ret_type, manifest->artifact_type, STORE_MEDIA_ROOM);
	return r;
}

/* A manifest is a blob too. */
static int put_bytes(struct folder *folder, const char *name, const struct store_manifest *manifest,
                     struct error *err)
{
	struct store_upload *upload = NULL;
	uint64_t off;
	int r = folder_begin_upload(&folder->store, name, manifest->digest, manifest->len, &upload,
	                            &off, err);

	if (r < 0 || !upload)
		return r;
	r = folder_write_upload(upload, manifest->bytes + off, manifest->len - (size_t)off, err);
	if (r == 0)
		r = folder_finish_upload(upload, err);
	folder_end_upload(upload);
	return r;
}

static int replace_index(struct folder *folder, const struct layout *layout, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = layout_write(layout, &text, &len, err);

	if (r == 0)
		r = replace_file(folder->fd, FOLDER_INDEX, text, len, 0644, err);
	if (r < 0)
		error_prefix(err, "%s", folder->store.name);
	return r;
}

/* Names of blobs that others gave may not be flushed yet. */
static int flush_names(struct folder *folder, struct error *err)
{
	cleanup_close int fd = openat(folder->fd, FOLDER_BLOBS, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_sys(err, errno, "%s/" FOLDER_BLOBS, folder->store.name);
	return 0;
}

int folder_put_manifest(struct store *store, const char *name, const char *tag,
                        const struct store_manifest *manifest, struct error *err)
{
	struct folder *folder = to_folder(store);
	cleanup(layout_free) struct layout layout = { 0 };
	struct oci_descriptor entry = { .size = manifest->len };
	cleanup_close int lock = -1, held = -1;
	bool changed = false;
	int r;

	memcpy(entry.media_type, manifest->media_type, STORE_MEDIA_ROOM);
	memcpy(entry.digest, manifest->digest, STORE_DIGEST_ROOM);
	r = folder_lock(folder, &lock, err);
	if (r == 0)
		r = folder_hold(store, &held, err);
	if (r == 0) {
		r = expect_all(folder, manifest, entry.artifact_type, err);
		if (r < 0)
			error_prefix(err, "%s: the manifest of %s", store->name, name);
	}
	if (r == 0)
		r = put_bytes(folder, name, manifest, err);
	if (r == 0)
		r = folder_load(folder, &layout, err);
	if (r == 0)
		r = layout_put(&layout, name, tag, &entry, &changed, err);
	if (r < 0 || !changed)
		return r;
	r = flush_names(folder, err);
	return r < 0 ? r : replace_index(folder, &layout, err);
}

/* A list of digests that somebody tells. */
struct digests {
	char (*at)[STORE_DIGEST_ROOM];
	size_t n;
};

static int keep_digest(void *arg, const char *digest, struct error *err)
{
	struct digests *digests = arg;
	void *more = reallocarray(digests->at, digests->n + 1, sizeof(*digests->at));

	if (!more)
		return error_sys(err, ENOMEM, "index.json");
	digests->at = more;
	memcpy(digests->at[digests->n++], digest, STORE_DIGEST_ROOM);
	return 0;
}

/*
 * What referred to `gone` refers to nothing now: out with it, and with what refers to that.  Each
 * step takes an entry away, so it ends.
 */
static int drop_referrers(struct folder *folder, struct layout *layout, const char *name,
                          const char *gone, struct error *err)
{
	struct digests digests = { 0 };
	int r = 0;

	if (keep_digest(&digests, gone, err) < 0)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < digests.n; i++) {
		char subject[STORE_DIGEST_ROOM];
		size_t known = digests.n;

		/* The list moves as it grows. */
		memcpy(subject, digests.at[i], sizeof(subject));
		if (layout_find(layout, name, subject))
			continue;
		r = layout_referrers(layout, &folder->store, name, subject, "", keep_digest,
		                     &digests, err);
		for (size_t k = known; r == 0 && k < digests.n; k++) {
			r = layout_remove(layout, name, digests.at[k], err);
			if (r == -ENOENT)
				r = 0;
		}
	}
	free(digests.at);
	return r;
}

int folder_delete_manifest(struct store *store, const char *name, const char *which,
                           struct error *err)
{
	struct folder *folder = to_folder(store);
	cleanup(layout_free) struct layout layout = { 0 };
	cleanup_close int lock = -1;
	int r = folder_lock(folder, &lock, err);

	if (r == 0)
		r = folder_load(folder, &layout, err);
	if (r < 0)
		return r;
	r = layout_remove(&layout, name, which, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "%s: has no image %s%s%s", store->name, name,
		                 reference_digest_valid(which) ? "@" : ":", which);
	if (r == 0 && reference_digest_valid(which))
		r = drop_referrers(folder, &layout, name, which, err);
	return r < 0 ? r : replace_index(folder, &layout, err);
}
