/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run of a near store on a file system whose power can be cut (power-cut.h), and a model of it:
 * for each of some blocks all that was ever written there, and what of that a flush or a tick of
 * the commit thread has made durable.  So every state that the store shows, now or after a cut, can
 * be judged sector by sector.
 */
#ifndef TESTS_UNIT_NEAR_RUN_H
#define TESTS_UNIT_NEAR_RUN_H

#include "tests/unit/unit.h"

#include "disk/near/near-private.h"
#include "tests/unit/power-cut.h"

#define B       NEAR_BLOCK
#define SECTORS (B / CUT_SECTOR)
#define HOT     24u /* blocks, in two groups */
#define SIZE    ((uint64_t)(NEAR_GROUP + 8) * B)

extern const uint8_t run_image_id[32];
extern const char *const run_layer_dirs[2];

/* What a block may hold, from the place in the record where an operation began that wrote it. */
struct content {
	size_t since;
	bool far;
	uint64_t sector[SECTORS]; /* each sector is this number, repeated */
};

struct history {
	struct content *list;
	size_t n, room;
};

/* From `since` on, of each block the content with this index or a later one must be there. */
struct promise {
	size_t since;
	size_t first[HOT];
};

struct run {
	struct history blocks[HOT];
	struct promise *promises;
	size_t n_promises;
	uint64_t random, next_word;
};

/* A frozen layer with some content, an empty one above, and a cache; recording has begun. */
struct cut *run_prepare(struct run *run, uint64_t seed);
void run_free(struct run *run);
/* Its thread sleeps; the other's ticks so often. */
struct near *run_open(struct cut *cut);
struct near *run_open_with_thread(struct cut *cut, uint32_t commit_ms);

/* Where in the disk a hot block is, and what it holds far. */
uint64_t run_block(unsigned int hot);
struct content run_far_content(unsigned int hot);
void run_add(struct history *h, const struct content *content);

void run_write(struct run *run, struct near *near, const struct cut *cut);
void run_flush(struct run *run, struct near *near, const struct cut *cut);
/* What the commit thread does once a second; it promises what a flush promises. */
void run_tick(struct run *run, struct near *near, const struct cut *cut);
/* Writes, zeros, fills, flushes and ticks, at random. */
void run_work(struct run *run, struct near *near, const struct cut *cut, unsigned int ops);

/* Read a block; false: it is far. */
bool run_observe(struct near *near, unsigned int hot, struct content *ret);
/* Is what the store shows after a cut at event `at` among what it may show? */
void run_check(const struct run *run, struct near *near, unsigned int hot, size_t at);

#endif
