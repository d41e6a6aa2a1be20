/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening what a person calls IMAGE: a path or URL, with the options that verbs share.
 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "cli/cli.h"
#include "disk/chain.h"
#include "disk/format/image.h"

/*
 * "URL[,priority=N][,digest=sha256:HEX]" as --source takes it: only known words behind the last
 * commas are taken off, so a URL may have commas.  The strings are to be freed.
 */
struct cli_source {
	char *url;
	char *digest; /* NULL: none */
	int priority;
};

#define CLI_SOURCE_PRIORITY 10 /* of --source, when not said; the image itself has 0 */

int cli_source_parse(const char *text, struct cli_source *ret, struct error *err);
void cli_source_free(struct cli_source *source);

/*
 * Open the image at `url` with the verb's --source, --ca and --credentials, of the format named
 * `format` ("auto": by its content), its parent at `parent` first (NULL: as the image says).
 * Oddities are said on standard error when `warn` is set.
 */
int cli_image_open(const struct cli_call *call, const char *url, const char *format,
                   const char *parent, bool warn, struct image **ret, struct error *err);

#endif
