/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fill: what to fetch next so that all of a disk comes near, at a rate that somebody may limit.
 *
 * A policy that looks at the near and at the clock that it is given, without threads of its own.
 * The caller holds its own lock around all calls, fetches what it is told, and says when that is
 * over.
 *
 * A walk is what the fill is made of: it goes over the disk, from wherever it is put, and finds
 * what is far.  The sweep of a boot (disk/ahead.c) is another user of it.
 */
#ifndef DISK_FILL_H
#define DISK_FILL_H

#include "disk/messages.h"
#include "disk/near/near.h"
#include "disk/trace.h"

struct walk {
	struct near *near;
	bool below;    /* what the cache lacks, be it also covered by what the guest wrote */
	uint64_t size; /* of the disk */
	uint64_t at;   /* where it goes on, a multiple of NEAR_BLOCK */
	uint64_t left; /* of the disk, until it has been everywhere */
};

/* Begin again at `off`. */
void walk_from(struct walk *walk, uint64_t off);
/*
 * The next piece of at most `most` bytes that is far; false at the end of the walk.  Negative when
 * the near cannot tell, now.
 */
int walk_next(struct walk *walk, uint64_t most, struct trace_run *ret);
/* Of the last piece the last `len` bytes are still to come. */
void walk_back(struct walk *walk, uint64_t len);

struct fill {
	struct messages *messages;
	struct walk walk;
	bool on, complete;
	bool found;        /* something far in this walk */
	uint64_t rate;     /* bytes a second; 0: no limit */
	double tokens;     /* bytes that may be taken, parts of one too; not without a rate */
	uint64_t since_ns; /* when they were counted */
	unsigned int flights;
};

void fill_init(struct fill *fill, struct near *near, uint64_t size, struct messages *messages);
/* `rate` may be DISK_KEEP_RATE. */
void fill_set(struct fill *fill, bool on, uint64_t rate);
/* The guest missed: what was complete is so no more, for a block was found rotten. */
void fill_guest_missed(struct fill *fill);
/* How long the fill rests after a miss of the guest. */
bool fill_rests(uint64_t now, uint64_t missed_ns, uint64_t *ret_until);
/*
 * The next piece; then it counts as under way until fill_finished().  False when there is none now;
 * when that is only a matter of time *wake, which was later, says when to ask again.
 */
bool fill_take(struct fill *fill, uint64_t now, uint64_t missed_ns, struct trace_run *ret,
               uint64_t *wake);
void fill_finished(struct fill *fill);

#endif
