// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making an index: threads read, hash and compress chunks, the caller's thread decides in order
 * which of them are new, and appends those to packs.
 *
 * What comes out does not depend on how many threads there are: everything that has a number or a
 * place gets it in the caller's thread, in the order of build-order.c.
 */
#include "library/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "base/bits.h"
#include "disk/format/output.h"
#include "library/blob.h"
#include "library/build-order.h"
#include "library/build-tree.h"
#include "library/chunk-table.h"
#include "util/clock.h"
#include "util/pipeline.h"

#define PROGRESS_NS (100 * NS_PER_MS)
#define NO_NUMBER   UINT32_MAX

/* A chunk under way. */
struct task {
	uint64_t n;
	int code; /* of finding it */
	struct error err;
	bool zero;
	uint8_t digest[INDEX_DIGEST_BYTES];
	enum index_coding coding;
	uint32_t stored; /* 0: the base has it, nothing was packed */
	uint8_t *plain, *packed;
	ZSTD_CCtx *ctx;
	struct source_cancel cancel;
};

struct build {
	struct image *image;
	const char *dir;
	struct build_options options; /* with defaults filled in */
	struct index_header header;
	struct build_order order; /* while a task is cut */
	struct chunk_table base;  /* chunks of the base, with its numbers of packs */
	uint32_t *base_packs;     /* their numbers here; NO_NUMBER: not used yet */
	size_t room;              /* bytes that a packed chunk may take */

	/* The rest is the caller's thread's. */
	struct chunk_table chunks; /* that have a place */
	struct build_tree tree;
	struct index_pack *packs;
	size_t packs_room;
	struct blob *pack; /* the one being filled; NULL: none */
	uint32_t number;   /* of it */
	uint64_t passed;   /* chunks that are done, or zero and never seen */
	uint64_t told;
	struct build_result result;
};

static bool cut_task(void *arg, void *slot)
{
	struct build *build = arg;
	struct task *task = slot;
	const struct source_read how = { .cancel = &task->cancel };
	int r = build_order_next(&build->order, &how, &task->n, &task->err);

	task->code = r < 0 ? r : 0;
	__atomic_store_n(&build->passed, build->order.passed, __ATOMIC_RELAXED);
	return r != 0;
}

static int pack_chunk(const struct build *build, struct task *task, uint32_t len)
{
	size_t n = ZSTD_compressCCtx(task->ctx, task->packed, build->room, task->plain, len,
	                             build->options.level);

	if (ZSTD_isError(n))
		return -ENOMEM;
	task->coding = n < len ? INDEX_ZSTD : INDEX_PLAIN;
	task->stored = n < len ? (uint32_t)n : len;
	return 0;
}

static int do_task(void *arg, void *slot, struct error *err)
{
	struct build *build = arg;
	struct task *task = slot;
	const struct source_read how = { .cancel = &task->cancel };
	uint32_t len = index_chunk_len(&build->header, task->n);
	int r = task->code;

	if (r < 0) {
		*err = task->err;
		return r;
	}
	r = image_read(build->image, task->plain, len, task->n * build->header.chunk_size, &how,
	               err);
	if (r < 0)
		return r;
	task->stored = 0;
	task->zero = is_zero(task->plain, len);
	if (task->zero)
		return 0;
	index_digest(task->plain, len, task->digest);
	if (chunk_table_find(&build->base, task->digest))
		return 0;
	r = pack_chunk(build, task, len);
	return r < 0 ? error_sys(err, -r, "%s", build->image->file->name) : 0;
}

static void cancel_task(void *arg __attribute__((unused)), void *slot)
{
	struct task *task = slot;

	source_cancel_fire(&task->cancel);
}

static bool tell(void *arg)
{
	struct build *build = arg;
	uint64_t now = now_ns(), total = build->image->size;
	uint64_t done = min_u64(__atomic_load_n(&build->passed, __ATOMIC_RELAXED) *
	                                build->header.chunk_size,
	                        total);

	if (!build->options.progress || (now - build->told < PROGRESS_NS && done < total))
		return true;
	build->told = now;
	return build->options.progress(build->options.arg, done, total);
}

