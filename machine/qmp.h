/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QMP client: commands with an answer each, and events, over a connected stream socket.
 * (QEMU, docs/interop/qmp-spec.)
 *
 * It never blocks and never reads the clock: the owner calls qmp_readable() when there is something
 * to read and qmp_expire() at the time qmp_deadline() says.  One thread; calls that it makes must
 * not close it.
 *
 * Trust: QEMU is taken for hostile, as a guest may have broken into it: lines are bounded, answers
 * that nobody asked for and anything that is not an object end the connection.
 */
#ifndef MACHINE_QMP_H
#define MACHINE_QMP_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

#define QMP_MAX_LINE    (1u << 20)
#define QMP_MAX_PENDING 16

struct qmp;

/* `result` is NULL when the command failed, and `err` says why; valid during the call only. */
typedef void (*qmp_done)(void *arg, const json_t *result, const struct error *err);

struct qmp_handlers {
	/* The greeting was taken and commands are understood. */
	void (*ready)(void *arg);
	void (*event)(void *arg, const char *name, const json_t *data);
	/* Nothing will come any more, with why; the last call, once. */
	void (*closed)(void *arg, const struct error *err);
};

/* Takes over `fd`, which must not block.  It says qmp_capabilities by itself. */
int qmp_open(int fd, const struct qmp_handlers *handlers, void *arg, struct qmp **ret,
             struct error *err);
/* Commands that wait are forgotten without a call.  NULL is allowed. */
void qmp_close(struct qmp *qmp);
DEFINE_CLEANUP(struct qmp *, qmp_close);

int qmp_fd(const struct qmp *qmp);
/* Read what there is and make the calls it brings.  0, or -errno after `closed` was called. */
int qmp_readable(struct qmp *qmp);
/* The same for bytes that came another way. */
int qmp_feed(struct qmp *qmp, const char *bytes, size_t len);

/*
 * Send a command; `arguments` (NULL: none) is taken over.  `done` may be NULL.  -EBUSY when too
 * many wait, -ENOTCONN after the end; then `done` is not called.
 */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ns,
                qmp_done done, void *arg, struct error *err);

/* When the next command's patience ends; 0: no command waits. */
uint64_t qmp_deadline(const struct qmp *qmp);
void qmp_expire(struct qmp *qmp, uint64_t now);

#endif
