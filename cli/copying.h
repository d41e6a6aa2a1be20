/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One image from one store to another, shown to the person: for pull, push and mirror. */
#ifndef CLI_COPYING_H
#define CLI_COPYING_H

#include "cli/cli.h"
#include "library/store.h"

struct cli_copying {
	const char *what; /* for progress: "pulling" */
	struct store *from, *to;
	const char *from_name, *to_name;
	const struct store_manifest *manifest;
	const char *tag; /* NULL: under its digest alone */
	bool any_kind;   /* not only machines */
};

#define OPTION_AT_ONCE                                                                     \
	{                                                                                  \
		.name = "at-once", .type = CLI_NUMBER, .value = "N", .low = 1, .high = 32, \
		.help = "Files that are copied at a time; 4 unless said",                  \
	}

/* Copy it, and print "NAME:TAG DIGEST: 34.5 MB, 1.20 MB of them sent". */
int cli_copy(const struct cli_call *call, const struct cli_copying *copying, struct error *err);

#endif
