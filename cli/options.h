/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of options and arguments that several verbs share, so that each means the same everywhere.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

#define ARGUMENT_MACHINE                                                   \
	{                                                                  \
		.name = "NAME", .type = CLI_MACHINE, .help = "The machine" \
	}

#define ARGUMENT_MACHINES                                                                   \
	{                                                                                   \
		.name = "NAME", .repeat = true, .type = CLI_MACHINE, .help = "The machines" \
	}

#define ARGUMENT_FILE_IMAGE                                                     \
	{                                                                       \
		.name = "IMAGE", .type = CLI_IMAGE,                             \
		.help = "Path or URL of a raw, VHD, VHDX, qcow2 or index image" \
	}

#define ARGUMENT_FAR_IMAGE                                                   \
	{                                                                    \
		.name = "IMAGE", .type = CLI_IMAGE,                          \
		.help = "A path, or a URL: http, https, nbd, nbd+unix, file" \
	}

#define ARGUMENT_MACHINE_OR_IMAGE                                   \
	{                                                           \
		.name = "NAME|IMAGE", .type = CLI_IMAGE,            \
		.help = "A machine, or the path or URL of an image" \
	}

#define OPTION_JSON                                                                     \
	{                                                                               \
		.name = "json", .type = CLI_FLAG, .help = "Print JSON instead of text", \
	}

#define OPTION_YES                                                                    \
	{                                                                             \
		.name = "yes", .letter = 'y', .type = CLI_FLAG, .help = "Do not ask", \
	}

#define OPTION_FORMAT                                                                       \
	{                                                                                   \
		.name = "format", .type = CLI_CHOICE, .value = "FORMAT",                    \
		.choices = { "auto", "raw", "vhd", "vpc", "vhdx", "qcow2", "index" },       \
		.help = "Take the image for this format instead of looking at its content", \
	}

#define OPTION_PARENT                                                                           \
	{                                                                                       \
		.name = "parent", .repeat = true, .type = CLI_IMAGE,                            \
		.value = "URL[,priority=N][,digest=sha256:HEX]",                                \
		.help = "Where the parent of a differencing image is; it must still match the " \
			"unique id that the child names. Without this it is looked for beside " \
			"IMAGE and beside each --source. May be given more than once, for "     \
			"other places of the same parent",                                      \
	}

#define OPTION_NO_READAHEAD                                                          \
	{                                                                            \
		.name = "no-readahead", .type = CLI_FLAG,                            \
		.help = "Fetch only what is read, and not what a read makes likely", \
	}

/* What a chain needs: other places of the same file, certificates, credentials, its patience. */
#define OPTIONS_SOURCE                                                                            \
	{ .name = "source",                                                                       \
	  .repeat = true,                                                                         \
	  .type = CLI_IMAGE,                                                                      \
	  .value = "URL[,priority=N][,digest=sha256:HEX]",                                        \
	  .help = "Another place of the same file; lower priorities are asked first (IMAGE "      \
		  "itself has 0, others 10 unless said). May be given more than once" },          \
		{ .name = "ca",                                                                   \
		  .type = CLI_FILE,                                                               \
		  .value = "FILE",                                                                \
		  .help = "Certificate authorities (PEM) to trust in place of the system's" },    \
		{ .name = "credentials",                                                          \
		  .type = CLI_FILE,                                                               \
		  .value = "FILE",                                                                \
		  .help = "File with user names, passwords and tokens (sill-credentials(5))" },   \
		{ .name = "deadline",                                                             \
		  .type = CLI_NUMBER,                                                             \
		  .value = "SECONDS",                                                             \
		  .low = 1,                                                                       \
		  .high = 86400,                                                                  \
		  .help = "A read that no source serves fails after so long; 60 unless said" },   \
		{ .name = "stall",                                                                \
		  .type = CLI_NUMBER,                                                             \
		  .value = "SECONDS",                                                             \
		  .low = 1,                                                                       \
		  .high = 86400,                                                                  \
		  .help = "A source that sends nothing for so long has failed; 10 unless said" }, \
	{                                                                                         \
		.name = "hedge", .type = CLI_NUMBER, .value = "PERCENT", .high = 100,             \
		.help = "Ask the next source too when a read takes unusually long, for at "       \
			"most so many percent of extra bytes; 5 unless said, 0 never",            \
	}

#endif
