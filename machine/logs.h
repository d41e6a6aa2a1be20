/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The logs of a session: standard error of the disk server, of QEMU and of the supervisor itself.
 *
 * Whoever writes into one has the file open for appending, so that it can be written to the last
 * whoever dies first.  It therefore cannot be turned under its writer: when it has grown past
 * LOGS_MAX, its older half is cut away in place.  That is noticed by inotify, so a session that
 * says nothing costs nothing.
 *
 * Threads: the supervisor's loop.
 */
#ifndef MACHINE_LOGS_H
#define MACHINE_LOGS_H

#include "machine/loop.h"

#define LOGS_MAX  (1u << 20)
#define LOGS_KEPT (LOGS_MAX / 2)

struct logs {
	struct loop *loop;
	struct loop_watch changes;
	const char *dir;
};

/*
 * Begin the children's logs anew, the ones before beside them as .1, and keep all of them short.
 * `dir` is the machine's, and stays the caller's.  Where the kernel has no watches left they are
 * not kept short, which is said on standard error.
 */
void logs_open(struct logs *logs, struct loop *loop, const char *dir);
void logs_close(struct logs *logs);

/* Cut the older half away if the file is longer than LOGS_MAX. */
int logs_trim(const char *path, struct error *err);

#endif
