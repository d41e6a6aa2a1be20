/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a machine's image whole?  What each disk's index names must be among the manifest's layers, with
 * the kind and the size that the index says: docs/library.md, "Copying".
 */
#ifndef LIBRARY_CLOSURE_H
#define LIBRARY_CLOSURE_H

#include "library/machine-image.h"

/* Reads the indexes and their lists of packs.  -EBADMSG with the disk's name. */
int closure_check(struct store *store, const char *name, const struct machine_image *image,
                  struct error *err);

#endif
