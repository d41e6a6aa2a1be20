/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks that other images of this host have near: what an index names is taken from there before
 * anybody far is asked.
 *
 * Looked at are images in the library's form beside one's own, as far as their index pages are near;
 * nothing is contacted.  What is found is only a place to look: whether its blocks are near, and are
 * the right bytes, shows when they are read.
 *
 * Threads: any number find at once.
 */
#ifndef DISK_HOST_CHUNKS_H
#define DISK_HOST_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct host_chunks;

/* For the image whose near directory is `own_dir`.  Nothing is read yet.  NULL: no memory. */
struct host_chunks *host_chunks_new(const char *own_dir);
void host_chunks_free(struct host_chunks *chunks);
DEFINE_CLEANUP(struct host_chunks *, host_chunks_free);

/*
 * `len` bytes that are said to have this SHA-256, into `buf`, to be compared by the caller; false:
 * nobody here has them.
 */
bool host_chunks_find(struct host_chunks *chunks, const uint8_t digest[32], void *buf, size_t len);

/* Bytes found so far. */
uint64_t host_chunks_bytes(const struct host_chunks *chunks);

#endif
