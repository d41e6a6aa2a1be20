// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What no manifest of a folder names goes.
 *
 * Nobody counts on it: the sweep has "uploads" alone, which whoever copies, or builds an image in
 * the folder, holds with others from before he looks what is there until his manifest is named.  A
 * manifest that cannot be read ends the sweep before anything is gone, for what it names is not
 * known.
 */
#include "library/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "library/digest-set.h"

#define OLD_SECONDS (7 * 24 * 60 * 60)
#define MAX_DEPTH   4u /* of lists of lists of images */

struct sweep {
	struct folder *folder;
	struct digest_set named;
	unsigned int depth;
	time_t now;
	uint64_t bytes;
};

static int add(struct sweep *sweep, const char *digest, struct error *err)
{
	int r = digest_set_add(&sweep->named, digest);

	return r < 0 ? error_sys(err, ENOMEM, "%s", sweep->folder->store.name) : r;
}

static int learn(void *arg, const struct oci_descriptor *manifest, struct error *err);

static int learn_content(struct sweep *sweep, const struct oci_descriptor *of, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest bytes = { 0 };
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	int r;

	if (sweep->depth == MAX_DEPTH)
		return error_set(err, EBADMSG, "%s: lists of images are nested too deeply",
		                 sweep->folder->store.name);
	r = store_get_manifest(&sweep->folder->store, "", of->digest, &bytes, err);
	if (r < 0)
		return r;
	if (oci_is_index(of->media_type)) {
		sweep->depth++;
		r = oci_index_each(bytes.bytes, bytes.len, learn, sweep, err);
		sweep->depth--;
	} else {
		r = oci_manifest_parse(bytes.bytes, bytes.len, &manifest, err);
		if (r == 0)
			r = add(sweep, manifest->config.digest, err);
		for (size_t i = 0; r >= 0 && i < manifest->n_layers; i++)
			r = add(sweep, manifest->layers[i].digest, err);
	}
	if (r < 0)
		error_prefix(err, "%s: %s", sweep->folder->store.name, of->digest);
	return r < 0 ? r : 0;
}

/* A manifest, and everything that it names. */
static int learn(void *arg, const struct oci_descriptor *manifest, struct error *err)
{
	struct sweep *sweep = arg;
	int r = add(sweep, manifest->digest, err);

	if (r <= 0)
		return r;
	if (!oci_is_index(manifest->media_type) && !oci_is_manifest(manifest->media_type))
		return 0;
	return learn_content(sweep, manifest, err);
}

/* Is it ours to remove?  Files only, by their names. */
typedef bool sweep_judge(const struct sweep *sweep, const char *name, const struct stat *st);

static bool is_unnamed_blob(const struct sweep *sweep, const char *name,
                            const struct stat *st __attribute__((unused)))
{
	char digest[STORE_DIGEST_ROOM];

	/* What a maker of images could not end: library/blob.c. */
	if (strncmp(name, ".new-", 5) == 0)
		return true;
	if (strlen(name) != 64)
		return false;
	snprintf(digest, sizeof(digest), "sha256:%s", name);
	return reference_digest_valid(digest) && !digest_set_has(&sweep->named, digest);
}

/* One that is whole by now, one that only its dead owner could go on with, or an old one. */
static bool is_stale_upload(const struct sweep *sweep, const char *name, const struct stat *st)
{
	return strlen(name) != 64 || st->st_mtime < sweep->now - OLD_SECONDS;
}

static bool is_half_file(const struct sweep *sweep __attribute__((unused)), const char *name,
                         const struct stat *st __attribute__((unused)))
{
	return folder_is_half(name);
}

static int sweep_dir(struct sweep *sweep, const char *path, sweep_judge *judge, struct error *err)
{
	int fd = openat(sweep->folder->fd, path, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = error_sys(err, errno, "%s/%s", sweep->folder->store.name, path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *it; r == 0 && (it = readdir(dir)) != NULL;) {
		struct stat st;

		if (fstatat(fd, it->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		    !judge(sweep, it->d_name, &st))
			continue;
		if (unlinkat(fd, it->d_name, 0) < 0)
			r = error_sys(err, errno, "%s/%s/%s", sweep->folder->store.name, path,
			              it->d_name);
		else
			sweep->bytes += (uint64_t)st.st_size;
	}
	closedir(dir);
	return r;
}

static int sweep_locked(struct sweep *sweep, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = folder_load(sweep->folder, &layout, err);

	for (size_t i = 0; r == 0 && i < layout.n; i++)
		r = learn(sweep, &layout.entries[i].manifest, err);
	if (r == 0)
		r = sweep_dir(sweep, FOLDER_BLOBS, is_unnamed_blob, err);
	if (r == 0)
		r = sweep_dir(sweep, FOLDER_UPLOADS, is_stale_upload, err);
	return r < 0 ? r : sweep_dir(sweep, ".", is_half_file, err);
}

int folder_sweep(struct store *store, uint64_t *ret_bytes, struct error *err)
{
	struct sweep sweep = { .folder = to_folder(store), .now = time(NULL) };
	cleanup_close int lock = -1, alone = -1;
	int r = folder_lock(sweep.folder, &lock, err);

	if (r == 0)
		r = folder_hold(store, &alone, err);
	if (r < 0)
		return r;
	if (flock(alone, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? error_set(err, EBUSY, "%s: something is being copied into it",
		                           store->name)
		               : error_sys(err, errno, "%s/" FOLDER_UPLOADS, store->name);
	r = sweep_locked(&sweep, err);
	digest_set_free(&sweep.named);
	if (r == 0)
		*ret_bytes = sweep.bytes;
	return r;
}
