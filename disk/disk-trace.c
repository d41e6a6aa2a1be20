// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recording what this boot reads, and keeping it as the trace of the image.
 *
 * Only what comes from the image is noted: a block that the guest has written is in no other
 * machine's boot.  Recording ends when the boot is over (somebody says so), after some minutes, or
 * when the disk is closed.
 *
 * A trace that is there already stays when it holds nearly all that this boot has read: a second
 * boot of a machine reads less of the image than the first, and must not spoil the trace for the
 * next machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/internal.h"
#include "util/clock.h"

#define RECORD_NS (600 * NS_PER_SEC)
/* Percent of this boot's reads that the old trace must hold to stay. */
#define GOOD_ENOUGH 90

int disk_trace_setup(struct disk *disk, bool record, bool replay, struct error *err)
{
	struct error why = { 0 };
	int r;

	if (record) {
		r = trace_recorder_new(disk->size, &disk->recorder, err);
		if (r < 0)
			return r;
		disk->record_until_ns = disk->opened_ns + RECORD_NS;
		disk->recording = true;
	}
	if (!record && !replay)
		return 0;
	r = trace_load(disk->trace_dir, TRACE_NAME, disk->image_id, &disk->replayed, &why);
	/* A disk without its trace is only slower. */
	if (r < 0 && r != -ENOENT)
		messages_addf(&disk->messages, "the trace is not used: %s", why.text);
	return 0;
}

void disk_trace_note(struct disk *disk, uint64_t off, uint64_t len)
{
	uint64_t at = round_down(off, NEAR_BLOCK), end = off + len, run;

	while (at < end) {
		uint64_t block = at / NEAR_BLOCK, next;
		int state = near_state(disk->near, block, div_round_up(end - at, NEAR_BLOCK), &run,
		                       NULL);

		if (state < 0)
			return;
		next = min_u64(end, (block + run) * NEAR_BLOCK);
		if (state != NEAR_LAYER)
			trace_recorder_note(disk->recorder, at, next - at);
		at = next;
	}
	if (now_ns() > disk->record_until_ns)
		disk_trace_stop(disk, NULL);
}

static int by_offset(const void *a, const void *b)
{
	const struct trace_run *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Bytes of `sorted` that lie in [off, end). */
static uint64_t overlap(const struct trace_run *sorted, size_t n, uint64_t off, uint64_t end)
{
	uint64_t sum = 0;
	size_t low = 0, high = n;

	/* The first run that ends behind `off`. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sorted[mid].off + sorted[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && sorted[low].off < end; low++)
		sum += min_u64(end, sorted[low].off + sorted[low].len) -
		       max_u64(off, sorted[low].off);
	return sum;
}

/* Does `old` hold nearly all of `fresh`? */
static bool covers(const struct trace *old, const struct trace *fresh)
{
	cleanup_free struct trace_run *sorted = NULL;
	uint64_t total = trace_bytes(fresh), held = 0;

	if (old->n == 0 || total == 0)
		return total == 0;
	sorted = malloc(old->n * sizeof(*sorted));
	if (!sorted)
		return true;
	memcpy(sorted, old->runs, old->n * sizeof(*sorted));
	qsort(sorted, old->n, sizeof(*sorted), by_offset);
	for (size_t i = 0; i < fresh->n; i++)
		held += overlap(sorted, old->n, fresh->runs[i].off,
		                fresh->runs[i].off + fresh->runs[i].len);
	return held / 100 >= total / 100 * GOOD_ENOUGH / 100;
}

int disk_trace_save(struct disk *disk, struct error *err)
{
	cleanup(trace_free) struct trace *trace = NULL;
	int r;

	if (!disk->recorder)
		return error_set(err, EINVAL, "no trace is being recorded");
	pthread_mutex_lock(&disk->trace_lock);
	r = trace_recorder_take(disk->recorder, disk->image_id, &trace, err);
	if (r == 0 && !(disk->replayed && covers(disk->replayed, trace)))
		r = trace_save(trace, disk->trace_dir, TRACE_NAME, err);
	pthread_mutex_unlock(&disk->trace_lock);
	return r;
}

int disk_trace_stop(struct disk *disk, struct error *err)
{
	struct error why = { 0 };
	int r;

	ahead_boot_over(disk->ahead);
	if (!__atomic_exchange_n(&disk->recording, false, __ATOMIC_RELAXED))
		return 0;
	r = disk_trace_save(disk, &why);
	if (r < 0) {
		messages_addf(&disk->messages, "the trace was not saved: %s", why.text);
		if (err)
			*err = why;
	}
	return r;
}

void disk_trace_finish(struct disk *disk)
{
	if (disk->ahead && __atomic_load_n(&disk->reads, __ATOMIC_RELAXED) > 0)
		disk_trace_stop(disk, NULL);
}
