// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The near store as its callers see it: open and close, reads and writes by what the look-up says.
 */
#include "disk/near/near.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "disk/near/near-private.h"
#include "util/clock.h"

/* near_state() stops after this many blocks, so that it never loads a whole disk. */
#define MAX_RUN (16u * NEAR_GROUP)
/* near_zero() goes by so many groups. */
#define ZERO_SLICE 256u
/* Memory of one loaded group: states and entries. */
#define GROUP_MEMORY       (NEAR_GROUP * 5u)
#define DEFAULT_COMMIT_MS  1000
#define DEFAULT_MEMORY_MIB 64

/* Address space that takes memory only where it is touched. */
static int map_lazily(struct near *near, unsigned int slot, size_t count, size_t each, void *ret,
                      struct error *err)
{
	size_t size = count * each;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return error_sys(err, errno, "the look-up of the near store");
	/* A huge page for one byte would undo the laziness. */
	madvise(at, size, MADV_NOHUGEPAGE);
	near->mappings[slot] = at;
	near->mapping_sizes[slot] = size;
	*(void **)ret = at;
	return 0;
}

static int open_lookup(struct near *near, bool cache, struct error *err)
{
	size_t words = near->n_groups / 64 + 1;
	size_t blocks = near->n_groups * NEAR_GROUP;
	int r;

	for (unsigned int i = 0; i < GROUP_LOCKS; i++)
		pthread_mutex_init(&near->locks[i], NULL);
	pthread_mutex_init(&near->memory_lock, NULL);
	near->loaded.words = calloc(words, sizeof(uint64_t));
	near->reserved.words = calloc(words, sizeof(uint64_t));
	if (!near->loaded.words || !near->reserved.words)
		return error_sys(err, ENOMEM, "the look-up of the near store");
	r = map_lazily(near, 0, blocks, sizeof(*near->state), &near->state, err);
	if (r == 0)
		r = map_lazily(near, 1, near->n_groups, sizeof(*near->groups), &near->groups, err);
	if (r == 0 && cache)
		r = map_lazily(near, 2, blocks, sizeof(*near->entry), &near->entry, err);
	return r;
}

static int open_layers(struct near *near, const struct near_options *options, struct error *err)
{
	int r;

	if (options->n_layers == 0)
		return 0;
	near->layers = calloc(options->n_layers, sizeof(*near->layers));
	if (!near->layers)
		return error_sys(err, ENOMEM, "%s", options->layer_dirs[0]);
	for (size_t i = 0; i < options->n_layers; i++) {
		bool top = i + 1 == options->n_layers;

		near->n_layers = i + 1;
		r = layer_open(near, &near->layers[i], options->layer_dirs[i], top, err);
		if (r < 0)
			return r;
	}
	near->top = &near->layers[near->n_layers - 1];
	near->top_state = (uint8_t)(ST_LAYER + near->n_layers - 1);
	/*
	 * What a process that was killed left in the kernel's memory is read as if it were on the
	 * disk, so it has to get there: its map now, its data with the first flush.
	 */
	r = near->io->sync(near->io, near->top->map_fd);
	if (r < 0)
		return error_sys(err, -r, "%s/layer.map", near->top->dir);
	near->commit.data_dirty = true;
	return 0;
}

static int open_parts(struct near *near, const struct near_options *options, struct error *err)
{
	int r = open_lookup(near, options->cache_dir, err);

	if (r == 0)
		r = open_layers(near, options, err);
	if (r == 0)
		r = commit_init(near, err);
	if (r == 0 && options->cache_dir)
		r = cache_open(near, options, err);
	if (r == 0)
		r = commit_start_thread(near, err);
	return r;
}

int near_open(const struct near_options *options, struct near **ret, struct error *err)
{
	cleanup(near_close) struct near *near = NULL;
	uint64_t memory;
	int r;

	if (options->size == 0 || options->size % 512 != 0 || options->size > NEAR_MAX_SIZE)
		return error_set(err, EINVAL, "a disk cannot have %llu bytes",
		                 (unsigned long long)options->size);
	if (options->n_layers > NEAR_MAX_LAYERS)
		return error_set(err, EINVAL, "%zu write layers are too many, %d are possible",
		                 options->n_layers, NEAR_MAX_LAYERS);
	near = calloc(1, sizeof(*near));
	if (!near)
		return error_sys(err, ENOMEM, "the near store");
	near->io = options->io ? options->io : &near_io_kernel;
	near->size = options->size;
	near->n_blocks = div_round_up(near->size, NEAR_BLOCK);
	near->n_groups = near_groups(near->size);
	near->commit_ms = options->commit_ms ? options->commit_ms : DEFAULT_COMMIT_MS;
	memory = options->memory_mib ? options->memory_mib : DEFAULT_MEMORY_MIB;
	near->max_loaded = memory * MIB / GROUP_MEMORY;
	memcpy(near->image_id, options->image_id, sizeof(near->image_id));
	r = open_parts(near, options, err);
	if (r < 0)
		return r;
	*ret = take_ptr(near);
	return 0;
}

