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

/* Without space, how long until a fill is tried again. */
#define FULL_NS    (10 * NS_PER_SEC)
#define FILL_SLICE 256u /* blocks that are worked on at a time */
/* More queued runs than this: a fill commits them itself. */
#define MAX_RUNS 65536u

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

/* What cannot be read is absent. */
static void read_entries(struct near *near, uint64_t block, uint64_t n, uint32_t *ret)
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

	read_entries(near, group * NEAR_GROUP, NEAR_GROUP, entries);
	*ret_zero = near->io->read(near->io, near->cache->map_fd, whole, sizeof(whole),
	                           near_cache_group_offset(group)) == (int64_t)sizeof(whole) &&
	            load_le32(whole) == near_entry_zero_group(near->cache->seed, group);
}

static void write_entries(struct near *near, uint64_t block, uint64_t n)
{
	struct near_cache *cache = near->cache;
	uint8_t bytes[FILL_SLICE * 4];

	while (n > 0) {
		uint64_t now = min_u64(n, FILL_SLICE);

		for (uint64_t i = 0; i < now; i++)
			store_le32(bytes + 4 * i, entry_load(near, block + i));
		/* An entry that is not written costs a refetch. */
		if (near->io->write(near->io, cache->map_fd, bytes, 4 * now,
		                    near_cache_entry_offset(near->n_groups, block)) == -ENOSPC)
			__atomic_store_n(&cache->full_until, now_ns() + FULL_NS, __ATOMIC_RELAXED);
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

/* Queue entries for the next commit; the caller holds the lock of their group. */
static void queue_run(struct near *near, uint64_t group, uint64_t block, uint64_t n)
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

static bool is_full(struct near *near)
{
	uint64_t until = __atomic_load_n(&near->cache->full_until, __ATOMIC_RELAXED);

	return until != 0 && now_ns() < until;
}

/*
 * Write those blocks of buf[0, n blocks) whose entry is new and that are not zero, in runs.
 * `entries` are what they will have.
 */
static int write_blocks(struct near *near, const uint8_t *buf, uint64_t block, uint64_t n,
                        const uint32_t *entries, const bool *fresh)
{
	uint32_t seed = near->cache->seed;
	uint64_t i = 0;

	while (i < n) {
		uint64_t from = i;
		int r;

		while (i < n && fresh[i] && entries[i] != near_entry_zero(seed, block + i))
			i++;
		if (i == from) {
			i++;
			continue;
		}
		r = near->io->write(near->io, near->cache->data_fd, buf + from * NEAR_BLOCK,
		                    (i - from) * NEAR_BLOCK, (block + from) * NEAR_BLOCK);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Set entries of a locked and loaded group, states where nothing lies above, and queue them. */
static void put_entries(struct near *near, uint64_t block, uint64_t n, const uint32_t *entries,
                        const bool *fresh)
{
	struct near_delta delta = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		bool zero = entries[i] == near_entry_zero(near->cache->seed, block + i);
		uint8_t state = near->state[block + i];

		if (!fresh[i])
			continue;
		near_set_entry(near, block + i, entries[i], &delta);
		if (state == ST_FAR || state == ST_CACHE || state == ST_CACHE_ZERO)
			near_set_state(near, block + i, zero ? ST_CACHE_ZERO : ST_CACHE, &delta);
		queue_run(near, block / NEAR_GROUP, block + i, 1);
	}
	near_count(near, block / NEAR_GROUP, &delta);
}

/* Fill at most FILL_SLICE blocks of one group. */
static int fill_slice(struct near *near, const uint8_t *buf, uint64_t block, uint64_t n,
                      struct error *err)
{
	uint64_t group = block / NEAR_GROUP;
	uint32_t entries[FILL_SLICE];
	bool fresh[FILL_SLICE], any = false;
	int r;

	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *at = buf + i * NEAR_BLOCK;

		entries[i] = near_all_zero(at, NEAR_BLOCK)
		                     ? near_entry_zero(near->cache->seed, block + i)
		                     : near_entry_data(near->cache->seed, block + i, at);
	}
	near_lock(near, group);
	r = near_load(near, group, err);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		fresh[i] = near->entry[block + i] != entries[i];
		any = any || fresh[i];
	}
	near_unlock(near, group);
	if (r < 0 || !any)
		return r;
	r = write_blocks(near, buf, block, n, entries, fresh);
	if (r < 0)
		return error_sys(err, -r, "%s", near->cache->data_path);
	near_lock(near, group);
	r = near_load(near, group, err);
	if (r == 0)
		put_entries(near, block, n, entries, fresh);
	near_unlock(near, group);
	return r;
}

static int fill_blocks(struct near *near, const uint8_t *buf, uint64_t block, uint64_t n,
                       struct error *err)
{
	while (n > 0) {
		uint64_t now = min_u64(n, FILL_SLICE);
		int r;

		now = min_u64(now, NEAR_GROUP - block % NEAR_GROUP);
		r = fill_slice(near, buf, block, now, err);
		if (r < 0)
			return r;
		buf += now * NEAR_BLOCK;
		block += now;
		n -= now;
	}
	return 0;
}

static int check_fill(struct near *near, uint64_t len, uint64_t off, struct error *err)
{
	if (!near->cache)
		return error_set(err, EOPNOTSUPP, "this disk has no cache");
	if (!range_inside(off, len, near->size) || off % NEAR_BLOCK != 0 ||
	    (len % NEAR_BLOCK != 0 && off + len != near->size))
		return error_set(
			err, EINVAL, "%s: a fill of %llu bytes at %llu is not of whole blocks",
			near->cache->data_path, (unsigned long long)len, (unsigned long long)off);
	if (is_full(near))
		return error_set(err, ENOSPC, "%s: no space is left on the near disk",
		                 near->cache->data_path);
	return 0;
}

/* Whatever a fill returns is remembered for is_full() and near_stats(). */
static int end_fill(struct near *near, int r)
{
	uint64_t *until = &near->cache->full_until;

	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
		__atomic_store_n(until, now_ns() + FULL_NS, __ATOMIC_RELAXED);
	else if (r == 0 && __atomic_load_n(until, __ATOMIC_RELAXED) != 0)
		__atomic_store_n(until, 0, __ATOMIC_RELAXED);
	return r;
}

static void limit_queue(struct near *near)
{
	size_t n;

	pthread_mutex_lock(&near->cache->lock);
	n = near->cache->n_runs;
	pthread_mutex_unlock(&near->cache->lock);
	if (n > MAX_RUNS)
		cache_commit(near);
	near_give_back(near);
}

int near_fill(struct near *near, const void *buf, size_t len, uint64_t off, struct error *err)
{
	uint64_t whole = len / NEAR_BLOCK;
	uint8_t last[NEAR_BLOCK];
	int r = check_fill(near, len, off, err);

	if (r < 0 || len == 0)
		return r;
	r = fill_blocks(near, buf, off / NEAR_BLOCK, whole, err);
	if (r == 0 && len % NEAR_BLOCK != 0) {
		memcpy(last, (const char *)buf + whole * NEAR_BLOCK, len % NEAR_BLOCK);
		memset(last + len % NEAR_BLOCK, 0, NEAR_BLOCK - len % NEAR_BLOCK);
		r = fill_blocks(near, last, off / NEAR_BLOCK + whole, 1, err);
	}
	limit_queue(near);
	return end_fill(near, r);
}

/* Part of a group, or all of it, whose lock the caller holds, is zero far. */
static void zero_group(struct near *near, uint64_t block, uint64_t n)
{
	uint64_t group = block / NEAR_GROUP;
	bool whole = n == min_u64(NEAR_GROUP, near->n_blocks - group * NEAR_GROUP);
	struct near_delta delta = { 0 };
	bool changed = false;

	for (uint64_t i = block; i < block + n; i++) {
		uint32_t zero = near_entry_zero(near->cache->seed, i);

		if (near->state[i] == ST_FAR) {
			near_set_state(near, i, ST_CACHE_ZERO, &delta);
			changed = true;
		}
		if (!whole && near->entry[i] != zero) {
			near_set_entry(near, i, zero, &delta);
			queue_run(near, group, i, 1);
		}
	}
	near_count(near, group, &delta);
	if (whole && changed)
		queue_run(near, group, group, 0);
}

int near_fill_zero(struct near *near, uint64_t len, uint64_t off, struct error *err)
{
	uint64_t block = off / NEAR_BLOCK, n = div_round_up(len, NEAR_BLOCK);
	int r = check_fill(near, len, off, err);

	while (r == 0 && n > 0) {
		uint64_t group = block / NEAR_GROUP;
		uint64_t now = min_u64(n, NEAR_GROUP - block % NEAR_GROUP);

		near_lock(near, group);
		r = near_load(near, group, err);
		if (r == 0)
			zero_group(near, block, now);
		near_unlock(near, group);
		limit_queue(near);
		block += now;
		n -= now;
	}
	return near->cache ? end_fill(near, r) : r;
}

void near_refresh(struct near *near, uint64_t block, uint64_t n)
{
	uint32_t entries[FILL_SLICE];

	if (!near->cache || block >= near->n_blocks)
		return;
	n = min_u64(n, near->n_blocks - block);
	while (n > 0) {
		uint64_t group = block / NEAR_GROUP;
		uint64_t now = min_u64(min_u64(n, FILL_SLICE), NEAR_GROUP - block % NEAR_GROUP);

		near_lock(near, group);
		/* One that is not loaded will be read then. */
		if (group_set_has(&near->loaded, group)) {
			struct near_delta delta = { 0 };

			read_entries(near, block, now, entries);
			for (uint64_t i = 0; i < now; i++) {
				bool zero =
					entries[i] == near_entry_zero(near->cache->seed, block + i);

				if (near->entry[block + i] != NEAR_ENTRY_ABSENT ||
				    entries[i] == NEAR_ENTRY_ABSENT)
					continue;
				near_set_entry(near, block + i, entries[i], &delta);
				if (near->state[block + i] == ST_FAR)
					near_set_state(near, block + i,
					               zero ? ST_CACHE_ZERO : ST_CACHE, &delta);
			}
			near_count(near, group, &delta);
		}
		near_unlock(near, group);
		block += now;
		n -= now;
	}
}
