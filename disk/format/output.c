// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Output files.
 *
 * A file without a name (O_TMPFILE) vanishes with the process, whatever ends it.  It gets its name
 * by a link, which fails when the name was taken in the meantime; to replace a file it is linked
 * beside it and renamed over it.  Not every file system can do that: there a passing name stands
 * in, which is removed on every way out but a kill.
 */
#include "disk/format/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "util/io.h"

/* Holes are made of whole blocks of file systems. */
#define HOLE 4096u

struct output {
	int fd;
	int dirfd;
	bool force;
	char *path;
	const char *name; /* last part of path */
	char temp[32];    /* the passing name in dirfd; empty: none */
};

const char *output_path(const struct output *out)
{
	return out->path;
}

bool is_zero(const void *buf, size_t len)
{
	const uint8_t *bytes = buf;

	return len == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1));
}

static int temp_name(char out[32], struct error *err)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		return error_sys(err, errno, "random numbers");
	snprintf(out, 32, ".sill-%016" PRIx64, n);
	return 0;
}

/* Open the directory of the path; sets name and dirfd. */
static int open_dir(struct output *out, struct error *err)
{
	char *slash = strrchr(out->path, '/');
	cleanup_free char *dir =
		slash ? strndup(out->path, (size_t)(slash - out->path) + 1) : strdup(".");

	if (!dir)
		return error_set(err, ENOMEM, "%s: no memory to write it", out->path);
	out->name = slash ? slash + 1 : out->path;
	if (out->name[0] == '\0')
		return error_set(err, EISDIR, "%s: a file cannot have the name of a folder",
		                 out->path);
	out->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->dirfd < 0)
		return error_sys(err, errno, "%s", dir);
	return 0;
}

/* May this name be taken? */
static int check_name(const struct output *out, struct error *err)
{
	struct stat st;

	if (fstatat(out->dirfd, out->name, &st, 0) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "%s", out->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "%s is not a regular file", out->path);
	if (!out->force)
		return error_set(err, EEXIST, "%s is there already; --force replaces it",
		                 out->path);
	return 0;
}

static int open_passing(struct output *out, struct error *err)
{
	int r = temp_name(out->temp, err);

	if (r < 0)
		return r;
	out->fd = openat(out->dirfd, out->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
	if (out->fd >= 0)
		return 0;
	r = error_sys(err, errno, "%s", out->path);
	out->temp[0] = '\0';
	return r;
}

static int open_nameless(struct output *out, struct error *err)
{
	out->fd = openat(out->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (out->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return error_sys(err, errno, "%s", out->path);
	return open_passing(out, err);
}

static int open_with(const char *path, bool force,
                     int (*open_file)(struct output *out, struct error *err), struct output **ret,
                     struct error *err)
{
	cleanup(output_close) struct output *out = calloc(1, sizeof(*out));
	int r;

	if (!out)
		return error_set(err, ENOMEM, "%s: no memory to write it", path);
	out->fd = out->dirfd = -1;
	out->force = force;
	out->path = strdup(path);
	if (!out->path)
		return error_set(err, ENOMEM, "%s: no memory to write it", path);
	r = open_dir(out, err);
	if (r == 0)
		r = check_name(out, err);
	if (r == 0)
		r = open_file(out, err);
	if (r < 0)
		return r;
	*ret = take_ptr(out);
	return 0;
}

int output_open(const char *path, bool force, struct output **ret, struct error *err)
{
	return open_with(path, force, open_nameless, ret, err);
}

int output_open_passing(const char *path, bool force, struct output **ret, struct error *err)
{
	return open_with(path, force, open_passing, ret, err);
}

int output_passing_path(const struct output *out, char **ret, struct error *err)
{
	cleanup_free char *folder = strndup(out->path, (size_t)(out->name - out->path));
	cleanup_free char *real = folder ? realpath(*folder ? folder : ".", NULL) : NULL;

	if (!real || asprintf(ret, "%s/%s", real, out->temp) < 0)
		return error_sys(err, errno, "%s", out->path);
	return 0;
}

int output_size(const struct output *out, uint64_t *ret, struct error *err)
{
	struct stat st;

	if (fstat(out->fd, &st) < 0)
		return error_sys(err, errno, "%s", out->path);
	*ret = (uint64_t)st.st_size;
	return 0;
}

int output_write(struct output *out, const void *buf, size_t len, uint64_t off, struct error *err)
{
	int r = pwrite_all(out->fd, buf, len, off);

	return r < 0 ? error_sys(err, -r, "%s: writing at byte %" PRIu64, out->path, off) : 0;
}

int output_write_sparse(struct output *out, const void *buf, size_t len, uint64_t off,
                        struct error *err)
{
	const uint8_t *bytes = buf;
	size_t start = 0; /* of what is not written yet */

	for (size_t at = 0; at < len;) {
		size_t n = min_u64(len - at, HOLE - (off + at) % HOLE);
		int r = 0;

		if (is_zero(bytes + at, n)) {
			r = output_write(out, bytes + start, at - start, off + start, err);
			start = at + n;
		}
		if (r < 0)
			return r;
		at += n;
	}
	return output_write(out, bytes + start, len - start, off + start, err);
}

/* Give a file without a name the name `name`. */
static int link_as(const struct output *out, const char *name)
{
	char fd[32];

	snprintf(fd, sizeof(fd), "/proc/self/fd/%d", out->fd);
	return linkat(AT_FDCWD, fd, out->dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int appear(struct output *out, struct error *err)
{
	unsigned int flags = out->force ? 0 : RENAME_NOREPLACE;
	int r = 0;

	if (out->temp[0] == '\0' && !out->force) {
		r = link_as(out, out->name);
		return r < 0 ? error_sys(err, -r, "%s", out->path) : 0;
	}
	if (out->temp[0] == '\0') {
		r = temp_name(out->temp, err);
		if (r < 0)
			return r;
		r = link_as(out, out->temp);
		if (r < 0) {
			out->temp[0] = '\0';
			return error_sys(err, -r, "%s", out->path);
		}
	}
	if (renameat2(out->dirfd, out->temp, out->dirfd, out->name, flags) < 0)
		return error_sys(err, errno, "%s", out->path);
	out->temp[0] = '\0';
	return 0;
}

int output_commit(struct output *out, uint64_t size, struct error *err)
{
	int r;

	if (ftruncate(out->fd, (off_t)size) < 0)
		return error_sys(err, errno, "%s: setting its size to %" PRIu64 " bytes", out->path,
		                 size);
	if (fsync(out->fd) < 0)
		return error_sys(err, errno, "%s: flushing it", out->path);
	r = check_name(out, err);
	if (r == 0)
		r = appear(out, err);
	if (r < 0)
		return r;
	r = sync_dir(out->dirfd);
	return r < 0 ? error_sys(err, -r, "%s: flushing its folder", out->path) : 0;
}

void output_close(struct output *out)
{
	if (!out)
		return;
	if (out->temp[0] != '\0')
		unlinkat(out->dirfd, out->temp, 0);
	if (out->fd >= 0)
		close(out->fd);
	if (out->dirfd >= 0)
		close(out->dirfd);
	free(out->path);
	free(out);
}
