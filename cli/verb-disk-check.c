// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill disk check: is the structure of an image, and of its parents, sound?
 */
#include <errno.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/options.h"

struct found {
	bool json;
	json_t *list;
};

static void print_problem(void *arg, const char *text)
{
	struct found *found = arg;

	if (found->json)
		json_array_append_new(found->list, json_string(text));
	else
		puts(text);
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(image_close) struct image *image = NULL;
	struct found found = { .json = cli_given(call, "json") };
	int n, r = 0;

	n = cli_image_open(call, cli_text(call, "format", "auto"), "parent", true, &image, err);
	if (n < 0)
		return n;
	found.list = json_array();
	n = image_check(image, print_problem, &found, err);
	if (n >= 0 && found.json)
		r = cli_print_json(found.list, err);
	json_decref(found.list);
	if (n < 0 || r < 0)
		return n < 0 ? n : r;
	if (n > 0)
		return error_set(err, EINVAL, "%s has %d problem%s", call->arguments[0], n,
		                 n == 1 ? "" : "s");
	return 0;
}

const struct cli_verb verb_disk_check = {
	.name = "disk check",
	.group = CLI_DISKS,
	.summary = "Verify the structure of an image",
	.description =
		"Verify the structure of an image and of its parents: every header, every table "
		"entry, that no two blocks share a place in the file.  Each problem is one line.  "
		"Content is not read; whether it is what it should be only a digest can say.\n\n"
		"The exit status is 0 when all is well and 1 when there are problems.",
	.arguments = { ARGUMENT_FILE_IMAGE },
	.options = { OPTION_JSON, OPTION_FORMAT, OPTION_PARENT, OPTIONS_SOURCE },
	.examples = { { "sill disk check backup.vhd", "See whether a file is whole" } },
	.run = run,
};
