/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to fetch behind a guest's reads when no trace says what it will read next.
 *
 * A pure policy: no threads, no I/O, no clock.  The caller holds its own lock around the calls,
 * fetches what it is told at SOURCE_TRACE priority, and skips what is near or known to be zero.
 */
#ifndef DISK_READAHEAD_H
#define DISK_READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/trace.h"

/* The most pieces one read can ask for. */
#define READAHEAD_MAX_PIECES 3

struct readahead;

/* For a disk of `size` bytes; NULL when out of memory.  Bounded, some 100 KiB. */
struct readahead *readahead_new(uint64_t size);
void readahead_free(struct readahead *readahead);
DEFINE_CLEANUP(struct readahead *, readahead_free);

/*
 * The guest read [off, off + len), inside the disk; `missed`: part of it had to be fetched.
 * Returns how many pieces, multiples of 4 KiB but for the end of the disk, are worth fetching, most
 * useful first.
 */
size_t readahead_read(struct readahead *readahead, uint64_t off, uint64_t len, bool missed,
                      struct trace_run ret[READAHEAD_MAX_PIECES]);

#endif
