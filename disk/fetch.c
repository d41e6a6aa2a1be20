// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fetching: which ranges become flights, and who waits for them.  How one flies: flight.c.
 *
 * The table of flights is a list: there are as many as threads that fetch, some dozens.  A range is
 * claimed under the lock: what the near lacks and no flight covers becomes a flight, and is taken
 * out of the list after the near has it.  So whoever finds no flight for a block looks at
 * the near once more, under the lock, and then knows.
 *
 * Demand flights run on threads of their own, because the one who claimed a chunk wants its first
 * bytes before its last; it waits like everybody else.  Other flights run in their caller's thread.
 */
#include "disk/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "disk/disk.h"
#include "disk/fetch-internal.h"
#include "util/clock.h"

#define MAX_WORKERS 64
/* One read may find each of its blocks rotten, and lose so many more while it fetches them. */
#define SPARE_LOST 64

int fetch_new(struct near *near, struct far *far, uint64_t size, struct messages *messages,
              struct fetch **ret, struct error *err)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	if (fetch)
		fetch->workers = workers_new(MAX_WORKERS);
	if (!fetch || !fetch->workers) {
		free(fetch);
		return error_sys(err, ENOMEM, "fetch");
	}
	fetch->near = near;
	fetch->far = far;
	fetch->size = size;
	fetch->messages = messages;
	fetch->lead = fetch->tail = DISK_CHUNK;
	pthread_mutex_init(&fetch->lock, NULL);
	pthread_cond_init(&fetch->empty, NULL);
	list_init(&fetch->flights);
	*ret = fetch;
	return 0;
}

void fetch_free(struct fetch *fetch)
{
	if (!fetch)
		return;
	pthread_mutex_lock(&fetch->lock);
	while (!list_empty(&fetch->flights))
		pthread_cond_wait(&fetch->empty, &fetch->lock);
	pthread_mutex_unlock(&fetch->lock);
	workers_free(fetch->workers);
	pthread_cond_destroy(&fetch->empty);
	pthread_mutex_destroy(&fetch->lock);
	free(fetch);
}

void fetch_stop(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->lock);
	fetch->stopping = true;
	list_for_each (link, &fetch->flights)
		source_cancel_fire(&container_of(link, struct flight, link)->cancel);
	pthread_mutex_unlock(&fetch->lock);
}

void fetch_set_rounding(struct fetch *fetch, uint64_t lead, uint64_t beyond, uint64_t tail)
{
	__atomic_store_n(&fetch->beyond, beyond, __ATOMIC_RELAXED);
	__atomic_store_n(&fetch->lead, lead, __ATOMIC_RELAXED);
	__atomic_store_n(&fetch->tail, tail, __ATOMIC_RELAXED);
}

bool fetch_near_is_full(struct fetch *fetch)
{
	return now_ns() < __atomic_load_n(&fetch->full_until_ns, __ATOMIC_RELAXED);
}

void fetch_stats(struct fetch *fetch, struct fetch_stats *ret)
{
	for (size_t i = 0; i < FETCH_REASONS; i++)
		ret->bytes[i] = __atomic_load_n(&fetch->bytes[i], __ATOMIC_RELAXED);
	ret->joined = __atomic_load_n(&fetch->joined, __ATOMIC_RELAXED);
	pthread_mutex_lock(&fetch->lock);
	ret->flights = fetch->n_flights;
	pthread_mutex_unlock(&fetch->lock);
}

/* The disk's end counts as a boundary of blocks. */
static uint64_t up(const struct fetch *fetch, uint64_t off, uint64_t unit)
{
	return off >= fetch->size || fetch->size - off < unit ? fetch->size : round_up(off, unit);
}

/* Blocks from `off`, at a boundary, to `end`. */
static uint64_t blocks(uint64_t off, uint64_t end)
{
	return div_round_up(end - off, NEAR_BLOCK);
}

/*
 * Is `block` to be fetched, and how many from there are alike?  The fill is for the cache, and
 * fetches also what only the guest's layers hold.
 */
static int is_wanted(struct fetch *fetch, enum fetch_reason reason, uint64_t block, uint64_t max,
                     uint64_t *ret_run, struct error *err)
{
	int r = reason == FETCH_FILL ? near_cached(fetch->near, block, max, ret_run, err)
	                             : near_state(fetch->near, block, max, ret_run, err);

	if (r < 0)
		return r;
	return reason == FETCH_FILL ? !r : r == NEAR_FAR;
}

/*
 * With the lock, for a block `at` that no flight covers: the largest range around it inside
 * [low, high) that is wanted and in no flight.  *ret_first == *ret_end: it is near after all.
 */
