// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One read of a chain: a loop in its reader's thread.
 *
 * A read asks the first source by priority that is well.  When that fails, or delivers nothing for
 * longer than it usually takes, the next one is asked for the rest at once.  When there is none
 * left to ask the read waits until the keeper (chain-health.c) finds one well again, and fails at
 * its deadline with what each source last said.  When all sources are aside it fails at once, as
 * nothing will change that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/chain-internal.h"
#include "util/clock.h"

#define RETRY_FIRST   (100 * NS_PER_MS)
#define RETRY_MOST    (5 * NS_PER_SEC)
#define RETRIES_QUICK 4 /* failures of one read at one source that its recovery makes good */

int chain_fail(struct chain *chain, int code, const char *what, struct error *err)
{
	char text[sizeof(err->text)];
	size_t used = 0, share = 360 / max_u64(chain->n, 1);

	text[0] = '\0';
	for (size_t i = 0; i < chain->n; i++) {
		const struct chain_link *link = &chain->links[i];
		bool silent = !link->error.text[0];
		int n = snprintf(text + used, sizeof(text) - used, "%s%.*s%s", i ? "; " : "",
		                 (int)share, silent ? link->src->name : link->error.text,
		                 silent ? ": no answer yet" : "");

		if (n < 0 || (size_t)n >= sizeof(text) - used)
			break;
		used += (size_t)n;
	}
	return error_set(err, code, "%s: %s", what, text);
}

/* Nobody is left that this read may ever ask. */
static bool all_aside(const struct chain_op *op)
{
	const struct chain *chain = op->chain;

	for (size_t i = 0; i < chain->n; i++)
		if (chain->links[i].state != LINK_ASIDE &&
		    !(op->avoid & link_bit(&chain->links[i])))
			return false;
	return true;
}

/* May this read ask that source now?  If only its own backoff is in the way, *next_ns says so. */
static bool may_ask(const struct chain_op *op, const struct chain_link *link, uint64_t now,
                    uint64_t *next_ns)
{
	const struct op_link *mine = &op->links[link - op->chain->links];

	if ((link->state != LINK_WELL && link->state != LINK_UNTRIED) ||
	    (op->avoid & link_bit(link)))
		return false;
	if (mine->failures == 0 || now >= mine->next_ns ||
	    (link->epoch != mine->epoch && mine->failures < RETRIES_QUICK))
		return true;
	*next_ns = min_u64(*next_ns, mine->next_ns);
	return false;
}

/* The best source to ask, other than `except`. */
static struct chain_link *pick(const struct chain_op *op, const struct chain_link *except,
                               uint64_t now, uint64_t *next_ns)
{
	for (size_t i = 0; i < op->chain->n; i++) {
		struct chain_link *link = &op->chain->links[i];

		if (link != except && may_ask(op, link, now, next_ns))
			return link;
	}
	return NULL;
}

static void note_failure(struct chain_op *op, const struct chain_link *link, uint64_t now)
{
	struct op_link *mine = &op->links[link - op->chain->links];

	mine->failures++;
	mine->epoch = link->epoch;
	mine->next_ns = now + backoff_ns(mine->failures, RETRY_FIRST, RETRY_MOST);
}

/* Look at an attempt that may have ended: true when it has brought the read to its end. */
static bool harvest(struct chain_op *op, struct attempt **at, uint64_t now)
{
	struct attempt *attempt = *at;
	bool good;

	if (!attempt || !attempt->done)
		return false;
	good = attempt->result == 0;
	if (good) {
		while (op->copying)
			pthread_cond_wait(&op->changed, &op->chain->lock);
		attempt_bring(attempt, op->len);
	} else {
		note_failure(op, attempt->at, now);
	}
	*at = NULL;
	attempt_leave(attempt);
	return good;
}

static struct attempt *ask(struct chain_op *op, struct chain_link *link)
{
	return attempt_start(link, ATTEMPT_READ, op->priority, op->len - op->copied,
	                     op->off + op->copied, op, op->copied);
}

/*
 * Leave a source that delivers nothing while another could.  Reads that nobody waits for may be
 * held back by the source itself, and take as long as they take.
 */
static uint64_t check_stall(struct chain_op *op, uint64_t now)
{
	struct attempt *attempt = op->first;
	struct chain_link *link = attempt->at;
	uint64_t patience = link_patience_ns(link, attempt->len), since, next_ns = UINT64_MAX;
	struct error err;

	if (!attempt->running || op->priority != SOURCE_DEMAND || !pick(op, link, now, &next_ns))
		return UINT64_MAX;
	since = max_u64(attempt->started_ns, link->progress_ns);
	if (now < since + patience)
		return since + patience;
	error_set(&err, ETIMEDOUT, "%s: delivers nothing for %.1f s, the next source is asked",
	          link->src->name, (double)patience / (double)NS_PER_SEC);
	link_failed(link, ATTEMPT_READ, attempt->off, &err);
	note_failure(op, link, now);
	op->first = NULL;
	attempt_leave(attempt);
	return now;
}

/* Send the read to a second source when it is time for that. */
static uint64_t check_hedge(struct chain_op *op, uint64_t now)
{
	uint64_t at = hedge_at_ns(op), next_ns = UINT64_MAX;
	struct chain_link *link;

	if (at == UINT64_MAX || now < at)
		return at;
	link = pick(op, op->first->at, now, &next_ns);
	if (!link)
		return UINT64_MAX;
	if (!hedge_charge(op->chain, op->len - op->copied)) {
		op->hedge_refused = true;
		return UINT64_MAX;
	}
	op->hedge = ask(op, link);
	link->hedges += op->hedge != NULL;
	op->hedge_refused = op->hedge == NULL;
	return UINT64_MAX;
}

