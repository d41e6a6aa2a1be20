/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a session begins, for run and start: attached to its console, waited for, or neither.
 */
#ifndef CLI_RUN_OPTIONS_H
#define CLI_RUN_OPTIONS_H

#include "cli/options.h"
#include "machine/state.h"

#define OPTIONS_RUN                                                                                \
	{ .name = "foreground",                                                                    \
	  .type = CLI_FLAG,                                                                        \
	  .help = "Stay until the machine ends, and show its console; SIGINT and SIGTERM shut it " \
		  "down" },                                                                        \
		{ .name = "detach",                                                                \
		  .letter = 'd',                                                                   \
		  .type = CLI_FLAG,                                                                \
		  .help = "Return as soon as the machine runs, on a terminal too" },               \
	{                                                                                          \
		.name = "wait", .bare = true, .type = CLI_NUMBER, .value = "SECONDS", .low = 1,    \
		.high = 86400,                                                                     \
		.help = "Return when the machine is ready (its guest agent answers), and fail "    \
			"after so many seconds, 600 unless said",                                  \
	}

/* Contradictions among them: CLI_USAGE. */
int cli_check_run(const struct cli_call *call, struct error *err);
/* Start the machine; then do what they say.  cli_start_machine() does both. */
int cli_start_session(const struct cli_call *call, const struct state *state, const char *name,
                      struct error *err);
int cli_follow_session(const struct cli_call *call, const struct state *state, const char *name,
                       bool attach, struct error *err);
int cli_start_machine(const struct cli_call *call, const struct state *state, const char *name,
                      bool attach, struct error *err);

#endif
