/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that appears whole or not at all: written without a name (or under a passing one where the
 * file system knows no files without), flushed, then given its name.
 *
 * Threads: one at a time.
 */
#ifndef DISK_FORMAT_OUTPUT_H
#define DISK_FORMAT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

struct output;

/*
 * -EEXIST when `path` is there and `force` is not set; -EINVAL when it is something else than a
 * regular file.
 */
int output_open(const char *path, bool force, struct output **ret, struct error *err);

/*
 * The same for a file that another program fills: it has a passing name in the same folder, whose
 * absolute path output_passing_path() gives, to be freed.  That program must be done before the
 * commit, which keeps the size that it left.
 */
int output_open_passing(const char *path, bool force, struct output **ret, struct error *err);
int output_passing_path(const struct output *out, char **ret, struct error *err);
/* The size that the file has now. */
int output_size(const struct output *out, uint64_t *ret, struct error *err);

int output_write(struct output *out, const void *buf, size_t len, uint64_t off, struct error *err);
/* The same, but stretches of zeros become holes; only where nothing was written before. */
int output_write_sparse(struct output *out, const void *buf, size_t len, uint64_t off,
                        struct error *err);

/* Set the size, flush, and let it appear: after this it is there even if the power fails. */
int output_commit(struct output *out, uint64_t size, struct error *err);

/* Without a commit nothing is left behind.  NULL is allowed. */
void output_close(struct output *out);
DEFINE_CLEANUP(struct output *, output_close);

/* The path as it was given. */
const char *output_path(const struct output *out);

/* Are all bytes zero? */
bool is_zero(const void *buf, size_t len);

#endif
