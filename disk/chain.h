/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain: any number of sources of one file, by priority, used as one source.
 *
 * It chooses the best healthy source for every read, fails over at once on an error or a stall,
 * goes back when a better one is well again, sends a slow demand read to the next source too (a
 * hedge), and retries with backoff until the read's deadline.  Sources must agree on what the file
 * is; one that disagrees is put aside with a message.  How: docs/sources.md.
 */
#ifndef DISK_CHAIN_H
#define DISK_CHAIN_H

#include <jansson.h>

#include "disk/source/places.h"

struct chain_options {
	struct source_options source;
	unsigned int hedge_percent; /* most extra bytes that hedging may fetch; 0 turns it off */
	/*
	 * One line about a source that fails, is put aside, or is well again; while the chain is
	 * opened only when it does open, for its error says the same.  From any thread, one
	 * call at a time; must not call the chain.
	 */
	void (*message)(void *arg, const char *text);
	void *arg;
};

#define CHAIN_DEFAULT_HEDGE_PERCENT 5

/*
 * Open a chain.  With `expected` NULL at least one source must answer, and the first by priority
 * that does decides what the file is.  With `expected` set nothing is contacted before the first
 * read, so that a disk whose content is near opens with every source gone; a source that turns out
 * to be another file or version is put aside.
 */
int chain_open(const struct source_place *places, size_t n, const struct chain_options *options,
               const struct source_identity *expected, struct source **ret, struct error *err);

/*
 * For `sill info`: an array with, for each source: url, priority, state ("untried", "well",
 * "failing", "aside"), error (its last sentence or null), latency_ms, bytes, requests, hedges.
 */
json_t *chain_status(struct source *chain);

#endif
