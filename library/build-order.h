/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order in which the chunks of a disk are taken: those that a trace names, then the rest, each
 * once.  Runs that the image's map knows to be zero are passed over.
 *
 * Threads: one at a time.
 */
#ifndef LIBRARY_BUILD_ORDER_H
#define LIBRARY_BUILD_ORDER_H

#include "disk/format/image.h"
#include "disk/trace.h"

struct build_order {
	struct image *image;       /* borrowed, as the trace */
	const struct trace *trace; /* NULL: none */
	uint64_t chunk_size, n;    /* chunks of the disk */
	size_t run;                /* of the trace, and where in it */
	uint64_t within;
	uint64_t next;   /* after the trace: the first chunk that was not looked at */
	uint64_t passed; /* chunks that are taken or known to be zero */
	uint64_t *taken; /* one bit a chunk */
};

int build_order_init(struct build_order *order, struct image *image, const struct trace *trace,
                     uint64_t chunk_size, struct error *err);
void build_order_free(struct build_order *order);

/* 1 with the number of the next chunk, 0 when there are no more, -errno of the map. */
int build_order_next(struct build_order *order, const struct source_read *how, uint64_t *ret,
                     struct error *err);

#endif