/* One more pack of the index; *ret is its number. */
static int number_pack(struct build *build, uint32_t *ret, struct error *err)
{
	uint64_t n = build->header.n_packs;

	if (n == INDEX_MAX_PACKS)
		return error_set(err, E2BIG, "%s: takes more than 2^24 packs: make larger ones",
		                 build->image->file->name);
	if (n == build->packs_room) {
		size_t room = build->packs_room ? 2 * build->packs_room : 16;
		struct index_pack *more = reallocarray(build->packs, room, sizeof(*more));

		if (!more)
			return error_sys(err, ENOMEM, "%s", build->dir);
		build->packs = more;
		build->packs_room = room;
	}
	build->packs[n] = (struct index_pack){ 0 };
	*ret = (uint32_t)build->header.n_packs++;
	return 0;
}

static int finish_pack(struct build *build, struct error *err)
{
	struct index_pack *pack = &build->packs[build->number];
	int r;

	if (!build->pack)
		return 0;
	pack->size = blob_size(build->pack);
	r = blob_finish(build->pack, pack->digest, err);
	blob_free(take_ptr(build->pack));
	build->result.new_packs++;
	build->result.new_bytes += pack->size;
	return r;
}

/* A chunk that nobody has: at the end of the pack, or of a new one. */
static int store(struct build *build, const struct task *task, struct index_chunk *chunk,
                 struct error *err)
{
	const uint8_t *bytes = task->coding == INDEX_ZSTD ? task->packed : task->plain;
	int r = 0;

	if (build->pack && blob_size(build->pack) + task->stored > build->options.pack_size)
		r = finish_pack(build, err);
	if (r == 0 && !build->pack) {
		r = number_pack(build, &build->number, err);
		if (r == 0)
			r = blob_new(build->dir, &build->pack, err);
	}
	if (r < 0)
		return r;
	*chunk = (struct index_chunk){
		.off = blob_size(build->pack),
		.stored = task->stored,
		.pack = build->number,
		.coding = task->coding,
	};
	memcpy(chunk->digest, task->digest, sizeof(chunk->digest));
	return blob_append(build->pack, bytes, task->stored, err);
}

/* A chunk of the base: its pack becomes one of ours when it is first used. */
static int borrow(struct build *build, const struct index_chunk *theirs, struct index_chunk *chunk,
                  struct error *err)
{
	uint32_t *number = &build->base_packs[theirs->pack];
	int r = 0;

	if (*number == NO_NUMBER) {
		r = number_pack(build, number, err);
		if (r == 0)
			r = index_find_pack(to_index(build->options.base), theirs->pack, NULL,
			                    &build->packs[*number], err);
	}
	*chunk = *theirs;
	chunk->pack = *number;
	return r;
}

/* The caller's thread: where this chunk is, from now on. */
static int settle(struct build *build, const struct task *task, struct error *err)
{
	const struct index_chunk *known = chunk_table_find(&build->chunks, task->digest);
	const struct index_chunk *theirs = chunk_table_find(&build->base, task->digest);
	struct index_chunk chunk;
	uint8_t *entry;
	int r = 0;

	if (known) {
		chunk = *known;
	} else {
		r = theirs ? borrow(build, theirs, &chunk, err) : store(build, task, &chunk, err);
		if (r < 0)
			return r;
		if (chunk_table_add(&build->chunks, &chunk) < 0)
			return error_sys(err, ENOMEM, "%s", build->dir);
		build->header.distinct++;
		build->header.stored += chunk.stored;
	}
	entry = build_tree_entry(&build->tree, task->n);
	if (!entry)
		return error_sys(err, ENOMEM, "%s", build->dir);
	index_chunk_write(&chunk, entry);
	build->header.used++;
	return 0;
}

static int settle_all(struct build *build, struct pipeline *pipeline, struct error *err)
{
	void *slot;
	int r;

	for (;;) {
		if (!tell(build))
			return error_set(err, EINTR, "%s: stopped", build->dir);
		r = pipeline_next(pipeline, &slot, err);
		if (r <= 0)
			break;
		if (!((struct task *)slot)->zero)
			r = settle(build, slot, err);
		if (r < 0)
			return r;
		pipeline_release(pipeline);
	}
	return r == -EINTR ? error_set(err, EINTR, "%s: stopped", build->dir) : r;
}

