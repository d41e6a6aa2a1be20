// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recording a trace: which blocks a guest reads, in the order in which it first does.
 *
 * A bit a block says "noted"; the bits live in memory that the kernel gives when it is touched, so
 * a disk of 1 TiB costs what the guest reads of it.  A block that was noted before is passed
 * without a lock.  New ones are appended under it, to the last run when they follow it.
 */
#include "disk/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

#define BLOCK   4096u
#define MAX_RUN 65535u /* blocks: what an entry of the file can count */

struct trace_recorder {
	uint64_t size;   /* of the disk, bytes */
	uint64_t *noted; /* a bit a block; set with atomics */
	size_t noted_len;
	pthread_mutex_t lock; /* guards the rest */
	struct run {
		uint64_t block, n;
	} * runs;
	size_t n, room;
};

int trace_recorder_new(uint64_t size, struct trace_recorder **ret, struct error *err)
{
	struct trace_recorder *recorder = calloc(1, sizeof(*recorder));

	if (!recorder)
		return error_sys(err, ENOMEM, "trace");
	recorder->size = size;
	recorder->noted_len = (size_t)div_round_up(div_round_up(size, BLOCK), 64) * 8;
	if (recorder->noted_len == 0)
		recorder->noted_len = 8;
	recorder->noted = mmap(NULL, recorder->noted_len, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (recorder->noted == MAP_FAILED) {
		free(recorder);
		return error_sys(err, ENOMEM, "trace");
	}
	pthread_mutex_init(&recorder->lock, NULL);
	*ret = recorder;
	return 0;
}

void trace_recorder_free(struct trace_recorder *recorder)
{
	if (!recorder)
		return;
	munmap(recorder->noted, recorder->noted_len);
	pthread_mutex_destroy(&recorder->lock);
	free(recorder->runs);
	free(recorder);
}

/* With the lock.  Out of memory or room: the trace ends here, which is all that is lost. */
static void append(struct trace_recorder *recorder, uint64_t block)
{
	struct run *last = recorder->n ? &recorder->runs[recorder->n - 1] : NULL;

	if (last && last->block + last->n == block && last->n < MAX_RUN) {
		last->n++;
		return;
	}
	if (!recorder->runs || recorder->n == recorder->room) {
		size_t room = recorder->room ? recorder->room * 2 : 1024;
		struct run *more;

		if (room > TRACE_MAX_RUNS)
			return;
		more = reallocarray(recorder->runs, room, sizeof(*more));
		if (!more)
			return;
		recorder->runs = more;
		recorder->room = room;
	}
	recorder->runs[recorder->n++] = (struct run){ .block = block, .n = 1 };
}

void trace_recorder_note(struct trace_recorder *recorder, uint64_t off, uint64_t len)
{
	uint64_t block = off / BLOCK, end;
	bool locked = false;

	if (len == 0 || !range_inside(off, len, recorder->size))
		return;
	end = (off + len - 1) / BLOCK + 1;
	for (; block < end; block++) {
		uint64_t *word = &recorder->noted[block / 64], bit = UINT64_C(1) << block % 64;

		if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
			continue;
		if (__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit)
			continue;
		if (!locked)
			pthread_mutex_lock(&recorder->lock);
		locked = true;
		append(recorder, block);
	}
	if (locked)
		pthread_mutex_unlock(&recorder->lock);
}

int trace_recorder_take(struct trace_recorder *recorder, const uint8_t image_id[32],
                        struct trace **ret, struct error *err)
{
	cleanup(trace_free) struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return error_sys(err, ENOMEM, "trace");
	memcpy(trace->image_id, image_id, sizeof(trace->image_id));
	trace->size = recorder->size;
	pthread_mutex_lock(&recorder->lock);
	trace->runs = calloc(recorder->n + 1, sizeof(*trace->runs));
	for (; trace->runs && trace->n < recorder->n; trace->n++) {
		const struct run *run = &recorder->runs[trace->n];
		uint64_t off = run->block * BLOCK;

		trace->runs[trace->n] =
			(struct trace_run){ .off = off,
			                    .len = min_u64(run->n * BLOCK, recorder->size - off) };
	}
	pthread_mutex_unlock(&recorder->lock);
	if (!trace->runs)
		return error_sys(err, ENOMEM, "trace");
	*ret = take_ptr(trace);
	return 0;
}