static void wait_until(struct chain *chain, pthread_cond_t *cond, uint64_t ns)
{
	struct timespec until = timespec_of(ns);

	pthread_cond_clockwait(cond, &chain->lock, CLOCK_MONOTONIC, &until);
}

/* One turn of the loop.  1: go on; 0 or -errno: the read is over. */
static int turn(struct chain_op *op, struct error *err)
{
	struct chain *chain = op->chain;
	uint64_t now = now_ns(), next = op->deadline_ns;
	struct chain_link *link;
	char what[128];

	if (harvest(op, &op->first, now) || harvest(op, &op->hedge, now))
		return 0;
	if (op->cancelled)
		return error_set(err, ECANCELED, "%s: no longer wanted", chain->src.name);
	if (!op->first && op->hedge)
		op->first = take_ptr(op->hedge);
	if (!op->first && all_aside(op))
		return op->avoid
		               ? chain_fail(chain, EBADMSG, "no source has the right bytes", err)
		               : chain_fail(chain, ESTALE, "no source has this file any more", err);
	if (now >= op->deadline_ns) {
		snprintf(what, sizeof(what), "no source delivered %zu bytes at %llu in time",
		         op->len, (unsigned long long)op->off);
		return chain_fail(chain, EIO, what, err);
	}
	if (!op->first) {
		link = pick(op, NULL, now, &next);
		if (link) {
			op->first = ask(op, link);
			op->hedge_refused = false;
			return op->first ? 1 : error_sys(err, ENOMEM, "%s", chain->src.name);
		}
		chain->waiting++;
		pthread_cond_signal(&chain->keep);
		wait_until(chain, &chain->changed, next);
		chain->waiting--;
		return 1;
	}
	next = min_u64(next, check_hedge(op, now));
	next = min_u64(next, check_stall(op, now));
	if (op->first && !op->first->done)
		wait_until(chain, &op->changed, next);
	return 1;
}

static int run_op(struct chain_op *op, struct error *err)
{
	struct chain *chain = op->chain;
	int r;

	pthread_mutex_lock(&chain->lock);
	if (!chain->used) {
		chain->used = true;
		pthread_cond_signal(&chain->keep);
	}
	list_append(&chain->reading, &op->link);
	do
		r = turn(op, err);
	while (r == 1);
	list_remove(&op->link);
	if (op->first)
		attempt_leave(op->first);
	if (op->hedge)
		attempt_leave(op->hedge);
	if (r == 0)
		chain->delivered += op->len;
	pthread_mutex_unlock(&chain->lock);
	return r;
}

int chain_read(struct source *src, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err)
{
	struct chain *chain = container_of(src, struct chain, src);
	struct chain_op op = {
		.chain = chain,
		.buf = buf,
		.len = len,
		.off = off,
		.deadline_ns = now_ns() + chain->deadline_ms * NS_PER_MS,
		.links = calloc(chain->n, sizeof(*op.links)),
	};
	struct source_cancel *cancel = how ? how->cancel : NULL;
	int r;

	if (!op.links)
		return error_sys(err, ENOMEM, "%s", src->name);
	if (how) {
		op.priority = how->priority;
		op.arrived = how->arrived;
		op.arg = how->arg;
		op.avoid = how->avoid;
		if (how->deadline_ns)
			op.deadline_ns = how->deadline_ns;
	}
	pthread_cond_init(&op.changed, NULL);
	if (cancel && !source_cancel_arm(cancel, chain_op_wake, &op)) {
		r = error_set(err, ECANCELED, "%s: no longer wanted", src->name);
	} else {
		r = run_op(&op, err);
		if (cancel)
			source_cancel_disarm(cancel);
	}
	if (how && how->served)
		*how->served |= op.served;
	pthread_cond_destroy(&op.changed);
	free(op.links);
	return r;
}

/*
 * Extents are asked of the first source that is well and knows them.  They only save work, so what
 * cannot be learnt is data, and no failure.
 */
int chain_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                 uint64_t *ret_len, struct error *err)
{
	struct chain *chain = container_of(src, struct chain, src);
	struct chain_op op = { .chain = chain,
		               .deadline_ns = now_ns() + chain->stall_ms * NS_PER_MS };
	struct attempt *attempt = NULL;

	(void)err;
	*ret_kind = SOURCE_EXTENT_DATA;
	*ret_len = max;
	pthread_cond_init(&op.changed, NULL);
	pthread_mutex_lock(&chain->lock);
	for (size_t i = 0; i < chain->n && !attempt; i++) {
		struct chain_link *link = &chain->links[i];

		if (link->state == LINK_WELL && link->src->ops->extent)
			attempt = attempt_start(link, ATTEMPT_EXTENT, SOURCE_DEMAND, (size_t)max,
			                        off, &op, 0);
	}
	while (attempt && !attempt->done && now_ns() < op.deadline_ns)
		wait_until(chain, &op.changed, op.deadline_ns);
	if (attempt && attempt->done && attempt->result == 0) {
		*ret_kind = attempt->extent_kind;
		*ret_len = attempt->extent_len;
	}
	if (attempt)
		attempt_leave(attempt);
	pthread_mutex_unlock(&chain->lock);
	pthread_cond_destroy(&op.changed);
	return 0;
}
