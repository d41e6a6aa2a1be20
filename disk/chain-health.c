// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a chain knows of its sources.
 *
 * A source is well until something fails there.  Then it is failing: no reader is sent to it, and
 * the keeper, a thread of the chain, asks it again for what failed, after a backoff that doubles.
 * When that works it is well again and whoever waits is woken.  So however many readers wait, one
 * request at a time finds out.  The doubling starts anew only when a real read has worked: a source
 * that answers probes and fails readers is left alone longer and longer.
 *
 * While a reader waits with no source to ask the backoff ends after BACKOFF_WAITED at the latest.
 * A server that said when to come back (Retry-After) is not asked before.
 *
 * A source that is another file or another version than the chain's is aside, for ever; and so is
 * one whose bytes were wrong time and again, unless it is the last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "disk/chain-internal.h"
#include "util/clock.h"

#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_SLOW   (2 * NS_PER_SEC) /* it answered, with no: not there, not allowed */
#define BACKOFF_MOST   (60 * NS_PER_SEC)
#define BACKOFF_WAITED (2 * NS_PER_SEC)
#define PROBE_BYTES    4096
#define USUAL_SAMPLES  16 /* fewer tell nothing */
#define PATIENCE_LEAST (1 * NS_PER_SEC)
#define PATIENCE_TIMES 8
#define BLAMED_MOST    3 /* wrong bytes so many times put a source aside while another is there */

const char *link_state_name(enum link_state state)
{
	static const char *const names[] = {
		[LINK_UNTRIED] = "untried",
		[LINK_WELL] = "well",
		[LINK_FAILING] = "failing",
		[LINK_ASIDE] = "aside",
	};

	return names[state];
}

void link_say(const struct chain_link *link, const char *text)
{
	const struct chain_options *options = &link->chain->options;

	if (options->message && !link->chain->opening)
		options->message(options->arg, text);
}