void near_close(struct near *near)
{
	if (!near)
		return;
	commit_finish(near);
	cache_close(near);
	for (size_t i = 0; i < near->n_layers; i++)
		layer_close(near, &near->layers[i]);
	free(near->layers);
	commit_free(near);
	for (unsigned int i = 0; i < 3; i++)
		if (near->mappings[i])
			munmap(near->mappings[i], near->mapping_sizes[i]);
	for (unsigned int i = 0; i < GROUP_LOCKS; i++)
		pthread_mutex_destroy(&near->locks[i]);
	pthread_mutex_destroy(&near->memory_lock);
	free(near->loaded.words);
	free(near->reserved.words);
	free(near);
}

static enum near_state class_of(uint8_t state)
{
	if (state >= ST_LAYER)
		return NEAR_LAYER;
	if (state == ST_FAR)
		return NEAR_FAR;
	return state == ST_CACHE ? NEAR_CACHE : NEAR_ZERO;
}

int near_state(struct near *near, uint64_t block, uint64_t max, uint64_t *ret_run,
               struct error *err)
{
	enum near_state class;
	uint64_t n = 1;
	int state;

	if (block >= near->n_blocks || max == 0)
		return error_set(err, EINVAL, "block %llu is not on the disk",
		                 (unsigned long long)block);
	max = min_u64(min_u64(max, near->n_blocks - block), MAX_RUN);
	state = near_look(near, block, err);
	if (state < 0)
		return state;
	class = class_of((uint8_t)state);
	for (; n < max; n++) {
		/* A group that cannot be loaded ends the run here, and fails the next call. */
		state = near_look(near, block + n, NULL);
		if (state < 0 || class_of((uint8_t)state) != class)
			break;
	}
	*ret_run = n;
	return class;
}

/* Bytes of one state: [off, off + len), whole run in the same file. */
static int read_layer(struct near *near, uint8_t state, void *buf, size_t len, uint64_t off,
                      struct error *err)
{
	const struct near_layer *layer = &near->layers[state - ST_LAYER];
	int64_t n = near->io->read(near->io, layer->data_fd, buf, len, off);

	if (n < 0)
		return error_sys(err, (int)-n, "%s/layer.data: at byte %llu", layer->dir,
		                 (unsigned long long)off);
	if (n < (int64_t)len)
		return error_set(err, EUCLEAN, "%s/layer.data: ends at byte %llu", layer->dir,
		                 (unsigned long long)(off + (uint64_t)n));
	return 0;
}

/*
 * Cached bytes: whole blocks straight into the buffer, a part of one by way of the stack.  Returns
 * how many bytes are good; the block after them has to be looked up again.
 */
static size_t read_cache(struct near *near, void *buf, size_t len, uint64_t off)
{
	uint64_t block = off / NEAR_BLOCK;
	size_t part = off % NEAR_BLOCK;
	uint8_t whole[NEAR_BLOCK];

	if (part == 0 && len >= NEAR_BLOCK)
		return cache_read(near, buf, block, len / NEAR_BLOCK) * NEAR_BLOCK;
	if (cache_read(near, whole, block, 1) == 0)
		return 0;
	len = min_u64(len, NEAR_BLOCK - part);
	memcpy(buf, whole + part, len);
	return len;
}

/* How many of the `len` bytes at `off`, the first of which is in `state`, are in the same file. */
static size_t same_state(struct near *near, uint8_t state, size_t len, uint64_t off)
{
	uint64_t block = off / NEAR_BLOCK, end = div_round_up(off + len, NEAR_BLOCK);

	for (block++; block < end; block++)
		if (state_load(near, block) != state)
			return block * NEAR_BLOCK - off;
	return len;
}

int near_read(struct near *near, void *buf, size_t len, uint64_t off, uint64_t *ret_missing,
              struct error *err)
{
	char *at = buf;

