/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DISK_OPTIONS_H
#define CLI_DISK_OPTIONS_H

#include "cli/cli.h"

/*
 * The part of a disk's specification (docs/disk-engine.md) that a person decides: the image, which
 * is the first argument, or that of a library in these places (NULL: none), --format, --parent,
 * OPTIONS_SOURCE, and where the verb has them --fill, --no-trace and --no-readahead.  Paths in it are
 * absolute.  The caller owns *ret.
 */
int cli_disk_options(const struct cli_call *call, const json_t *places, json_t **ret,
                     struct error *err);

/* Of these --fill, --no-readahead and --no-sweep, which may be said of a machine's disk too. */
int cli_disk_manners(const struct cli_call *call, json_t *disk, struct error *err);

#endif
