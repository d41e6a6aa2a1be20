// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The chain, first version: sources in order of priority, the next one on an error.
 */
#include "disk/chain.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

struct link {
	struct source *src;
	char *digest;
	int priority;
	bool connected, aside;
	struct error err;
};

struct chain {
	struct source src;
	struct chain_options options;
	bool pinned;
	pthread_mutex_t lock; /* guards connecting */
	struct link *links;
	size_t n;
};

static int ensure(struct chain *chain, struct link *link, const struct source_read *how,
                  struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&chain->lock);
	if (!link->aside && !link->connected) {
		r = source_connect(link->src, how, &link->err);
		if (r == 0 && link->digest)
			snprintf(link->src->identity.digest, sizeof(link->src->identity.digest),
			         "%s", link->digest);
		if (r == 0 && !chain->pinned) {
			chain->src.identity = link->src->identity;
			chain->pinned = true;
		} else if (r == 0 &&
		           !source_identity_agrees(&chain->src.identity, &link->src->identity)) {
			error_set(&link->err, ESTALE, "%s: is another file or version, put aside",
			          link->src->name);
			link->aside = true;
			if (chain->options.message)
				chain->options.message(chain->options.arg, link->err.text);
		}
		link->connected = r == 0;
	}
	if (link->aside)
		r = -ESTALE;
	if (r < 0 && err)
		*err = link->err;
	pthread_mutex_unlock(&chain->lock);
	return r;
}

static int chain_read(struct source *src, void *buf, size_t len, uint64_t off,
                      const struct source_read *how, struct error *err)
{
	struct chain *chain = container_of(src, struct chain, src);
	int r = -EIO;

	for (size_t i = 0; i < chain->n; i++) {
		r = ensure(chain, &chain->links[i], how, err);
		if (r == 0)
			r = source_read(chain->links[i].src, buf, len, off, how, err);
		if (r == 0) {
			__atomic_add_fetch(&src->bytes_fetched, len, __ATOMIC_RELAXED);
			__atomic_add_fetch(&src->requests, 1, __ATOMIC_RELAXED);
			return 0;
		}
	}
	return r;
}

static int chain_extent(struct source *src, uint64_t off, uint64_t max,
                        enum source_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct chain *chain = container_of(src, struct chain, src);

	for (size_t i = 0; i < chain->n; i++)
		if (ensure(chain, &chain->links[i], NULL, err) == 0 &&
		    source_extent(chain->links[i].src, off, max, ret_kind, ret_len, err) == 0)
			return 0;
	*ret_kind = SOURCE_EXTENT_DATA;
	*ret_len = max;
	return 0;
}

static void chain_close(struct source *src)
{
	struct chain *chain = container_of(src, struct chain, src);

	for (size_t i = 0; i < chain->n; i++) {
		source_close(chain->links[i].src);
		free(chain->links[i].digest);
	}
	free(chain->links);
	pthread_mutex_destroy(&chain->lock);
	free(src->name);
	free(chain);
}

static const struct source_ops chain_ops = {
	.read = chain_read,
	.extent = chain_extent,
	.close = chain_close,
};

int chain_open(const struct chain_source *sources, size_t n, const struct chain_options *options,
               const struct source_identity *expected, struct source **ret, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	struct chain *chain = calloc(1, sizeof(*chain));
	int r = 0;

	if (!chain)
		return error_sys(err, ENOMEM, "chain");
	src = &chain->src;
	src->ops = &chain_ops;
	pthread_mutex_init(&chain->lock, NULL);
	if (options)
		chain->options = *options;
	chain->links = calloc(n, sizeof(*chain->links));
	if (!chain->links)
		return error_sys(err, ENOMEM, "chain");
	for (size_t i = 0; i < n; i++) {
		size_t at = chain->n;

		for (; at > 0 && chain->links[at - 1].priority > sources[i].priority; at--)
			chain->links[at] = chain->links[at - 1];
		chain->links[at] = (struct link){
			.priority = sources[i].priority,
			.digest = sources[i].digest ? strdup(sources[i].digest) : NULL,
		};
		chain->n++;
		r = source_create(sources[i].url, options ? &options->source : NULL,
		                  &chain->links[at].src, err);
		if (r < 0)
			return r;
	}
	src->name = strdup(chain->links[0].src->name);
	if (expected) {
		src->identity = *expected;
		chain->pinned = true;
	}
	for (size_t i = 0; i < n && !chain->pinned; i++)
		r = ensure(chain, &chain->links[i], NULL, err);
	if (!chain->pinned)
		return r;
	*ret = take_ptr(src);
	return 0;
}

json_t *chain_status(struct source *src)
{
	struct chain *chain = container_of(src, struct chain, src);
	json_t *list = json_array();

	for (size_t i = 0; i < chain->n; i++)
		json_array_append_new(list,
		                      json_pack("{s:s, s:i, s:s}", "url", chain->links[i].src->name,
		                                "priority", chain->links[i].priority, "state",
		                                chain->links[i].aside       ? "aside"
		                                : chain->links[i].connected ? "well"
		                                                            : "untried"));
	return list;
}
