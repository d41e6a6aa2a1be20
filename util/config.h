/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where files that a person decides things in are: libraries, keys, whom they trust.
 *
 * A person's own folder is $SILL_CONFIG, else /etc/sill for root, else $XDG_CONFIG_HOME/sill, else
 * ~/.config/sill.  The host's is /etc/sill; root, and who sets $SILL_CONFIG, has no other.
 */
#ifndef UTIL_CONFIG_H
#define UTIL_CONFIG_H

#include <limits.h>
#include <stdbool.h>

#include "util/error.h"

/* The path of a person's own file; the folder need not be there.  -ENOENT: no place is known. */
int config_path(const char *file, char ret[PATH_MAX], struct error *err);

/* The path of the host's file; false when that is the person's own too. */
bool config_host_path(const char *file, char ret[PATH_MAX]);

#endif
