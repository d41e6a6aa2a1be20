/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole reads and writes, and small files read or replaced in one go.  Any thread.
 */
#ifndef UTIL_IO_H
#define UTIL_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

/* All `len` bytes or an error: 0, -errno, -ENODATA when the file ends before. */
int pread_all(int fd, void *buf, size_t len, uint64_t off);
int pwrite_all(int fd, const void *buf, size_t len, uint64_t off);
int write_all(int fd, const void *buf, size_t len);

/*
 * Read a whole small file; the result ends in a NUL that is not counted.  -EFBIG past `max` bytes.
 * `dirfd` as in openat(2).
 */
int read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len,
              struct error *err);

/*
 * Replace a file so that after a crash either the old or the new one is there, whole: written
 * beside it, flushed, renamed, directory flushed.
 */
int replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                 struct error *err);

/* mkdir -p: 0 when it is there in the end. */
int make_dirs(const char *path, mode_t mode, struct error *err);

/* Flush a directory's entries. */
int sync_dir(int dirfd);

#endif
