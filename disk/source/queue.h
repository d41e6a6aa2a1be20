/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers on one side, the I/O thread of a source on the other.
 *
 * A reader puts an item, which lives on its stack, into the queue of its priority, wakes the I/O
 * thread and waits.  The I/O thread takes items out when it likes, and says when one is finished;
 * from then on it is the reader's again.  A queue that has become stale refuses all items.
 */
#ifndef DISK_SOURCE_QUEUE_H
#define DISK_SOURCE_QUEUE_H

#include <pthread.h>

#include "base/list.h"
#include "disk/source/source.h"

#define QUEUE_PRIORITIES (SOURCE_BACKGROUND + 1)

struct source_queue;

struct queue_item {
	struct list link; /* in source_queue.waiting; the I/O thread's own once taken */
	struct source_queue *queue;
	enum source_priority priority; /* becomes demand, with the lock, while it waits */
	bool waits;                    /* with the lock: is in source_queue.waiting */
	bool taken;                    /* with the lock: has been, and its priority stays */
	uint64_t deadline_ns;
	bool cancelled; /* with __atomic */
	pthread_cond_t done;
	bool finished; /* with the lock */
	int result;
	struct error err;
};

struct source_queue {
	struct source *src;
	uint32_t deadline_ms; /* of who has none */
	void (*wake)(struct source_queue *queue);
	pthread_mutex_t lock; /* guards what follows, and queue_item.finished */
	struct list waiting[QUEUE_PRIORITIES];
	bool stopping;
	bool stale; /* for ever; told by stale_error */
	struct error stale_error;
};

void queue_init(struct source_queue *queue, struct source *src, uint32_t deadline_ms,
                void (*wake)(struct source_queue *queue));
void queue_destroy(struct source_queue *queue);

/* For readers: hand in, wait, return the result.  `how` may be NULL. */
int queue_submit(struct source_queue *queue, struct queue_item *item, const struct source_read *how,
                 struct error *err);
/* From closing: everything that waits ends with -ECANCELED. */
void queue_stop(struct source_queue *queue);

/* For the I/O thread. */
bool queue_stopping(struct source_queue *queue);
/*
 * Take the first item by priority that `may_start` allows; a lower priority never passes a higher
 * one.
 */
struct queue_item *queue_take(struct source_queue *queue,
                              bool (*may_start)(struct queue_item *item));
/* Put back what was taken, in front. */
void queue_put_back(struct source_queue *queue, struct queue_item *item);
/* The item's sentence is set when the result is an error.  It is not to be touched afterwards. */
void queue_finish(struct queue_item *item, int result);
/* Must it end now?  0, or -errno with its sentence set. */
int queue_expired(struct queue_item *item, uint64_t now);
/* End what waits and must end; when the next will have to. */
uint64_t queue_expire(struct source_queue *queue, uint64_t now);

#endif
