// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The near store against a model in memory: random operations, and after each the store must say
 * what the model says.  Blocks of a region belong to one worker, as writers of one block must be
 * ordered; fillers, in this process and by a second store over the same cache, know no regions.
 *
 * Regions lie on the borders of more groups than the store may hold in memory, so that groups come
 * and go all the time.  FULL=1 does ten times as much; SEED=n another order.
 */
#include "tests/unit/near-fixture.h"

#include <errno.h>
#include <pthread.h>

#include "base/bits.h"
#include "disk/near/near-format.h"
#include "disk/near/near-io.h"

#define B             NEAR_BLOCK
#define REGION        32u /* blocks */
#define REGIONS       36u
#define GROUPS        REGIONS
#define BLOCKS        ((uint64_t)GROUPS * NEAR_GROUP)
#define SIZE          (BLOCKS * B - 3 * 512) /* the last block is short */
#define MODEL_BLOCKS  (REGION * REGIONS)
#define MAX_OP_BLOCKS 16u
#define STAY          100u /* operations in one region, about */

/* What the guest did to a block; index: region * REGION + block of the region. */
enum kind { FAR, DATA, ZERO };

struct model {
	uint64_t word; /* DATA: its content, repeated */
	enum kind kind;
	bool cached; /* we know that the cache has it */
};

static struct model model[MODEL_BLOCKS];

struct worker {
	struct near **near; /* whichever is open now */
	uint64_t random;
	unsigned int first, n; /* regions that are its own */
	unsigned int region;   /* where it is busy just now */
	uint64_t ops;
	uint64_t buf[(MAX_OP_BLOCKS + 1) * B / 8], want[(MAX_OP_BLOCKS + 1) * B / 8];
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static uint64_t below(struct worker *w, uint64_t n)
{
	return next_random(&w->random) % n;
}

/* The block of the disk where a region begins: it straddles two groups, the last ends the disk. */
static uint64_t region_block(unsigned int region)
{
	return (uint64_t)(region + 1) * NEAR_GROUP - (region + 1 < REGIONS ? REGION / 2 : REGION);
}

/* Far content: every third block is zero. */
static uint64_t far_word(uint64_t block)
{
	return block % 3 == 0 ? 0 : block * 0x0101010101u;
}

static uint64_t model_word(const struct model *m, uint64_t block)
{
	return m->kind == FAR ? far_word(block) : m->kind == DATA ? m->word : 0;
}

static void repeat(uint64_t *to, uint64_t word)
{
	for (unsigned int i = 0; i < B / 8; i++)
		to[i] = word;
}

static size_t bytes_of(uint64_t block, uint64_t n)
{
	return (size_t)(min_u64((block + n) * B, SIZE) - block * B);
}

struct range {
	struct model *m;
	uint64_t block;
	unsigned int n;
};

static struct range any_range(struct worker *w)
{
	unsigned int region, at = (unsigned int)below(w, REGION);
	unsigned int n = 1 + (unsigned int)below(w, min_u64(MAX_OP_BLOCKS, REGION - at));

