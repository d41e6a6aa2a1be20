// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill start, stop, restart: sessions of machines that exist.
 */
#include <errno.h>
#include <stdio.h>

#include "cli/run-options.h"
#include "machine/session.h"

#define STOP_SECONDS 60

#define OPTION_ACCEL                                                                       \
	{                                                                                  \
		.name = "accel", .type = CLI_CHOICE, .value = "ACCEL",                     \
		.choices = { "auto", "kvm", "tcg" },                                       \
		.help = "KVM or emulation for this session; else as the machine was made", \
	}

#define OPTION_EPHEMERAL                                                      \
	{                                                                     \
		.name = "ephemeral", .type = CLI_FLAG,                        \
		.help = "Throw away what the machine writes in this session", \
	}

#define OPTIONS_STOP                                                                      \
	{ .name = "force",                                                                \
	  .letter = 'f',                                                                  \
	  .type = CLI_FLAG,                                                               \
	  .help = "Cut its power; the guest has no chance to save anything" },            \
	{                                                                                 \
		.name = "timeout", .letter = 't', .type = CLI_NUMBER, .value = "SECONDS", \
		.low = 1, .high = 86400, .help = "How long it may take; 60 unless said",  \
	}

static int start(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	int r = cli_check_run(call, err);

	if (r == 0)
		r = state_open(&state, err);
	return r < 0 ? r : cli_start_machine(call, state, call->arguments[0], false, err);
}

const struct cli_verb verb_start = {
	.name = "start",
	.group = CLI_MACHINES,
	.summary = "Start a machine",
	.description = "Start a machine that does not run. It returns when the machine runs, which "
		       "is before its system is up: --wait waits for that.",
	.arguments = { ARGUMENT_MACHINE },
	.options = { OPTION_ACCEL, OPTION_EPHEMERAL, OPTIONS_RUN },
	.examples = { { "sill start web", "Start it in the background" },
	              { "sill start web --wait=120",
	                "Start it, and return when its system is up" } },
	.run = start,
};

/* One machine; what to do when it does not obey belongs to the sentence. */
static int stop_one(const struct cli_call *call, const struct state *state, const char *name,
                    struct error *err)
{
	bool force = cli_given(call, "force");
	int r = session_stop(state, name, force,
	                     (unsigned int)cli_number(call, "timeout", STOP_SECONDS), err);

	if (r == -ETIMEDOUT && !force)
		return error_set(err, ETIMEDOUT, "%s; sill stop --force %s cuts its power",
		                 err->text, name);
	return r;
}

static int stop(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	int r = state_open(&state, err);

	for (size_t i = 0; r == 0 && i < call->n_arguments; i++)
		r = stop_one(call, state, call->arguments[i], err);
	return r;
}

const struct cli_verb verb_stop = {
	.name = "stop",
	.group = CLI_MACHINES,
	.summary = "Shut a machine down",
	.description = "Ask the guest to shut down, by its agent where one answers and else by the "
		       "power button, and wait until it has. When it has not in time that is an "
		       "error, and the machine still runs. A machine that does not run is left "
		       "alone.",
	.arguments = { ARGUMENT_MACHINES },
	.options = { OPTIONS_STOP },
	.examples = { { "sill stop web", "Shut it down" },
	              { "sill stop --force web", "Cut its power" } },
	.run = stop,
};

static int restart(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	int r = cli_check_run(call, err);

	if (r == 0)
		r = state_open(&state, err);
	if (r == 0)
		r = stop_one(call, state, call->arguments[0], err);
	return r < 0 ? r : cli_start_machine(call, state, call->arguments[0], false, err);
}

const struct cli_verb verb_restart = {
	.name = "restart",
	.group = CLI_MACHINES,
	.summary = "Shut a machine down and start it again",
	.description = "As *sill stop* and then *sill start*; a machine that does not run is "
		       "started.",
	.arguments = { ARGUMENT_MACHINE },
	.options = { OPTIONS_STOP, OPTION_ACCEL, OPTION_EPHEMERAL, OPTIONS_RUN },
	.examples = { { "sill restart web", "Shut it down and start it again" } },
	.run = restart,
};