uint64_t backoff_ns(unsigned int failures, uint64_t base_ns, uint64_t most_ns)
{
	uint64_t ns = base_ns;
	uint32_t random = 0;

	for (unsigned int i = 1; i < failures && ns < most_ns; i++)
		ns *= 2;
	ns = min_u64(ns, most_ns);
	/* Without a random number all clients come back together: worse, but not wrong. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return ns / 2 + ns / 2 * (random >> 8) / (UINT32_MAX >> 8);
}

static void set_aside(struct chain_link *link)
{
	link->state = LINK_ASIDE;
	link_say(link, link->error.text);
	pthread_cond_broadcast(&link->chain->changed);
}

/* Is what the source has the file of the chain?  Puts it aside otherwise. */
static int compare(struct chain_link *link, struct error *err)
{
	struct chain *chain = link->chain;
	const struct source_identity *want = &chain->src.identity, *have = &link->src->identity;
	const char *why;

	if (!chain->pinned) {
		chain->src.identity = *have;
		chain->pinned = true;
	}
	why = source_identity_difference(want, have);
	if (!why)
		return 0;
	if (want->size != have->size)
		return error_set(err, ESTALE,
		                 "%s: put aside, it is another file or version: it has %llu bytes, "
		                 "not %llu",
		                 link->src->name, (unsigned long long)have->size,
		                 (unsigned long long)want->size);
	return error_set(err, ESTALE, "%s: put aside, it is another file or version: %s",
	                 link->src->name, why);
}

int link_connect(struct chain_link *link, const struct source_read *how, struct error *err)
{
	struct chain *chain = link->chain;
	int r = source_connect(link->src, how, err);

	if (r < 0)
		return r;
	if (link->digest[0])
		memcpy(link->src->identity.digest, link->digest, sizeof(link->digest));
	pthread_mutex_lock(&chain->lock);
	r = compare(link, err);
	link->connected = r == 0;
	pthread_mutex_unlock(&chain->lock);
	return r;
}

static unsigned int class_of(size_t len)
{
	return len <= 16 * KIB ? 0 : len <= 128 * KIB ? 1 : len <= MIB ? 2 : 3;
}

static void add_sample(struct chain_link *link, size_t len, uint64_t ns)
{
	struct link_latency *latency = &link->latency[class_of(len)];

	latency->ns[latency->next] = ns;
	latency->next = (latency->next + 1) % CHAIN_SAMPLES;
	if (latency->n < CHAIN_SAMPLES)
		latency->n++;
	link->latency_ns = link->latency_ns ? (link->latency_ns * 7 + ns) / 8 : ns;
}

static int by_number(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

uint64_t link_usual_ns(const struct chain_link *link, size_t len)
{
	const struct link_latency *latency = &link->latency[class_of(len)];
	uint64_t sorted[CHAIN_SAMPLES];

	if (latency->n < USUAL_SAMPLES)
		return 0;
	memcpy(sorted, latency->ns, latency->n * sizeof(sorted[0]));
	qsort(sorted, latency->n, sizeof(sorted[0]), by_number);
	return sorted[(latency->n * 95 - 1) / 100];
}

uint64_t link_patience_ns(const struct chain_link *link, size_t len)
{
	uint64_t usual = link_usual_ns(link, len), most = link->chain->stall_ms * NS_PER_MS;

	if (!usual)
		return most;
	return min_u64(most, max_u64(PATIENCE_LEAST, PATIENCE_TIMES * usual));
}

void link_was_slow(struct chain_link *link, size_t len, uint64_t ns)
{
	/* One that was left early tells nothing. */
	if (ns > link_usual_ns(link, len))
		add_sample(link, len, ns);
}

void link_succeeded(struct chain_link *link, enum attempt_kind kind, size_t len, uint64_t ns)
{
	char text[256];

	link->progress_ns = now_ns();
	if (kind == ATTEMPT_READ) {
		add_sample(link, len, ns);
		link->failures = 0;
	}
	if (link->state == LINK_WELL || link->state == LINK_ASIDE)
		return;
	if (link->state == LINK_FAILING) {
		snprintf(text, sizeof(text), "%s: is well again", link->src->name);
		link_say(link, text);
	}
	link->state = LINK_WELL;
	link->epoch++;
	pthread_cond_broadcast(&link->chain->changed);
	list_for_each (it, &link->chain->reading)
		pthread_cond_signal(&container_of(it, struct chain_op, link)->changed);
}

void link_failed(struct chain_link *link, enum attempt_kind kind, uint64_t off,
                 const struct error *err)
{
	bool was_failing = link->state == LINK_FAILING;
	bool refused = err->code == ENOENT || err->code == EACCES || err->code == ENOTSUP;

	if (link->state == LINK_ASIDE || err->code == ECANCELED)
		return;
	link->error = *err;
	if (err->code == ESTALE) {
		set_aside(link);
		return;
	}
	/* Many reads fail at once when a server goes: that is one failure. */
	if (was_failing && kind != ATTEMPT_PROBE)
		return;
	link->state = LINK_FAILING;
	link->probe_off = off;
	link->failures++;
	link->failed_ns = now_ns();
	link->backoff_ns =
		backoff_ns(link->failures, refused ? BACKOFF_SLOW : BACKOFF_FIRST, BACKOFF_MOST);
	if (!was_failing)
		link_say(link, err->text);
	pthread_cond_signal(&link->chain->keep);
}

/* Somebody else than `link` may still have the file. */
static bool has_another(const struct chain_link *link)
{
	const struct chain *chain = link->chain;

	for (size_t i = 0; i < chain->n; i++)
		if (&chain->links[i] != link && chain->links[i].state != LINK_ASIDE)
			return true;
	return false;
}

void chain_blame(struct source *src, uint64_t off, uint64_t len __attribute__((unused)),
                 uint64_t served, const struct error *why)
{
	struct chain *chain = container_of(src, struct chain, src);

	pthread_mutex_lock(&chain->lock);
	for (size_t i = 0; i < chain->n; i++) {
		struct chain_link *link = &chain->links[i];
		struct error said;

		if (!(served & link_bit(link)))
			continue;
		error_set(&said, EBADMSG, "%s: delivered wrong bytes: %s", link->src->name,
		          why->text);
		if (++link->blamed >= BLAMED_MOST && has_another(link))
			said.code = ESTALE;
		link_failed(link, ATTEMPT_READ, off, &said);
	}
	pthread_mutex_unlock(&chain->lock);
}

/* When a failing source is to be asked again. */
static uint64_t probe_at_ns(const struct chain_link *link)
{
	uint64_t backoff = link->backoff_ns;

	if (link->chain->waiting)
		backoff = min_u64(backoff, BACKOFF_WAITED);
	return max_u64(link->failed_ns + backoff,
	               __atomic_load_n(&link->src->not_before_ns, __ATOMIC_RELAXED));
}

/* Ask it for a little of what failed, or only who it is, when it is not known yet. */
static void probe(struct chain_link *link)
{
	struct chain *chain = link->chain;
	uint64_t size = chain->src.identity.size;
	size_t len = link->state == LINK_UNTRIED ? 0 : (size_t)min_u64(PROBE_BYTES, size);
	struct attempt *attempt = attempt_start(link, ATTEMPT_PROBE,
	                                        chain->waiting ? SOURCE_DEMAND : SOURCE_BACKGROUND,
	                                        len, min_u64(link->probe_off, size - len), NULL, 0);

	if (attempt) {
		link->probing = true;
		attempt_unref(attempt);
	} else {
		link->failed_ns = now_ns();
	}
}

/* The keeper's thread: sees to it that no source is forgotten. */
static void *keep(void *arg)
{
	struct chain *chain = arg;

	pthread_setname_np(pthread_self(), "chain-keeper");
	pthread_mutex_lock(&chain->lock);
	while (!chain->stopping) {
		uint64_t now = now_ns(), next = UINT64_MAX;

		for (size_t i = 0; i < chain->n; i++) {
			struct chain_link *link = &chain->links[i];

			if (link->probing)
				continue;
			/* Who is only a reserve is looked at once, as soon as there is use. */
			if (link->state == LINK_UNTRIED && chain->used && !link->connecting) {
				probe(link);
			} else if (link->state == LINK_FAILING) {
				if (probe_at_ns(link) <= now)
					probe(link);
				if (!link->probing)
					next = min_u64(next, max_u64(probe_at_ns(link), now + 1));
			}
		}
		if (next == UINT64_MAX) {
			pthread_cond_wait(&chain->keep, &chain->lock);
		} else {
			struct timespec until = timespec_of(next);

			pthread_cond_clockwait(&chain->keep, &chain->lock, CLOCK_MONOTONIC, &until);
		}
	}
	pthread_mutex_unlock(&chain->lock);
	return NULL;
}

int chain_start_keeper(struct chain *chain, struct error *err)
{
	int r = pthread_create(&chain->keeper, NULL, keep, chain);

	if (r != 0)
		return error_sys(err, r, "%s: no thread", chain->src.name);
	chain->has_keeper = true;
	return 0;
}
