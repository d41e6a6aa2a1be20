// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Far content comes in: kept in the cache, or noted as zero, or found to have been fetched by
 * another process.  Never changes what the guest wrote.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-private.h"
#include "util/clock.h"

#define FILL_SLICE 256u /* blocks that are worked on at a time */
/* More queued runs than this: a fill commits them itself. */
#define MAX_RUNS 65536u

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
		if (!zero)
			near->groups[block / NEAR_GROUP].zero = false;
		if (state == ST_FAR || state == ST_CACHE || state == ST_CACHE_ZERO)
			near_set_state(near, block + i, zero ? ST_CACHE_ZERO : ST_CACHE, &delta);
		cache_queue(near, block / NEAR_GROUP, block + i, 1);
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
		__atomic_store_n(until, now_ns() + CACHE_FULL_NS, __ATOMIC_RELAXED);
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

	for (uint64_t i = block; i < block + n; i++) {
		uint32_t zero = near_entry_zero(near->cache->seed, i);

		if (near->state[i] == ST_FAR)
			near_set_state(near, i, ST_CACHE_ZERO, &delta);
		if (!whole && near->entry[i] != zero) {
			near_set_entry(near, i, zero, &delta);
			cache_queue(near, group, i, 1);
		}
	}
	near_count(near, group, &delta);
	if (whole && !near->groups[group].zero) {
		near->groups[group].zero = true;
		cache_queue(near, group, group, 0);
	}
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

			cache_read_entries(near, block, now, entries);
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
