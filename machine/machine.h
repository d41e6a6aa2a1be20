/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines as things on this host: make, look at, rename, delete.
 *
 * A machine is made in a directory whose name no machine can have (".new-…") and renamed when it is
 * whole; it is deleted by renaming it (".deleted-…") and then removing that.  So whenever this is
 * cut short, what has a machine's name is a machine.  Leftovers are removed by the next making or
 * deleting.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <jansson.h>

#include "machine/manifest.h"
#include "machine/state.h"
#include "util/error.h"

/* A descriptor of the machine's directory; -ENOENT with its name. */
int machine_open(const struct state *state, const char *name, struct error *err);

/*
 * Make a machine.  `wanted` is the manifest without image_dir, created and mac, which are found
 * here.  Contacts the image's sources.  -EEXIST.
 */
int machine_create(const struct state *state, const char *name, struct manifest *wanted,
                   struct error *err);

/* -EBUSY when it runs. */
int machine_delete(const struct state *state, const char *name, struct error *err);
int machine_rename(const struct state *state, const char *from, const char *to, struct error *err);

/*
 * What `sill list` and `sill info` show (docs/machines.md).  With `brief` the running machine is
 * asked all the same, but what it said about its disk is left out.
 */
int machine_info(const struct state *state, const char *name, bool brief, json_t **ret,
                 struct error *err);

#endif
