// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attempts and the workers that run them.
 *
 * Workers are started when an attempt finds none idle, up to CHAIN_MAX_WORKERS.  Half of them are
 * kept for demand, so that a guest never waits for a thread that waits for prefetch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk/chain-internal.h"
#include "util/clock.h"

void attempt_unref(struct attempt *attempt)
{
	if (--attempt->refs > 0)
		return;
	source_cancel_destroy(&attempt->cancel);
	free(attempt->buf);
	free(attempt);
}

void attempt_bring(struct attempt *attempt, size_t to)
{
	struct chain_op *op = attempt->op;
	struct chain *chain = attempt->at->chain;
	size_t from = op->copied;

	if (to <= from)
		return;
	op->copying = true;
	op->served |= link_bit(attempt->at);
	pthread_mutex_unlock(&chain->lock);
	memcpy((char *)op->buf + from, attempt->buf + (from - attempt->skip), to - from);
	if (op->arrived)
		op->arrived(op->arg, to);
	pthread_mutex_lock(&chain->lock);
	op->copied = to;
	op->copying = false;
	pthread_cond_signal(&op->changed);
}

/*
 * Bytes have come.  While one attempt of a read copies, the other one does not: what it has it has
 * for good, and its next call or its end brings it on.
 */
static void on_arrived(void *arg, size_t prefix)
{
	struct attempt *attempt = arg;
	struct chain *chain = attempt->at->chain;

	pthread_mutex_lock(&chain->lock);
	__atomic_add_fetch(&chain->src.bytes_fetched, prefix - attempt->received, __ATOMIC_RELAXED);
	attempt->received = prefix;
	attempt->at->progress_ns = now_ns();
	if (attempt->op && !attempt->op->copying)
		attempt_bring(attempt, attempt->skip + prefix);
	pthread_mutex_unlock(&chain->lock);
}

/* See to it that the source is connected; only one worker does it, the others wait for that. */
static int connect_once(struct attempt *attempt, const struct source_read *how)
{
	struct chain_link *link = attempt->at;
	struct chain *chain = link->chain;
	int r = 0;

	pthread_mutex_lock(&chain->lock);
	while (link->connecting && !attempt->cancelled)
		pthread_cond_wait(&chain->changed, &chain->lock);
	if (attempt->cancelled) {
		r = error_set(&attempt->err, ECANCELED, "%s: no longer wanted", link->src->name);
	} else if (link->state == LINK_ASIDE) {
		attempt->err = link->error;
		r = -link->error.code;
	} else if (!link->connected) {
		link->connecting = true;
		pthread_mutex_unlock(&chain->lock);
		r = link_connect(link, how, &attempt->err);
		pthread_mutex_lock(&chain->lock);
		link->connecting = false;
		pthread_cond_broadcast(&chain->changed);
	}
	pthread_mutex_unlock(&chain->lock);
	return r;
}

static void run(struct attempt *attempt)
{
	struct source_read how = {
		.priority = attempt->priority,
		.deadline_ns = attempt->deadline_ns,
		.cancel = &attempt->cancel,
	};
	struct source *src = attempt->at->src;
	int r = connect_once(attempt, &how);

	if (r == 0 && attempt->kind == ATTEMPT_EXTENT)
		r = source_extent(src, attempt->off, attempt->len, &attempt->extent_kind,
		                  &attempt->extent_len, &attempt->err);
	if (r == 0 && attempt->kind != ATTEMPT_EXTENT) {
		how.arrived = on_arrived;
		how.arg = attempt;
		r = source_read(src, attempt->buf, attempt->len, attempt->off, &how, &attempt->err);
	}
	attempt->result = r;
}

/* With the lock held: tell the source's record and the reader. */
static void ended(struct attempt *attempt)
{
	struct chain_link *link = attempt->at;
	uint64_t ns = now_ns() - attempt->started_ns;

	if (attempt->kind == ATTEMPT_PROBE) {
		link->probing = false;
		pthread_cond_signal(&link->chain->keep);
	}
	if (attempt->result == 0)
		link_succeeded(link, attempt->kind, attempt->len, ns);
	else if (attempt->result == -ECANCELED && attempt->kind == ATTEMPT_READ)
		link_was_slow(link, attempt->len, ns);
	else
		link_failed(link, attempt->kind, attempt->off, &attempt->err);
	attempt->done = true;
	if (attempt->op)
		pthread_cond_signal(&attempt->op->changed);
}

/* Make it end soon. */
static void cancel(struct attempt *attempt)
{
	attempt->cancelled = true;
	pthread_cond_broadcast(&attempt->at->chain->changed);
	source_cancel_fire(&attempt->cancel);
}

/* The next attempt that may run; NULL: none. */
static struct attempt *take(struct chain *chain)
{
	for (size_t i = 0; i < CHAIN_PRIORITIES; i++) {
		if (i != SOURCE_DEMAND && chain->n_low >= CHAIN_MAX_WORKERS / 2)
			return NULL;
		if (!list_empty(&chain->queue[i])) {
			struct attempt *attempt =
				container_of(chain->queue[i].next, struct attempt, link);

			list_remove(&attempt->link);
			chain->n_queued--;
			return attempt;
		}
	}
	return NULL;
}

