// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill list: all machines of this person on this host.
 */
#include <errno.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "machine/state.h"

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	char **names = NULL;
	size_t n = 0;
	int r;

	r = state_open(&state, err);
	if (r < 0)
		return r;
	r = state_names(state, &names, &n, err);
	if (r < 0)
		return r;
	if (cli_given(call, "json")) {
		json_t *list = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, json_pack("{ss}", "name", names[i]));
		r = cli_print_json(list, err);
		json_decref(list);
	} else {
		for (size_t i = 0; i < n; i++)
			puts(names[i]);
	}
	state_names_free(names, n);
	return r;
}

const struct cli_verb verb_list = {
	.name = "list",
	.group = CLI_MACHINES,
	.summary = "List machines and their state",
	.description = "List all machines of this person on this host, and what each is doing.",
	.options = { OPTION_JSON,
	             { .name = "names", .type = CLI_FLAG, .help = "Only names, one a line" } },
	.examples = { { "sill list", "Show all machines" } },
	.run = run,
};