static void free_tasks(struct task *tasks, unsigned int n)
{
	for (unsigned int i = 0; tasks && i < n; i++) {
		source_cancel_destroy(&tasks[i].cancel);
		ZSTD_freeCCtx(tasks[i].ctx);
		free(tasks[i].plain);
		free(tasks[i].packed);
	}
	free(tasks);
}

static struct task *new_tasks(const struct build *build, unsigned int n)
{
	struct task *tasks = calloc(n, sizeof(*tasks));
	bool all = tasks != NULL;

	for (unsigned int i = 0; tasks && i < n; i++) {
		source_cancel_init(&tasks[i].cancel);
		tasks[i].plain = malloc(build->header.chunk_size);
		tasks[i].packed = malloc(build->room);
		tasks[i].ctx = ZSTD_createCCtx();
		all = all && tasks[i].plain && tasks[i].packed && tasks[i].ctx;
	}
	if (all)
		return tasks;
	free_tasks(tasks, n);
	return NULL;
}

static int build_chunks(struct build *build, struct error *err)
{
	static const struct pipeline_ops ops = {
		.cut = cut_task, .work = do_task, .cancel = cancel_task, .tick = tell
	};
	unsigned int threads = (unsigned int)min_u64(build->options.threads, PIPELINE_MAX_THREADS);
	unsigned int n = 4 * threads;
	struct pipeline *pipeline = NULL;
	struct task *tasks = new_tasks(build, n);
	int r;

	if (!tasks)
		return error_sys(err, ENOMEM, "%s", build->dir);
	r = pipeline_new(&ops, build, tasks, sizeof(*tasks), n, threads, &pipeline, err);
	if (r == 0)
		r = settle_all(build, pipeline, err);
	pipeline_free(pipeline);
	free_tasks(tasks, n);
	return r < 0 ? r : finish_pack(build, err);
}

/* The file of pages: upper pages of chunks, all of the packs', lowest pages of chunks. */
static int write_pages(struct build *build, struct build_tree *packs, struct error *err)
{
	cleanup(blob_free) struct blob *blob = NULL;
	struct build_tree *chunks = &build->tree;
	uint64_t at = 0;
	int r = build_tree_raise(chunks, err);

	if (r == 0)
		r = build_tree_raise(packs, err);
	if (r == 0)
		r = blob_new(build->dir, &blob, err);
	if (r < 0)
		return r;
	build_tree_place(chunks, 1, chunks->n_levels, &at);
	build_tree_place(packs, 0, packs->n_levels, &at);
	build_tree_place(chunks, 0, 1, &at);
	build_tree_seal(chunks, &build->header.chunks);
	build_tree_seal(packs, &build->header.packs);
	build->header.pages_size = at;
	r = build_tree_write(chunks, 1, chunks->n_levels, blob, err);
	if (r == 0)
		r = build_tree_write(packs, 0, packs->n_levels, blob, err);
	if (r == 0)
		r = build_tree_write(chunks, 0, 1, blob, err);
	return r < 0 ? r : blob_finish(blob, build->header.pages_digest, err);
}

static int build_pages(struct build *build, struct error *err)
{
	struct build_tree packs;
	int r = build_tree_init(&packs, max_u64(build->header.n_packs, 1), err);

	for (uint64_t i = 0; i < build->header.n_packs && r == 0; i++) {
		uint8_t *entry = build_tree_entry(&packs, i);

		if (entry)
			index_pack_write(&build->packs[i], entry);
		else
			r = error_sys(err, ENOMEM, "%s", build->dir);
	}
	if (r == 0)
		r = write_pages(build, &packs, err);
	build_tree_free(&packs);
	return r;
}

/* What a boot reads, for whoever has the index: of no image yet, since its id is not known. */
static int build_trace(struct build *build, struct error *err)
{
	cleanup(blob_free) struct blob *blob = NULL;
	cleanup_free uint8_t *raw = NULL;
	struct trace trace;
	size_t len;
	int r;

	if (!build->options.trace)
		return 0;
	trace = *build->options.trace;
	memset(trace.image_id, 0, sizeof(trace.image_id));
	r = trace_encode(&trace, &raw, &len, err);
	if (r == 0)
		r = blob_new(build->dir, &blob, err);
	if (r == 0)
		r = blob_append(blob, raw, len, err);
	if (r < 0)
		return r;
	build->header.trace_size = len;
	return blob_finish(blob, build->header.trace_digest, err);
}

