/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening what a person calls IMAGE: a path or URL, with the options that verbs share.
 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "cli/cli.h"
#include "disk/chain.h"
#include "disk/format/image.h"

#define CLI_PLACE_PRIORITY 10 /* of an option's place, when not said; IMAGE itself has 0 */

/*
 * `url`, with priority 0 (NULL: none), and each value of the option (NULL: none), as places of one
 * file.  The option takes "URL[,priority=N][,digest=sha256:HEX]": only known words behind the last
 * commas are taken off, so a URL may have commas.
 */
int cli_places(const struct cli_call *call, const char *url, const char *option,
               struct source_places *ret, struct error *err);

/*
 * Open the image that is in those places with the verb's --ca and --credentials, of the format
 * named `format` ("auto": by its content), its parent at `parents` first (empty: as the image
 * says).  Oddities are said on standard error when `warn` is set.
 */
int cli_image_open_at(const struct cli_call *call, const struct source_places *places,
                      const struct source_places *parents, const char *format, bool warn,
                      struct image **ret, struct error *err);

/* The same for the first argument and --source; its parents are the values of an option. */
int cli_image_open(const struct cli_call *call, const char *format, const char *parents_option,
                   bool warn, struct image **ret, struct error *err);

#endif
