/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A streamed disk: far image, near cache, write layers, as one block device.
 *
 * The core is synchronous: many threads call in, each waits for its own bytes.  Front ends
 * (disk/serve) are thin.  docs/disk-engine.md tells how a read finds its way.
 */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include <jansson.h>

#include "disk/chain.h"
#include "disk/format/image.h"
#include "util/cleanup.h"
#include "util/error.h"

#define DISK_CHUNK (128u * 1024u) /* unit of fetching, bytes */

struct disk;

struct disk_spec;

/*
 * What a disk is made of, in one JSON object (docs/disk-engine.md lists the fields).  It is a file
 * rather than an argument list so that a disk process shows nothing on its command line.  Unknown
 * fields are refused.
 */
int disk_spec_load(const char *path, struct disk_spec **ret, struct error *err);
int disk_spec_parse(const json_t *object, struct disk_spec **ret, struct error *err);
void disk_spec_free(struct disk_spec *spec);
DEFINE_CLEANUP(struct disk_spec *, disk_spec_free);

int disk_open(const struct disk_spec *spec, struct disk **ret, struct error *err);
/* Flushes.  NULL is allowed. */
void disk_close(struct disk *disk);
DEFINE_CLEANUP(struct disk *, disk_close);

uint64_t disk_size(const struct disk *disk);
bool disk_writable(const struct disk *disk);

#define DISK_FUA      1u /* durable when it returns */
#define DISK_MAY_TRIM 2u /* zeroing may give space back */

/* Any byte range inside the disk.  -EIO at last when no source delivers; -ENOSPC; -EROFS. */
int disk_read(struct disk *disk, void *buf, size_t len, uint64_t off, struct error *err);
int disk_write(struct disk *disk, const void *buf, size_t len, uint64_t off, unsigned int flags,
               struct error *err);
int disk_zero(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err);
int disk_trim(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err);
int disk_flush(struct disk *disk, struct error *err);
/* Fetch into the cache without returning it. */
int disk_prefetch(struct disk *disk, uint64_t len, uint64_t off, struct error *err);

/* The run at `off`: does it read as zeros?  1 to `max` bytes.  Fetches at most tables. */
int disk_extent(struct disk *disk, uint64_t off, uint64_t max, bool *ret_zero, uint64_t *ret_len,
                struct error *err);

/* Background fill: on or off, bytes a second (0: no limit). */
void disk_set_fill(struct disk *disk, bool on, uint64_t rate);

/* For `sill info`: sizes, percent near, hits, misses, bytes by source, fill, trace, messages. */
json_t *disk_status(struct disk *disk);

#endif
