// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/near-run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

const uint8_t run_image_id[32] = "an image";
const char *const run_layer_dirs[] = { "a", "b" };

uint64_t run_block(unsigned int hot)
{
	return hot < 16 ? hot : NEAR_GROUP + hot - 16;
}

void run_add(struct history *h, const struct content *content)
{
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 16;
		h->list = realloc(h->list, h->room * sizeof(*h->list));
		assert_non_null(h->list);
	}
	h->list[h->n++] = *content;
}

static struct content content_of(size_t since, uint64_t word)
{
	struct content c = { .since = since };

	for (unsigned int i = 0; i < SECTORS; i++)
		c.sector[i] = word ? word * SECTORS + i : 0;
	return c;
}

struct content run_far_content(unsigned int hot)
{
	struct content c = content_of(0, hot % 5 == 0 ? 0 : 1000000 + hot);

	c.far = true;
	return c;
}

static void put_bytes(uint64_t *to, const struct content *c)
{
	for (unsigned int i = 0; i < B / 8; i++)
		to[i] = c->sector[i * 8 / CUT_SECTOR];
}

void run_free(struct run *run)
{
	for (unsigned int i = 0; i < HOT; i++)
		free(run->blocks[i].list);
	free(run->promises);
}

struct near *run_open_with_thread(struct cut *cut, uint32_t commit_ms)
{
	struct near_options options = { .cache_dir = "c",
		                        .layer_dirs = run_layer_dirs,
		                        .n_layers = 2,
		                        .size = SIZE,
		                        .commit_ms = commit_ms,
		                        .io = &cut->io };
	struct near *near = NULL;
	struct error err;

	memcpy(options.image_id, run_image_id, sizeof(run_image_id));
	if (near_open(&options, &near, &err) < 0)
		fail_msg("a state does not open: %s", err.text);
	return near;
}

struct near *run_open(struct cut *cut)
{
	return run_open_with_thread(cut, 1000000);
}

bool run_observe(struct near *near, unsigned int hot, struct content *ret)
{
	uint64_t bytes[B / 8], missing;
	struct error err;
	int r = near_read(near, bytes, B, run_block(hot) * B, &missing, &err);

	*ret = (struct content){ .far = r == -ENODATA };
	if (r == -ENODATA)
		return false;
	if (r < 0)
		fail_msg("a block cannot be read: %s", err.text);
	for (unsigned int i = 0; i < B / 8; i++) {
		unsigned int sector = i * 8 / CUT_SECTOR;

		if (i * 8 % CUT_SECTOR == 0)
			ret->sector[sector] = bytes[i];
		if (bytes[i] != ret->sector[sector])
			fail_msg("block %u holds what nobody wrote", hot);
	}
	return true;
}

void run_check(const struct run *run, struct near *near, unsigned int hot, size_t at)
{
	const struct history *h = &run->blocks[hot];
	struct content seen;
	bool there = run_observe(near, hot, &seen);
	size_t first = 0, last;
	bool good[SECTORS] = { false }, far = false;

	for (size_t i = 0; i < run->n_promises && run->promises[i].since <= at; i++)
		first = run->promises[i].first[hot];
	/* What was promised before has begun, even if it needed nothing from the disk. */
	last = first;
	while (last + 1 < h->n && h->list[last + 1].since < at)
		last++;
	for (size_t i = first; i <= last; i++) {
		far = far || h->list[i].far;
		for (unsigned int s = 0; s < SECTORS; s++)
			good[s] = good[s] || h->list[i].sector[s] == seen.sector[s];
	}
	if (!there) {
		if (!far)
			fail_msg("block %u is far after a cut at %zu, %zu promised", hot, at,
			         first);
		return;
	}
	for (unsigned int s = 0; s < SECTORS; s++)
		if (!good[s])
			fail_msg("block %u sector %u holds %llu after a cut at %zu", hot, s,
			         (unsigned long long)seen.sector[s], at);
}

