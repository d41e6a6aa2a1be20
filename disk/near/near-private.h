/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the near store share: the look-up arrays, the files, the locks.
 *
 * Look-up: `state` has one byte a block and `entry` one u32, both anonymous and lazily populated.
 * Readers load them without a lock; whoever changes them holds the lock of the group (near_lock)
 * and stores a byte only after what it promises is in the file.  A group is loaded as a whole
 * (near-lookup.c) and given back as a whole, when nothing in it is uncommitted.
 *
 * Lock order: cache.commit_lock, commit.work or memory_lock; then one group's lock, never two; then
 * cache.lock; then commit.lock.
 */
#ifndef DISK_NEAR_NEAR_PRIVATE_H
#define DISK_NEAR_NEAR_PRIVATE_H

#include <pthread.h>

#include "disk/near/near-format.h"
#include "disk/near/near-io.h"
#include "disk/near/near.h"

/* One byte a block.  0 is what fresh memory holds. */
enum {
	ST_UNKNOWN,
	ST_FAR,
	ST_CACHE,
	ST_CACHE_ZERO, /* zero far */
	ST_ZERO_BELOW, /* made zero in a frozen layer */
	ST_ZERO,       /* made zero in the top layer */
	ST_LAYER,      /* + number of the layer with the data */
};
_Static_assert(ST_LAYER + NEAR_MAX_LAYERS <= 256, "a state is one byte");

/* Bits of groups, atomic. */
struct group_set {
	uint64_t *words;
};

/* What is known of a group whether it is loaded or not.  Guarded by its lock. */
struct group {
	uint64_t generation; /* of the top layer's newest copy */
	uint16_t near_blocks, cached, written;
	bool counted; /* the three above hold, and are part of near->totals */
	bool zero;    /* the cache knows all of it as zero, whatever its entries are */
	uint8_t keep; /* the copy in the top layer's map not to write next */
};

struct near_layer {
	char *dir;
	int data_fd, map_fd, lock_fd;
	struct near_header header;
};

/* Entries that are to be written to cache.map. */
struct cache_run {
	uint64_t block;
	uint64_t n; /* 0: `block` is the number of a group of zeros */
};

struct near_cache {
	char *data_path, *map_path;
	int data_fd, map_fd;
	uint32_t seed;
	uint64_t full_until; /* CLOCK_MONOTONIC; atomic; 0: there is space */

	pthread_mutex_t lock; /* guards the runs, and `pending` together with them */
	struct cache_run *runs;
	size_t n_runs, room;
	struct group_set pending;    /* groups of uncommitted runs */
	struct group_set writing;    /* and of those that a commit is writing */
	pthread_mutex_t commit_lock; /* held by the one commit that runs */
};

struct near_commit {
	pthread_mutex_t lock;       /* guards what follows up to `stop` */
	pthread_cond_t done;        /* a commit ended */
	pthread_cond_t wake;        /* for the thread: something is dirty, or stop */
	uint64_t started, finished; /* commits; written under the lock, read anywhere */
	struct error failure;       /* of the first commit that failed */
	bool idle;                  /* atomic: the thread waits without a limit */
	bool stop;

	pthread_t thread;
	bool has_thread;

	/* Atomic.  Set by whoever makes dirty, cleared by the commit before it looks. */
	bool data_dirty;    /* layer.data has what no commit has seen */
	bool map_dirty;     /* so has `dirty` */
	bool cache_dirty;   /* the cache has runs */
	bool any_unsettled; /* `unsettled` has a group */
	bool failed;        /* `failure` is set, for ever */

	struct group_set dirty;     /* groups whose map changed */
	struct group_set writing;   /* groups that the running commit writes */
	struct group_set unsettled; /* groups whose two copies differ */

	pthread_mutex_t work;    /* held while layer.map is written; guards `buffer` and `settle` */
	struct group_set settle; /* groups that were unsettled at the last tick */
	uint8_t *buffer;
};

#define GROUP_LOCKS 64

struct near {
	const struct near_io *io;
	uint64_t size, n_blocks, n_groups;
	uint32_t commit_ms;
	uint8_t image_id[32];

	uint8_t *state;  /* n_groups * NEAR_GROUP, atomic */
	uint32_t *entry; /* likewise; NULL without a cache */
	struct group *groups;
	void *mappings[3];
	size_t mapping_sizes[3];
	pthread_mutex_t locks[GROUP_LOCKS];

	struct near_cache *cache; /* NULL: none */
	struct near_layer *layers;
	size_t n_layers;
	struct near_layer *top;    /* the last of them, or NULL */
	uint8_t top_state;         /* ST_LAYER + its number; ST_UNKNOWN without */
	struct group_set reserved; /* groups with space in the top layer's map */

	/* How many groups are loaded, which, how many may be, and where to look for one to give. */
	uint64_t n_loaded, max_loaded;
	struct group_set loaded;
	pthread_mutex_t memory_lock; /* guards `hand`; held while groups are given back */
	uint64_t hand;

	/* Atomic: sums over the groups that are counted, and their number. */
	uint64_t total_near, total_cached, total_written, n_counted;
	uint64_t bad_blocks;

	struct near_commit commit;
};

static inline bool group_set_has(const struct group_set *set, uint64_t group)
{
	return __atomic_load_n(&set->words[group / 64], __ATOMIC_SEQ_CST) >> group % 64 & 1;
}

