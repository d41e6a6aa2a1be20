/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fetching what is far: flights, each a range of the disk on its way into the near.
 *
 * No byte is in two flights at once, so whoever misses what somebody else is fetching waits for
 * that, and only until the bytes it needs have arrived.  Adjacent misses are one flight.  What
 * the cache cannot keep is served all the same, out of the flight's buffer.  A flight that fails
 * fails those who wait for it, and leaves nothing behind: the next read tries again.
 *
 * Threads: all functions, any number at once.
 */
#ifndef DISK_FETCH_H
#define DISK_FETCH_H

#include "disk/far.h"
#include "disk/messages.h"
#include "disk/near/near.h"

/* Why something is fetched; lower ones go first. */
enum fetch_reason {
	FETCH_DEMAND,
	FETCH_TRACE,
	FETCH_READAHEAD,
	FETCH_SWEEP,
	FETCH_FILL,
	FETCH_REASONS,
};

#define FETCH_MAX (UINT64_C(4) << 20) /* bytes of one flight */

struct fetch;

int fetch_new(struct near *near, struct far *far, uint64_t size, struct messages *messages,
              struct fetch **ret, struct error *err);
/* Waits for all flights.  NULL is allowed. */
void fetch_free(struct fetch *fetch);
DEFINE_CLEANUP(struct fetch *, fetch_free);

/* All flights end soon with -ECANCELED, and later ones too. */
void fetch_stop(struct fetch *fetch);

/*
 * How far a demand flight reaches beyond what was asked for: to a multiple of `lead` before it, and
 * behind it to a multiple of `tail` at least `beyond` bytes away.  `lead` and `tail` are powers of
 * two from NEAR_BLOCK on.
 */
void fetch_set_rounding(struct fetch *fetch, uint64_t lead, uint64_t beyond, uint64_t tail);

/*
 * Read a range of which part was far.  `buf` NULL: only bring it near.  *ret_waited: did it wait
 * for a source.
 */
int fetch_read(struct fetch *fetch, void *buf, size_t len, uint64_t off, bool *ret_waited,
               struct error *err);

/*
 * Bring near what is far (for FETCH_FILL: what the cache lacks) in exactly this range, blocks (and
 * the rest of compressed clusters), and in no flight yet; in the caller's thread.  Zeros known from
 * the format's tables are recorded without a request.
 */
int fetch_ahead(struct fetch *fetch, uint64_t off, uint64_t len, enum fetch_reason reason,
                struct error *err);

/*
 * Pass over what the image's tables say is zero at the front of a range: *off stands at the data
 * behind it, and *len is that data's length inside the range, 0 when there is none.
 */
int fetch_find_data(struct fetch *fetch, uint64_t *off, uint64_t *len, struct error *err);

/* Did the cache refuse content lately because its file system is full? */
bool fetch_near_is_full(struct fetch *fetch);

struct fetch_stats {
	uint64_t bytes[FETCH_REASONS]; /* fetched, by who asked first */
	uint64_t joined;               /* waits for a flight that somebody else had started */
	unsigned int flights;          /* under way */
};
void fetch_stats(struct fetch *fetch, struct fetch_stats *ret);

#endif
