// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traces as a value: the file, its checks, and the plan that a replay follows.  Recording is in
 * disk/trace-record.c.  docs/trace-format.md has the layout; any thread, no shared state.
 */
#include "disk/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "util/io.h"

#define BLOCK      4096u
#define MAGIC      "SILLTRC" /* with its NUL: 8 bytes */
#define VERSION    1u
#define HEADER     64u
#define ENTRY      8u
#define BLOCK_BITS 48
/* How many entries ahead a piece of the plan looks for its neighbours. */
#define LOOK_AHEAD 64

enum {
	AT_VERSION = 8,
	AT_CRC = 12,
	AT_SIZE = 16,
	AT_COUNT = 24,
	AT_ZERO = 28,
	AT_IMAGE = 32,
};

void trace_free(struct trace *trace)
{
	if (!trace)
		return;
	free(trace->runs);
	free(trace);
}

uint64_t trace_bytes(const struct trace *trace)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < trace->n; i++)
		sum += trace->runs[i].len;
	return sum;
}

static int by_offset(const void *a, const void *b)
{
	const struct trace_run *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

static int check_overlaps(const struct trace *trace, const char *name, struct error *err)
{
	cleanup_free struct trace_run *sorted = NULL;

	if (trace->n < 2)
		return 0;
	sorted = malloc(trace->n * sizeof(*sorted));
	if (!sorted)
		return error_sys(err, ENOMEM, "%s", name);
	memcpy(sorted, trace->runs, trace->n * sizeof(*sorted));
	qsort(sorted, trace->n, sizeof(*sorted), by_offset);
	for (size_t i = 1; i < trace->n; i++)
		if (sorted[i - 1].off + sorted[i - 1].len > sorted[i].off)
			return error_set(err, EINVAL,
			                 "%s: two trace entries overlap at byte %" PRIu64, name,
			                 sorted[i].off);
	return 0;
}

static int load_entry(struct trace *trace, size_t i, uint64_t entry, const char *name,
                      struct error *err)
{
	uint64_t blocks = div_round_up(trace->size, BLOCK);
	uint64_t first = entry & ((UINT64_C(1) << BLOCK_BITS) - 1), n = entry >> BLOCK_BITS;
	struct trace_run *run = &trace->runs[i];

	if (n == 0 || !range_inside(first, n, blocks))
		return error_set(err, EINVAL,
		                 "%s: trace entry %zu (block %" PRIu64 ", %" PRIu64
		                 " blocks) does not lie on the disk of %" PRIu64 " bytes",
		                 name, i, first, n, trace->size);
	run->off = first * BLOCK;
	run->len = min_u64(n * BLOCK, trace->size - run->off);
	return 0;
}

int trace_parse(const void *data, size_t len, const char *name, struct trace **ret,
                struct error *err)
{
	const uint8_t *raw = data;
	static const uint8_t no_crc[4];
	cleanup(trace_free) struct trace *trace = NULL;
	uint32_t count, crc;
	int r;

	if (len < HEADER || memcmp(raw, MAGIC, 8) != 0)
		return error_set(err, EINVAL, "%s: is not a trace", name);
	if (load_le32(raw + AT_VERSION) != VERSION)
		return error_set(err, ENOTSUP, "%s: trace version %u is not %u", name,
		                 load_le32(raw + AT_VERSION), VERSION);
	count = load_le32(raw + AT_COUNT);
	if (count > TRACE_MAX_RUNS || len != HEADER + (size_t)count * ENTRY)
		return error_set(
			err, EINVAL,
			"%s: the trace says it has %u entries, which %zu bytes do not hold", name,
			count, len);
	crc = crc32c(0, raw, AT_CRC);
	crc = crc32c(crc, no_crc, sizeof(no_crc));
	crc = crc32c(crc, raw + AT_CRC + 4, len - AT_CRC - 4);
	if (crc != load_le32(raw + AT_CRC))
		return error_set(err, EINVAL, "%s: the trace's checksum is wrong", name);
	trace = calloc(1, sizeof(*trace));
	if (trace)
		trace->runs = calloc(count ? count : 1, sizeof(*trace->runs));
	if (!trace || !trace->runs)
		return error_sys(err, ENOMEM, "%s", name);
	trace->size = load_le64(raw + AT_SIZE);
	if (trace->size > INT64_MAX)
		return error_set(err, EINVAL, "%s: the trace is of a disk of %" PRIu64 " bytes",
		                 name, trace->size);
	memcpy(trace->image_id, raw + AT_IMAGE, sizeof(trace->image_id));
	for (trace->n = 0; trace->n < count; trace->n++) {
		const uint8_t *at = raw + HEADER + trace->n * ENTRY;

		r = load_entry(trace, trace->n, load_le64(at), name, err);
		if (r < 0)
			return r;
	}
	r = check_overlaps(trace, name, err);
	if (r < 0)
		return r;
	*ret = take_ptr(trace);
	return 0;
}

int trace_load(int dirfd, const char *path, const uint8_t image_id[32], struct trace **ret,
               struct error *err)
{
	cleanup(trace_free) struct trace *trace = NULL;
	cleanup_free char *data = NULL;
	size_t len;
	int r = read_file(dirfd, path, HEADER + (size_t)TRACE_MAX_RUNS * ENTRY, &data, &len, err);

	if (r < 0)
		return r;
	r = trace_parse(data, len, path, &trace, err);
	if (r < 0)
		return r;
	if (image_id && memcmp(trace->image_id, image_id, sizeof(trace->image_id)) != 0)
		return error_set(err, ESTALE, "%s: is a trace of another image", path);
	*ret = take_ptr(trace);
	return 0;
}

int trace_encode(const struct trace *trace, uint8_t **ret, size_t *ret_len, struct error *err)
{
	size_t len = HEADER + trace->n * ENTRY;
	uint8_t *raw = calloc(1, len);

	if (!raw)
		return error_sys(err, ENOMEM, "a trace of %zu entries", trace->n);
	memcpy(raw, MAGIC, 8);
	store_le32(raw + AT_VERSION, VERSION);
	store_le64(raw + AT_SIZE, trace->size);
	store_le32(raw + AT_COUNT, (uint32_t)trace->n);
	memcpy(raw + AT_IMAGE, trace->image_id, sizeof(trace->image_id));
	for (size_t i = 0; i < trace->n; i++) {
		const struct trace_run *run = &trace->runs[i];

		store_le64(raw + HEADER + i * ENTRY,
		           run->off / BLOCK | div_round_up(run->len, BLOCK) << BLOCK_BITS);
	}
	store_le32(raw + AT_CRC, crc32c(0, raw, len));
	*ret = raw;
	*ret_len = len;
	return 0;
}

int trace_save(const struct trace *trace, int dirfd, const char *path, struct error *err)
{
	cleanup_free uint8_t *raw = NULL;
	size_t len;
	int r = trace_encode(trace, &raw, &len, err);

	return r < 0 ? r : replace_file(dirfd, path, raw, len, 0644, err);
}

/* Take `run` into `piece` when it is near enough and the piece stays short enough. */
static bool join(struct trace_run *piece, const struct trace_run *run, uint64_t max_gap,
                 uint64_t max_run)
{
	uint64_t end = piece->off + piece->len, run_end = run->off + run->len;
	uint64_t gap = run->off >= end         ? run->off - end
	               : piece->off >= run_end ? piece->off - run_end
	                                       : 0;
	uint64_t from = min_u64(piece->off, run->off), to = max_u64(end, run_end);

	if (gap > max_gap || to - from > max_run)
		return false;
	piece->off = from;
	piece->len = to - from;
	return true;
}

int trace_plan(const struct trace *trace, uint64_t max_gap, uint64_t max_run,
               struct trace_run **ret, size_t *ret_n, struct error *err)
{
	cleanup_free bool *taken = calloc(trace->n + 1, sizeof(*taken));
	cleanup_free struct trace_run *pieces = calloc(trace->n + 1, sizeof(*pieces));
	size_t n = 0;

	if (!taken || !pieces)
		return error_sys(err, ENOMEM, "no memory for a trace of %zu entries", trace->n);
	for (size_t i = 0; i < trace->n; i++) {
		if (taken[i])
			continue;
		pieces[n] = trace->runs[i];
		for (size_t k = i + 1; k < trace->n && k <= i + LOOK_AHEAD; k++)
			if (!taken[k] && join(&pieces[n], &trace->runs[k], max_gap, max_run)) {
				taken[k] = true;
				k = i; /* the longer piece may reach what was out of reach */
			}
		n++;
	}
	*ret = take_ptr(pieces);
	*ret_n = n;
	return 0;
}
