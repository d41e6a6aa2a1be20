/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_NEAR_META_H
#define DISK_NEAR_META_H

#include "disk/source/source.h"

/*
 * A source that keeps near what is read from `file` with source_read.metadata set, and passes other
 * reads through: so that an image opens, and finds its blocks, without its server.  Takes ownership
 * of `file` on success.  `dir` gets meta-<index>.data and .map, with the cache's rules; bound to
 * the identity of `file`.
 */
int meta_open(struct source *file, const char *dir, unsigned int index, struct source **ret,
              struct error *err);

#endif
