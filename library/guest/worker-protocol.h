/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two processes say to each other.  Private to worker.c, worker-child.c and their test.
 *
 * Messages have a head and, some of them, bytes behind it.
 *
 *   to the worker     START size, flags                answers: DONE off = bytes or -errno, bytes
 *   from the worker   READ off, len   WRITE off, bytes   ZERO off, len: each is answered
 *                     FOUND texts   NOTE text   END off = 0 or -errno, sentence
 */
#ifndef LIBRARY_GUEST_WORKER_PROTOCOL_H
#define LIBRARY_GUEST_WORKER_PROTOCOL_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"

#define WORKER_MAX_BYTES MIB /* of one message */

enum worker_kind {
	WORKER_START = 1,
	WORKER_DONE,
	WORKER_READ,
	WORKER_WRITE,
	WORKER_ZERO,
	WORKER_FOUND,
	WORKER_NOTE,
	WORKER_END,
};

struct worker_head {
	uint32_t kind;
	uint32_t bytes; /* behind this */
	uint64_t off;
	uint64_t len;
};

struct guest_worker {
	pid_t pid;
	int fd;
};

/* All of it, or -errno; -ENODATA when the other end is gone. */
int worker_read(int fd, void *buf, size_t len);

/* The life of the process that was forked: it has `fd`, and dies with `parent`. */
void worker_run(int fd, pid_t parent) __attribute__((noreturn));

#endif
