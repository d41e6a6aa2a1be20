// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cli/attach.h"
#include "cli/options.h"
#include "machine/machine.h"
#include "machine/session.h"

#define END_SECONDS 90

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	const char *name = call->arguments[0];
	cleanup_close int dir = -1;
	enum attach_end end;
	int r = state_open(&state, err);

	if (r < 0)
		return r;
	dir = machine_open(state, name, err);
	r = dir < 0 ? dir : cli_attach(state, name, true, true, &end, err);
	if (r < 0 || end == ATTACH_LEFT)
		return r;
	r = session_wait_end(state, name, END_SECONDS, err);
	return r < 0 ? r : cli_session_result(state, name, err);
}

const struct cli_verb verb_console = {
	.name = "console",
	.group = CLI_MACHINES,
	.summary = "Show a machine's serial console on this terminal",
	.description = "Show the serial console of a running machine, beginning with the last of "
		       "what it printed before. Ctrl-] leaves it; the machine goes on running. "
		       "Several terminals may show the same console.",
	.arguments = { ARGUMENT_MACHINE },
	.options = { { .name = NULL } },
	.examples = { { "sill console web", "Look at what it prints, and type into it" } },
	.run = run,
};
