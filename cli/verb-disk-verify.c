// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill disk verify: is what is near of an image still what was fetched?
 */
#include <errno.h>

#include "cli/cli.h"
#include "cli/near-disk.h"
#include "cli/options.h"

static int verify(const struct near_disk *near, bool repair, json_t **ret, struct error *err)
{
	cleanup(disk_close) struct disk *disk = NULL;
	int r = near_disk_ask(near, json_pack("{ss sb}", "cmd", "verify", "repair", repair), -1,
	                      ret, err);

	if (r != -ENOTCONN)
		return r;
	r = near_disk_open(near, false, 0, &disk, err);
	return r < 0 ? r : disk_verify(disk, repair, ret, err);
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(near_disk_free) struct near_disk *near = NULL;
	bool repair = cli_given(call, "repair");
	const json_t *block;
	json_t *found = NULL;
	json_int_t bad;
	size_t i;
	int r = near_disk_find(call, &near, err);

	if (r == 0)
		r = verify(near, repair, &found, err);
	if (r < 0)
		return r;
	bad = json_integer_value(json_object_get(found, "bad"));
	json_array_foreach (json_object_get(found, "blocks"), i, block)
		printf("bytes %lld to %lld are rotten%s\n",
		       (long long)json_integer_value(block) * 4096,
		       (long long)json_integer_value(block) * 4096 + 4095,
		       repair ? "; they will be fetched again" : "");
	json_decref(found);
	if (bad == 0)
		puts("all that is near is what was fetched");
	else if (!repair)
		return error_set(
			err, EUCLEAN, "%lld cached block%s rotten: --repair has %s fetched again",
			(long long)bad, bad == 1 ? " is" : "s are", bad == 1 ? "it" : "them");
	return 0;
}

const struct cli_verb verb_disk_verify = {
	.name = "disk verify",
	.group = CLI_DISKS,
	.summary = "Verify what is near of an image",
	.description =
		"Read everything that is cached of an image and compare its checksums.  A rotten "
		"block is noticed as well when a machine reads it, and fetched again then; this "
		"finds it while the source is still there.\n\n"
		"The exit status is 1 when something is rotten and --repair was not given.",
	.arguments = { ARGUMENT_MACHINE_OR_IMAGE },
	.options = { { .name = "repair",
	               .type = CLI_FLAG,
	               .help = "Forget rotten blocks, so that they are fetched again" },
	             OPTION_FORMAT,
	             OPTION_PARENT,
	             OPTIONS_SOURCE },
	.examples = { { "sill disk verify web --repair", "Look for bit rot, and mend it" } },
	.run = run,
};
