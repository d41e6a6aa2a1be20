// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill trace export and sill trace import: the trace of an image (docs/trace-format.md), for other
 * hosts.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/near-disk.h"
#include "cli/options.h"
#include "disk/image-dir.h"
#include "disk/trace.h"
#include "util/text.h"

#define ASK_MS 10000

static int open_dir(const struct near_disk *near, int *ret, struct error *err)
{
	*ret = open(near->image_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? error_sys(err, errno, "%s", near->image_dir) : 0;
}

static void tell(const char *what, const struct trace *trace)
{
	char bytes[16];

	printf("%s: %zu reads of %s\n", what, trace->n, format_bytes(trace_bytes(trace), bytes));
}

static int run_export(const struct cli_call *call, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	cleanup(near_disk_free) struct near_disk *near = NULL;
	cleanup(trace_free) struct trace *trace = NULL;
	cleanup_close int dir = -1;
	struct error ignored;
	int r = near_disk_find(call, &near, err);

	if (r == 0)
		r = image_record_load(near->image_dir, &record, err);
	if (r == 0)
		r = open_dir(near, &dir, err);
	if (r < 0)
		return r;
	/* A machine that runs may know more than the file; one that records nothing says so. */
	near_disk_ask(near, json_pack("{ss}", "cmd", "trace-save"), ASK_MS, NULL, &ignored);
	r = trace_load(dir, TRACE_NAME, record->id, &trace, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "no boot of %s has been recorded yet: start it once",
		                 call->arguments[0]);
	if (r == 0)
		r = trace_save(trace, AT_FDCWD, call->arguments[1], err);
	if (r == 0)
		tell(call->arguments[1], trace);
	return r;
}

static int run_import(const struct cli_call *call, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	cleanup(near_disk_free) struct near_disk *near = NULL;
	cleanup(trace_free) struct trace *trace = NULL;
	cleanup_close int dir = -1;
	int r = near_disk_find(call, &near, err);

	if (r == 0)
		r = image_record_load(near->image_dir, &record, err);
	if (r == 0)
		r = trace_load(AT_FDCWD, call->arguments[1], record->id, &trace, err);
	if (r == 0 && trace->size != record->size)
		r = error_set(err, ESTALE, "%s: is a trace of a disk of another size",
		              call->arguments[1]);
	if (r == 0)
		r = open_dir(near, &dir, err);
	if (r == 0)
		r = trace_save(trace, dir, TRACE_NAME, err);
	if (r == 0)
		tell(call->arguments[0], trace);
	return r;
}

#define ARGUMENTS(file_help)                                                \
	{                                                                   \
		ARGUMENT_MACHINE_OR_IMAGE,                                  \
		{                                                           \
			.name = "FILE", .type = CLI_FILE, .help = file_help \
		}                                                           \
	}

const struct cli_verb verb_trace_export = {
	.name = "trace export",
	.group = CLI_TRACES,
	.summary = "Save the order in which an image's boot reads",
	.description =
		"Each boot records the order in which it reads its image for the first time; the "
		"next boot fetches in that order, ahead of the guest.  Export the record to give "
		"it "
		"to other computers along with the image.",
	.arguments = ARGUMENTS("Where to write the trace"),
	.options = { OPTION_FORMAT, OPTION_PARENT, OPTIONS_SOURCE },
	.examples = { { "sill trace export web debian-12.trace",
	                "Save the trace of web's image" } },
	.run = run_export,
};

const struct cli_verb verb_trace_import = {
	.name = "trace import",
	.group = CLI_TRACES,
	.summary = "Use a saved trace for an image",
	.description = "Take over a trace that was exported elsewhere for the same image; the next "
		       "boot of it replays the trace.  A trace of another image is refused.",
	.arguments = ARGUMENTS("The trace"),
	.options = { OPTION_FORMAT, OPTION_PARENT, OPTIONS_SOURCE },
	.examples = { { "sill trace import https://example.org/debian-12.vhd debian-12.trace",
	                "Have the first boot here as quick as a second one" } },
	.run = run_import,
};
