/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket of a process: a Unix stream socket on which one JSON object a line goes each
 * way.  The answer holds "ok": true and what was asked for, or "error" with a sentence.
 *
 * docs/disk-engine.md lists what a disk server understands.
 */
#ifndef DISK_SERVE_CONTROL_H
#define DISK_SERVE_CONTROL_H

#include <jansson.h>

#include "util/cleanup.h"
#include "util/error.h"

#define CONTROL_MAX_REQUEST (64u << 10)
#define CONTROL_MAX_REPLY   (16u << 20)
#define CONTROL_MAX_CLIENTS 8

struct control;

/*
 * Answer one request: put what was asked for into the object `reply`, or fail with a sentence.
 * Called from several threads at once.
 */
typedef int (*control_handler)(void *arg, const json_t *request, json_t *reply, struct error *err);

/*
 * Listen at `path`, for this user and root only.  A socket that nobody listens on any more is
 * replaced; -EADDRINUSE when somebody does.
 */
int control_serve(const char *path, control_handler handler, void *arg, struct control **ret,
                  struct error *err);
/* Ends all connections once their requests are answered; removes the socket.  NULL is allowed. */
void control_close(struct control *control);
DEFINE_CLEANUP(struct control *, control_close);

/*
 * Send one request and wait for its answer, at most `timeout_ms` (-1: for ever).  -ECONNREFUSED or
 * -ENOENT when nobody listens, -ETIMEDOUT; -EREMOTEIO with the other side's sentence when it
 * answered with an error.  The caller keeps `request`, and owns *ret, which may be asked for with
 * NULL.
 */
int control_call(const char *path, json_t *request, int timeout_ms, json_t **ret,
                 struct error *err);

#endif
