// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which file serves a block: groups are read from all maps at their first touch, and given back
 * when too many are loaded.  The counts for near_stats() ride along: a group is counted when it is
 * first loaded, and corrected by every change after that.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "disk/near/near-private.h"

void near_lock(struct near *near, uint64_t group)
{
	pthread_mutex_lock(&near->locks[group % GROUP_LOCKS]);
}

void near_unlock(struct near *near, uint64_t group)
{
	pthread_mutex_unlock(&near->locks[group % GROUP_LOCKS]);
}

static bool is_stored_entry(const struct near *near, uint64_t block, uint32_t entry)
{
	return entry != NEAR_ENTRY_ABSENT && entry != near_entry_zero(near->cache->seed, block);
}

static void add_total(uint64_t *total, int delta)
{
	if (delta)
		__atomic_fetch_add(total, (uint64_t)(int64_t)delta, __ATOMIC_RELAXED);
}

void near_set_state(struct near *near, uint64_t block, uint8_t state, struct near_delta *delta)
{
	uint8_t old = near->state[block];

	delta->near_blocks += (state != ST_FAR) - (old != ST_FAR);
	delta->written += (state >= ST_LAYER) - (old >= ST_LAYER);
	__atomic_store_n(&near->state[block], state, __ATOMIC_RELEASE);
}

void near_count(struct near *near, uint64_t group_number, const struct near_delta *delta)
{
	struct group *group = &near->groups[group_number];

	group->near_blocks = (uint16_t)(group->near_blocks + delta->near_blocks);
	group->written = (uint16_t)(group->written + delta->written);
	group->cached = (uint16_t)(group->cached + delta->cached);
	add_total(&near->total_near, delta->near_blocks);
	add_total(&near->total_written, delta->written);
	add_total(&near->total_cached, delta->cached);
}

void near_set_entry(struct near *near, uint64_t block, uint32_t entry, struct near_delta *delta)
{
	delta->cached += is_stored_entry(near, block, entry) -
	                 is_stored_entry(near, block, near->entry[block]);
	__atomic_store_n(&near->entry[block], entry, __ATOMIC_RELAXED);
}

/* Put fresh counts of a group in the place of what was counted of it before. */
static void count_group(struct near *near, struct group *group, unsigned int near_blocks,
                        unsigned int cached, unsigned int written)
{
	add_total(&near->total_near, (int)near_blocks - group->near_blocks);
	add_total(&near->total_cached, (int)cached - group->cached);
	add_total(&near->total_written, (int)written - group->written);
	group->near_blocks = (uint16_t)near_blocks;
	group->cached = (uint16_t)cached;
	group->written = (uint16_t)written;
	if (!group->counted)
		__atomic_fetch_add(&near->n_counted, 1, __ATOMIC_RELAXED);
	group->counted = true;
}

/* Fill in what the cache says; returns how many blocks it stores. */
static unsigned int load_cache(struct near *near, uint64_t group, uint8_t states[NEAR_GROUP])
{
	uint64_t first = group * NEAR_GROUP;
	uint32_t entries[NEAR_GROUP];
	unsigned int stored = 0, n = (unsigned int)min_u64(NEAR_GROUP, near->n_blocks - first);
	bool zero;

	cache_load(near, group, entries, &zero);
	if (!near_all_zero(entries, sizeof(entries))) {
		for (unsigned int i = 0; i < n; i++) {
			if (entries[i] == NEAR_ENTRY_ABSENT)
				continue;
			if (is_stored_entry(near, first + i, entries[i])) {
				states[i] = ST_CACHE;
				stored++;
			} else {
				states[i] = ST_CACHE_ZERO;
			}
			__atomic_store_n(&near->entry[first + i], entries[i], __ATOMIC_RELAXED);
		}
	}
	/* A group of zeros in which data was found contradicts itself: believe the data alone. */
	near->groups[group].zero = zero && stored == 0;
	if (near->groups[group].zero)
		memset(states, ST_CACHE_ZERO, n);
	return stored;
}

static void overlay(uint8_t states[NEAR_GROUP], const struct near_group_map *map, uint8_t data,
                    uint8_t zero)
{
	if (map->empty)
		return;
	for (unsigned int i = 0; i < NEAR_GROUP; i++)
		if (map->bits[i] != NEAR_BITS_ABSENT)
			states[i] = map->bits[i] == NEAR_BITS_DATA ? data : zero;
}

/* Take over where the top layer's map stands.  False: its copies are not alike. */
static bool adopt(struct near *near, uint64_t number, const struct near_group_map *map)
{
	struct group *group = &near->groups[number];

	/* When our own commit wrote it last we know better which copy is durable. */
	if (group->generation == map->generation)
		return true;
	group->keep = (uint8_t)map->keep;
	group->generation = map->generation;
	return (!map->stale[0] && !map->stale[1]) || layer_heal(near, number, map) == 0;
}

