// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/queue.h"

#include <errno.h>

#include "util/clock.h"

void queue_init(struct source_queue *queue, struct source *src, uint32_t deadline_ms,
                void (*wake)(struct source_queue *queue))
{
	queue->src = src;
	queue->deadline_ms = deadline_ms;
	queue->wake = wake;
	pthread_mutex_init(&queue->lock, NULL);
	for (size_t i = 0; i < QUEUE_PRIORITIES; i++)
		list_init(&queue->waiting[i]);
}

void queue_destroy(struct source_queue *queue)
{
	pthread_mutex_destroy(&queue->lock);
}

/* With the lock. */
static void enqueue(struct queue_item *item)
{
	list_append(&item->queue->waiting[item->priority], &item->link);
	item->waits = true;
}

static void dequeue(struct queue_item *item)
{
	list_remove(&item->link);
	item->waits = false;
}

/* Somebody waits for it now: it goes behind the demand that came before. */
static void hurry(struct queue_item *item)
{
	pthread_mutex_lock(&item->queue->lock);
	if (!item->taken && item->priority != SOURCE_DEMAND) {
		bool waits = item->waits;

		if (waits)
			dequeue(item);
		item->priority = SOURCE_DEMAND;
		if (waits)
			enqueue(item);
	}
	pthread_mutex_unlock(&item->queue->lock);
}

static void on_wake(void *arg, bool fired)
{
	struct queue_item *item = arg;

	if (fired)
		__atomic_store_n(&item->cancelled, true, __ATOMIC_RELAXED);
	else
		hurry(item);
	item->queue->wake(item->queue);
}

int queue_submit(struct source_queue *queue, struct queue_item *item, const struct source_read *how,
                 struct error *err)
{
	struct source_cancel *cancel = how ? how->cancel : NULL;

	item->queue = queue;
	item->priority = how ? how->priority : SOURCE_DEMAND;
	item->deadline_ns = how && how->deadline_ns ? how->deadline_ns
	                                            : now_ns() + queue->deadline_ms * NS_PER_MS;
	list_init(&item->link);
	if (cancel && !source_cancel_arm(cancel, on_wake, item))
		return error_set(err, ECANCELED, "%s: no longer wanted", queue->src->name);
	pthread_cond_init(&item->done, NULL);
	pthread_mutex_lock(&queue->lock);
	if (queue->stale) {
		item->err = queue->stale_error;
		item->result = -ESTALE;
		item->finished = true;
	} else {
		enqueue(item);
		queue->wake(queue);
	}
	while (!item->finished)
		pthread_cond_wait(&item->done, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	if (cancel)
		source_cancel_disarm(cancel);
	pthread_cond_destroy(&item->done);
	if (item->result < 0 && err)
		*err = item->err;
	return item->result;
}

void queue_stop(struct source_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->stopping = true;
	queue->wake(queue);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_stopping(struct source_queue *queue)
{
	bool stopping;

	pthread_mutex_lock(&queue->lock);
	stopping = queue->stopping;
	pthread_mutex_unlock(&queue->lock);
	return stopping;
}

struct queue_item *queue_take(struct source_queue *queue,
                              bool (*may_start)(struct queue_item *item))
{
	struct queue_item *item = NULL;

	pthread_mutex_lock(&queue->lock);
	for (size_t i = 0; i < QUEUE_PRIORITIES && !item; i++)
		if (!list_empty(&queue->waiting[i]))
			item = container_of(queue->waiting[i].next, struct queue_item, link);
	if (item && may_start(item)) {
		dequeue(item);
		item->taken = true;
	} else {
		item = NULL;
	}
	pthread_mutex_unlock(&queue->lock);
	return item;
}

void queue_put_back(struct source_queue *queue, struct queue_item *item)
{
	pthread_mutex_lock(&queue->lock);
	list_prepend(&queue->waiting[item->priority], &item->link);
	item->waits = true;
	pthread_mutex_unlock(&queue->lock);
}

void queue_finish(struct queue_item *item, int result)
{
	struct source_queue *queue = item->queue;

	pthread_mutex_lock(&queue->lock);
	list_remove(&item->link);
	item->waits = false;
	if (result == -ESTALE && !queue->stale) {
		queue->stale = true;
		queue->stale_error = item->err;
	}
	item->result = result;
	item->finished = true;
	pthread_cond_signal(&item->done);
	pthread_mutex_unlock(&queue->lock);
}

int queue_expired(struct queue_item *item, uint64_t now)
{
	const char *name = item->queue->src->name;

	if (__atomic_load_n(&item->cancelled, __ATOMIC_RELAXED))
		return error_set(&item->err, ECANCELED, "%s: no longer wanted", name);
	if (now >= item->deadline_ns)
		return error_set(&item->err, ETIMEDOUT, "%s: not done before the deadline", name);
	return 0;
}

uint64_t queue_expire(struct source_queue *queue, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct list ended;

	list_init(&ended);
	pthread_mutex_lock(&queue->lock);
	for (size_t i = 0; i < QUEUE_PRIORITIES; i++) {
		list_for_each_safe (it, tmp, &queue->waiting[i]) {
			struct queue_item *item = container_of(it, struct queue_item, link);

			if (queue->stopping)
				__atomic_store_n(&item->cancelled, true, __ATOMIC_RELAXED);
			item->result = queue_expired(item, now);
			if (item->result < 0) {
				dequeue(item);
				item->taken = true;
				list_append(&ended, it);
			} else {
				next = min_u64(next, item->deadline_ns);
			}
		}
	}
	pthread_mutex_unlock(&queue->lock);
	list_for_each_safe (it, tmp, &ended) {
		struct queue_item *item = container_of(it, struct queue_item, link);

		queue_finish(item, item->result);
	}
	return next;
}
