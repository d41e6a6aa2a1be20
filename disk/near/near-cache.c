// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cache of far content: filled, read back with every block compared with its entry, committed
 * in the background.  Other processes may write the same files at any time; whatever that leads to,
 * a block is used only when it matches its entry.
 *
 * A fill writes the data, sets entry and state in memory, and queues a run of blocks whose entries
 * the next commit writes to the file once the data is durable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/near/near-private.h"
#include "util/clock.h"

#define AT_ONCE 256u /* blocks that are worked on at a time */

static int open_map(struct near *near, struct near_cache *cache, struct error *err)
{
	struct near_header header = { .kind = NEAR_KIND_CACHE, .size = near->size }, found;
	const struct near_io *io = near->io;
	bool replace = false;

	memcpy(header.image_id, near->image_id, sizeof(header.image_id));
	/* Another process may make or replace it at the same time; either of them is good. */
	for (unsigned int attempt = 0; attempt < 16; attempt++) {
		int r = -EUCLEAN;

		cache->map_fd = io->open(io, cache->map_path, NEAR_IO_WRITE);
		if (cache->map_fd >= 0)
			r = map_check(io, cache->map_fd, cache->map_path, NEAR_KIND_CACHE,
			              near->image_id, near->size, &found, err);
		else if (cache->map_fd != -ENOENT)
			return error_sys(err, -cache->map_fd, "%s", cache->map_path);
		if (r != -EUCLEAN)
			return r;
		replace = cache->map_fd >= 0;
		if (replace)
			io->close(io, cache->map_fd);
		cache->map_fd = -1;
		if (random_bytes(header.file_id, sizeof(header.file_id)) < 0)
			return error_set(err, EIO, "%s: no random numbers", cache->map_path);
		r = map_create(io, cache->map_path, &header, replace, err);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return error_set(err, EUCLEAN, "%s: is damaged again each time it is made anew",
	                 cache->map_path);
}

/* Files that were cut get their size back: what they lost matches no entry. */
static int grow(const struct near_io *io, int fd, const char *path, uint64_t size,
                struct error *err)
{
	uint64_t have;
	int r = io->size(io, fd, &have);

	if (r == 0 && have < size)
		r = io->resize(io, fd, size);
	return r < 0 ? error_sys(err, -r, "%s", path) : 0;
}

static int open_files(struct near *near, struct near_cache *cache, const char *dir,
                      const char *name, struct error *err)
{
	const struct near_io *io = near->io;
	int r;

	if (asprintf(&cache->data_path, "%s/%s.data", dir, name) < 0) {
		cache->data_path = NULL;
		return error_sys(err, ENOMEM, "%s", dir);
	}
	if (asprintf(&cache->map_path, "%s/%s.map", dir, name) < 0) {
		cache->map_path = NULL;
		return error_sys(err, ENOMEM, "%s", dir);
	}
	r = io->make_dir(io, dir);
	if (r < 0)
		return error_sys(err, -r, "%s", dir);
	r = open_map(near, cache, err);
	if (r < 0)
		return r;
	cache->data_fd = io->open(io, cache->data_path, NEAR_IO_WRITE | NEAR_IO_CREATE);
	if (cache->data_fd < 0)
		return error_sys(err, -cache->data_fd, "%s", cache->data_path);
	r = grow(io, cache->map_fd, cache->map_path, near_map_size(NEAR_KIND_CACHE, near->n_groups),
	         err);
	if (r == 0)
		r = grow(io, cache->data_fd, cache->data_path, near->n_blocks * NEAR_BLOCK, err);
	return r;
}

int cache_open(struct near *near, const struct near_options *options, struct error *err)
{
	struct near_cache *cache = calloc(1, sizeof(*cache));
	size_t words = near->n_groups / 64 + 1;

	if (!cache)
		return error_sys(err, ENOMEM, "%s", options->cache_dir);
	near->cache = cache;
	cache->data_fd = cache->map_fd = -1;
	cache->seed = near_entry_seed(near->image_id);
	pthread_mutex_init(&cache->lock, NULL);
	pthread_mutex_init(&cache->commit_lock, NULL);
	cache->pending.words = calloc(words, sizeof(uint64_t));
	cache->writing.words = calloc(words, sizeof(uint64_t));
	if (!cache->pending.words || !cache->writing.words)
		return error_sys(err, ENOMEM, "%s", options->cache_dir);
	return open_files(near, cache, options->cache_dir,
	                  options->cache_name ? options->cache_name : "cache", err);
}

void cache_close(struct near *near)
{
	struct near_cache *cache = near->cache;

	if (!cache)
		return;
	if (cache->data_fd >= 0)
		near->io->close(near->io, cache->data_fd);
	if (cache->map_fd >= 0)
		near->io->close(near->io, cache->map_fd);
	pthread_mutex_destroy(&cache->lock);
	pthread_mutex_destroy(&cache->commit_lock);
	free(cache->pending.words);
	free(cache->writing.words);
	free(cache->runs);
	free(cache->data_path);
	free(cache->map_path);
	free(cache);
	near->cache = NULL;
}

void cache_read_entries(struct near *near, uint64_t block, uint64_t n, uint32_t *ret)
{
	int64_t got = near->io->read(near->io, near->cache->map_fd, ret, n * sizeof(*ret),
	                             near_cache_entry_offset(near->n_groups, block));

	if (got < 0)
		got = 0;
	memset((char *)ret + got, 0, n * sizeof(*ret) - (size_t)got);
	for (uint64_t i = 0; i < n; i++)
		ret[i] = load_le32(&ret[i]);
}

void cache_load(struct near *near, uint64_t group, uint32_t entries[NEAR_GROUP], bool *ret_zero)
{
	uint8_t whole[4];

	cache_read_entries(near, group * NEAR_GROUP, NEAR_GROUP, entries);
	*ret_zero = near->io->read(near->io, near->cache->map_fd, whole, sizeof(whole),
	                           near_cache_group_offset(group)) == (int64_t)sizeof(whole) &&
	            load_le32(whole) == near_entry_zero_group(near->cache->seed, group);
}

static void write_entries(struct near *near, uint64_t block, uint64_t n)
{
	struct near_cache *cache = near->cache;
	uint8_t bytes[AT_ONCE * 4];

	while (n > 0) {
		uint64_t now = min_u64(n, AT_ONCE);

		for (uint64_t i = 0; i < now; i++)
			store_le32(bytes + 4 * i, entry_load(near, block + i));
		/* An entry that is not written costs a refetch. */
		if (near->io->write(near->io, cache->map_fd, bytes, 4 * now,
		                    near_cache_entry_offset(near->n_groups, block)) == -ENOSPC)
			__atomic_store_n(&cache->full_until, now_ns() + CACHE_FULL_NS,
			                 __ATOMIC_RELAXED);
		block += now;
		n -= now;
	}
}

static void write_zero_group(struct near *near, uint64_t group, uint32_t value)
{
	uint8_t bytes[4];

	store_le32(bytes, value);
	(void)near->io->write(near->io, near->cache->map_fd, bytes, sizeof(bytes),
	                      near_cache_group_offset(group));
}

void cache_queue(struct near *near, uint64_t group, uint64_t block, uint64_t n)
{
	struct near_cache *cache = near->cache;
	struct cache_run *last;

	pthread_mutex_lock(&cache->lock);
	last = cache->n_runs > 0 ? &cache->runs[cache->n_runs - 1] : NULL;
	if (n > 0 && last && last->n > 0 && last->block + last->n == block) {
		last->n += n;
	} else {
		if (!cache->runs || cache->n_runs == cache->room) {
			size_t room = cache->room ? 2 * cache->room : 64;
			struct cache_run *more = realloc(cache->runs, room * sizeof(*more));

			if (!more)
				goto out; /* not remembered: fetched again some day */
			cache->runs = more;
			cache->room = room;
		}
		cache->runs[cache->n_runs++] = (struct cache_run){ .block = block, .n = n };
	}
	group_set_add(&cache->pending, group);
out:
	pthread_mutex_unlock(&cache->lock);
	commit_mark_cache(near);
}

void cache_commit(struct near *near)
{
	struct near_cache *cache = near->cache;
	struct cache_run *runs;
	size_t n;

	pthread_mutex_lock(&cache->commit_lock);
	pthread_mutex_lock(&cache->lock);
	runs = cache->runs;
	n = cache->n_runs;
	cache->runs = NULL;
	cache->n_runs = cache->room = 0;
	/* Nothing of `writing` is left from the last commit: these are all that is pinned. */
	for (uint64_t i = 0; n > 0 && i <= near->n_groups / 64; i++)
		__atomic_store_n(&cache->writing.words[i],
		                 __atomic_exchange_n(&cache->pending.words[i], 0, __ATOMIC_SEQ_CST),
		                 __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&cache->lock);
	if (n > 0 && near->io->sync(near->io, cache->data_fd) == 0) {
		for (size_t i = 0; i < n; i++) {
			if (runs[i].n > 0)
				write_entries(near, runs[i].block, runs[i].n);
			else
				write_zero_group(near, runs[i].block,
				                 near_entry_zero_group(cache->seed, runs[i].block));
		}
		/* Nothing follows that relies on it; it bounds what a power cut costs. */
		(void)near->io->sync(near->io, cache->map_fd);
	}
	for (uint64_t i = 0; n > 0 && i <= near->n_groups / 64; i++)
		__atomic_store_n(&cache->writing.words[i], 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&cache->commit_lock);
	free(runs);
}

void cache_forget(struct near *near, uint64_t block, uint32_t entry)
{
	uint64_t group = block / NEAR_GROUP;
	struct near_delta delta = { 0 };

	near_lock(near, group);
	if (group_set_has(&near->loaded, group) && near->entry[block] == entry) {
		near_set_entry(near, block, NEAR_ENTRY_ABSENT, &delta);
		if (near->state[block] == ST_CACHE)
			near_set_state(near, block, ST_FAR, &delta);
		near_count(near, group, &delta);
		__atomic_fetch_add(&near->bad_blocks, 1, __ATOMIC_RELAXED);
		write_entries(near, block, 1);
		write_zero_group(near, group, 0);
	}
	near_unlock(near, group);
}

/* Does a block that was read match its entry?  If not it is forgotten. */
static bool check(struct near *near, uint64_t block, const void *data, bool readable)
{
	uint32_t entry = entry_load(near, block);

	if (entry == NEAR_ENTRY_ABSENT) /* its group was given back meanwhile */
		return false;
	if (readable && near_entry_data(near->cache->seed, block, data) == entry)
		return true;
	cache_forget(near, block, entry);
	return false;
}

uint64_t cache_read(struct near *near, void *buf, uint64_t block, uint64_t n)
{
	int64_t got = near->io->read(near->io, near->cache->data_fd, buf, n * NEAR_BLOCK,
	                             block * NEAR_BLOCK);

	for (uint64_t i = 0; i < n; i++) {
		char *at = (char *)buf + i * NEAR_BLOCK;
		bool readable = got >= (int64_t)((i + 1) * NEAR_BLOCK);

		/* One bad sector of the disk must not condemn its neighbours. */
		if (!readable && n > 1)
			readable = near->io->read(near->io, near->cache->data_fd, at, NEAR_BLOCK,
			                          (block + i) * NEAR_BLOCK) == NEAR_BLOCK;
		if (!check(near, block + i, at, readable))
			return i;
	}
	return n;
}