int near_load(struct near *near, uint64_t group, struct error *err)
{
	uint64_t first = group * NEAR_GROUP;
	unsigned int n = (unsigned int)min_u64(NEAR_GROUP, near->n_blocks - first);
	unsigned int near_blocks = 0, written = 0, cached = 0;
	uint8_t states[NEAR_GROUP];
	struct near_group_map map;
	bool unhealed = false;

	if (group_set_has(&near->loaded, group))
		return 0;
	memset(states, ST_FAR, sizeof(states));
	/* First the layers: they can fail, and then nothing may have changed. */
	for (size_t i = 0; i < near->n_layers; i++) {
		int r = layer_load(near, &near->layers[i], group, &map, err);

		if (r < 0)
			return r;
		overlay(states, &map, (uint8_t)(ST_LAYER + i),
		        &near->layers[i] == near->top ? ST_ZERO : ST_ZERO_BELOW);
		if (&near->layers[i] == near->top)
			unhealed = !adopt(near, group, &map);
	}
	if (near->cache) {
		uint8_t below[NEAR_GROUP];

		memset(below, ST_FAR, sizeof(below));
		cached = load_cache(near, group, below);
		for (unsigned int i = 0; i < NEAR_GROUP; i++)
			if (states[i] == ST_FAR)
				states[i] = below[i];
	}
	for (unsigned int i = 0; i < n; i++) {
		near_blocks += states[i] != ST_FAR;
		written += states[i] >= ST_LAYER;
		__atomic_store_n(&near->state[first + i], states[i], __ATOMIC_RELEASE);
	}
	count_group(near, &near->groups[group], near_blocks, cached, written);
	group_set_add(&near->loaded, group);
	__atomic_fetch_add(&near->n_loaded, 1, __ATOMIC_RELAXED);
	/* Then the next commit is to write a whole copy. */
	if (unhealed)
		commit_mark_map(near, group);
	return 0;
}

int near_look(struct near *near, uint64_t block, struct error *err)
{
	uint8_t state = state_load(near, block);
	uint64_t group = block / NEAR_GROUP;
	int r;

	if (state != ST_UNKNOWN)
		return state;
	near_lock(near, group);
	r = near_load(near, group, err);
	if (r == 0)
		state = near->state[block];
	near_unlock(near, group);
	near_give_back(near);
	return r < 0 ? r : state;
}

/* In a loaded group that the caller has locked. */
static bool is_cached(const struct near *near, uint64_t block)
{
	return near->groups[block / NEAR_GROUP].zero || near->entry[block] != NEAR_ENTRY_ABSENT;
}

int near_cached(struct near *near, uint64_t block, uint64_t max, uint64_t *ret_run,
                struct error *err)
{
	uint64_t group = block / NEAR_GROUP, n = 1;
	int r;

	if (block >= near->n_blocks || max == 0)
		return error_set(err, EINVAL, "block %llu is not on the disk",
		                 (unsigned long long)block);
	max = min_u64(max, near->n_blocks - block);
	if (!near->cache) {
		/* There is nothing to bring anything to. */
		*ret_run = max;
		return 1;
	}
	max = min_u64(max, NEAR_GROUP - block % NEAR_GROUP);
	near_lock(near, group);
	r = near_load(near, group, err);
	if (r == 0) {
		r = is_cached(near, block);
		while (n < max && is_cached(near, block + n) == r)
			n++;
		*ret_run = n;
	}
	near_unlock(near, group);
	near_give_back(near);
	return r;
}

static void give_back_group(struct near *near, uint64_t group)
{
	uint64_t first = group * NEAR_GROUP;

	near_lock(near, group);
	if (group_set_has(&near->loaded, group) && !commit_pins(near, group)) {
		group_set_remove(&near->loaded, group);
		__atomic_fetch_sub(&near->n_loaded, 1, __ATOMIC_RELAXED);
		/* States first: whoever then still finds an entry has one that holds. */
		madvise(near->state + first, NEAR_GROUP, MADV_DONTNEED);
		if (near->entry)
			madvise(near->entry + first, NEAR_GROUP * sizeof(*near->entry),
			        MADV_DONTNEED);
	}
	near_unlock(near, group);
}

void near_give_back(struct near *near)
{
	uint64_t looked = 0;

	if (__atomic_load_n(&near->n_loaded, __ATOMIC_RELAXED) <= near->max_loaded)
		return;
	if (pthread_mutex_trylock(&near->memory_lock) != 0)
		return;
	while (__atomic_load_n(&near->n_loaded, __ATOMIC_RELAXED) > near->max_loaded &&
	       looked++ < near->n_groups) {
		near->hand = (near->hand + 1) % near->n_groups;
		if (group_set_has(&near->loaded, near->hand) && !commit_pins(near, near->hand))
			give_back_group(near, near->hand);
	}
	pthread_mutex_unlock(&near->memory_lock);
}

int near_count_all(struct near *near, struct error *err)
{
	if (__atomic_load_n(&near->n_counted, __ATOMIC_RELAXED) == near->n_groups)
		return 0;
	for (uint64_t group = 0; group < near->n_groups; group++) {
		int r = 0;

		near_lock(near, group);
		if (!near->groups[group].counted)
			r = near_load(near, group, err);
		near_unlock(near, group);
		if (r < 0)
			return r;
		near_give_back(near);
	}
	return 0;
}
