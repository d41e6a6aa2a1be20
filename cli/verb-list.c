// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill list: all machines of this person on this host.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "machine/machine.h"

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "running", "running, ready", "failed: QEMU was killed …" */
static void print_row(const json_t *info, size_t width)
{
	const char *state = text_at(info, "state");
	const json_t *last = json_object_get(info, "last");
	const char *message = text_at(info, "message");

	printf("%-*s  %s%s", (int)width, text_at(info, "name"), state,
	       json_is_true(json_object_get(info, "ready")) ? ", ready" : "");
	if (*message)
		printf(": %s", message);
	if (strcmp(state, "failed") == 0)
		printf(": %s", text_at(last, "reason"));
	if (strcmp(state, "broken") == 0)
		printf(": %s", text_at(info, "error"));
	putchar('\n');
}

static json_t *info_of(const struct state *state, const char *name)
{
	json_t *info = NULL;
	struct error err;

	/* One machine that cannot be read must not hide the others. */
	if (machine_info(state, name, true, &info, &err) < 0)
		info = json_pack("{ss ss ss}", "name", name, "state", "broken", "error", err.text);
	return info;
}

static int print_list(const struct state *state, char *const *names, size_t n, bool json,
                      struct error *err)
{
	json_t *list = json_array(), *info = NULL;
	size_t width = 4, i;
	int r = 0;

	for (i = 0; i < n; i++) {
		width = strlen(names[i]) > width ? strlen(names[i]) : width;
		json_array_append_new(list, info_of(state, names[i]));
	}
	if (json_array_size(list) != n)
		r = error_sys(err, ENOMEM, "list of machines");
	else if (json)
		r = cli_print_json(list, err);
	else if (n > 0)
		printf("%-*s  STATE\n", (int)width, "NAME");
	json_array_foreach (list, i, info) {
		if (r == 0 && !json)
			print_row(info, width);
	}
	json_decref(list);
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	char **names = NULL;
	size_t n = 0;
	int r = state_open(&state, err);

	if (r == 0)
		r = state_names(state, &names, &n, err);
	if (r < 0)
		return r;
	if (cli_given(call, "names")) {
		for (size_t i = 0; i < n; i++)
			puts(names[i]);
	} else {
		r = print_list(state, names, n, cli_given(call, "json"), err);
	}
	state_names_free(names, n);
	return r;
}

const struct cli_verb verb_list = {
	.name = "list",
	.group = CLI_MACHINES,
	.summary = "List machines and their state",
	.description = "List all machines of this person on this host, and what each is doing: "
		       "*stopped*, *failed* (with the reason why its last session ended), "
		       "*starting*, *running* (and *ready* once its guest agent answers), *paused* "
		       "(it waits for its disk), *stopping*, *ending*, or *broken* (its manifest "
		       "cannot be read).",
	.options = { OPTION_JSON,
	             { .name = "names", .type = CLI_FLAG, .help = "Only names, one a line" } },
	.examples = { { "sill list", "Show all machines" },
	              { "sill list --json | jq -r '.[] | select(.state == \"running\").name'",
	                "The names of those that run" } },
	.run = run,
};