static int far_range(struct fetch *fetch, enum fetch_reason reason, uint64_t at, uint64_t low,
                     uint64_t high, uint64_t *ret_first, uint64_t *ret_end, struct error *err)
{
	uint64_t first, off, run;

	list_for_each (link, &fetch->flights) {
		const struct flight *flight = container_of(link, struct flight, link);

		if (flight->end <= at)
			low = max_u64(low, flight->end);
		else
			high = min_u64(high, flight->first);
	}
	near_refresh(fetch->near, low / NEAR_BLOCK, blocks(low, high));
	first = low;
	for (off = low; off < high; off += run * NEAR_BLOCK) {
		int r = is_wanted(fetch, reason, off / NEAR_BLOCK, blocks(off, high), &run, err);

		if (r < 0)
			return r;
		if (r)
			continue;
		if (off > at) {
			high = off;
			break;
		}
		if (off + run * NEAR_BLOCK > at) {
			*ret_first = *ret_end = at;
			return 0;
		}
		first = off + run * NEAR_BLOCK;
	}
	*ret_first = first;
	*ret_end = high;
	return 0;
}

/* What is fetched is a multiple of this, so that no compressed cluster is fetched twice. */
static uint64_t unit_of(const struct fetch *fetch)
{
	const struct image *image = far_peek(fetch->far);

	return image ? max_u64(NEAR_BLOCK, min_u64(FETCH_MAX, image_unit(image))) : NEAR_BLOCK;
}

/*
 * With the lock: a flight for a demand of [at, to).  NULL in *ret: it is near after all.
 * *ret_run: the caller must run it, no thread could be had.
 */
static int claim_demand(struct fetch *fetch, uint64_t at, uint64_t to, struct flight **ret,
                        bool *ret_run, struct error *err)
{
	bool full = fetch_near_is_full(fetch);
	uint64_t lead = full ? NEAR_BLOCK : __atomic_load_n(&fetch->lead, __ATOMIC_RELAXED);
	uint64_t tail = full ? NEAR_BLOCK : __atomic_load_n(&fetch->tail, __ATOMIC_RELAXED);
	uint64_t beyond = full ? 0 : __atomic_load_n(&fetch->beyond, __ATOMIC_RELAXED);
	uint64_t unit = full ? NEAR_BLOCK : unit_of(fetch);
	uint64_t low = round_down(at, max_u64(lead, unit)), first, end;
	uint64_t high = up(fetch, to + beyond, max_u64(tail, unit));
	struct flight *flight = NULL;
	int r;

	r = far_range(fetch, FETCH_DEMAND, round_down(at, NEAR_BLOCK), low,
	              min_u64(high, low + FETCH_MAX), &first, &end, err);
	if (r < 0)
		return r;
	*ret_run = false;
	if (first < end) {
		r = flight_new(fetch, first, end, FETCH_DEMAND, &flight, err);
		if (r < 0)
			return r;
		*ret_run = !workers_run(fetch->workers, flight_work, flight);
	}
	*ret = flight;
	return 0;
}

/*
 * Copy [off, to), which is far, out of a flight; *ret_len tells how much of it, 0 when it is near
 * meanwhile.
 */
static int fetch_far(struct fetch *fetch, char *buf, uint64_t off, uint64_t to, uint64_t *ret_len,
                     struct error *err)
{
	struct flight *flight;
	uint64_t need;
	bool run = false;
	int r = 0;

	pthread_mutex_lock(&fetch->lock);
	flight = flight_at(fetch, off);
	if (flight) {
		__atomic_fetch_add(&fetch->joined, 1, __ATOMIC_RELAXED);
		/* Whatever it was begun for, somebody waits for it now. */
		source_cancel_hurry(&flight->cancel);
	} else {
		r = claim_demand(fetch, off, to, &flight, &run, err);
	}
	if (r < 0 || !flight) {
		pthread_mutex_unlock(&fetch->lock);
		*ret_len = 0;
		return r;
	}
	flight->refs++;
	if (run) {
		pthread_mutex_unlock(&fetch->lock);
		flight_run(flight, NULL);
		pthread_mutex_lock(&fetch->lock);
	}
	need = min_u64(to, flight->end);
	flight->waiters++;
	while (flight->done < need && !flight->finished)
		pthread_cond_wait(&flight->moved, &fetch->lock);
	flight->waiters--;
	if (flight->done < need) {
		r = -flight->err.code;
		if (err)
			*err = flight->err;
	}
	if (r == 0 && buf) {
		pthread_mutex_unlock(&fetch->lock);
		memcpy(buf, flight->buf + (off - flight->first), need - off);
		pthread_mutex_lock(&fetch->lock);
	}
	flight_unref(flight);
	pthread_mutex_unlock(&fetch->lock);
	*ret_len = need - off;
	return r;
}

int fetch_read(struct fetch *fetch, void *buf, size_t len, uint64_t off, bool *ret_waited,
               struct error *err)
{
	uint64_t to = off + len, at = off, n, run = 0, missing;
	uint64_t lost = 0, most_lost = len / NEAR_BLOCK + SPARE_LOST;
	int r;

