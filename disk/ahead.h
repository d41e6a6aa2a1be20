/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fetching that no guest waits for: replay of a trace, readahead, the sweep of a boot, background
 * fill.
 *
 * Threads: all functions, any number at once, except new and free.
 */
#ifndef DISK_AHEAD_H
#define DISK_AHEAD_H

#include <jansson.h>

#include "disk/fetch.h"
#include "disk/trace.h"

struct ahead;

struct ahead_options {
	struct fetch *fetch;
	struct near *near;
	struct messages *messages;
	uint64_t size;
	bool readahead;
	bool sweep; /* a boot: while the link is idle fetch what may be read, without a trace */
	const struct trace *trace; /* to replay; NULL: none; not needed after ahead_new() */
};

int ahead_new(const struct ahead_options *options, struct ahead **ret, struct error *err);
/* Call fetch_stop() first, or what is under way is waited for.  NULL is allowed. */
void ahead_free(struct ahead *ahead);
DEFINE_CLEANUP(struct ahead *, ahead_free);

/* The guest misses, and begins to wait: the fill rests. */
void ahead_guest_misses(struct ahead *ahead);
/*
 * The guest has what it read; `missed`: it had to wait.  Costs a memory access while nothing is
 * missed.
 */
void ahead_guest_has_read(struct ahead *ahead, uint64_t off, uint64_t len, bool missed);
/*
 * The boot is over: the sweep ends, and readahead may guess again where a trace ruled it out.
 */
void ahead_boot_over(struct ahead *ahead);

/* `rate` may be DISK_KEEP_RATE. */
void ahead_set_fill(struct ahead *ahead, bool on, uint64_t rate);
/* Adds "fill" and what concerns the replay to the object. */
int ahead_status(struct ahead *ahead, json_t *fill, json_t *trace);

#endif
