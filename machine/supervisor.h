/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_SUPERVISOR_H
#define MACHINE_SUPERVISOR_H

#include <stdbool.h>

#include "machine/manifest.h"
#include "machine/state.h"

struct supervisor_options {
	const struct state *state;
	const char *name;
	bool ephemeral;
	int accel;   /* enum accel; -1: as in the manifest */
	int lock_fd; /* the machine's lock, held */
	/*
	 * Where to report to who started us, one JSON object a line: {"note": "…"}, then either
	 * {"started": true} or {"error": "…"}.  Closed after that.
	 */
	int report_fd;
};

/*
 * Be the supervisor of one session: returns when nothing of it is left but this process.  The
 * process has one thread until then, and SIGTERM, SIGINT and SIGCHLD are blocked.
 */
int supervisor_run(const struct supervisor_options *options, struct error *err);

#endif
