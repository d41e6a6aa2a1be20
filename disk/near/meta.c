// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The structure of an image file, kept near: a source in front of a source.
 *
 * Reads that are marked as metadata go through a cache as the disk's own (near.h, without layers)
 * over the bytes of the file; all others pass.  What is missing is fetched in whole blocks, so that
 * the next read, one field further on, needs nothing.  When the cache fails, because the near disk
 * is full or broken, the read is served all the same.
 */
#include "disk/near/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near.h"

struct meta {
	struct source src;
	struct source *file;
	struct near *near;
};

/* What the file has received is what we have. */
static void take_counts(struct meta *meta)
{
	struct source *src = &meta->src, *file = meta->file;

	__atomic_store_n(&src->bytes_fetched,
	                 __atomic_load_n(&file->bytes_fetched, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	__atomic_store_n(&src->requests, __atomic_load_n(&file->requests, __ATOMIC_RELAXED),
	                 __ATOMIC_RELAXED);
	__atomic_store_n(&src->not_before_ns,
	                 __atomic_load_n(&file->not_before_ns, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* Get `n` whole blocks from the file and keep them; behind its end there are zeros. */
static int fetch(struct meta *meta, uint8_t *buf, uint64_t block, uint64_t n,
                 const struct source_read *how, struct error *err)
{
	struct source_read plain = *how;
	uint64_t off = block * NEAR_BLOCK;
	uint64_t len = min_u64(n * NEAR_BLOCK, meta->src.identity.size - off);
	int r;

	/* The buffer is ours, not the one whose prefix the caller waits for. */
	plain.arrived = NULL;
	r = source_read(meta->file, buf, len, off, &plain, err);
	take_counts(meta);
	if (r < 0)
		return r;
	memset(buf + len, 0, n * NEAR_BLOCK - len);
	/* Without space it is not kept, that is all. */
	(void)near_fill(meta->near, buf, n * NEAR_BLOCK, off, NULL);
	return 0;
}

/* Whole blocks, from the cache or the file. */
static int read_blocks(struct meta *meta, uint8_t *buf, uint64_t block, uint64_t n,
                       const struct source_read *how, struct error *err)
{
	while (n > 0) {
		uint64_t run, missing;
		int state = near_state(meta->near, block, n, &run, NULL);
		int r = -ENODATA;

		if (state == NEAR_FAR) {
			/* Another process may have fetched it. */
			near_refresh(meta->near, block, run);
			state = near_state(meta->near, block, run, &run, NULL);
		}
		if (state < 0)
			run = n;
		if (state != NEAR_FAR && state >= 0)
			r = near_read(meta->near, buf, run * NEAR_BLOCK, block * NEAR_BLOCK,
			              &missing, NULL);
		if (r < 0)
			r = fetch(meta, buf, block, run, how, err);
		if (r < 0)
			return r;
		buf += run * NEAR_BLOCK;
		block += run;
		n -= run;
	}
	return 0;
}

static int meta_read(struct source *src, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	struct meta *meta = container_of(src, struct meta, src);
	uint64_t first = off / NEAR_BLOCK;
	uint64_t n = div_round_up(off + len, NEAR_BLOCK) - first;
	cleanup_free uint8_t *blocks = NULL;
	int r;

	if (!how || !how->metadata) {
		r = source_read(meta->file, buf, len, off, how, err);
		take_counts(meta);
		return r;
	}
	blocks = malloc(n * NEAR_BLOCK);
	if (!blocks)
		return error_sys(err, ENOMEM, "%s", src->name);
	r = read_blocks(meta, blocks, first, n, how, err);
	if (r < 0)
		return r;
	memcpy(buf, blocks + (off - first * NEAR_BLOCK), len);
	if (how->arrived)
		how->arrived(how->arg, len);
	return 0;
}

static int meta_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                       uint64_t *ret_len, struct error *err)
{
	struct meta *meta = container_of(src, struct meta, src);

	return source_extent(meta->file, off, max, ret_kind, ret_len, err);
}

static void meta_blame(struct source *src, uint64_t off, uint64_t len, uint64_t served,
                       const struct error *why)
{
	struct meta *meta = container_of(src, struct meta, src);
	uint64_t first = off / NEAR_BLOCK;

	near_forget(meta->near, first, div_round_up(off + len, NEAR_BLOCK) - first);
	if (served && meta->file->ops->blame)
		meta->file->ops->blame(meta->file, off, len, served, why);
}

static void meta_close(struct source *src)
{
	struct meta *meta = container_of(src, struct meta, src);

	near_close(meta->near);
	source_close(meta->file);
	free(src->name);
	free(meta);
}

static const struct source_ops meta_ops = {
	.read = meta_read,
	.extent = meta_extent,
	.blame = meta_blame,
	.close = meta_close,
};

int meta_open(struct source *file, const char *dir, unsigned int index, struct source **ret,
              struct error *err)
{
	struct near_options options = { .cache_dir = dir };
	struct meta *meta = NULL;
	char name[32];
	int r;

	snprintf(name, sizeof(name), "meta-%u", index);
	options.cache_name = name;
	options.memory_mib = 4;
	source_identity_key(&file->identity, options.image_id);
	if (__builtin_add_overflow(file->identity.size, NEAR_BLOCK - 1, &options.size))
		return error_set(err, EFBIG, "%s: is too large", file->name);
	/* An empty file has a block of cache that is never used. */
	options.size = max_u64(round_down(options.size, NEAR_BLOCK), NEAR_BLOCK);
	meta = calloc(1, sizeof(*meta));
	if (!meta)
		return error_sys(err, ENOMEM, "%s", file->name);
	meta->src.ops = &meta_ops;
	meta->src.identity = file->identity;
	meta->src.name = strdup(file->name);
	r = meta->src.name ? near_open(&options, &meta->near, err)
	                   : error_sys(err, ENOMEM, "%s", file->name);
	if (r < 0) {
		free(meta->src.name);
		free(meta);
		return r;
	}
	meta->file = file;
	take_counts(meta);
	*ret = &meta->src;
	return 0;
}
