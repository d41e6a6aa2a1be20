// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making durable what was written: flushes of the guest, and a thread for what nobody flushes.
 *
 * A commit takes the bits of all groups that changed, then flushes layer.data, then writes the
 * bits, then flushes layer.map.  Bits are taken before the data is flushed, so none claims data
 * that came later.  Each group's bits go over the older of its two copies; the thread makes both
 * alike again later ("settles" them), when nothing depends on it.
 *
 * One commit runs at a time.  A flush needs one that starts after the flush was called: whoever
 * finds none running runs it, and all who waited are served by it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk/near/near-private.h"
#include "util/clock.h"

/* Groups whose bits are held in memory between taking and writing them. */
#define BATCH 256u

static bool flag_get(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static bool flag_take(bool *flag)
{
	return __atomic_exchange_n(flag, false, __ATOMIC_SEQ_CST);
}

/* Raise a flag that the thread looks at, and wake it when it waits for that. */
static void raise_flag(struct near *near, bool *flag)
{
	struct near_commit *commit = &near->commit;

	/* Where it is up already, the commit that takes it down is still to come: look first. */
	if (flag_get(flag) || __atomic_exchange_n(flag, true, __ATOMIC_SEQ_CST) ||
	    !flag_get(&commit->idle))
		return;
	pthread_mutex_lock(&commit->lock);
	pthread_cond_signal(&commit->wake);
	pthread_mutex_unlock(&commit->lock);
}

void commit_mark_map(struct near *near, uint64_t group)
{
	group_set_add(&near->commit.dirty, group);
	raise_flag(near, &near->commit.map_dirty);
}

void commit_mark_data(struct near *near)
{
	raise_flag(near, &near->commit.data_dirty);
}

void commit_mark_cache(struct near *near)
{
	raise_flag(near, &near->commit.cache_dirty);
}

bool commit_pins(struct near *near, uint64_t group)
{
	struct near_cache *cache = near->cache;

	/* What is dirty becomes `writing` before it stops being dirty: look in that order. */
	if (near->top && (group_set_has(&near->commit.dirty, group) ||
	                  group_set_has(&near->commit.writing, group)))
		return true;
	if (!cache)
		return false;
	if (group_set_has(&cache->pending, group) || group_set_has(&cache->writing, group))
		return true;
	return false;
}

int commit_failed(struct near *near, struct error *err)
{
	struct near_commit *commit = &near->commit;
	struct error failure;

	if (!flag_get(&commit->failed))
		return 0;
	pthread_mutex_lock(&commit->lock);
	failure = commit->failure;
	pthread_mutex_unlock(&commit->lock);
	return error_set(err, failure.code, "%s", failure.text);
}

/* The bits of a group as a copy to be written, and the generation it gets. */
static void take_group(struct near *near, uint64_t group, uint8_t out[NEAR_MAP_SECTOR])
{
	uint64_t first = group * NEAR_GROUP;
	uint8_t bits[NEAR_GROUP];

	near_lock(near, group);
	group_set_add(&near->commit.writing, group);
	group_set_remove(&near->commit.dirty, group);
	for (unsigned int i = 0; i < NEAR_GROUP; i++) {
		uint8_t state = near->state[first + i];

		bits[i] = state == near->top_state ? NEAR_BITS_DATA
		          : state == ST_ZERO       ? NEAR_BITS_ZERO
		                                   : NEAR_BITS_ABSENT;
	}
	near_copy_encode(&near->top->header, group, ++near->groups[group].generation, bits, out);
	near_unlock(near, group);
}

/* Take and write at most BATCH dirty groups, from *next on. */
static int commit_batch(struct near *near, uint64_t *next, bool *ret_wrote, struct error *err)
{
	struct near_commit *commit = &near->commit;
	const struct near_io *io = near->io;
	struct near_layer *top = near->top;
	bool data = flag_take(&commit->data_dirty);
	uint64_t groups[BATCH];
	unsigned int n = 0;
	int r;

	for (; *next < near->n_groups && n < BATCH; ++*next) {
		if (*next % 64 == 0 &&
		    !__atomic_load_n(&commit->dirty.words[*next / 64], __ATOMIC_SEQ_CST)) {
			*next += 63;
			continue;
		}
		if (!group_set_has(&commit->dirty, *next))
			continue;
		groups[n] = *next;
		take_group(near, *next, commit->buffer + (size_t)n * NEAR_MAP_SECTOR);
		n++;
	}
	if (!data && n == 0)
		return 0;
	r = io->sync(io, top->data_fd);
	if (r < 0)
		return error_sys(err, -r, "%s/layer.data: cannot be flushed", top->dir);
	for (unsigned int i = 0; i < n; i++) {
		/* Only a commit changes `keep` of a group that is `writing`. */
		unsigned int copy = !near->groups[groups[i]].keep;

		r = io->write(io, top->map_fd, commit->buffer + (size_t)i * NEAR_MAP_SECTOR,
		              NEAR_MAP_SECTOR, near_layer_copy_offset(groups[i], copy));
		if (r < 0)
			return error_sys(err, -r, "%s/layer.map: cannot be written", top->dir);
	}
	*ret_wrote = *ret_wrote || n > 0;
	return 0;
}

/* The copies that were written are durable: they are the ones to keep now. */
static void end_commit(struct near *near)
{
	struct near_commit *commit = &near->commit;

	for (uint64_t group = 0; group < near->n_groups; group++) {
		if (group % 64 == 0 &&
		    !__atomic_load_n(&commit->writing.words[group / 64], __ATOMIC_SEQ_CST)) {
			group += 63;
			continue;
		}
		if (!group_set_has(&commit->writing, group))
			continue;
		near_lock(near, group);
		near->groups[group].keep = !near->groups[group].keep;
		group_set_add(&commit->unsettled, group);
		group_set_remove(&commit->writing, group);
		near_unlock(near, group);
	}
	__atomic_store_n(&commit->any_unsettled, true, __ATOMIC_SEQ_CST);
}

static int commit_top(struct near *near, struct error *err)
{
	uint64_t next = 0;
	bool wrote = false;
	int r = 0;

	flag_take(&near->commit.map_dirty);
	do
		r = commit_batch(near, &next, &wrote, err);
	while (r == 0 && next < near->n_groups);
	if (r < 0 || !wrote)
		return r;
	r = near->io->sync(near->io, near->top->map_fd);
	if (r < 0)
		return error_sys(err, -r, "%s/layer.map: cannot be flushed", near->top->dir);
	end_commit(near);
	return 0;
}

/* Wait for a commit that begins now or later, or run it; the caller holds commit.lock. */
static void commit_once(struct near *near)
{
	struct near_commit *commit = &near->commit;
	uint64_t wanted = commit->started + 1;
	struct error err;

	while (commit->finished < wanted) {
		if (commit->started != commit->finished) {
			pthread_cond_wait(&commit->done, &commit->lock);
			continue;
		}
		__atomic_store_n(&commit->started, commit->started + 1, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&commit->lock);

		int r = 0;

		pthread_mutex_lock(&commit->work);
		if (!flag_get(&commit->failed))
			r = commit_top(near, &err);
		pthread_mutex_unlock(&commit->work);

		pthread_mutex_lock(&commit->lock);
		if (r < 0) {
			commit->failure = err;
			__atomic_store_n(&commit->failed, true, __ATOMIC_SEQ_CST);
		}
		__atomic_store_n(&commit->finished, commit->started, __ATOMIC_SEQ_CST);
		pthread_cond_broadcast(&commit->done);
	}
}

int near_flush(struct near *near, struct error *err)
{
	struct near_commit *commit = &near->commit;
	uint64_t finished;

	if (!near->top)
		return 0;
	/*
	 * A commit counts as started before it clears the flags.  So when they are clear, either
	 * nothing was dirty, or a commit that saw it has started: then it must have finished.
	 */
	if (!flag_get(&commit->data_dirty) && !flag_get(&commit->map_dirty)) {
		finished = __atomic_load_n(&commit->finished, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&commit->started, __ATOMIC_SEQ_CST) == finished)
			return commit_failed(near, err);
	}
	pthread_mutex_lock(&commit->lock);
	commit_once(near);
	pthread_mutex_unlock(&commit->lock);
	return commit_failed(near, err);
}

