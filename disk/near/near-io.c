// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/near/near-io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/io.h"

/*
 * The kernel keeps what one call writes in one large page, and ext4 goes over all blocks of that
 * page whenever a single one of them is written again: a guest's small writes to what it wrote in
 * large pieces would take a quarter longer.
 */
#define WRITE_PIECE (32u * 1024)

static int kernel_open(const struct near_io *io, const char *path, unsigned int flags)
{
	int how = O_CLOEXEC | O_NOFOLLOW;
	int fd;

	(void)io;
	how |= flags & NEAR_IO_WRITE ? O_RDWR : O_RDONLY;
	how |= flags & (NEAR_IO_CREATE | NEAR_IO_FRESH) ? O_CREAT : 0;
	how |= flags & NEAR_IO_FRESH ? O_EXCL : 0;
	fd = open(path, how, 0600);
	return fd < 0 ? -errno : fd;
}

static void kernel_close(const struct near_io *io, int fd)
{
	(void)io;
	close(fd);
}

static int kernel_size(const struct near_io *io, int fd, uint64_t *ret)
{
	struct stat st;

	(void)io;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int kernel_resize(const struct near_io *io, int fd, uint64_t size)
{
	(void)io;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int64_t kernel_read(const struct near_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	size_t got = 0;

	(void)io;
	while (got < len) {
		ssize_t n = pread(fd, (char *)buf + got, len - got, (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (int64_t)got;
}

static int kernel_write(const struct near_io *io, int fd, const void *buf, size_t len, uint64_t off)
{
	const char *from = buf;
	int r = 0;

	(void)io;
	for (size_t n; r == 0 && len > 0; from += n, off += n, len -= n) {
		n = len < WRITE_PIECE ? len : WRITE_PIECE;
		r = pwrite_all(fd, from, n, off);
	}
	return r;
}

static int kernel_sync(const struct near_io *io, int fd)
{
	(void)io;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int kernel_allocate(int fd, int mode, uint64_t off, uint64_t len)
{
	int r;

	do
		r = fallocate(fd, mode, (off_t)off, (off_t)len) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

static int kernel_reserve(const struct near_io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io;
	return kernel_allocate(fd, FALLOC_FL_KEEP_SIZE, off, len);
}

static int kernel_punch(const struct near_io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io;
	return kernel_allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
}

static int kernel_lock(const struct near_io *io, int fd, bool alone)
{
	struct flock lock = { .l_type = alone ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

	(void)io;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static int kernel_rename(const struct near_io *io, const char *from, const char *to, bool replace)
{
	(void)io;
	if (replace)
		return rename(from, to) < 0 ? -errno : 0;
	/* Every file system with hard links can do this; not all know RENAME_NOREPLACE. */
	if (link(from, to) == 0)
		return unlink(from) < 0 ? -errno : 0;
	if (errno != EPERM && errno != EOPNOTSUPP)
		return -errno;
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int kernel_remove(const struct near_io *io, const char *path)
{
	(void)io;
	return unlink(path) < 0 ? -errno : 0;
}

static int kernel_make_dir(const struct near_io *io, const char *path)
{
	(void)io;
	return make_dirs(path, 0700, NULL);
}

static int kernel_sync_dir(const struct near_io *io, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)io;
	if (fd < 0)
		return -errno;
	return sync_dir(fd);
}

const struct near_io near_io_kernel = {
	.open = kernel_open,
	.close = kernel_close,
	.size = kernel_size,
	.resize = kernel_resize,
	.read = kernel_read,
	.write = kernel_write,
	.sync = kernel_sync,
	.reserve = kernel_reserve,
	.punch = kernel_punch,
	.lock = kernel_lock,
	.rename = kernel_rename,
	.remove = kernel_remove,
	.make_dir = kernel_make_dir,
	.sync_dir = kernel_sync_dir,
};
