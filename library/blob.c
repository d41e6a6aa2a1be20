// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "disk/format/index.h"
#include "util/io.h"

struct blob {
	char *dir;
	char *passing; /* its name for the time being, where files without one are not to be had */
	int dirfd, fd;
	uint64_t size;
	EVP_MD_CTX *digest;
};

/* A file of nobody, or else one with a name that blob_free() removes. */
static int open_unnamed(struct blob *blob, struct error *err)
{
	blob->fd = openat(blob->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	if (blob->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return error_sys(err, errno, "%s", blob->dir);
	if (asprintf(&blob->passing, "%s/.new-XXXXXX", blob->dir) < 0) {
		blob->passing = NULL;
		return error_sys(err, ENOMEM, "%s", blob->dir);
	}
	blob->fd = mkostemp(blob->passing, O_CLOEXEC);
	if (blob->fd < 0) {
		int code = errno;

		free(take_ptr(blob->passing));
		return error_sys(err, code, "%s", blob->dir);
	}
	if (fchmod(blob->fd, 0644) < 0)
		return error_sys(err, errno, "%s", blob->passing);
	return 0;
}

int blob_new(const char *dir, struct blob **ret, struct error *err)
{
	cleanup(blob_free) struct blob *blob = calloc(1, sizeof(*blob));
	int r;

	if (!blob)
		return error_sys(err, ENOMEM, "%s", dir);
	blob->fd = -1;
	blob->dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (blob->dirfd < 0)
		return error_sys(err, errno, "%s", dir);
	blob->dir = strdup(dir);
	blob->digest = EVP_MD_CTX_new();
	if (!blob->dir || !blob->digest || EVP_DigestInit_ex(blob->digest, EVP_sha256(), NULL) != 1)
		return error_sys(err, ENOMEM, "%s", dir);
	r = open_unnamed(blob, err);
	if (r == 0)
		*ret = take_ptr(blob);
	return r;
}

void blob_free(struct blob *blob)
{
	if (!blob)
		return;
	if (blob->passing)
		unlink(blob->passing);
	free(blob->passing);
	if (blob->fd >= 0)
		close(blob->fd);
	if (blob->dirfd >= 0)
		close(blob->dirfd);
	EVP_MD_CTX_free(blob->digest);
	free(blob->dir);
	free(blob);
}

int blob_append(struct blob *blob, const void *data, size_t len, struct error *err)
{
	int r = pwrite_all(blob->fd, data, len, blob->size);

	if (r < 0)
		return error_sys(err, -r, "%s: writing to it", blob->dir);
	if (EVP_DigestUpdate(blob->digest, data, len) != 1)
		return error_sys(err, ENOMEM, "%s", blob->dir);
	blob->size += len;
	return 0;
}

uint64_t blob_size(const struct blob *blob)
{
	return blob->size;
}

/* Somebody made the same one before: the same size is enough, the content is in the name. */
static int settle(const struct blob *blob, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(blob->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, errno, "%s/%s", blob->dir, name);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != blob->size)
		return error_set(err, EEXIST,
		                 "%s/%s: is there already, and is not what its name says",
		                 blob->dir, name);
	return 0;
}

static int give_name(struct blob *blob, const char *name, struct error *err)
{
	char path[64];
	int r;

	if (blob->passing) {
		r = linkat(AT_FDCWD, blob->passing, blob->dirfd, name, 0);
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", blob->fd);
		r = linkat(AT_FDCWD, path, blob->dirfd, name, AT_SYMLINK_FOLLOW);
	}
	if (r == 0)
		return 0;
	/* File systems without links have renaming. */
	if (errno == EPERM && blob->passing && faccessat(blob->dirfd, name, F_OK, 0) < 0 &&
	    renameat(AT_FDCWD, blob->passing, blob->dirfd, name) == 0) {
		free(take_ptr(blob->passing));
		return 0;
	}
	if (errno == EEXIST || faccessat(blob->dirfd, name, F_OK, 0) == 0)
		return settle(blob, name, err);
	return error_sys(err, errno, "%s/%s", blob->dir, name);
}

int blob_finish(struct blob *blob, uint8_t ret_digest[32], struct error *err)
{
	char name[INDEX_NAME_BYTES];
	uint8_t digest[32];
	int r;

	if (EVP_DigestFinal_ex(blob->digest, digest, NULL) != 1)
		return error_sys(err, ENOMEM, "%s", blob->dir);
	index_digest_name(digest, name);
	if (fsync(blob->fd) < 0)
		return error_sys(err, errno, "%s: flushing what was written to it", blob->dir);
	r = give_name(blob, name + strlen("sha256:"), err);
	if (r == 0 && fsync(blob->dirfd) < 0)
		r = error_sys(err, errno, "%s: flushing it", blob->dir);
	if (r == 0)
		memcpy(ret_digest, digest, sizeof(digest));
	return r;
}