	if (!range_inside(off, len, near->size))
		return error_set(err, EINVAL, "a read of %zu bytes at %llu ends behind the disk",
		                 len, (unsigned long long)off);
	while (len > 0) {
		int state = near_look(near, off / NEAR_BLOCK, err);
		size_t n;
		int r = 0;

		if (state < 0)
			return state;
		n = same_state(near, (uint8_t)state, len, off);
		switch (state) {
		case ST_FAR:
			*ret_missing = off / NEAR_BLOCK;
			return -ENODATA;
		case ST_CACHE:
			n = read_cache(near, at, n, off);
			break;
		case ST_CACHE_ZERO:
		case ST_ZERO_BELOW:
		case ST_ZERO:
			memset(at, 0, n);
			break;
		default:
			r = read_layer(near, (uint8_t)state, at, n, off, err);
		}
		if (r < 0)
			return r;
		at += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Is the range one that can be written, and may anything be written? */
static int check_write(struct near *near, uint64_t len, uint64_t off, struct error *err)
{
	if (!near->top)
		return error_set(err, EROFS, "this disk has no write layer");
	if (!range_inside(off, len, near->size) || off % NEAR_BLOCK != 0 ||
	    (len % NEAR_BLOCK != 0 && off + len != near->size))
		return error_set(err, EINVAL,
		                 "a write of %llu bytes at %llu is not of whole blocks",
		                 (unsigned long long)len, (unsigned long long)off);
	return commit_failed(near, err);
}

/* Load the groups of a range, so that a map that cannot be read fails it before it begins. */
static int load_range(struct near *near, uint64_t block, uint64_t n, struct error *err)
{
	uint64_t last = (block + n - 1) / NEAR_GROUP;

	for (uint64_t group = block / NEAR_GROUP; group <= last; group++) {
		int r = near_look(near, max_u64(block, group * NEAR_GROUP), err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Set the state of blocks of the top layer, group by group. */
static int set_states(struct near *near, uint64_t block, uint64_t n, uint8_t state, bool *ret_data,
                      struct error *err)
{
	while (n > 0) {
		uint64_t group = block / NEAR_GROUP;
		uint64_t end = block + min_u64(n, NEAR_GROUP - block % NEAR_GROUP);
		struct near_delta delta = { 0 };
		bool changed = false;
		int r;

		n -= end - block;
		near_lock(near, group);
		r = near_load(near, group, err);
		for (; r == 0 && block < end; block++) {
			uint8_t old = near->state[block];

			*ret_data = *ret_data || old == near->top_state;
			/* What a frozen layer made zero needs no second mark. */
			if (old == state || (state == ST_ZERO && old == ST_ZERO_BELOW))
				continue;
			near_set_state(near, block, state, &delta);
			changed = true;
		}
		near_count(near, group, &delta);
		if (changed)
			commit_mark_map(near, group);
		near_unlock(near, group);
		if (r < 0)
			return r;
	}
	return 0;
}

int near_write(struct near *near, const void *buf, size_t len, uint64_t off, struct error *err)
{
	uint64_t block = off / NEAR_BLOCK, n = div_round_up(len, NEAR_BLOCK);
	bool fresh = false, data = false;
	int r = check_write(near, len, off, err);

	if (r < 0 || len == 0)
		return r;
	for (uint64_t i = 0; i < n && !fresh; i++)
		fresh = state_load(near, block + i) != near->top_state;
	if (fresh)
		r = layer_reserve(near, block / NEAR_GROUP, (block + n - 1) / NEAR_GROUP, err);
	if (r == 0 && fresh)
		r = load_range(near, block, n, err);
	if (r < 0)
		return r;
	r = near->io->write(near->io, near->top->data_fd, buf, len, off);
	commit_mark_data(near);
	if (r < 0)
		return error_sys(err, -r, "%s/layer.data", near->top->dir);
	if (fresh) {
		r = set_states(near, block, n, near->top_state, &data, err);
		near_give_back(near);
	}
	return r;
}

/* Give the space back where there was data.  It is only space: failing to is no failure. */
static void punch(struct near *near, uint64_t block, uint64_t n)
{
	int r = near->io->punch(near->io, near->top->data_fd, block * NEAR_BLOCK, n * NEAR_BLOCK);

	(void)r;
	commit_mark_data(near);
}

int near_zero(struct near *near, uint64_t len, uint64_t off, struct error *err)
{
	uint64_t block = off / NEAR_BLOCK, n = div_round_up(len, NEAR_BLOCK);
	int r = check_write(near, len, off, err);

	if (r < 0 || len == 0)
		return r;
	r = layer_reserve(near, block / NEAR_GROUP, (block + n - 1) / NEAR_GROUP, err);
	while (r == 0 && n > 0) {
		uint64_t now = min_u64(n, ZERO_SLICE * NEAR_GROUP - block % NEAR_GROUP);
		bool data = false;

		r = set_states(near, block, now, ST_ZERO, &data, err);
		if (data)
			punch(near, block, now);
		block += now;
		n -= now;
		/* Dirty groups stay in memory: write them when there are too many. */
		if (r == 0 && __atomic_load_n(&near->n_loaded, __ATOMIC_RELAXED) > near->max_loaded)
			r = near_flush(near, err);
		near_give_back(near);
	}
	return r;
}

int near_stats(struct near *near, struct near_stats *ret, struct error *err)
{
	int r = near_count_all(near, err);

	if (r < 0)
		return r;
	*ret = (struct near_stats){
		.blocks = near->n_blocks,
		.near_blocks = __atomic_load_n(&near->total_near, __ATOMIC_RELAXED),
		.cached_bytes = __atomic_load_n(&near->total_cached, __ATOMIC_RELAXED) * NEAR_BLOCK,
		.written_bytes =
			__atomic_load_n(&near->total_written, __ATOMIC_RELAXED) * NEAR_BLOCK,
		.bad_blocks = __atomic_load_n(&near->bad_blocks, __ATOMIC_RELAXED),
		.cache_full = near->cache && now_ns() < __atomic_load_n(&near->cache->full_until,
		                                                        __ATOMIC_RELAXED),
	};
	return 0;
}