static void *work(void *arg)
{
	struct chain *chain = arg;

	pthread_setname_np(pthread_self(), "chain-worker");
	pthread_mutex_lock(&chain->lock);
	for (;;) {
		struct attempt *attempt = take(chain);
		bool low;

		if (!attempt) {
			if (chain->stopping)
				break;
			chain->n_idle++;
			pthread_cond_wait(&chain->work, &chain->lock);
			chain->n_idle--;
			continue;
		}
		/* A probe that waited for a worker when the chain was told to stop. */
		if (chain->stopping)
			cancel(attempt);
		low = attempt->priority != SOURCE_DEMAND;
		chain->n_low += low;
		list_append(&chain->running, &attempt->link);
		attempt->running = true;
		attempt->started_ns = now_ns();
		if (attempt->op)
			pthread_cond_signal(&attempt->op->changed); /* its clocks run now */
		pthread_mutex_unlock(&chain->lock);
		run(attempt);
		pthread_mutex_lock(&chain->lock);
		list_remove(&attempt->link);
		chain->n_low -= low;
		if (low && chain->n_low == CHAIN_MAX_WORKERS / 2 - 1)
			pthread_cond_signal(&chain->work);
		ended(attempt);
		attempt_unref(attempt);
	}
	pthread_mutex_unlock(&chain->lock);
	return NULL;
}

struct attempt *attempt_start(struct chain_link *link, enum attempt_kind kind,
                              enum source_priority priority, size_t len, uint64_t off,
                              struct chain_op *op, size_t skip)
{
	struct chain *chain = link->chain;
	struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (attempt && kind != ATTEMPT_EXTENT && len > 0)
		attempt->buf = malloc(len);
	if (!attempt || (kind != ATTEMPT_EXTENT && len > 0 && !attempt->buf)) {
		free(attempt);
		return NULL;
	}
	attempt->refs = 2;
	attempt->kind = kind;
	attempt->at = link;
	attempt->op = op;
	attempt->priority = priority;
	attempt->skip = skip;
	attempt->len = len;
	attempt->off = off;
	/* The reader looks at its own deadline; the source's must not come before that. */
	if (op)
		attempt->deadline_ns = op->deadline_ns + NS_PER_SEC;
	source_cancel_init(&attempt->cancel);
	list_append(&chain->queue[priority], &attempt->link);
	chain->n_queued++;
	__atomic_add_fetch(&chain->src.requests, 1, __ATOMIC_RELAXED);
	if (chain->n_queued > chain->n_idle && chain->n_workers < CHAIN_MAX_WORKERS &&
	    pthread_create(&chain->workers[chain->n_workers], NULL, work, chain) == 0)
		chain->n_workers++;
	if (chain->n_workers == 0) { /* nobody would ever run it */
		list_remove(&attempt->link);
		chain->n_queued--;
		attempt->refs = 1;
		attempt_unref(attempt);
		return NULL;
	}
	pthread_cond_signal(&chain->work);
	return attempt;
}

void attempt_leave(struct attempt *attempt)
{
	struct chain *chain = attempt->at->chain;
	struct chain_op *op = attempt->op;

	while (op && op->copying)
		pthread_cond_wait(&op->changed, &chain->lock);
	attempt->op = NULL;
	if (!attempt->done)
		cancel(attempt);
	attempt_unref(attempt);
}

void attempt_hurry(struct attempt *attempt)
{
	struct chain *chain;

	if (!attempt)
		return;
	chain = attempt->at->chain;
	if (!attempt->running && !attempt->done && attempt->priority != SOURCE_DEMAND) {
		list_remove(&attempt->link);
		attempt->priority = SOURCE_DEMAND;
		list_append(&chain->queue[SOURCE_DEMAND], &attempt->link);
		pthread_cond_signal(&chain->work);
	}
	/* How long its source has held it back does not make the source slow. */
	if (attempt->running && !attempt->done)
		attempt->started_ns = now_ns();
	source_cancel_hurry(&attempt->cancel);
}

/* The reader's cancellation has fired, or is to hurry. */
void chain_op_wake(void *arg, bool fired)
{
	struct chain_op *op = arg;
	struct chain *chain = op->chain;

	pthread_mutex_lock(&chain->lock);
	if (fired) {
		op->cancelled = true;
	} else if (op->priority != SOURCE_DEMAND) {
		op->priority = SOURCE_DEMAND;
		attempt_hurry(op->first);
		attempt_hurry(op->hedge);
	}
	pthread_cond_signal(&op->changed);
	/* It may wait for a source to get well. */
	pthread_cond_broadcast(&chain->changed);
	pthread_mutex_unlock(&chain->lock);
}

void chain_stop_workers(struct chain *chain)
{
	pthread_mutex_lock(&chain->lock);
	chain->stopping = true;
	list_for_each (it, &chain->running)
		cancel(container_of(it, struct attempt, link));
	pthread_cond_broadcast(&chain->work);
	pthread_cond_broadcast(&chain->keep);
	pthread_mutex_unlock(&chain->lock);
	if (chain->has_keeper)
		pthread_join(chain->keeper, NULL);
	for (unsigned int i = 0; i < chain->n_workers; i++)
		pthread_join(chain->workers[i], NULL);
}
