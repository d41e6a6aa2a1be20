/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DISK_OPTIONS_H
#define CLI_DISK_OPTIONS_H

#include "cli/cli.h"

/*
 * The part of a disk's specification (docs/disk-engine.md) that a person decides: the image, which
 * is the first argument, --source, --parent, --ca, --credentials, --format, and where the verb has
 * them --fill and --no-trace.  Paths in it are absolute.  The caller owns *ret.
 */
int cli_disk_options(const struct cli_call *call, json_t **ret, struct error *err);

#endif
