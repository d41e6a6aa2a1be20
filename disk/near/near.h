/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The near store of one disk: a cache of far content, and write layers stacked on it.
 *
 * Both are sparse files at identity offsets with a map of 4 KiB blocks (docs/near-format.md).  The
 * cache is disposable and shared by every disk of this host with the same image; a layer is
 * precious and has one writer.  Which file serves a block is found with one memory access, however
 * many layers there are.
 *
 * This part never fetches: it says what it lacks, and disk/disk.c gets it.
 *
 * Trust: the files are ours but may be torn, rotten or of another image; all of that is noticed.
 *
 * Threads: all functions, any number at once, except open and close.  Two writers of the same block
 * (near_write, near_zero) must be ordered by the caller, as must a write and a read-modify-write of
 * it.  Fills need no order: they never touch what the guest wrote.
 */
#ifndef DISK_NEAR_NEAR_H
#define DISK_NEAR_NEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

#define NEAR_BLOCK 4096u

struct near;
struct near_io;

struct near_options {
	/* Directory with cache.data and cache.map, made when missing; NULL: no cache. */
	const char *cache_dir;
	const char *cache_name; /* of its files, when it is not "cache" */
	/* Directories with layer.data and layer.map, bottom first; all but the last are frozen. */
	const char *const *layer_dirs;
	size_t n_layers;          /* 0: every write fails with -EROFS; at most NEAR_MAX_LAYERS */
	uint8_t image_id[32];     /* what cache and layers must belong to */
	uint64_t size;            /* of the virtual disk, bytes, a multiple of 512 */
	uint32_t commit_ms;       /* commit at least this often without a flush [1000] */
	uint32_t memory_mib;      /* of maps held in memory, about 1 MiB for 800 MiB of disk [64] */
	const struct near_io *io; /* near-io.h; NULL: the kernel */
};

#define NEAR_MAX_LAYERS 250
#define NEAR_MAX_SIZE   (UINT64_C(1) << 48)

/*
 * Opens in time and memory that do not grow with what is stored.  -ESTALE when the cache or a layer
 * belongs to another image, -EBUSY when another process has the top layer, -EUCLEAN when a layer's
 * map is damaged in both its copies.  A cache with a damaged header is begun anew.
 */
int near_open(const struct near_options *options, struct near **ret, struct error *err);
/* Commits; NULL is allowed. */
void near_close(struct near *near);
DEFINE_CLEANUP(struct near *, near_close);

/* Make an empty layer that belongs to the image; -EEXIST when the directory has one. */
int near_layer_create(const char *dir, const uint8_t image_id[32], uint64_t size,
                      struct error *err);

enum near_state {
	NEAR_FAR,   /* nothing here */
	NEAR_CACHE, /* far content, fetched */
	NEAR_LAYER, /* written by the guest */
	NEAR_ZERO,  /* made zero by the guest, or known to be zero far: no bytes stored */
};

/*
 * The state of `block` (in units of NEAR_BLOCK), and how many from there share it: at least 1, at
 * most `max`, and in long runs perhaps fewer than there are.  Within NEAR_LAYER different layers
 * count as one.  Returns an enum near_state, or -errno when a layer's map cannot be read: what it
 * would have said is unknown then, never "far".
 */
int near_state(struct near *near, uint64_t block, uint64_t max, uint64_t *ret_run,
               struct error *err);

/*
 * Does the cache hold `block`, or know it as zero far, whatever layers hold above it?  1, 0 or
 * -errno, and how many from there are alike, as near_state() says it.  What the guest has written
 * needs no source, but other disks of the image do.  1 without a cache.
 */
int near_cached(struct near *near, uint64_t block, uint64_t max, uint64_t *ret_run,
                struct error *err);

/*
 * Read bytes.  -ENODATA with *ret_missing, a block, when part of the range is far: nothing is to be
 * believed of `buf` then.  A cached block with a wrong CRC is forgotten, counted, and far from then
 * on.
 */
int near_read(struct near *near, void *buf, size_t len, uint64_t off, uint64_t *ret_missing,
              struct error *err);

/*
 * Keep far content in the cache: whole blocks (the last one of the disk may be short).  Does not
 * touch layers.  -ENOSPC when the near is full: the caller goes on without it.  Blocks that are all
 * zero are recorded as such without storing them.
 */
int near_fill(struct near *near, const void *buf, size_t len, uint64_t off, struct error *err);
/* The same for a range that is known to be zero far. */
int near_fill_zero(struct near *near, uint64_t len, uint64_t off, struct error *err);
/* The cached far content of these blocks is wrong: they are far again. */
void near_forget(struct near *near, uint64_t block, uint64_t n);
/* Look again at what other processes have put into the shared cache for this range. */
void near_refresh(struct near *near, uint64_t block, uint64_t n);

/*
 * Guest writes of whole blocks (the last one of the disk may be short) to the top layer.  When it
 * returns, reads see it; it is durable after near_flush().  -ENOSPC leaves the old content of
 * blocks that were not in the top layer before; of others each holds the old content or the new.
 */
int near_write(struct near *near, const void *buf, size_t len, uint64_t off, struct error *err);
/* The same for zeros; gives the space back where the file system can. */
int near_zero(struct near *near, uint64_t len, uint64_t off, struct error *err);

/*
 * All writes that had returned before the call are durable when it returns: data, data flushed,
 * map, map flushed.  An error is remembered: every later write and flush fails too, so that
 * nothing is promised in vain.  With nothing to do it costs two memory accesses.
 */
int near_flush(struct near *near, struct error *err);

struct near_stats {
	uint64_t blocks;        /* of the disk */
	uint64_t near_blocks;   /* that need no source any more: cached, zero or written */
	uint64_t cached_bytes;  /* stored in the cache, this disk's view */
	uint64_t written_bytes; /* stored in layers */
	uint64_t bad_blocks;    /* found rotten since open */
	bool cache_full;        /* the cache stopped growing because of ENOSPC */
};

/* Exact, and may take a scan of the maps on the first call; cheap after that. */
int near_stats(struct near *near, struct near_stats *ret, struct error *err);

/*
 * Read every cached block and compare its CRC.  Rotten blocks are reported, and forgotten when
 * `repair`. Returns their number or -errno.  `progress` may be NULL; returning false from it stops
 * with -EINTR.
 */
int64_t near_verify(struct near *near, bool repair, void (*bad)(void *arg, uint64_t block),
                    bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                    struct error *err);

#endif