	if (below(w, STAY) == 0)
		w->region = (unsigned int)below(w, w->n);
	region = w->first + w->region;
	return (struct range){ &model[region * REGION + at], region_block(region) + at, n };
}

static void fill_far(struct near *near, uint64_t *buf, uint64_t block, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		repeat(buf + i * B / 8, far_word(block + i));
	assert_int_equal(near_fill(near, buf, bytes_of(block, n), block * B, NULL), 0);
}

static void op_fill(struct worker *w)
{
	struct range r = any_range(w);

	fill_far(*w->near, w->buf, r.block, r.n);
	for (unsigned int i = 0; i < r.n; i++)
		r.m[i].cached = true;
}

static void op_read(struct worker *w)
{
	struct range r = any_range(w);
	uint64_t off = r.block * B, missing = UINT64_MAX, at;
	size_t len = bytes_of(r.block, r.n), cut;
	int result;

	/* Any bytes, not only blocks. */
	cut = below(w, 2) ? below(w, min_u64(len, B)) : 0;
	off += cut;
	len -= cut;
	cut = below(w, 2) ? below(w, min_u64(len, B)) : 0;
	len -= cut;
	result = near_read(*w->near, w->buf, len, off, &missing, NULL);
	if (result == -ENODATA) {
		assert_true(missing >= r.block && missing < r.block + r.n);
		at = missing - r.block;
		assert_int_equal(r.m[at].kind, FAR);
		assert_false(r.m[at].cached);
		return;
	}
	assert_int_equal(result, 0);
	for (unsigned int i = 0; i < r.n; i++)
		repeat(w->want + (size_t)i * B / 8, model_word(&r.m[i], r.block + i));
	if (memcmp(w->buf, (char *)w->want + (off - r.block * B), len) != 0)
		fail_msg("%zu bytes at %llu are not what was written", len,
		         (unsigned long long)off);
}

static void op_write(struct worker *w)
{
	struct range r = any_range(w);

	for (unsigned int i = 0; i < r.n; i++) {
		r.m[i].kind = DATA;
		r.m[i].word = next_random(&w->random);
		repeat(w->buf + (size_t)i * B / 8, r.m[i].word);
	}
	assert_int_equal(near_write(*w->near, w->buf, bytes_of(r.block, r.n), r.block * B, NULL),
	                 0);
}

static void op_zero(struct worker *w)
{
	struct range r = any_range(w);

	for (unsigned int i = 0; i < r.n; i++)
		r.m[i].kind = ZERO;
	assert_int_equal(near_zero(*w->near, bytes_of(r.block, r.n), r.block * B, NULL), 0);
}

static void op_fill_zero(struct worker *w)
{
	struct range r = any_range(w);

	if (far_word(r.block) != 0)
		return;
	assert_int_equal(near_fill_zero(*w->near, bytes_of(r.block, 1), r.block * B, NULL), 0);
	r.m->cached = true;
}

static void op_state(struct worker *w)
{
	struct range r = any_range(w);
	uint64_t run = 0;
	int state = near_state(*w->near, r.block, r.n, &run, NULL);

	assert_true(run >= 1 && run <= r.n);
	for (unsigned int i = 0; i < run; i++) {
		const struct model *m = &r.m[i];

		switch (m->kind) {
		case DATA:
			assert_int_equal(state, NEAR_LAYER);
			break;
		case ZERO:
			assert_int_equal(state, NEAR_ZERO);
			break;
		case FAR:
			if (far_word(r.block + i) == 0)
				assert_true(state == NEAR_ZERO || state == NEAR_FAR);
			else
				assert_true(state == NEAR_CACHE || state == NEAR_FAR);
			if (m->cached)
				assert_int_not_equal(state, NEAR_FAR);
		}
	}
}

static void op_flush(struct worker *w)
{
	assert_int_equal(near_flush(*w->near, NULL), 0);
}

static void op_refresh(struct worker *w)
{
	struct range r = any_range(w);

	near_refresh(*w->near, r.block, r.n);
}

static void one_op(struct worker *w)
{
	static void (*const ops[])(struct worker *) = {
		op_read, op_read,      op_read,  op_read,  op_read, op_write, op_write,   op_write,
		op_zero, op_fill_zero, op_state, op_state, op_fill, op_fill,  op_refresh,
	};
	uint64_t pick = below(w, 256);

	if (pick == 0)
		op_flush(w);
	else
		ops[pick % ARRAY_LEN(ops)](w);
	w->ops++;
}

/* Fills blocks that it does not own, until told to stop. */
struct filler {
	struct near *near;
	uint64_t random;
	bool stop;
	uint64_t fills;
	pthread_t thread;
};

static void *fill_on(void *arg)
{
	struct filler *f = arg;
	static __thread uint64_t buf[REGION * B / 8];

	unsigned int region = 0;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		unsigned int at = (unsigned int)(next_random(&f->random) % REGION);

		if (next_random(&f->random) % STAY == 0)
			region = (unsigned int)(next_random(&f->random) % REGIONS);
		fill_far(f->near, buf, region_block(region) + at, 1);
		f->fills++;
	}
	return NULL;
}

static uint64_t all_fills;

static void filler_start(struct filler *f, struct near *near, uint64_t seed)
{
	*f = (struct filler){ .near = near, .random = seed };
	assert_int_equal(pthread_create(&f->thread, NULL, fill_on, f), 0);
}

static void filler_stop(struct filler *f)
{
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	all_fills += f->fills;
}

