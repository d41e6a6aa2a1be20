// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill run, sill create: a machine out of an image, started or not.
 */
#include <stdio.h>

#include "cli/machine-options.h"
#include "cli/run-options.h"
#include "machine/session.h"

#define END_SECONDS 90 /* what is left of a failed start: the disk server may have to write */

/* It was made only to be started: what never ran leaves nothing. */
static void unmake(const struct state *state, const char *name)
{
	struct error err;
	int r = session_wait_end(state, name, END_SECONDS, &err);

	if (r == 0)
		r = machine_delete(state, name, &err);
	if (r < 0)
		fprintf(stderr, "sill: run: %s is left: %s\n", name, err.text);
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	char name[MACHINE_NAME_MAX + 1];
	int r = cli_check_run(call, err);

	if (r == 0)
		r = state_open(&state, err);
	if (r == 0)
		r = cli_create_machine(call, state, name, err);
	if (r < 0)
		return r;
	r = cli_start_session(call, state, name, err);
	if (r < 0)
		unmake(state, name);
	return r < 0 ? r : cli_follow_session(call, state, name, true, err);
}

const struct cli_verb verb_run = {
	.name = "run",
	.group = CLI_MACHINES,
	.summary = "Make a machine from an image and start it at once",
	.description =
		"Make a machine from an image, wherever that is, and start it at once: its disk is "
		"streamed, and what the machine writes stays in a layer of its own. On a terminal "
		"the "
		"machine's console is shown, and Ctrl-] leaves it; the machine goes on running. "
		"Otherwise the command returns when the machine runs.\n\n"
		"The image may be raw, VHD, VHDX or qcow2, and is recognised by its content. The "
		"machine "
		"is kept until it is deleted: *sill start* starts it again. When it cannot be "
		"started "
		"at all it is not kept; *sill create* makes one that is.",
	.arguments = { ARGUMENT_FAR_IMAGE },
	.options = { OPTIONS_MACHINE, OPTIONS_RUN },
	.examples = { { "sill run https://images.example/debian-12.vhd",
	                "Start Debian from a web server" },
	              { "sill run -p 2222:22 --name web ./debian-12.qcow2",
	                "Start a local image, with its SSH server at port 2222" },
	              { "sill run https://a.example/d.vhd --source "
	                "https://b.example/d.vhd,priority=20",
	                "Use a second server when the first fails" } },
	.run = run,
};

static int create(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	char name[MACHINE_NAME_MAX + 1];
	int r = state_open(&state, err);

	if (r == 0)
		r = cli_create_machine(call, state, name, err);
	if (r == 0)
		puts(name);
	return r;
}

const struct cli_verb verb_create = {
	.name = "create",
	.group = CLI_MACHINES,
	.summary = "Make a machine from an image without starting it",
	.description = "Make a machine as *sill run* does, and print its name. The image is looked "
		       "at, and nothing of it is fetched that this does not need.",
	.arguments = { ARGUMENT_FAR_IMAGE },
	.options = { OPTIONS_MACHINE },
	.examples = { { "sill create --name web --memory 4G https://images.example/debian-12.vhd",
	                "Make a machine to be started later" } },
	.run = create,
};
