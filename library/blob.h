/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is named by its content: written without a name, flushed, then called by its SHA-256
 * in hexadecimal digits.  What has the name already is left as it is.
 *
 * Threads: one at a time.
 */
#ifndef LIBRARY_BLOB_H
#define LIBRARY_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

struct blob;

/* In the folder `dir`, which is there. */
int blob_new(const char *dir, struct blob **ret, struct error *err);
/* Without blob_finish() nothing is left behind.  NULL is allowed. */
void blob_free(struct blob *blob);
DEFINE_CLEANUP(struct blob *, blob_free);

int blob_append(struct blob *blob, const void *data, size_t len, struct error *err);
/* Bytes so far. */
uint64_t blob_size(const struct blob *blob);

/* Flush it and give it its name: after this it is there even if the power fails. */
int blob_finish(struct blob *blob, uint8_t ret_digest[32], struct error *err);

#endif
