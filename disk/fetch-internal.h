/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of fetching share:
 *
 *   fetch.c   what to fetch: claiming ranges, waiting for them, fetching ahead
 *   flight.c  one range on its way: from the image into its buffer and into the near
 */
#ifndef DISK_FETCH_INTERNAL_H
#define DISK_FETCH_INTERNAL_H

#include <pthread.h>

#include "base/list.h"
#include "disk/fetch.h"
#include "disk/workers.h"

/* After the near was full, ahead-of-time fetching rests this long. */
#define FULL_REST_NS (10 * NS_PER_SEC)

struct flight {
	struct list link;
	struct fetch *fetch;
	uint64_t first, end; /* bytes of the disk, whole blocks */
	enum fetch_reason reason;
	struct source_cancel cancel;
	char *buf; /* [first, done) is final and may be read without the lock */

	/* Guarded by fetch->lock. */
	uint64_t done;
	bool finished;
	struct error err; /* code 0: all is there */
	unsigned int refs;
	unsigned int waiters;
	pthread_cond_t moved;
};

struct fetch {
	struct near *near;
	struct far *far;
	struct messages *messages;
	struct workers *workers;
	uint64_t size;
	uint64_t lead, beyond, tail; /* with __atomic */
	uint64_t full_until_ns;      /* with __atomic */
	uint64_t bytes[FETCH_REASONS];
	uint64_t joined;

	pthread_mutex_t lock; /* guards what follows and the flights */
	pthread_cond_t empty;
	struct list flights;
	unsigned int n_flights;
	bool stopping;
};

/* flight.c */

/* With the lock: [first, end) becomes a flight with one reference, its runner's. */
int flight_new(struct fetch *fetch, uint64_t first, uint64_t end, enum fetch_reason reason,
               struct flight **ret, struct error *err);
/* With the lock. */
void flight_unref(struct flight *flight);
/* With the lock: the flight that covers `off`; NULL: none. */
struct flight *flight_at(struct fetch *fetch, uint64_t off);
/* Without the lock: runs the flight to its end and gives up the runner's reference. */
int flight_run(struct flight *flight, struct error *err);
/* The same for workers_run(). */
void flight_work(void *flight);

enum source_priority fetch_priority(enum fetch_reason reason);
/* Content that cannot be kept is no failure of the read, but somebody should know. */
void fetch_keep_failed(struct fetch *fetch, const struct error *err);

#endif
