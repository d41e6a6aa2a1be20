// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A source over a regular file or a block device of this computer.
 *
 * The version is size and mtime, to the nanosecond.  After each read the open file is looked at
 * again: when its size or mtime is no longer what it was, some of the bytes may be new ones, and
 * the source is stale.  A file that was replaced by another under the same name is no concern: the
 * open one is the old one, whole.  A block device has no useful mtime; it is told by a sample and
 * its size.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "disk/source/kinds.h"
#include "util/io.h"

struct file {
	struct source src;
	char *path;
	int fd; /* -1 until connected */
	struct stat pinned;
	bool stale; /* with __atomic */
};

/* Bytes of a file or device; -errno. */
static int64_t size_of(int fd, const struct stat *st)
{
	off_t end;

	if (S_ISREG(st->st_mode))
		return st->st_size;
	end = lseek(fd, 0, SEEK_END);
	return end < 0 ? -errno : end;
}

static int check_unchanged(struct file *file, struct error *err)
{
	struct stat now;

	if (fstat(file->fd, &now) < 0)
		return error_sys(err, errno, "%s", file->src.name);
	if (size_of(file->fd, &now) != (int64_t)file->src.identity.size ||
	    (S_ISREG(now.st_mode) && (now.st_mtim.tv_sec != file->pinned.st_mtim.tv_sec ||
	                              now.st_mtim.tv_nsec != file->pinned.st_mtim.tv_nsec)))
		__atomic_store_n(&file->stale, true, __ATOMIC_RELAXED);
	if (__atomic_load_n(&file->stale, __ATOMIC_RELAXED))
		return error_set(err, ESTALE, "%s: the file was changed while it was in use",
		                 file->src.name);
	return 0;
}

static int file_read(struct source *src, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	struct file *file = container_of(src, struct file, src);
	int r = pread_all(file->fd, buf, len, off);
	int changed = check_unchanged(file, err);

	if (changed < 0)
		return changed;
	if (r < 0)
		return error_sys(err, -r, "%s: %zu bytes at %llu", src->name, len,
		                 (unsigned long long)off);
	__atomic_add_fetch(&src->bytes_fetched, len, __ATOMIC_RELAXED);
	__atomic_add_fetch(&src->requests, 1, __ATOMIC_RELAXED);
	if (how && how->arrived)
		how->arrived(how->arg, len);
	return 0;
}

static int file_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                       uint64_t *ret_len, struct error *err)
{
	struct file *file = container_of(src, struct file, src);
	off_t data = lseek(file->fd, (off_t)off, SEEK_DATA), end;
	int r;

	if (data < 0 && errno == ENXIO) {
		data = (off_t)src->identity.size; /* a hole up to the end */
	} else if (data < 0) {
		/* A file system that cannot tell: all of it is data. */
		*ret_kind = SOURCE_EXTENT_DATA;
		*ret_len = max;
		return 0;
	}
	end = data > (off_t)off ? data : lseek(file->fd, (off_t)off, SEEK_HOLE);
	r = check_unchanged(file, err);
	if (r < 0)
		return r;
	*ret_kind = data > (off_t)off ? SOURCE_EXTENT_ZERO : SOURCE_EXTENT_DATA;
	*ret_len = end > (off_t)off ? min_u64(max, (uint64_t)end - off) : max;
	return 0;
}

static int file_connect(struct source *src, const struct source_read *how, struct error *err)
{
	struct file *file = container_of(src, struct file, src);
	cleanup_close int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int64_t size;

	if (fd < 0 || fstat(fd, &file->pinned) < 0)
		return error_sys(err, errno, "%s", src->name);
	if (!S_ISREG(file->pinned.st_mode) && !S_ISBLK(file->pinned.st_mode))
		return error_set(err, EINVAL, "%s: is neither a file nor a block device",
		                 src->name);
	size = size_of(fd, &file->pinned);
	if (size < 0)
		return error_sys(err, (int)-size, "%s", src->name);
	src->identity.size = (uint64_t)size;
	if (file->fd >= 0)
		close(file->fd); /* left by an attempt that failed after this */
	file->fd = take_fd(&fd);
	if (S_ISREG(file->pinned.st_mode)) {
		src->identity.last_modified = file->pinned.st_mtim.tv_sec;
		src->identity.modified_ns = (uint32_t)file->pinned.st_mtim.tv_nsec;
	}
	if (!src->identity.last_modified)
		return source_identity_sample(src, how, err);
	return 0;
}

static void file_close(struct source *src)
{
	struct file *file = container_of(src, struct file, src);

	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(src->name);
	free(file);
}

static const struct source_ops file_ops = {
	.connect = file_connect,
	.read = file_read,
	.extent = file_extent,
	.close = file_close,
};

int file_create(const struct source_url *url, const struct source_options *options,
                struct source **ret, struct error *err)
{
	struct file *file = calloc(1, sizeof(*file));

	(void)options;
	if (!file)
		return error_sys(err, ENOMEM, "%s", url->name);
	file->src.ops = &file_ops;
	file->fd = -1;
	file->src.name = strdup(url->name);
	file->path = strdup(url->target);
	if (!file->src.name || !file->path) {
		file_close(&file->src);
		return error_sys(err, ENOMEM, "%s", url->name);
	}
	*ret = &file->src;
	return 0;
}
