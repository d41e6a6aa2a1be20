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

/*
 * Find out which image the sources of `spec` hold, and make its directory below `images_dir` where
 * it is not there yet: image.json (what it is, and which version of which files), to which opening
 * adds the cache and the trace.  Contacts the sources.  *ret_dir is for the field "image" of a
 * specification; the field is not looked at here.
 */
int disk_image_resolve(const struct disk_spec *spec, const char *images_dir, char **ret_dir,
                       struct error *err);
/* Make an empty layer for that image; -EEXIST when `layer_dir` has one. */
int disk_layer_create(const char *image_dir, const char *layer_dir, struct error *err);

/*
 * Open by the image directory.  Contacts nobody: sources are opened when the first block is missed,
 * so a disk whose blocks are near works with every source gone.
 */
int disk_open(const struct disk_spec *spec, struct disk **ret, struct error *err);
/* Flushes; who wants to know whether that works calls disk_flush() before.  NULL is allowed. */
void disk_close(struct disk *disk);
DEFINE_CLEANUP(struct disk *, disk_close);

uint64_t disk_size(const struct disk *disk);
bool disk_writable(const struct disk *disk);

#define DISK_FUA 1u /* durable when it returns */

/* Any byte range inside the disk.  -EIO at last when no source delivers; -ENOSPC; -EROFS. */
int disk_read(struct disk *disk, void *buf, size_t len, uint64_t off, struct error *err);
int disk_write(struct disk *disk, const void *buf, size_t len, uint64_t off, unsigned int flags,
               struct error *err);
/* Gives space back, as trimming does: a layer is sparse, and promises nobody room. */
int disk_zero(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err);
int disk_trim(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err);
int disk_flush(struct disk *disk, struct error *err);
/* Fetch into the cache without returning it. */
int disk_prefetch(struct disk *disk, uint64_t len, uint64_t off, struct error *err);

/* The run at `off`: does it read as zeros?  1 to `max` bytes.  Fetches at most tables. */
int disk_extent(struct disk *disk, uint64_t off, uint64_t max, bool *ret_zero, uint64_t *ret_len,
                struct error *err);

/* Background fill: on or off, bytes a second (0: no limit; DISK_KEEP_RATE: as it was). */
#define DISK_KEEP_RATE UINT64_MAX
void disk_set_fill(struct disk *disk, bool on, uint64_t rate);

/* Keep what this open has read so far as the image's trace, and go on recording, or stop. */
int disk_trace_save(struct disk *disk, struct error *err);
int disk_trace_stop(struct disk *disk, struct error *err);

/*
 * Check every cached block; rotten ones are forgotten when `repair`, and fetched again when they
 * are read next.  *ret: "bad" (number), "blocks" (the first of them), "repaired".  -EINTR once
 * disk_interrupt() was called.
 */
int disk_verify(struct disk *disk, bool repair, json_t **ret, struct error *err);
/* End what takes long (verify, waits for far content), because the disk is about to be closed. */
void disk_interrupt(struct disk *disk);

/* For `sill info`: sizes, percent near, hits, misses, bytes by source, fill, trace, messages. */
json_t *disk_status(struct disk *disk);

#endif