/* Both return what it was before. */
static inline bool group_set_add(struct group_set *set, uint64_t group)
{
	uint64_t bit = UINT64_C(1) << group % 64;

	return __atomic_fetch_or(&set->words[group / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

static inline bool group_set_remove(struct group_set *set, uint64_t group)
{
	uint64_t bit = UINT64_C(1) << group % 64;

	return __atomic_fetch_and(&set->words[group / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

static inline uint8_t state_load(const struct near *near, uint64_t block)
{
	return __atomic_load_n(&near->state[block], __ATOMIC_ACQUIRE);
}

static inline uint32_t entry_load(const struct near *near, uint64_t block)
{
	return __atomic_load_n(&near->entry[block], __ATOMIC_RELAXED);
}

/* near-lookup.c */

void near_lock(struct near *near, uint64_t group);
void near_unlock(struct near *near, uint64_t group);
/* Load a group that the caller has locked; nothing to do when it is loaded. */
int near_load(struct near *near, uint64_t group, struct error *err);
/* The state of a block, loading its group when necessary; ST_FAR … or -errno. */
int near_look(struct near *near, uint64_t block, struct error *err);
/* How the counts of a group change. */
struct near_delta {
	int near_blocks, cached, written;
};

/*
 * Change a block of a loaded group that the caller has locked.  The changes of the counts are added
 * up in `delta`, which near_count() takes before the lock is given up.
 */
void near_set_state(struct near *near, uint64_t block, uint8_t state, struct near_delta *delta);
void near_set_entry(struct near *near, uint64_t block, uint32_t entry, struct near_delta *delta);
void near_count(struct near *near, uint64_t group, const struct near_delta *delta);
/* Give groups back while more are loaded than may be.  No lock may be held. */
void near_give_back(struct near *near);
/* Count every group that is not counted yet. */
int near_count_all(struct near *near, struct error *err);

/* near-cache.c; all but the first need near->cache */

int cache_open(struct near *near, const struct near_options *options, struct error *err);
void cache_close(struct near *near);
/* Entries of a group as they are in the file, and whether all of it is zero. */
void cache_load(struct near *near, uint64_t group, uint32_t entries[NEAR_GROUP], bool *ret_zero);
/*
 * Read `n` cached blocks and compare each with its entry.  Returns how many at the front are good;
 * the one behind them was forgotten, or given back, and has to be looked up again.
 */
uint64_t cache_read(struct near *near, void *buf, uint64_t block, uint64_t n);
/* What was found does not match the entry: the block is far, unless it has another entry by now. */
void cache_forget(struct near *near, uint64_t block, uint32_t entry);
/* Entries as they are in the file; what cannot be read is absent. */
void cache_read_entries(struct near *near, uint64_t block, uint64_t n, uint32_t *ret);
/*
 * Queue the entries of `n` blocks of a group, or with 0 the group of zeros with the number `block`,
 * for the next commit; the caller holds the lock of the group.
 */
void cache_queue(struct near *near, uint64_t group, uint64_t block, uint64_t n);
/* Without space, how long until a fill is tried again. */
#define CACHE_FULL_NS (10 * NS_PER_SEC)
/* Write the entries of what was filled. */
void cache_commit(struct near *near);

/* near-layer.c */

int layer_open(struct near *near, struct near_layer *layer, const char *dir, bool top,
               struct error *err);
void layer_close(struct near *near, struct near_layer *layer);
int layer_load(struct near *near, const struct near_layer *layer, uint64_t group,
               struct near_group_map *ret, struct error *err);
/*
 * Make both copies in the top layer's map alike and durable after a crash or rot, before anything
 * is built on what they say: first the one that is not kept, so that what was promised stays whole.
 */
int layer_heal(struct near *near, uint64_t group, const struct near_group_map *map);
/* Space in the top layer's map for groups [first, last]. */
int layer_reserve(struct near *near, uint64_t first, uint64_t last, struct error *err);

int near_layer_create_io(const struct near_io *io, const char *dir, const uint8_t image_id[32],
                         uint64_t size, struct error *err);

/* near-file.c */

/*
 * Make a map file whole under its name.  -EEXIST when there is one and it is not to be replaced.
 */
int map_create(const struct near_io *io, const char *path, const struct near_header *header,
               bool replace, struct error *err);
/* Read the header; errors as near_header_decode() with sentences, -ESTALE for another image. */
int map_check(const struct near_io *io, int fd, const char *path, enum near_kind kind,
              const uint8_t image_id[32], uint64_t size, struct near_header *ret,
              struct error *err);
/* "dir/name", allocated; NULL without memory. */
char *path_join(const char *dir, const char *name);
int random_bytes(void *buf, size_t len);

/* near-commit.c */

int commit_init(struct near *near, struct error *err);
int commit_start_thread(struct near *near, struct error *err);
/* What the thread does every commit_ms: commit, settle, write the cache's entries. */
void commit_tick(struct near *near);
/* Stop the thread, commit and settle everything. */
void commit_finish(struct near *near);
void commit_free(struct near *near);
/* The group's bits changed; the caller holds its lock. */
void commit_mark_map(struct near *near, uint64_t group);
void commit_mark_data(struct near *near);
void commit_mark_cache(struct near *near);
/* -errno and the sentence of the failure, if there was one. */
int commit_failed(struct near *near, struct error *err);
bool commit_pins(struct near *near, uint64_t group);

#endif