/* Copy a group's newest copy over the other one. */
static void settle_group(struct near *near, uint64_t group)
{
	const struct near_io *io = near->io;
	uint8_t copies[2 * NEAR_MAP_SECTOR];
	unsigned int keep = near->groups[group].keep;
	bool readable[2] = { keep == 0, keep == 1 };
	uint8_t *copy = copies + (size_t)keep * NEAR_MAP_SECTOR;
	struct near_group_map map;

	group_set_remove(&near->commit.unsettled, group);
	if (io->read(io, near->top->map_fd, copy, NEAR_MAP_SECTOR,
	             near_layer_copy_offset(group, keep)) != (int64_t)NEAR_MAP_SECTOR)
		return;
	/* Rot must not be spread. */
	if (near_copies_decode(&near->top->header, group, copies, readable, &map) < 0)
		return;
	/* If it fails, or never gets to the disk, the kept copy serves. */
	(void)io->write(io, near->top->map_fd, copy, NEAR_MAP_SECTOR,
	                near_layer_copy_offset(group, !keep));
}

/* Settle the groups that have been unsettled since the last call, or `all`. */
static void settle(struct near *near, bool all)
{
	struct near_commit *commit = &near->commit;

	if (flag_get(&commit->failed))
		return;
	pthread_mutex_lock(&commit->work);
	flag_take(&commit->any_unsettled);
	for (uint64_t word = 0; word <= near->n_groups / 64; word++) {
		uint64_t bits = __atomic_load_n(&commit->unsettled.words[word], __ATOMIC_SEQ_CST);

		for (unsigned int i = 0; i < 64 && bits >> i; i++) {
			uint64_t group = word * 64 + i;

			if (!(bits >> i & 1) || (!all && !group_set_has(&commit->settle, group)))
				continue;
			if (!group_set_has(&commit->dirty, group))
				settle_group(near, group);
		}
		commit->settle.words[word] =
			__atomic_load_n(&commit->unsettled.words[word], __ATOMIC_SEQ_CST);
		if (commit->settle.words[word])
			__atomic_store_n(&commit->any_unsettled, true, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&commit->work);
}

static bool layer_work(struct near *near)
{
	struct near_commit *commit = &near->commit;

	return near->top && !flag_get(&commit->failed) &&
	       (flag_get(&commit->data_dirty) || flag_get(&commit->map_dirty) ||
	        flag_get(&commit->any_unsettled));
}

void commit_tick(struct near *near)
{
	struct near_commit *commit = &near->commit;

	if (layer_work(near)) {
		pthread_mutex_lock(&commit->lock);
		commit_once(near);
		pthread_mutex_unlock(&commit->lock);
	}
	if (near->top && flag_get(&commit->any_unsettled))
		settle(near, false);
	if (flag_take(&commit->cache_dirty))
		cache_commit(near);
}

static void *commit_thread(void *arg)
{
	struct near *near = arg;
	struct near_commit *commit = &near->commit;
	uint64_t started = now_ns(); /* the last commit, or what there is to commit now */

	pthread_mutex_lock(&commit->lock);
	while (!commit->stop) {
		uint64_t deadline = started + near->commit_ms * NS_PER_MS;
		struct timespec until = timespec_of(deadline);

		__atomic_store_n(&commit->idle, true, __ATOMIC_SEQ_CST);
		if (!layer_work(near) && !flag_get(&commit->cache_dirty)) {
			pthread_cond_wait(&commit->wake, &commit->lock);
			started = now_ns();
			continue;
		}
		__atomic_store_n(&commit->idle, false, __ATOMIC_SEQ_CST);
		while (!commit->stop && now_ns() < deadline)
			pthread_cond_timedwait(&commit->wake, &commit->lock, &until);
		if (commit->stop)
			break;
		started = now_ns();
		pthread_mutex_unlock(&commit->lock);
		commit_tick(near);
		pthread_mutex_lock(&commit->lock);
	}
	pthread_mutex_unlock(&commit->lock);
	return NULL;
}

int commit_init(struct near *near, struct error *err)
{
	struct near_commit *commit = &near->commit;
	struct group_set *sets[] = { &commit->dirty, &commit->writing, &commit->unsettled,
		                     &commit->settle };
	pthread_condattr_t attr;

	pthread_mutex_init(&commit->lock, NULL);
	pthread_mutex_init(&commit->work, NULL);
	pthread_cond_init(&commit->done, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&commit->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (!near->top)
		return 0;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		sets[i]->words = calloc(near->n_groups / 64 + 1, sizeof(uint64_t));
		if (!sets[i]->words)
			return error_sys(err, ENOMEM, "%s", near->top->dir);
	}
	commit->buffer = malloc((size_t)BATCH * NEAR_MAP_SECTOR);
	return commit->buffer ? 0 : error_sys(err, ENOMEM, "%s", near->top->dir);
}

int commit_start_thread(struct near *near, struct error *err)
{
	int r = pthread_create(&near->commit.thread, NULL, commit_thread, near);

	if (r != 0)
		return error_sys(err, r, "the thread that commits cannot be started");
	near->commit.has_thread = true;
	return 0;
}

void commit_finish(struct near *near)
{
	struct near_commit *commit = &near->commit;

	if (!commit->has_thread)
		return;
	pthread_mutex_lock(&commit->lock);
	commit->stop = true;
	pthread_cond_signal(&commit->wake);
	pthread_mutex_unlock(&commit->lock);
	pthread_join(commit->thread, NULL);
	if (near->top) {
		near_flush(near, NULL);
		settle(near, true);
	}
	if (near->cache)
		cache_commit(near);
}

void commit_free(struct near *near)
{
	struct near_commit *commit = &near->commit;

	pthread_mutex_destroy(&commit->lock);
	pthread_mutex_destroy(&commit->work);
	pthread_cond_destroy(&commit->done);
	pthread_cond_destroy(&commit->wake);
	free(commit->dirty.words);
	free(commit->writing.words);
	free(commit->unsettled.words);
	free(commit->settle.words);
	free(commit->buffer);
}
