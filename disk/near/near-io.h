/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything the near store asks of a file system, as a table, so that tests can record it, fault
 * it, and show the store what a power cut would have left.
 *
 * All functions return 0 (or what they say) or -errno, may be called from any thread, and are not
 * interrupted or short unless they say so.
 */
#ifndef DISK_NEAR_NEAR_IO_H
#define DISK_NEAR_NEAR_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEAR_IO_WRITE  1u /* else read-only */
#define NEAR_IO_CREATE 2u /* make it when it is missing */
#define NEAR_IO_FRESH  4u /* make it; -EEXIST when it is there */

struct near_io {
	/* Returns a file descriptor, which the other functions take. */
	int (*open)(const struct near_io *io, const char *path, unsigned int flags);
	void (*close)(const struct near_io *io, int fd);
	int (*size)(const struct near_io *io, int fd, uint64_t *ret);
	/* Set the size of the file; bytes that it gains are zero and not stored. */
	int (*resize)(const struct near_io *io, int fd, uint64_t size);
	/* Returns how many bytes there were, fewer than `len` only at the end of the file. */
	int64_t (*read)(const struct near_io *io, int fd, void *buf, size_t len, uint64_t off);
	/* All or an error; after an error some of it may have been written. */
	int (*write)(const struct near_io *io, int fd, const void *buf, size_t len, uint64_t off);
	/* Content and size are durable. */
	int (*sync)(const struct near_io *io, int fd);
	/* Later writes to the range cannot fail for lack of space.  -EOPNOTSUPP. */
	int (*reserve)(const struct near_io *io, int fd, uint64_t off, uint64_t len);
	/* The range reads as zeros and its space is given back.  -EOPNOTSUPP. */
	int (*punch)(const struct near_io *io, int fd, uint64_t off, uint64_t len);
	/*
	 * Lock the file for this descriptor, `alone` or with others, until it is closed.  -EAGAIN
	 * when another descriptor, of whatever process, is in the way.
	 */
	int (*lock)(const struct near_io *io, int fd, bool alone);
	/* Give a file its name in the same folder; `replace` what is there, else -EEXIST. */
	int (*rename)(const struct near_io *io, const char *from, const char *to, bool replace);
	int (*remove)(const struct near_io *io, const char *path);
	/* Make a folder and those above it; 0 when it is there. */
	int (*make_dir)(const struct near_io *io, const char *path);
	/* The names in the folder are durable. */
	int (*sync_dir)(const struct near_io *io, const char *path);
};

/* The kernel's file system. */
extern const struct near_io near_io_kernel;

#endif
