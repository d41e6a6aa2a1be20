/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a long piece of work is: bytes, rate and time left.  On a terminal one line that is
 * written over; elsewhere (a log) a line every few seconds.  For programs: libraries never print.
 *
 * Threads: one at a time.
 */
#ifndef UTIL_PROGRESS_H
#define UTIL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;
	const char *what; /* what is being done: "converting" */
	bool terminal;
	bool shown;
	uint64_t started_ns, shown_ns;
};

void progress_start(struct progress *progress, FILE *out, const char *what);
/* As often as one likes: most calls print nothing. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* Take the line off the terminal again, so that something else can be printed. */
void progress_end(struct progress *progress);

/* "converting: 45 %, 1.20 of 2.68 GB…" after `ns`; `out` holds PROGRESS_LINE. */
#define PROGRESS_LINE 160
const char *progress_line(const char *what, uint64_t done, uint64_t total, uint64_t ns,
                          char out[PROGRESS_LINE]);

#endif
