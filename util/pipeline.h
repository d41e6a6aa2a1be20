/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that many threads do and one thread takes in order.
 *
 * Tasks are cut one after the other, worked on side by side, and handed to the owner's thread in the
 * order in which they were cut.  A ring of slots, which are the owner's, bounds how much is under
 * way.
 */
#ifndef UTIL_PIPELINE_H
#define UTIL_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/error.h"

struct pipeline_ops {
	/* Put the next task into `slot`; false: there are no more.  One call at a time, in order. */
	bool (*cut)(void *arg, void *slot);
	/* Do it.  0, or -errno: nothing is cut after it, and the owner gets the error in its turn. */
	int (*work)(void *arg, void *slot, struct error *err);
	/* End cut() and work() of this slot soon, now or when they begin.  From the owner's thread. */
	void (*cancel)(void *arg, void *slot);
	/* The owner waits: called now and then; false ends the waiting with -EINTR.  NULL: never. */
	bool (*tick)(void *arg);
};

#define PIPELINE_MAX_THREADS 64

struct pipeline;

/*
 * Start `threads` threads (at most PIPELINE_MAX_THREADS) over `n` slots of `size` bytes each at
 * `slots`, which stay the owner's and last as long as the pipeline.
 */
int pipeline_new(const struct pipeline_ops *ops, void *arg, void *slots, size_t size,
                 unsigned int n, unsigned int threads, struct pipeline **ret, struct error *err);
/* Ends what is under way.  NULL is allowed. */
void pipeline_free(struct pipeline *pipeline);
DEFINE_CLEANUP(struct pipeline *, pipeline_free);

/* The next task that is done, in order: 1 with its slot, 0 when there are no more, -errno. */
int pipeline_next(struct pipeline *pipeline, void **ret_slot, struct error *err);
/* The owner needs that slot no more: the latest one that it got. */
void pipeline_release(struct pipeline *pipeline);

#endif
