// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

int pread_all(int fd, void *buf, size_t len, uint64_t off)
{
	for (char *p = buf; len > 0;) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int pwrite_all(int fd, const void *buf, size_t len, uint64_t off)
{
	for (const char *p = buf; len > 0;) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int write_all(int fd, const void *buf, size_t len)
{
	for (const char *p = buf; len > 0;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len,
              struct error *err)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *data = NULL;
	size_t room = 4096, used = 0;

	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	for (;;) {
		char *more = realloc(data, room + 1);
		ssize_t n;

		if (!more)
			return error_sys(err, ENOMEM, "%s", path);
		data = more;
		n = read(fd, data + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "%s", path);
		used += (size_t)n;
		if (used > max)
			return error_set(err, EFBIG, "%s: larger than %zu bytes", path, max);
		if (n == 0)
			break;
		if (used == room)
			room *= 2;
	}
	data[used] = '\0';
	*ret = take_ptr(data);
	if (ret_len)
		*ret_len = used;
	return 0;
}

int sync_dir(int dirfd)
{
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* Flush the directory that holds `path`. */
static int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	if (!slash)
		return dirfd == AT_FDCWD ? sync_dir(AT_FDCWD) : sync_dir(dirfd);
	snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);

	cleanup_close int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                 struct error *err)
{
	char fresh[PATH_MAX];
	int n = snprintf(fresh, sizeof(fresh), "%s.%d.new", path, (int)getpid());
	cleanup_close int fd = -1;
	int r;

	if (n < 0 || (size_t)n >= sizeof(fresh))
		return error_sys(err, ENAMETOOLONG, "%s", path);
	fd = openat(dirfd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	r = write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, fresh, dirfd, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_parent(dirfd, path);
	if (r < 0) {
		unlinkat(dirfd, fresh, 0);
		return error_sys(err, -r, "%s", path);
	}
	return 0;
}

int make_dirs(const char *path, mode_t mode, struct error *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return error_sys(err, len ? ENAMETOOLONG : EINVAL, "%s", path);
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return error_sys(err, errno, "%s", part);
		if (!slash)
			return 0;
		*slash = '/';
	}
}
