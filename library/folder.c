// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A store that is a folder: opening, making, reading.  Any thread; nothing is kept of what was read,
 * so others may change the folder at any time.
 *
 * Trust: a folder may come on somebody's stick.  Links are not followed, and what is no file is not
 * read.
 */
#include "library/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

#define MAX_MARK 4096u
#define PIECE    (256 * KIB)

int folder_load(struct folder *folder, struct layout *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(folder->fd, FOLDER_INDEX, STORE_MAX_MANIFEST, &text, &len, err);

	if (r < 0) {
		error_prefix(err, "%s", folder->store.name);
		return r;
	}
	r = layout_parse(text, len, ret, err);
	if (r < 0)
		error_prefix(err, "%s/" FOLDER_INDEX, folder->store.name);
	return r;
}

static int open_blob(struct folder *folder, const char *digest, int *ret_fd, uint64_t *ret_size,
                     struct error *err)
{
	char path[FOLDER_PATH];
	cleanup_close int fd = -1;
	struct stat st;

	snprintf(path, sizeof(path), FOLDER_BLOBS "/%s", digest_digits(digest));
	fd = openat(folder->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ENOENT, "%s: has no blob %s", folder->store.name, digest);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s/%s", folder->store.name, path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EBADMSG, "%s/%s: is no file", folder->store.name, path);
	*ret_fd = take_fd(&fd);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int folder_blob_size(struct folder *folder, const char *digest, uint64_t *ret, struct error *err)
{
	cleanup_close int fd = -1;

	return open_blob(folder, digest, &fd, ret, err);
}

static int find_blob(struct store *store, const char *name __attribute__((unused)),
                     const char *digest, uint64_t *ret_size, struct error *err)
{
	return folder_blob_size(to_folder(store), digest, ret_size, err);
}

static int read_blob(struct store *store, const char *name __attribute__((unused)),
                     const char *digest, uint64_t off, const struct store_sink *sink,
                     struct error *err)
{
	cleanup_free char *buf = malloc(PIECE);
	cleanup_close int fd = -1;
	uint64_t size;
	int r = open_blob(to_folder(store), digest, &fd, &size, err);

	if (r < 0)
		return r;
	if (!buf)
		return error_sys(err, ENOMEM, "%s", store->name);
	while (off < size) {
		size_t len = (size_t)min_u64(PIECE, size - off);

		r = pread_all(fd, buf, len, off);
		if (r < 0)
			return error_sys(err, -r, "%s: %s", store->name, digest);
		r = sink->write(sink->arg, buf, len, err);
		if (r != 0)
			return r;
		off += len;
	}
	return 0;
}

static int blob_place(struct store *store, const char *name __attribute__((unused)),
                      const char *digest, char **ret, struct error *err)
{
	if (asprintf(ret, "%s/" FOLDER_BLOBS "/%s", to_folder(store)->path, digest_digits(digest)) <
	    0)
		return error_sys(err, ENOMEM, "%s", store->name);
	return 0;
}

static int get_manifest(struct store *store, const char *name, const char *which,
                        struct store_manifest *ret, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = folder_load(to_folder(store), &layout, err);

	return r < 0 ? r : layout_get_manifest(&layout, store, name, which, ret, err);
}

static int names(struct store *store, store_item *item, void *arg, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = folder_load(to_folder(store), &layout, err);

	return r < 0 ? r : layout_names(&layout, item, arg, err);
}

static int tags(struct store *store, const char *name, store_item *item, void *arg,
                struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = folder_load(to_folder(store), &layout, err);

	return r < 0 ? r : layout_tags(&layout, name, item, arg, err);
}

static int referrers(struct store *store, const char *name, const char *digest,
                     const char *artifact_type, store_item *item, void *arg, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = folder_load(to_folder(store), &layout, err);

	return r < 0 ? r
	             : layout_referrers(&layout, store, name, digest, artifact_type, item, arg,
	                                err);
}

static void close_folder(struct store *store)
{
	struct folder *folder = to_folder(store);

	if (folder->fd >= 0)
		close(folder->fd);
	free(folder->path);
	free(store->name);
	free(folder);
}

static const struct store_ops ops = {
	.get_manifest = get_manifest,
	.put_manifest = folder_put_manifest,
	.delete_manifest = folder_delete_manifest,
	.names = names,
	.tags = tags,
	.referrers = referrers,
	.find_blob = find_blob,
	.read_blob = read_blob,
	.blob_place = blob_place,
	.begin_upload = folder_begin_upload,
	.write_upload = folder_write_upload,
	.finish_upload = folder_finish_upload,
	.end_upload = folder_end_upload,
	.hold = folder_hold,
	.close = close_folder,
};

/* Is there a library in the folder?  -ENOENT, -EINVAL. */
static int check_mark(int fd, const char *path, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(fd, FOLDER_MARK, MAX_MARK, &text, &len, err);

	if (r == -ENOENT)
		return error_set(err, EINVAL, "%s: is no library: it has no file " FOLDER_MARK,
		                 path);
	if (r == 0)
		r = layout_check_mark(text, len, err);
	if (r < 0)
		error_prefix(err, "%s", path);
	return r;
}

int folder_open(const char *path, struct store **ret, struct error *err)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	int r = 0;

