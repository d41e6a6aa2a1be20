/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's event loop: descriptors and timers with a function each, one thread.
 *
 * One event is taken from the kernel at a time, so a function may unwatch anything, itself
 * included.
 */
#ifndef MACHINE_LOOP_H
#define MACHINE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct loop_watch {
	int fd; /* -1: not watched */
	void (*ready)(void *arg);
	void *arg;
};

struct loop_timer {
	struct loop_watch watch;
};

struct loop {
	int epoll;
	bool quit;
	/* Held while a function runs, and given back while the loop waits; NULL: none. */
	void (*lock)(void *arg);
	void (*unlock)(void *arg);
	void *arg;
};

int loop_open(struct loop *loop, struct error *err);
void loop_close(struct loop *loop);

/* Call `ready` whenever `fd` is readable or at its end.  The caller keeps fd and `watch`. */
int loop_watch(struct loop *loop, struct loop_watch *watch, int fd, void (*ready)(void *arg),
               void *arg, struct error *err);
/* Ask for writability as well, or no longer. */
void loop_want_write(struct loop *loop, struct loop_watch *watch, bool want);
/* Allowed when it is not watched. */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

int timer_open(struct loop *loop, struct loop_timer *timer, void (*ready)(void *arg), void *arg,
               struct error *err);
/* Fire once at this point of CLOCK_MONOTONIC; 0: never. */
void timer_set(struct loop_timer *timer, uint64_t at_ns);
void timer_close(struct loop *loop, struct loop_timer *timer);

/* Until loop->quit. */
int loop_run(struct loop *loop, struct error *err);

#endif
