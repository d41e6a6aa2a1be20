// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the whole cache to see what is rotten, before somebody needs it; and forgetting what
 * somebody knows to be wrong.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-private.h"

#define AT_ONCE 64u /* blocks of one read */

struct verify {
	struct near *near;
	bool repair;
	void (*bad)(void *arg, uint64_t block);
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	int64_t found;
};

static void verify_run(struct verify *v, uint64_t block, uint64_t n, const uint32_t *entries)
{
	struct near *near = v->near;
	uint8_t buf[AT_ONCE * NEAR_BLOCK];
	int64_t got = near->io->read(near->io, near->cache->data_fd, buf, n * NEAR_BLOCK,
	                             block * NEAR_BLOCK);

	for (uint64_t i = 0; i < n; i++) {
		uint8_t *at = buf + i * NEAR_BLOCK;
		bool good = got >= (int64_t)((i + 1) * NEAR_BLOCK) ||
		            near->io->read(near->io, near->cache->data_fd, at, NEAR_BLOCK,
		                           (block + i) * NEAR_BLOCK) == NEAR_BLOCK;

		if (good && near_entry_data(near->cache->seed, block + i, at) == entries[i])
			continue;
		v->found++;
		if (v->bad)
			v->bad(v->arg, block + i);
		if (v->repair)
			cache_forget(near, block + i, entries[i]);
	}
}

static int verify_group(struct verify *v, uint64_t group, struct error *err)
{
	struct near *near = v->near;
	uint64_t first = group * NEAR_GROUP;
	uint64_t n = min_u64(NEAR_GROUP, near->n_blocks - first);
	uint32_t entries[NEAR_GROUP];
	uint64_t i = 0;
	int r;

	near_lock(near, group);
	r = near_load(near, group, err);
	if (r == 0)
		memcpy(entries, near->entry + first, n * sizeof(*entries));
	near_unlock(near, group);
	near_give_back(near);
	while (r == 0 && i < n) {
		uint64_t from = i;

		while (i < n && i - from < AT_ONCE && entries[i] != NEAR_ENTRY_ABSENT &&
		       entries[i] != near_entry_zero(near->cache->seed, first + i))
			i++;
		if (i > from)
			verify_run(v, first + from, i - from, entries + from);
		else
			i++;
	}
	return r;
}

/* One that cannot be looked at is not known to be cached either. */
static uint32_t entry_of(struct near *near, uint64_t block)
{
	uint64_t group = block / NEAR_GROUP;
	uint32_t entry = NEAR_ENTRY_ABSENT;

	near_lock(near, group);
	if (near_load(near, group, NULL) == 0)
		entry = near->entry[block];
	near_unlock(near, group);
	near_give_back(near);
	return entry;
}

void near_forget(struct near *near, uint64_t block, uint64_t n)
{
	for (uint64_t end = min_u64(block + n, near->n_blocks); near->cache && block < end;
	     block++) {
		uint32_t entry = entry_of(near, block);

		if (entry != NEAR_ENTRY_ABSENT)
			cache_forget(near, block, entry);
	}
}

int64_t near_verify(struct near *near, bool repair, void (*bad)(void *arg, uint64_t block),
                    bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                    struct error *err)
{
	struct verify v = {
		.near = near, .repair = repair, .bad = bad, .progress = progress, .arg = arg
	};

	for (uint64_t group = 0; near->cache && group < near->n_groups; group++) {
		uint64_t done = min_u64((group + 1) * NEAR_GROUP, near->n_blocks);
		int r = verify_group(&v, group, err);

		if (r < 0)
			return r;
		if (progress && !progress(arg, done, near->n_blocks))
			return error_set(err, EINTR, "the check was interrupted");
	}
	return v.found;
}
