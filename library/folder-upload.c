// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blobs on their way into a folder.
 *
 * A blob grows in uploads/DIGITS under a lock of that file, so what is there after a crash is gone
 * on with; its digest is taken of all of it, the old part too.  When it is whole, right and flushed
 * it is renamed to where it belongs.  Somebody who finds the file locked has one of his own, under a
 * longer name, which is his alone: he neither waits nor is waited for.
 */
#include "library/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "util/io.h"
#include "util/text.h"

#define PIECE     (256 * KIB)
#define MAX_TRIES 1000u

struct folder_upload {
	struct store_upload upload;
	char path[FOLDER_PATH]; /* below the folder; "" when it is not there any more */
	char digest[STORE_DIGEST_ROOM];
	bool passing; /* nobody can go on with it */
	int fd;
	uint64_t size, off;
	EVP_MD_CTX *sum; /* of the first `off` bytes */
};

static struct folder_upload *to_upload(struct store_upload *upload)
{
	return container_of(upload, struct folder_upload, upload);
}

static int open_uploads(struct folder *folder, struct error *err)
{
	int fd;

	/* Other tools' folders have none. */
	if (mkdirat(folder->fd, FOLDER_UPLOADS, 0755) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s/" FOLDER_UPLOADS, folder->store.name);
	fd = openat(folder->fd, FOLDER_UPLOADS, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? error_sys(err, errno, "%s/" FOLDER_UPLOADS, folder->store.name) : fd;
}

int folder_hold(struct store *store, int *ret_fd, struct error *err)
{
	cleanup_close int fd = open_uploads(to_folder(store), err);
	int r;

	if (fd < 0)
		return fd;
	do
		r = flock(fd, LOCK_SH);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return error_sys(err, errno, "%s/" FOLDER_UPLOADS, store->name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static bool same_file(struct folder *folder, const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(folder->fd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * The file of that blob, locked: whoever had it before may have renamed it meanwhile.  -EWOULDBLOCK
 * when somebody has it.
 */
static int open_shared(struct folder *folder, struct folder_upload *upload, struct error *err)
{
	snprintf(upload->path, sizeof(upload->path), FOLDER_UPLOADS "/%s",
	         digest_digits(upload->digest));
	for (unsigned int i = 0; i < MAX_TRIES; i++) {
		cleanup_close int fd = openat(folder->fd, upload->path,
		                              O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0)
			return error_sys(err, errno, "%s/%s", folder->store.name, upload->path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EWOULDBLOCK
			                            : error_sys(err, errno, "%s/%s",
			                                        folder->store.name, upload->path);
		if (same_file(folder, upload->path, fd)) {
			upload->fd = take_fd(&fd);
			return 0;
		}
	}
	return error_set(err, EBUSY, "%s/%s: comes and goes", folder->store.name, upload->path);
}

static int open_own(struct folder *folder, struct folder_upload *upload, struct error *err)
{
	static unsigned int count;

	for (unsigned int i = 0; i < MAX_TRIES; i++) {
		unsigned int n = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);

		snprintf(upload->path, sizeof(upload->path), FOLDER_UPLOADS "/%s.%d-%u",
		         digest_digits(upload->digest), (int)getpid(), n);
		upload->fd = openat(folder->fd, upload->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		                    0644);
		if (upload->fd >= 0) {
			upload->passing = true;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return error_sys(err, errno, "%s/%s", folder->store.name, upload->path);
}

/* What an earlier try left: so far it is, and this is its digest. */
static int take_up(struct folder *folder, struct folder_upload *upload, struct error *err)
{
	cleanup_free char *buf = malloc(PIECE);
	struct stat st;
	int r = 0;

	if (!buf)
		return error_sys(err, ENOMEM, "%s", folder->store.name);
	if (fstat(upload->fd, &st) < 0)
		return error_sys(err, errno, "%s/%s", folder->store.name, upload->path);
	if ((uint64_t)st.st_size > upload->size) {
		if (ftruncate(upload->fd, 0) < 0)
			return error_sys(err, errno, "%s/%s", folder->store.name, upload->path);
		st.st_size = 0;
	}
	while (r == 0 && upload->off < (uint64_t)st.st_size) {
		size_t len = (size_t)min_u64(PIECE, (uint64_t)st.st_size - upload->off);

		r = pread_all(upload->fd, buf, len, upload->off);
		if (r < 0)
			return error_sys(err, -r, "%s/%s", folder->store.name, upload->path);
		if (EVP_DigestUpdate(upload->sum, buf, len) != 1)
			return error_sys(err, ENOMEM, "%s", folder->store.name);
		upload->off += len;
	}
	return r;
}

int folder_begin_upload(struct store *store, const char *name __attribute__((unused)),
                        const char *digest, uint64_t size, struct store_upload **ret,
                        uint64_t *ret_off, struct error *err)
{
	struct folder *folder = to_folder(store);
	cleanup_close int uploads = -1;
	struct folder_upload *upload;
	uint64_t have;
	int r = folder_blob_size(folder, digest, &have, NULL);

	if (r == 0 && have == size) {
		*ret = NULL;
		*ret_off = size;
		return 0;
	}
	uploads = open_uploads(folder, err);
	if (uploads < 0)
		return uploads;
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return error_sys(err, ENOMEM, "%s", store->name);
	*upload = (struct folder_upload){ .upload.store = store, .fd = -1, .size = size };
	memcpy(upload->digest, digest, strlen(digest) + 1);
	upload->sum = EVP_MD_CTX_new();
	if (!upload->sum || EVP_DigestInit_ex(upload->sum, EVP_sha256(), NULL) != 1)
		r = error_sys(err, ENOMEM, "%s", store->name);
	else
		r = open_shared(folder, upload, err);
	if (r == -EWOULDBLOCK)
		r = open_own(folder, upload, err);
	if (r == 0)
		r = take_up(folder, upload, err);
	if (r < 0) {
		folder_end_upload(&upload->upload);
		return r;
	}
	*ret = &upload->upload;
	*ret_off = upload->off;
	return 0;
}

static int no_room(const struct folder *folder, const struct folder_upload *upload,
                   struct error *err)
{
	char need[16], have[16];
	struct statvfs st;

	if (fstatvfs(folder->fd, &st) < 0)
		return error_sys(err, ENOSPC, "%s", folder->store.name);
	return error_set(err, ENOSPC, "%s: is full: a blob needs %s more, and %s are free",
	                 folder->store.name, format_bytes(upload->size - upload->off, need),
	                 format_bytes((uint64_t)st.f_bavail * st.f_frsize, have));
}

int folder_write_upload(struct store_upload *at, const void *buf, size_t len, struct error *err)
{
	struct folder_upload *upload = to_upload(at);
	const struct folder *folder = to_folder(at->store);
	int r;

	if (len > upload->size - upload->off)
		return error_set(err, EBADMSG, "%s: %s has more bytes than the %llu that were said",
		                 at->store->name, upload->digest, (unsigned long long)upload->size);
	r = pwrite_all(upload->fd, buf, len, upload->off);
	if (r == -ENOSPC || r == -EDQUOT)
		return no_room(folder, upload, err);
	if (r < 0)
		return error_sys(err, -r, "%s/%s", at->store->name, upload->path);
	if (EVP_DigestUpdate(upload->sum, buf, len) != 1)
		return error_sys(err, ENOMEM, "%s", at->store->name);
	upload->off += len;
	return 0;
}

static void forget(struct folder *folder, struct folder_upload *upload)
{
	if (upload->path[0])
		unlinkat(folder->fd, upload->path, 0);
	upload->path[0] = '\0';
}

/* Wrong bytes are of no use to anybody. */
static int check_sum(struct folder *folder, struct folder_upload *upload, struct error *err)
{
	char have[STORE_DIGEST_ROOM];
	uint8_t raw[32];

	if (upload->off != upload->size)
		return error_set(err, EBADMSG, "%s: %s ended after %llu of %llu bytes",
		                 folder->store.name, upload->digest,
		                 (unsigned long long)upload->off, (unsigned long long)upload->size);
	if (EVP_DigestFinal_ex(upload->sum, raw, NULL) != 1)
		return error_sys(err, ENOMEM, "%s", folder->store.name);
	oci_digest_text(raw, have);
	if (strcmp(have, upload->digest) == 0)
		return 0;
	forget(folder, upload);
	return error_set(err, EBADMSG, "%s: what came for %s is %s", folder->store.name,
	                 upload->digest, have);
}

int folder_finish_upload(struct store_upload *at, struct error *err)
{
	struct folder_upload *upload = to_upload(at);
	struct folder *folder = to_folder(at->store);
	char path[FOLDER_PATH];
	cleanup_close int blobs = -1;
	int r = check_sum(folder, upload, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), FOLDER_BLOBS "/%s", digest_digits(upload->digest));
	blobs = openat(folder->fd, FOLDER_BLOBS, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (blobs < 0)
		return error_sys(err, errno, "%s/" FOLDER_BLOBS, at->store->name);
	if (fsync(upload->fd) < 0)
		return error_sys(err, errno, "%s/%s", at->store->name, upload->path);
	if (renameat(folder->fd, upload->path, folder->fd, path) < 0)
		return error_sys(err, errno, "%s/%s", at->store->name, path);
	upload->path[0] = '\0';
	if (fsync(blobs) < 0)
		return error_sys(err, errno, "%s/" FOLDER_BLOBS, at->store->name);
	return 0;
}

void folder_end_upload(struct store_upload *at)
{
	struct folder_upload *upload = to_upload(at);

	if (upload->passing)
		forget(to_folder(at->store), upload);
	if (upload->fd >= 0)
		close(upload->fd);
	EVP_MD_CTX_free(upload->sum);
	free(upload);
}
