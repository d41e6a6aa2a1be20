// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The chain as a source: opening, closing, status.
 */
#include "disk/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/chain-internal.h"
#include "util/clock.h"

static void chain_close(struct source *src)
{
	struct chain *chain = container_of(src, struct chain, src);

	chain_stop_workers(chain);
	for (size_t i = 0; i < chain->n; i++)
		source_close(chain->links[i].src);
	free(chain->links);
	pthread_cond_destroy(&chain->changed);
	pthread_cond_destroy(&chain->work);
	pthread_cond_destroy(&chain->keep);
	pthread_mutex_destroy(&chain->lock);
	free(src->name);
	free(chain);
}

static const struct source_ops chain_ops = {
	.read = chain_read,
	.extent = chain_extent,
	.blame = chain_blame,
	.close = chain_close,
};

/* "sha256:" and 64 hex digits, taken in lower case. */
static int copy_digest(const char *text, char out[72], struct error *err)
{
	size_t n = strlen(text);

	if (strncmp(text, "sha256:", 7) != 0 || n != 71 ||
	    strspn(text + 7, "0123456789abcdefABCDEF") != 64)
		return error_set(err, EINVAL,
		                 "'%.80s' is not a digest, which is sha256: and 64 hex digits",
		                 text);
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);
	return 0;
}

/* Put one more source into its place by priority. */
static int add_link(struct chain *chain, const struct source_place *given, struct error *err)
{
	struct chain_link link = { .chain = chain, .priority = given->priority };
	size_t at = chain->n;
	int r = given->digest ? copy_digest(given->digest, link.digest, err) : 0;

	if (r == 0)
		r = source_create(given->url, &chain->options.source, &link.src, err);
	if (r < 0)
		return r;
	if (!given->digest)
		source_named_digest(given->url, link.digest);
	for (; at > 0 && chain->links[at - 1].priority > link.priority; at--)
		chain->links[at] = chain->links[at - 1];
	chain->links[at] = link;
	chain->n++;
	return 0;
}

/* The chain is open: what failed meanwhile is worth a line each. */
static void tell_failures(const struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if (chain->links[i].error.code)
			link_say(&chain->links[i], chain->links[i].error.text);
}

/*
 * Ask one after the other until one says what the file is.  When none does, the error says it all.
 */
static int pin(struct chain *chain, struct error *err)
{
	static const struct source_read how = { .priority = SOURCE_DEMAND };
	int r = 0, worst = -ENOENT;

	chain->opening = true;
	for (size_t i = 0; i < chain->n; i++) {
		struct chain_link *link = &chain->links[i];
		struct error why = { 0 };

		r = link_connect(link, &how, &why);
		pthread_mutex_lock(&chain->lock);
		if (r == 0)
			link_succeeded(link, ATTEMPT_PROBE, 0, 0);
		else
			link_failed(link, ATTEMPT_PROBE, 0, &why);
		chain->opening = r < 0;
		if (r == 0)
			tell_failures(chain);
		pthread_mutex_unlock(&chain->lock);
		if (r == 0)
			return 0;
		/* "Not there" only when that is true of all. */
		if (worst == -ENOENT)
			worst = r;
	}
	if (chain->n == 1) {
		if (err)
			*err = chain->links[0].error;
		return r;
	}
	return chain_fail(chain, -worst, "no source answers", err);
}

static struct chain *new_chain(size_t n, const struct chain_options *options)
{
	struct chain *chain = calloc(1, sizeof(*chain));

	if (!chain)
		return NULL;
	chain->src.ops = &chain_ops;
	if (options)
		chain->options = *options;
	else
		chain->options.hedge_percent = CHAIN_DEFAULT_HEDGE_PERCENT;
	chain->stall_ms = chain->options.source.stall_ms ? chain->options.source.stall_ms
	                                                 : SOURCE_DEFAULT_STALL_MS;
	chain->deadline_ms = chain->options.source.deadline_ms ? chain->options.source.deadline_ms
	                                                       : SOURCE_DEFAULT_DEADLINE_MS;
	pthread_mutex_init(&chain->lock, NULL);
	pthread_cond_init(&chain->changed, NULL);
	pthread_cond_init(&chain->work, NULL);
	pthread_cond_init(&chain->keep, NULL);
	for (size_t i = 0; i < CHAIN_PRIORITIES; i++)
		list_init(&chain->queue[i]);
	list_init(&chain->running);
	list_init(&chain->reading);
	chain->links = calloc(n, sizeof(*chain->links));
	if (!chain->links) {
		chain_close(&chain->src);
		return NULL;
	}
	return chain;
}

int chain_open(const struct source_place *places, size_t n, const struct chain_options *options,
               const struct source_identity *expected, struct source **ret, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	struct chain *chain;
	int r = 0;

	if (n == 0 || n > CHAIN_MAX_SOURCES)
		return error_set(err, EINVAL, "a chain has 1 to %d places, not %zu",
		                 CHAIN_MAX_SOURCES, n);
	chain = new_chain(n, options);
	if (!chain)
		return error_sys(err, ENOMEM, "%s", places[0].url);
	src = &chain->src;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_link(chain, &places[i], err);
	if (r < 0)
		return r;
	src->name = strdup(chain->links[0].src->name);
	if (!src->name)
		return error_sys(err, ENOMEM, "%s", places[0].url);
	if (expected) {
		src->identity = *expected;
		chain->pinned = true;
	} else {
		r = pin(chain, err);
	}
	if (r == 0)
		r = chain_start_keeper(chain, err);
	if (r == 0)
		*ret = take_ptr(src);
	return r;
}

static json_t *link_status(const struct chain_link *link)
{
	const struct source *src = link->src;
	bool shown = link->state == LINK_FAILING || link->state == LINK_ASIDE;

	return json_pack("{s:s, s:i, s:s, s:s?, s:f, s:I, s:I, s:I}", "url", src->name, "priority",
	                 link->priority, "state", link_state_name(link->state), "error",
	                 shown ? link->error.text : NULL, "latency_ms",
	                 (double)link->latency_ns / (double)NS_PER_MS, "bytes",
	                 (json_int_t)__atomic_load_n(&src->bytes_fetched, __ATOMIC_RELAXED),
	                 "requests", (json_int_t)__atomic_load_n(&src->requests, __ATOMIC_RELAXED),
	                 "hedges", (json_int_t)link->hedges);
}

json_t *chain_status(struct source *src)
{
	struct chain *chain = container_of(src, struct chain, src);
	json_t *list = json_array();

	pthread_mutex_lock(&chain->lock);
	for (size_t i = 0; i < chain->n; i++)
		json_array_append_new(list, link_status(&chain->links[i]));
	pthread_mutex_unlock(&chain->lock);
	return list;
}
