// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill delete, rename.
 */
#include <errno.h>
#include <unistd.h>

#include "cli/options.h"
#include "machine/machine.h"

static int delete (const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	int r = state_open(&state, err);

	/* All names first: nothing is deleted when one of them is wrong. */
	for (size_t i = 0; r == 0 && i < call->n_arguments; i++) {
		int fd = machine_open(state, call->arguments[i], err);

		if (fd < 0)
			r = fd;
		else
			close(fd);
	}
	if (r == 0 && !cli_given(call, "yes") && !isatty(STDIN_FILENO))
		return cli_usage(err, "nothing is deleted without --yes when nobody can be asked");
	for (size_t i = 0; r == 0 && i < call->n_arguments; i++) {
		const char *name = call->arguments[i];

		if (!cli_given(call, "yes") &&
		    !cli_confirm("Delete %s and everything that was written in it?", name))
			return error_set(err, ECANCELED, "%s is not deleted", name);
		r = machine_delete(state, name, err);
	}
	return r;
}

const struct cli_verb verb_delete = {
	.name = "delete",
	.group = CLI_MACHINES,
	.summary = "Delete a machine and all that was written in it",
	.description = "Delete machines that do not run, after asking. What was fetched of their "
		       "images stays near, for other machines.",
	.arguments = { ARGUMENT_MACHINES },
	.options = { OPTION_YES },
	.examples = { { "sill delete web", "Delete it, after asking" },
	              { "sill delete --yes web test", "Delete two without asking" } },
	.run = delete,
};

static int rename_machine(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	int r = state_open(&state, err);

	return r < 0 ? r : machine_rename(state, call->arguments[0], call->arguments[1], err);
}

const struct cli_verb verb_rename = {
	.name = "rename",
	.group = CLI_MACHINES,
	.summary = "Give a machine another name",
	.description = "Give a machine that does not run another name.",
	.arguments = { ARGUMENT_MACHINE,
	               { .name = "NEW", .type = CLI_NAME, .help = "Its new name" } },
	.options = { { .name = NULL } },
	.examples = { { "sill rename debian-12 web", "Call it web from now on" } },
	.run = rename_machine,
};
