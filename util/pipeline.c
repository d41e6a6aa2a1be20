// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two counters go round the ring: tasks cut, and tasks the owner has taken.  Slot i belongs to the
 * tasks i, i + n, …  A worker cuts under a lock of its own, because cutting may wait for a network
 * and the owner must not wait for that.
 */
#include "util/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "util/clock.h"

#define TICK_NS (100 * NS_PER_MS)

enum task_state { TASK_FREE, TASK_TAKEN, TASK_DONE };

struct task {
	enum task_state state;
	int code;
	struct error err;
};

struct pipeline {
	struct pipeline_ops ops;
	void *arg;
	char *slots;
	size_t size;
	unsigned int n, n_threads;
	pthread_t threads[PIPELINE_MAX_THREADS];
	pthread_mutex_t cutting; /* held while a task is cut; outside `lock` */
	pthread_mutex_t lock;    /* guards all below */
	pthread_cond_t freed, done;
	uint64_t cut, taken; /* tasks so far */
	bool stop;           /* nothing more is cut */
	struct task tasks[];
};

static void *slot_of(struct pipeline *pipeline, uint64_t n)
{
	return pipeline->slots + (n % pipeline->n) * pipeline->size;
}

/* Wait for the next slot to be free: its task; NULL when nothing more is to be cut. */
static struct task *wait_for_slot(struct pipeline *pipeline)
{
	struct task *task;

	pthread_mutex_lock(&pipeline->lock);
	task = &pipeline->tasks[pipeline->cut % pipeline->n];
	while (!pipeline->stop && task->state != TASK_FREE)
		pthread_cond_wait(&pipeline->freed, &pipeline->lock);
	if (pipeline->stop)
		task = NULL;
	else
		task->state = TASK_TAKEN;
	pthread_mutex_unlock(&pipeline->lock);
	return task;
}

/* Cut one task; NULL: there are no more. */
static struct task *cut(struct pipeline *pipeline, void **ret_slot)
{
	struct task *task = wait_for_slot(pipeline);
	bool more = false;

	if (!task)
		return NULL;
	*ret_slot = slot_of(pipeline, pipeline->cut);
	more = pipeline->ops.cut(pipeline->arg, *ret_slot);
	pthread_mutex_lock(&pipeline->lock);
	if (more) {
		pipeline->cut++;
	} else {
		task->state = TASK_FREE;
		pipeline->stop = true;
		pthread_cond_broadcast(&pipeline->freed);
		pthread_cond_broadcast(&pipeline->done);
	}
	pthread_mutex_unlock(&pipeline->lock);
	return more ? task : NULL;
}

static void *work(void *arg)
{
	struct pipeline *pipeline = arg;
	struct task *task;

	do {
		void *slot = NULL;

		pthread_mutex_lock(&pipeline->cutting);
		task = cut(pipeline, &slot);
		pthread_mutex_unlock(&pipeline->cutting);
		if (!task)
			break;
		task->code = pipeline->ops.work(pipeline->arg, slot, &task->err);
		pthread_mutex_lock(&pipeline->lock);
		task->state = TASK_DONE;
		if (task->code < 0)
			pipeline->stop = true;
		pthread_cond_broadcast(&pipeline->done);
		pthread_cond_broadcast(&pipeline->freed);
		pthread_mutex_unlock(&pipeline->lock);
	} while (task);
	return NULL;
}

int pipeline_new(const struct pipeline_ops *ops, void *arg, void *slots, size_t size,
                 unsigned int n, unsigned int threads, struct pipeline **ret, struct error *err)
{
	cleanup(pipeline_free) struct pipeline *pipeline =
		calloc(1, sizeof(*pipeline) + n * sizeof(pipeline->tasks[0]));

	if (!pipeline)
		return error_set(err, ENOMEM, "no memory for %u tasks at once", n);
	pipeline->ops = *ops;
	pipeline->arg = arg;
	pipeline->slots = slots;
	pipeline->size = size;
	pipeline->n = n;
	pthread_mutex_init(&pipeline->cutting, NULL);
	pthread_mutex_init(&pipeline->lock, NULL);
	pthread_cond_init(&pipeline->freed, NULL);
	pthread_cond_init(&pipeline->done, NULL);
	while (pipeline->n_threads < threads && pipeline->n_threads < PIPELINE_MAX_THREADS) {
		int r = pthread_create(&pipeline->threads[pipeline->n_threads], NULL, work,
		                       pipeline);

		if (r != 0)
			return error_sys(err, r, "starting a thread");
		pipeline->n_threads++;
	}
	*ret = take_ptr(pipeline);
	return 0;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	pthread_mutex_lock(&pipeline->lock);
	pipeline->stop = true;
	pthread_cond_broadcast(&pipeline->freed);
	pthread_mutex_unlock(&pipeline->lock);
	for (unsigned int i = 0; i < pipeline->n; i++)
		pipeline->ops.cancel(pipeline->arg, slot_of(pipeline, i));
	for (unsigned int i = 0; i < pipeline->n_threads; i++)
		pthread_join(pipeline->threads[i], NULL);
	pthread_cond_destroy(&pipeline->freed);
	pthread_cond_destroy(&pipeline->done);
	pthread_mutex_destroy(&pipeline->lock);
	pthread_mutex_destroy(&pipeline->cutting);
	free(pipeline);
}

/* Every task that was cut has been taken, and no more are being cut. */
static bool is_over(const struct pipeline *pipeline)
{
	const struct task *next = &pipeline->tasks[pipeline->taken % pipeline->n];

	return pipeline->stop && pipeline->taken == pipeline->cut && next->state == TASK_FREE;
}

int pipeline_next(struct pipeline *pipeline, void **ret_slot, struct error *err)
{
	struct task *task = &pipeline->tasks[pipeline->taken % pipeline->n];
	bool go_on = true;
	int r;

	pthread_mutex_lock(&pipeline->lock);
	while (go_on && task->state != TASK_DONE && !is_over(pipeline)) {
		const struct timespec until = timespec_of(now_ns() + TICK_NS);

		if (pthread_cond_clockwait(&pipeline->done, &pipeline->lock, CLOCK_MONOTONIC,
		                           &until) != ETIMEDOUT ||
		    !pipeline->ops.tick)
			continue;
		pthread_mutex_unlock(&pipeline->lock);
		go_on = pipeline->ops.tick(pipeline->arg);
		pthread_mutex_lock(&pipeline->lock);
	}
	r = !go_on ? -EINTR : task->state == TASK_DONE;
	pthread_mutex_unlock(&pipeline->lock);
	if (r < 0)
		return error_set(err, EINTR, "stopped");
	if (r == 1 && task->code < 0) {
		if (err)
			*err = task->err;
		return task->code;
	}
	*ret_slot = slot_of(pipeline, pipeline->taken);
	return r;
}

void pipeline_release(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->tasks[pipeline->taken % pipeline->n].state = TASK_FREE;
	pipeline->taken++;
	pthread_cond_broadcast(&pipeline->freed);
	pthread_mutex_unlock(&pipeline->lock);
}
