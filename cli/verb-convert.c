// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill convert: an image in another format.
 *
 * Raw and VHD are written by disk/format, VHDX and qcow2 by QEMU's tools (cli/qemu-image.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/image.h"
#include "cli/interrupts.h"
#include "cli/options.h"
#include "cli/qemu-image.h"
#include "disk/format/convert.h"
#include "util/progress.h"
#include "util/text.h"

/* The format that the name of the new file stands for; the person may always say another. */
static const char *format_of_name(const char *path)
{
	static const struct {
		const char *ending, *format;
	} known[] = {
		{ ".vhd", "vhd" }, { ".vhdx", "vhdx" }, { ".qcow2", "qcow2" },
		{ ".raw", "raw" }, { ".img", "raw" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(known); i++)
		if (!strcasecmp(dot, known[i].ending))
			return known[i].format;
	return NULL;
}

static int target_format(const struct cli_call *call, enum image_format *ret, struct error *err)
{
	const char *path = call->arguments[1];
	const char *name = cli_text(call, "format", format_of_name(path));

	if (!name)
		return cli_usage(err,
		                 "the name of %s does not say its format: say --format raw, vhd, "
		                 "vhdx or qcow2",
		                 path);
	return image_format_parse(name, ret, err);
}

/* Options that only one of the formats knows. */
static int check_options(const struct cli_call *call, enum image_format format, struct error *err)
{
	const char *subformat = cli_text(call, "subformat", NULL);
	bool fixed = subformat && !strcmp(subformat, "fixed");

	if (cli_given(call, "azure") && format != IMAGE_VHD)
		return cli_usage(err, "--azure is for VHD");
	if (cli_given(call, "parent") && format != IMAGE_VHD)
		return cli_usage(err, "--parent makes a differencing VHD, no %s",
		                 image_format_name(format));
	if (cli_given(call, "parent") && (fixed || cli_given(call, "azure")))
		return cli_usage(err, "a differencing VHD (--parent) is neither fixed nor Azure's");
	if (cli_given(call, "compress") && format != IMAGE_QCOW2)
		return cli_usage(err, "--compress is for qcow2");
	if (subformat && (format == IMAGE_RAW || format == IMAGE_QCOW2))
		return cli_usage(err, "--subformat is for VHD and VHDX");
	return 0;
}

static void print_result(const char *path, const struct image *image,
                         const struct convert_result *result)
{
	char virtual[16], file[16];

	printf("%s: a disk of %s in a file of %s\n", path,
	       format_bytes(result->virtual_size, virtual), format_bytes(result->file_size, file));
	if (result->virtual_size != image->size)
		printf("%s: the disk grew from %" PRIu64 " to %" PRIu64
		       " bytes, a multiple of 1 MiB\n",
		       path, image->size, result->virtual_size);
}

static int convert(const struct cli_call *call, struct image *image, enum image_format format,
                   struct error *err)
{
	const char *subformat =
		cli_text(call, "subformat", cli_given(call, "azure") ? "fixed" : "dynamic");
	cleanup(source_places_free) struct source_places base = { 0 };
	cleanup(image_close) struct image *parent = NULL;
	const char *path = call->arguments[1];
	struct progress progress;
	struct convert_options options = {
		.format = format,
		.subformat = strcmp(subformat, "fixed") ? VHD_WRITE_DYNAMIC : VHD_WRITE_FIXED,
		.azure = cli_given(call, "azure"),
		.compress = cli_given(call, "compress"),
		.force = cli_given(call, "force"),
		.progress = cli_show_progress,
		.arg = &progress,
	};
	struct convert_result result;
	int r;

	/* It has places of its own: the other ones of IMAGE are not its. */
	r = cli_places(call, NULL, "parent", &base, err);
	if (r == 0 && base.n > 0) {
		r = cli_image_open_at(call, &base, &(struct source_places){ 0 }, "vhd", true,
		                      &parent, err);
		options.parent_url = base.at[0].url;
		options.parent = parent;
	}
	if (r < 0)
		return r;
	cli_catch_interrupts();
	progress_start(&progress, stderr, "converting");
	if (format == IMAGE_RAW || format == IMAGE_VHD)
		r = image_convert(image, path, &options, &result, err);
	else
		r = qemu_image_convert(image, path, cli_text(call, "subformat", NULL), &options,
		                       &result, err);
	progress_end(&progress);
	if (r == 0)
		print_result(path, image, &result);
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(image_close) struct image *image = NULL;
	enum image_format format = IMAGE_AUTO;
	int r = target_format(call, &format, err);

	if (r == 0)
		r = check_options(call, format, err);
	if (r == 0)
		r = cli_image_open(call, cli_text(call, "from", "auto"), "source-parent", true,
		                   &image, err);
	return r == 0 ? convert(call, image, format, err) : r;
}

const struct cli_verb verb_convert = {
	.name = "convert",
	.group = CLI_DISKS,
	.summary = "Write an image in another format",
	.description =
		"Read a disk from IMAGE, whatever its format and wherever it is, and write it to a "
		"new file.  The file appears under its name when it is whole and flushed; when "
		"something goes wrong nothing is left behind.  Zeros take no room.\n\n"
		"With *--parent* the new file is a differencing VHD: it holds only the sectors in "
		"which the disk differs from that base, and finds it again by its unique id.",
	.arguments = { ARGUMENT_FILE_IMAGE,
	               { .name = "FILE", .type = CLI_FILE, .help = "The file to write" } },
	.options = { { .name = "format",
	               .type = CLI_CHOICE,
	               .value = "FORMAT",
	               .choices = { "raw", "vhd", "vpc", "vhdx", "qcow2" },
	               .help = "Format of the new file, when its name does not end in .raw, .img, "
	                       ".vhd, .vhdx or .qcow2" },
	             { .name = "subformat",
	               .type = CLI_CHOICE,
	               .value = "KIND",
	               .choices = { "dynamic", "fixed" },
	               .help = "For VHD and VHDX: a file that holds only what is used (dynamic, "
	                       "unless said), or all of the disk in one piece (fixed)" },
	             { .name = "parent",
	               .repeat = true,
	               .type = CLI_IMAGE,
	               .value = "BASE[,priority=N][,digest=sha256:HEX]",
	               .help = "Write a differencing VHD over this VHD. May be given more than "
	                       "once, for other places of it; the new file names the first" },
	             { .name = "azure",
	               .type = CLI_FLAG,
	               .help = "A VHD as Azure wants it: fixed unless said, its size a multiple of "
	                       "1 MiB" },
	             { .name = "compress",
	               .letter = 'c',
	               .type = CLI_FLAG,
	               .help = "A qcow2 file compressed with zstd: the best form for an image that "
	                       "is streamed" },
	             { .name = "force",
	               .letter = 'f',
	               .type = CLI_FLAG,
	               .help = "Replace the file when it is there already" },
	             { .name = "from",
	               .type = CLI_CHOICE,
	               .value = "FORMAT",
	               .choices = { "auto", "raw", "vhd", "vpc", "vhdx", "qcow2", "index" },
	               .help = "Take IMAGE for this format instead of looking at its content" },
	             { .name = "source-parent",
	               .repeat = true,
	               .type = CLI_IMAGE,
	               .value = "URL[,priority=N][,digest=sha256:HEX]",
	               .help = "Where the parent of IMAGE is, when that is a differencing image. "
	                       "May be given more than once, for other places of it" },
	             OPTIONS_SOURCE },
	.examples = { { "sill convert disk.qcow2 disk.vhd", "Make a dynamic VHD" },
	              { "sill convert https://example.org/disk.vhdx disk.raw",
	                "Fetch a disk as a raw file" },
	              { "sill convert changed.raw child.vhd --parent base.vhd",
	                "Keep only what differs from a base" },
	              { "sill convert disk.raw publish.qcow2 --compress",
	                "Make what others will stream" },
	              { "sill convert disk.raw upload.vhd --azure", "Make a VHD to be uploaded" } },
	.run = run,
};