	if (!folder)
		return error_sys(err, ENOMEM, "%s", path);
	folder->store.ops = &ops;
	folder->store.name = strdup(path);
	folder->fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (!folder->store.name)
		r = error_sys(err, ENOMEM, "%s", path);
	else if (folder->fd < 0)
		r = error_sys(err, errno, "%s", path);
	if (r == 0)
		r = check_mark(folder->fd, path, err);
	if (r == 0) {
		folder->path = realpath(path, NULL);
		if (!folder->path)
			r = error_sys(err, errno, "%s", path);
	}
	if (r < 0)
		close_folder(&folder->store);
	else
		*ret = &folder->store;
	return r;
}

/* Files that are replaced as a whole are written under such a name first: replace_file(). */
bool folder_is_half(const char *name)
{
	static const char *const files[] = { FOLDER_INDEX ".", FOLDER_MARK ".", "catalogue.json." };
	size_t len = strlen(name);

	if (len < 4 || strcmp(name + len - 4, ".new") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strncmp(name, files[i], strlen(files[i])) == 0)
			return true;
	return false;
}

/* May a library begin here?  Only where nobody has anything, or a library was begun. */
static int check_empty(int fd, const char *path, struct error *err)
{
	static const char *const ours[] = { "blobs",      FOLDER_UPLOADS,
		                            FOLDER_LOCK,  FOLDER_INDEX,
		                            "lost+found", "System Volume Information" };
	int copy = openat(fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!dir) {
		r = error_sys(err, errno, "%s", path);
		if (copy >= 0)
			close(copy);
		return r;
	}
	for (struct dirent *it; r == 0 && (it = readdir(dir)) != NULL;) {
		bool fine = it->d_name[0] == '.' || folder_is_half(it->d_name);

		for (size_t i = 0; i < ARRAY_LEN(ours); i++)
			fine |= strcmp(it->d_name, ours[i]) == 0;
		if (!fine)
			r = error_set(err, ENOTEMPTY,
			              "%s: is no library and not empty: it has %.100s", path,
			              it->d_name);
	}
	closedir(dir);
	return r;
}

static int make_dir(int fd, const char *path, const char *name, struct error *err)
{
	if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s/%s", path, name);
	return 0;
}

/* The file that makes it a library comes last. */
static int make_parts(int fd, const char *path, struct error *err)
{
	int r = make_dir(fd, path, "blobs", err);

	if (r == 0)
		r = make_dir(fd, path, FOLDER_BLOBS, err);
	if (r == 0)
		r = make_dir(fd, path, FOLDER_UPLOADS, err);
	if (r == 0 && faccessat(fd, FOLDER_INDEX, F_OK, 0) < 0)
		r = replace_file(fd, FOLDER_INDEX, LAYOUT_EMPTY, strlen(LAYOUT_EMPTY), 0644, err);
	if (r == 0)
		r = replace_file(fd, FOLDER_MARK, LAYOUT_MARK, strlen(LAYOUT_MARK), 0644, err);
	if (r == 0 && fsync(fd) < 0)
		r = error_sys(err, errno, "%s", path);
	return r;
}

int folder_create(const char *path, struct error *err)
{
	cleanup_close int fd = -1;
	int r = make_dirs(path, 0755, err);

	if (r < 0)
		return r;
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	if (faccessat(fd, FOLDER_MARK, F_OK, 0) == 0)
		return check_mark(fd, path, err);
	r = check_empty(fd, path, err);
	return r < 0 ? r : make_parts(fd, path, err);
}
