/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option rows that several verbs share, so that an option means the same everywhere.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

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
		.choices = { "auto", "raw", "vhd", "vpc", "vhdx", "qcow2" },                \
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

/* What a chain needs: other places of the same file, certificates, credentials. */
#define OPTIONS_SOURCE                                                                         \
	{ .name = "source",                                                                    \
	  .repeat = true,                                                                      \
	  .type = CLI_IMAGE,                                                                   \
	  .value = "URL[,priority=N][,digest=sha256:HEX]",                                     \
	  .help = "Another place of the same file; lower priorities are asked first (IMAGE "   \
		  "itself has 0, others 10 unless said). May be given more than once" },       \
		{ .name = "ca",                                                                \
		  .type = CLI_FILE,                                                            \
		  .value = "FILE",                                                             \
		  .help = "Certificate authorities (PEM) to trust in place of the system's" }, \
	{                                                                                      \
		.name = "credentials", .type = CLI_FILE, .value = "FILE",                      \
		.help = "File with user names, passwords and tokens (sill-credentials(5))",    \
	}

#endif
