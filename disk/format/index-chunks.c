// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks: where they are, and how their bytes become the disk's.
 *
 * Any thread.  The judge of a read (source_read_judged()) unpacks every chunk of the run into the
 * place where it is wanted and compares its digest; so bytes are unpacked once, and nobody sees
 * them before all are right.  Where a part of the first or last chunk is wanted that one is
 * unpacked into a buffer of its own.
 *
 * A chunk that this computer has already (image_options.find_chunk) is taken from there.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/bits.h"

DEFINE_CLEANUP(ZSTD_DCtx *, ZSTD_freeDCtx);

/* Does `next` lie right behind what the run has, in the same pack? */
static bool goes_on(const struct index_run *run, const struct index_chunk *next)
{
	return next->stored > 0 && next->pack == run->first.pack &&
	       next->off == run->first.off + run->stored;
}

int index_find_run(struct index_image *index, struct index_cursor *cursor, uint64_t n, uint64_t max,
                   const struct source_read *how, struct index_run *ret, struct error *err)
{
	uint64_t end = min_u64(n + max, index_chunks_of(&index->header));
	uint64_t most = max_u64(INDEX_RUN_BYTES / index->header.chunk_size, 1);
	struct index_run run = { .n = n };
	int r = 0;

	while (r == 0 && n + run.count < end && (run.zero || run.count < most)) {
		struct index_chunk chunk;
		uint64_t some;

		r = index_find_chunk(index, cursor, n + run.count, how, &chunk, &some, err);
		if (r < 0)
			break;
		if (run.count == 0) {
			run.zero = chunk.stored == 0;
			run.first = chunk;
		} else if (run.zero ? chunk.stored > 0 : !goes_on(&run, &chunk)) {
			break;
		}
		run.count = min_u64(run.count + some, end - n);
		run.stored += chunk.stored;
	}
	if (r < 0)
		return r;
	*ret = run;
	return 0;
}

/* A run being unpacked. */
struct unpacking {
	struct index_image *index;
	const struct index_run *run;
	struct index_cursor *cursor;
	const struct source_read *how;
	ZSTD_DCtx *ctx;
	uint8_t *out, *part; /* what is wanted; room for one chunk */
	size_t within, len;  /* of the run's bytes */
};

static int unpack(ZSTD_DCtx *ctx, const struct index_chunk *chunk, const uint8_t *in, uint8_t *out,
                  uint32_t len)
{
	size_t n;

	if (chunk->coding == INDEX_PLAIN) {
		/* It may be there already. */
		memmove(out, in, len);
		return 0;
	}
	/* More than one frame, or something behind it, is not what was packed. */
	n = ZSTD_findFrameCompressedSize(in, chunk->stored);
	if (ZSTD_isError(n) || n != chunk->stored)
		return -EBADMSG;
	n = ZSTD_decompressDCtx(ctx, out, len, in, chunk->stored);
	return ZSTD_isError(n) || n != len ? -EBADMSG : 0;
}

static int check_chunk(const struct index_image *index, uint64_t n, const struct index_chunk *chunk,
                       const uint8_t *plain, uint32_t len, struct error *err)
{
	uint8_t digest[INDEX_DIGEST_BYTES];
	char have[INDEX_NAME_BYTES];

	index_digest(plain, len, digest);
	if (memcmp(digest, chunk->digest, sizeof(digest)) == 0)
		return 0;
	index_digest_name(digest, have);
	return error_set(err, EBADMSG, "chunk %llu of %s has %s, which is not what the index says",
	                 (unsigned long long)n, index->image.file->name, have);
}

/* One chunk at `start` of the run's bytes, from its stored bytes to where it is wanted. */
static int place_chunk(struct unpacking *u, uint64_t n, const struct index_chunk *chunk,
                       const uint8_t *in, size_t start, struct error *err)
{
	uint32_t len = index_chunk_len(&u->index->header, n);
	size_t from = max_u64(start, u->within), end = min_u64(start + len, u->within + u->len);
	bool whole = from == start && end == start + len;
	uint8_t *to = whole ? u->out + (start - u->within) : u->part;
	int r = unpack(u->ctx, chunk, in, to, len);

	if (r < 0)
		return error_set(err, EBADMSG, "chunk %llu of %s is not stored as the index says",
		                 (unsigned long long)n, u->index->image.file->name);
	r = check_chunk(u->index, n, chunk, to, len, err);
	if (r == 0 && !whole)
		memcpy(u->out + (from - u->within), to + (from - start), end - from);
	return r;
}

/* source_judge.right: are these the stored bytes of the run's chunks that are wanted? */
static int unpack_run(void *arg, const void *buf, size_t len __attribute__((unused)),
                      struct error *err)
{
	struct unpacking *u = arg;
	uint64_t size = u->index->header.chunk_size;
	uint64_t first = u->run->n + u->within / size;
	uint64_t end = u->run->n + div_round_up(u->within + u->len, size);
	const uint8_t *in = buf;
	int r = 0;