static uint64_t seed(void)
{
	const char *text = getenv("SEED");

	return text ? strtoull(text, NULL, 10) : 1;
}

static uint64_t scale(uint64_t ops)
{
#ifdef __SANITIZE_THREAD__
	ops /= 50;
#elif defined(__SANITIZE_ADDRESS__)
	ops /= 5;
#endif
	return getenv("FULL") ? 4 * ops : ops;
}

/* Nothing here is about power cuts: no test waits for a disk. */
static int no_sync(const struct near_io *io, int fd)
{
	(void)io;
	(void)fd;
	return 0;
}

static struct near_io quick_io;

static void make(struct near_fixture *f, size_t n_layers)
{
	quick_io = near_io_kernel;
	quick_io.sync = no_sync;
	fixture_make(f, SIZE, n_layers);
	f->options.io = &quick_io;
	f->options.memory_mib = 1;
	f->options.commit_ms = 2;
	memset(model, 0, sizeof(model));
}

static void check_counts(struct near *near)
{
	struct near_stats stats;
	uint64_t data = 0;

	for (unsigned int i = 0; i < MODEL_BLOCKS; i++)
		data += model[i].kind == DATA;
	assert_int_equal(near_stats(near, &stats, NULL), 0);
	assert_int_equal(stats.written_bytes, data * B);
	assert_int_equal(stats.bad_blocks, 0);
}

/* Close, perhaps freeze the top layer and begin another, and open again. */
static struct near *reopen(struct near_fixture *f, struct near *near, struct worker *w)
{
	near_close(near);
	if (f->options.n_layers < MAX_LAYERS && below(w, 4) == 0) {
		size_t n = f->options.n_layers++;

		assert_int_equal(near_layer_create(f->layers[n], f->options.image_id, SIZE, NULL),
		                 0);
	}
	return fixture_open(f);
}

TEST(a_million_operations_with_fillers_reopens_and_layers_agree_with_the_model)
{
	static struct worker w;
	struct near_fixture f;
	struct filler beside, elsewhere;
	struct near *near, *other;
	struct near_options shared;
	uint64_t total = scale(1000000), part = total / 40;

	make(&f, 1);
	near = fixture_open(&f);
	shared = f.options;
	shared.n_layers = 0;
	assert_int_equal(near_open(&shared, &other, NULL), 0);
	w = (struct worker){ .near = &near, .random = seed(), .n = REGIONS };
	filler_start(&elsewhere, other, seed() + 1);
	while (w.ops < total) {
		filler_start(&beside, near, seed() + w.ops);
		for (uint64_t i = 0; i < part; i++)
			one_op(&w);
		filler_stop(&beside);
		check_counts(near);
		near = reopen(&f, near, &w);
		check_counts(near);
	}
	assert_int_equal(near_verify(near, false, NULL, NULL, NULL, NULL), 0);
	filler_stop(&elsewhere);
	assert_true(all_fills > 1000);
	assert_true(f.options.n_layers > 2);
	near_close(other);
	near_close(near);
	fixture_remove(&f);
}

static void *work_on(void *arg)
{
	struct worker *w = arg;
	uint64_t total = scale(30000);

	while (w->ops < total)
		one_op(w);
	return NULL;
}

TEST(threads_with_blocks_of_their_own_do_not_disturb_each_other)
{
	static struct worker workers[4];
	pthread_t threads[ARRAY_LEN(workers)];
	struct near_fixture f;
	struct filler beside;
	struct near *near;

	make(&f, 2);
	near = fixture_open(&f);
	filler_start(&beside, near, seed());
	for (unsigned int i = 0; i < ARRAY_LEN(workers); i++) {
		workers[i] = (struct worker){ .near = &near,
			                      .random = seed() + i,
			                      .first = i * REGIONS / 4,
			                      .n = REGIONS / 4 };
		assert_int_equal(pthread_create(&threads[i], NULL, work_on, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(workers); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	filler_stop(&beside);
	check_counts(near);
	near_close(near);
	near = fixture_open(&f);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int n = 0; n < 2000; n++)
			op_read(&workers[i]);
	check_counts(near);
	near_close(near);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_million_operations_with_fillers_reopens_and_layers_agree_with_the_model),
		CASE(threads_with_blocks_of_their_own_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests_name("near-model", tests, NULL, NULL);
}
