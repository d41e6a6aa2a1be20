// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One flight: a range of the disk on its way into the near.
 *
 * A flight goes through its range piece by piece as the format's tables divide it: zeros cost
 * nothing, a piece of data is one read.  Each piece is given to the near when it is whole; waiters
 * are served from the buffer as bytes arrive.
 *
 * Trust: bytes are the image's; lengths from image_map() are bounded by image_map().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/fetch-internal.h"
#include "util/clock.h"

void flight_unref(struct flight *flight)
{
	if (--flight->refs > 0)
		return;
	source_cancel_destroy(&flight->cancel);
	pthread_cond_destroy(&flight->moved);
	free(flight->buf);
	free(flight);
}

int flight_new(struct fetch *fetch, uint64_t first, uint64_t end, enum fetch_reason reason,
               struct flight **ret, struct error *err)
{
	struct flight *flight;

	if (fetch->stopping)
		return error_set(err, ECANCELED, "the disk is being closed");
	flight = calloc(1, sizeof(*flight));
	if (flight)
		flight->buf = malloc(end - first);
	if (!flight || !flight->buf) {
		free(flight);
		return error_sys(err, ENOMEM, "fetch");
	}
	flight->fetch = fetch;
	flight->first = flight->done = first;
	flight->end = end;
	flight->reason = reason;
	flight->refs = 1;
	source_cancel_init(&flight->cancel);
	pthread_cond_init(&flight->moved, NULL);
	list_append(&fetch->flights, &flight->link);
	fetch->n_flights++;
	*ret = flight;
	return 0;
}

static void flight_reached(struct flight *flight, uint64_t done)
{
	pthread_mutex_lock(&flight->fetch->lock);
	if (done > flight->done) {
		flight->done = done;
		if (flight->waiters > 0)
			pthread_cond_broadcast(&flight->moved);
	}
	pthread_mutex_unlock(&flight->fetch->lock);
}

/* One read of a flight: `arrived` counts from where it began. */
struct piece {
	struct flight *flight;
	uint64_t off;
};

static void piece_arrived(void *arg, size_t prefix)
{
	const struct piece *piece = arg;

	flight_reached(piece->flight, piece->off + prefix);
}

void fetch_keep_failed(struct fetch *fetch, const struct error *err)
{
	if (err->code == ENOSPC)
		__atomic_store_n(&fetch->full_until_ns, now_ns() + FULL_REST_NS, __ATOMIC_RELAXED);
	messages_addf(fetch->messages, "fetched content is not kept: %s", err->text);
}

enum source_priority fetch_priority(enum fetch_reason reason)
{
	static const enum source_priority priorities[FETCH_REASONS] = {
		[FETCH_DEMAND] = SOURCE_DEMAND,   [FETCH_TRACE] = SOURCE_TRACE,
		[FETCH_READAHEAD] = SOURCE_TRACE, [FETCH_SWEEP] = SOURCE_BACKGROUND,
		[FETCH_FILL] = SOURCE_BACKGROUND,
	};

	return priorities[reason];
}

/* Fetch the piece that begins at `off`; *ret_end is where it ends. */
static int run_piece(struct flight *flight, struct image *image, uint64_t off, uint64_t *ret_end,
                     struct error *err)
{
	struct fetch *fetch = flight->fetch;
	struct piece piece = { .flight = flight, .off = off };
	struct source_read how = { .priority = fetch_priority(flight->reason),
		                   .cancel = &flight->cancel,
		                   .arrived = piece_arrived,
		                   .arg = &piece };
	struct source_read map_how = { .priority = how.priority, .cancel = how.cancel };
	char *at = flight->buf + (off - flight->first);
	struct error keep = { 0 };
	enum image_extent kind = IMAGE_EXTENT_DATA;
	uint64_t end, len = 0;
	int r = image_map(image, off, flight->end - off, &map_how, &kind, &len, err);

	if (r < 0)
		return r;
	/* Blocks are kept whole: the end of zeros waits for its block, the end of data takes it. */
	end = off + len;
	if (end < flight->end && kind == IMAGE_EXTENT_ZERO)
		end = round_down(end, NEAR_BLOCK);
	if (end == off)
		kind = IMAGE_EXTENT_DATA;
	if (end < flight->end && kind != IMAGE_EXTENT_ZERO)
		end = min_u64(round_up(end + (end == off), NEAR_BLOCK), flight->end);
	len = end - off;
	if (kind == IMAGE_EXTENT_ZERO) {
		memset(at, 0, len);
		r = near_fill_zero(fetch->near, len, off, &keep);
	} else {
		r = image_read(image, at, len, off, &how, err);
		if (r < 0)
			return r;
		__atomic_fetch_add(&fetch->bytes[flight->reason], len, __ATOMIC_RELAXED);
		r = near_fill(fetch->near, at, len, off, &keep);
	}
	if (r < 0)
		fetch_keep_failed(fetch, &keep);
	flight_reached(flight, end);
	*ret_end = end;
	return 0;
}

int flight_run(struct flight *flight, struct error *err)
{
	struct fetch *fetch = flight->fetch;
	struct error failed = { 0 };
	struct image *image;
	uint64_t off = flight->first;
	int r = far_image(fetch->far, &image, &failed);

	while (r == 0 && off < flight->end)
		r = run_piece(flight, image, off, &off, &failed);
	if (r < 0 && err)
		*err = failed;
	pthread_mutex_lock(&fetch->lock);
	list_remove(&flight->link);
	fetch->n_flights--;
	flight->finished = true;
	flight->err = failed;
	if (r == 0)
		flight->err.code = 0;
	pthread_cond_broadcast(&flight->moved);
	flight_unref(flight);
	if (list_empty(&fetch->flights))
		pthread_cond_broadcast(&fetch->empty);
	pthread_mutex_unlock(&fetch->lock);
	return r;
}

void flight_work(void *flight)
{
	flight_run(flight, NULL);
}

struct flight *flight_at(struct fetch *fetch, uint64_t off)
{
	list_for_each (link, &fetch->flights) {
		struct flight *flight = container_of(link, struct flight, link);

		if (off >= flight->first && off < flight->end)
			return flight;
	}
	return NULL;
}