static int build_header(struct build *build, struct error *err)
{
	uint8_t raw[INDEX_HEADER_BYTES];
	cleanup(blob_free) struct blob *blob = NULL;
	int r = blob_new(build->dir, &blob, err);

	index_header_write(&build->header, raw);
	if (r == 0)
		r = blob_append(blob, raw, sizeof(raw), err);
	return r < 0 ? r : blob_finish(blob, build->result.digest, err);
}

/* Every chunk of the base, into a table. */
static int learn_base(struct build *build, struct error *err)
{
	struct index_image *base = to_index(build->options.base);
	cleanup_free struct index_walk *walk = calloc(1, sizeof(*walk));
	struct index_chunk chunk;
	int r;

	build->base_packs = malloc((base->header.n_packs + 1) * sizeof(*build->base_packs));
	if (!build->base_packs || !walk)
		return error_sys(err, ENOMEM, "%s", base->image.file->name);
	for (uint64_t i = 0; i < base->header.n_packs; i++)
		build->base_packs[i] = NO_NUMBER;
	while ((r = index_walk(base, walk, &chunk, err)) > 0)
		if (chunk.stored > 0 && !chunk_table_find(&build->base, chunk.digest) &&
		    chunk_table_add(&build->base, &chunk) < 0)
			return error_sys(err, ENOMEM, "%s", base->image.file->name);
	return r;
}

static int check_options(struct build *build, struct error *err)
{
	struct build_options *options = &build->options;
	struct image *base = options->base;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (!options->chunk_size)
		options->chunk_size = BUILD_DEFAULT_CHUNK;
	if (!options->pack_size)
		options->pack_size = BUILD_DEFAULT_PACK;
	if (!options->level)
		options->level = BUILD_DEFAULT_LEVEL;
	if (!options->threads)
		options->threads = processors > 0 ? (unsigned int)processors : 1;
	if (!is_power_of_two(options->chunk_size) || options->chunk_size < INDEX_MIN_CHUNK ||
	    options->chunk_size > INDEX_MAX_CHUNK)
		return error_set(err, EINVAL,
		                 "a chunk size of %u is not a power of two from 16 KiB to 4 MiB",
		                 options->chunk_size);
	if (options->level < 1 || options->level > ZSTD_maxCLevel())
		return error_set(err, EINVAL, "%d is not a level of zstd, which has 1 to %d",
		                 options->level, ZSTD_maxCLevel());
	if (build->image->size > INDEX_MAX_DISK)
		return error_set(err, EFBIG, "%s: is larger than 2^48 bytes",
		                 build->image->file->name);
	if (base && base->format != IMAGE_INDEX)
		return error_set(err, EINVAL, "%s: is no image index, so its packs cannot be used",
		                 base->file->name);
	if (base && to_index(base)->header.chunk_size != options->chunk_size)
		return error_set(err, EINVAL, "%s: has chunks of another size than %u bytes",
		                 base->file->name, options->chunk_size);
	return 0;
}

static void free_build(struct build *build)
{
	blob_free(build->pack);
	build_order_free(&build->order);
	chunk_table_free(&build->base);
	chunk_table_free(&build->chunks);
	build_tree_free(&build->tree);
	free(build->base_packs);
	free(build->packs);
}

int library_build(struct image *image, const char *dir, const struct build_options *options,
                  struct build_result *ret, struct error *err)
{
	struct build build = { .image = image, .dir = dir };
	int r;

	if (options)
		build.options = *options;
	r = check_options(&build, err);
	if (r < 0)
		return r;
	build.header.chunk_size = build.options.chunk_size;
	build.header.size = image->size;
	build.room = ZSTD_compressBound(build.options.chunk_size);
	r = build_order_init(&build.order, image, build.options.trace, build.options.chunk_size,
	                     err);
	if (r == 0)
		r = build_tree_init(&build.tree, index_chunks_of(&build.header), err);
	if (r == 0 && build.options.base)
		r = learn_base(&build, err);
	if (r == 0)
		r = build_chunks(&build, err);
	if (r == 0)
		r = build_pages(&build, err);
	if (r == 0)
		r = build_trace(&build, err);
	if (r == 0)
		r = build_header(&build, err);
	build.result.header = build.header;
	if (r == 0)
		*ret = build.result;
	free_build(&build);
	return r;
}