	*ret_waited = false;
	while (at < to) {
		uint64_t block = at / NEAR_BLOCK;
		char *into = buf ? (char *)buf + (at - off) : NULL;
		int state =
			near_state(fetch->near, block, blocks(block * NEAR_BLOCK, to), &run, err);

		if (state < 0)
			return state;
		n = min_u64(to, (block + run) * NEAR_BLOCK) - at;
		if (state == NEAR_FAR) {
			*ret_waited = true;
			r = fetch_far(fetch, into, at, at + n, &n, err);
		} else {
			r = into ? near_read(fetch->near, into, n, at, &missing, err) : 0;
			/* Found rotten, and far from now on. */
			if (r == -ENODATA && lost++ < most_lost)
				continue;
			if (r == -ENODATA)
				r = error_set(err, EIO,
				              "cached blocks at byte %" PRIu64
				              " are lost as soon as "
				              "they are fetched",
				              at);
		}
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

/* Zeros at the front of [off, end) that the tables know: recorded, and *ret_off stands behind. */
static int skip_zeros(struct fetch *fetch, uint64_t off, uint64_t end, enum fetch_reason reason,
                      uint64_t *ret_off, struct error *err)
{
	struct source_read how = { .priority = fetch_priority(reason) };
	struct error keep = { 0 };
	struct image *image;
	enum image_extent kind = IMAGE_EXTENT_DATA;
	uint64_t len = 0;
	int r = far_image(fetch->far, &image, err);

	if (r == 0)
		r = image_map(image, off, end - off, &how, &kind, &len, err);
	if (r < 0)
		return r;
	*ret_off = off;
	if (off + len < end)
		len = round_down(off + len, NEAR_BLOCK) - off;
	if (kind != IMAGE_EXTENT_ZERO || len == 0)
		return 0;
	if (near_fill_zero(fetch->near, len, off, &keep) < 0)
		fetch_keep_failed(fetch, &keep);
	*ret_off = off + len;
	return 0;
}

/* Fetch the part of [*at, end) that begins at *at, and go on behind it. */
static int ahead_step(struct fetch *fetch, uint64_t *at, uint64_t end, enum fetch_reason reason,
                      struct error *err)
{
	struct flight *flight;
	uint64_t first, last, run = 0, off, unit, low;
	int r = is_wanted(fetch, reason, *at / NEAR_BLOCK, blocks(*at, end), &run, err);

	if (r < 0)
		return r;
	off = min_u64(end, *at + run * NEAR_BLOCK);
	if (r)
		r = skip_zeros(fetch, *at, off, reason, &off, err);
	else
		r = 0;
	if (r < 0 || off > *at) {
		*at = off;
		return r;
	}
	pthread_mutex_lock(&fetch->lock);
	flight = flight_at(fetch, *at);
	if (flight) {
		*at = flight->end;
		pthread_mutex_unlock(&fetch->lock);
		return 0;
	}
	unit = unit_of(fetch);
	low = round_down(*at, unit);
	r = far_range(fetch, reason, *at, low, min_u64(up(fetch, end, unit), low + FETCH_MAX),
	              &first, &last, err);
	if (r == 0 && first < last)
		r = flight_new(fetch, first, last, reason, &flight, err);
	pthread_mutex_unlock(&fetch->lock);
	if (r < 0)
		return r;
	*at = last;
	return flight ? flight_run(flight, err) : 0;
}

int fetch_ahead(struct fetch *fetch, uint64_t off, uint64_t len, enum fetch_reason reason,
                struct error *err)
{
	uint64_t at = round_down(off, NEAR_BLOCK), end = up(fetch, off + len, NEAR_BLOCK);
	int r = 0;

	while (r == 0 && at < end && !fetch_near_is_full(fetch))
		r = ahead_step(fetch, &at, end, reason, err);
	return r;
}

int fetch_find_data(struct fetch *fetch, uint64_t *off, uint64_t *len, struct error *err)
{
	struct source_read how = { .priority = SOURCE_BACKGROUND };
	uint64_t at = round_down(*off, NEAR_BLOCK), end = up(fetch, *off + *len, NEAR_BLOCK), n;
	enum image_extent kind = IMAGE_EXTENT_ZERO;
	struct image *image;
	int r = far_image(fetch->far, &image, err);

	for (n = 0; r == 0 && at < end && kind == IMAGE_EXTENT_ZERO; at += n) {
		r = image_map(image, at, end - at, &how, &kind, &n, err);
		if (r < 0 || kind != IMAGE_EXTENT_ZERO)
			break;
	}
	if (r < 0)
		return r;
	/* Blocks are kept whole. */
	*off = min_u64(round_down(at, NEAR_BLOCK), end);
	*len = kind == IMAGE_EXTENT_ZERO ? 0 : min_u64(end, up(fetch, at + n, NEAR_BLOCK)) - *off;
	return 0;
}