/* Blocks [*ret_first, + the result) of one group. */
static unsigned int pick(struct run *run, unsigned int *ret_first)
{
	unsigned int first = (unsigned int)(cut_random(&run->random) % HOT);
	unsigned int end = first < 16 ? 16 : HOT;
	unsigned int n = 1 + (unsigned int)(cut_random(&run->random) % 6);

	*ret_first = first;
	return (unsigned int)min_u64(n, end - first);
}

void run_write(struct run *run, struct near *near, const struct cut *cut)
{
	uint64_t bytes[6 * B / 8];
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = 0; i < n; i++) {
		struct content c = content_of(cut->n_events, run->next_word++);

		put_bytes(bytes + (size_t)i * B / 8, &c);
		run_add(&run->blocks[first + i], &c);
	}
	assert_int_equal(near_write(near, bytes, (size_t)n * B, run_block(first) * B, NULL), 0);
}

static void run_zero(struct run *run, struct near *near, const struct cut *cut)
{
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = 0; i < n; i++) {
		struct content c = content_of(cut->n_events, 0);

		run_add(&run->blocks[first + i], &c);
	}
	assert_int_equal(near_zero(near, (uint64_t)n * B, run_block(first) * B, NULL), 0);
}

static void run_fill(struct run *run, struct near *near)
{
	uint64_t bytes[B / 8];
	unsigned int first, n = pick(run, &first);

	for (unsigned int i = first; i < first + n; i++) {
		struct content c = run_far_content(i);

		put_bytes(bytes, &c);
		assert_int_equal(near_fill(near, bytes, B, run_block(i) * B, NULL), 0);
	}
}

/* All that was written so far is durable. */
static void promise_all(struct run *run, const struct cut *cut)
{
	struct promise promise = { .since = cut->n_events };

	for (unsigned int i = 0; i < HOT; i++)
		promise.first[i] = run->blocks[i].n - 1;
	run->promises = realloc(run->promises, (run->n_promises + 1) * sizeof(promise));
	assert_non_null(run->promises);
	run->promises[run->n_promises++] = promise;
}

void run_flush(struct run *run, struct near *near, const struct cut *cut)
{
	assert_int_equal(near_flush(near, NULL), 0);
	promise_all(run, cut);
}

void run_tick(struct run *run, struct near *near, const struct cut *cut)
{
	commit_tick(near);
	promise_all(run, cut);
}

void run_work(struct run *run, struct near *near, const struct cut *cut, unsigned int ops)
{
	for (unsigned int i = 0; i < ops; i++) {
		switch (cut_random(&run->random) % 10) {
		case 0 ... 3:
			run_write(run, near, cut);
			break;
		case 4:
		case 5:
			run_zero(run, near, cut);
			break;
		case 6:
			run_fill(run, near);
			break;
		case 7:
		case 8:
			run_flush(run, near, cut);
			break;
		default:
			run_tick(run, near, cut);
		}
	}
}

struct cut *run_prepare(struct run *run, uint64_t seed)
{
	struct near_options options = {
		.layer_dirs = run_layer_dirs, .n_layers = 1, .size = SIZE, .commit_ms = 1000000
	};
	struct cut *cut = cut_new();
	struct near *near;
	uint64_t bytes[B / 8];

	*run = (struct run){ .random = seed, .next_word = 1 };
	memcpy(options.image_id, run_image_id, sizeof(run_image_id));
	options.io = &cut->io;
	assert_int_equal(near_layer_create_io(&cut->io, "a", run_image_id, SIZE, NULL), 0);
	assert_int_equal(near_layer_create_io(&cut->io, "b", run_image_id, SIZE, NULL), 0);
	assert_int_equal(near_open(&options, &near, NULL), 0);
	for (unsigned int i = 0; i < HOT; i++) {
		struct content c = run_far_content(i);

		if (i % 4 == 1) {
			c = content_of(0, run->next_word++);
			put_bytes(bytes, &c);
			assert_int_equal(near_write(near, bytes, B, run_block(i) * B, NULL), 0);
		}
		run_add(&run->blocks[i], &c);
	}
	near_close(near);
	near_close(run_open(cut));
	cut_begin(cut);
	return cut;
}
