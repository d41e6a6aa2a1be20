/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal becomes a machine's serial console.  Until the machine is ready the last line of the
 * terminal says how far it is: fetched, near, time.
 */
#ifndef CLI_ATTACH_H
#define CLI_ATTACH_H

#include <jansson.h>
#include <stdbool.h>

#include "machine/state.h"
#include "util/error.h"

enum attach_end {
	ATTACH_LEFT,  /* the person pressed Ctrl-], or the input ended */
	ATTACH_ENDED, /* the machine ended */
};

/*
 * Until one of those, or SIGTERM, SIGINT or SIGHUP (as if the person had left).  Standard input and
 * output need not be a terminal; without one nothing is drawn.  With `keys` false nothing is read.
 */
int cli_attach(const struct state *state, const char *name, bool progress, bool keys,
               enum attach_end *ret, struct error *err);

/* "34 s, 86.5 MB fetched, 12 % near" out of a session's status. */
void cli_progress_text(const json_t *status, char *out, size_t room);

/* Say how the session that has just ended ended: 0 when cleanly, else -EIO with the reason. */
int cli_session_result(const struct state *state, const char *name, struct error *err);

#endif