	for (uint64_t n = first; n < end && r == 0; n++) {
		struct index_chunk chunk;
		uint64_t some;

		/* Found a moment ago: its page is in memory. */
		r = index_find_chunk(u->index, u->cursor, n, u->how, &chunk, &some, err);
		if (r == 0)
			r = place_chunk(u, n, &chunk, in, (size_t)((n - u->run->n) * size), err);
		in += chunk.stored;
	}
	return r;
}

/* Where in the pack the wanted part of the run begins and ends. */
static int stored_range(struct unpacking *u, uint64_t *ret_off, uint64_t *ret_len,
                        struct error *err)
{
	uint64_t size = u->index->header.chunk_size, skipped = u->within / size;
	uint64_t end = div_round_up(u->within + u->len, size), before = 0, wanted = 0;

	for (uint64_t i = 0; i < end; i++) {
		struct index_chunk chunk;
		uint64_t some;
		int r = index_find_chunk(u->index, u->cursor, u->run->n + i, u->how, &chunk, &some,
		                         err);

		if (r < 0)
			return r;
		if (i < skipped)
			before += chunk.stored;
		else
			wanted += chunk.stored;
	}
	*ret_off = u->run->first.off + before;
	*ret_len = wanted;
	return 0;
}

/* The i-th chunk of the run, as far as it is wanted, from another image of this computer. */
static bool find_near(struct unpacking *u, uint64_t i)
{
	const struct image_options *options = &u->index->options;
	uint64_t n = u->run->n + i, some;
	uint32_t len = index_chunk_len(&u->index->header, n);
	struct index_chunk chunk;

	if (!options->find_chunk ||
	    index_find_chunk(u->index, u->cursor, n, u->how, &chunk, &some, NULL) < 0 ||
	    !options->find_chunk(options->arg, chunk.digest, u->part, len))
		return false;
	chunk.coding = INDEX_PLAIN;
	return place_chunk(u, n, &chunk, u->part, (size_t)(i * u->index->header.chunk_size),
	                   NULL) == 0;
}

static int fetch_run(struct unpacking *u, struct error *err)
{
	const struct source_judge judge = { .right = unpack_run, .arg = u };
	struct index_open_pack *pack;
	cleanup_free uint8_t *in = NULL;
	uint64_t off, len;
	int r = stored_range(u, &off, &len, err);

	if (r < 0)
		return r;
	in = malloc(max_u64(len, 1));
	if (!in)
		return error_sys(err, ENOMEM, "%s", u->index->image.file->name);
	r = index_pack_get(u->index, u->run->first.pack, u->how, &pack, err);
	if (r < 0)
		return r;
	if (!range_inside(off, len, pack->src->identity.size))
		r = error_set(err, EINVAL, "%s: chunk %llu lies past the end of its pack",
		              u->index->image.file->name, (unsigned long long)u->run->n);
	else
		r = source_read_judged(pack->src, in, len, off, u->how, &judge, err);
	index_pack_put(u->index, pack);
	return r;
}

/* What is wanted of the run's chunks [from, end). */
static int fetch_chunks(const struct unpacking *all, uint64_t from, uint64_t end, struct error *err)
{
	uint64_t size = all->index->header.chunk_size;
	uint64_t first = max_u64(from * size, all->within);
	uint64_t behind = min_u64(end * size, all->within + all->len);
	struct unpacking some = *all;

	if (first >= behind)
		return 0;
	some.out = all->out + (first - all->within);
	some.within = (size_t)first;
	some.len = (size_t)(behind - first);
	return fetch_run(&some, err);
}

/* Chunks that are near one by one, and those between them together. */
static int read_chunks(struct unpacking *u, struct error *err)
{
	uint64_t size = u->index->header.chunk_size;
	uint64_t from = u->within / size, end = div_round_up(u->within + u->len, size);
	int r = 0;

	for (uint64_t i = from; i < end && r == 0; i++) {
		if (!find_near(u, i))
			continue;
		r = fetch_chunks(u, from, i, err);
		from = i + 1;
	}
	return r < 0 ? r : fetch_chunks(u, from, end, err);
}

int index_read_run(struct index_image *index, const struct index_run *run, uint8_t *buf,
                   size_t within, size_t len, const struct source_read *how, struct error *err)
{
	cleanup(ZSTD_freeDCtx) ZSTD_DCtx *ctx = ZSTD_createDCtx();
	cleanup_free struct index_cursor *cursor = calloc(1, sizeof(*cursor));
	cleanup_free uint8_t *part = malloc(index->header.chunk_size);
	struct unpacking u = {
		.index = index,
		.run = run,
		.cursor = cursor,
		.how = how,
		.ctx = ctx,
		.out = buf,
		.part = part,
		.within = within,
		.len = len,
	};

	if (!ctx || !cursor || !part)
		return error_sys(err, ENOMEM, "%s", index->image.file->name);
	return read_chunks(&u, err);
}
