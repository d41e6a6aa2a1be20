/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_FORMAT_DETECT_H
#define DISK_FORMAT_DETECT_H

#include "disk/format/format.h"

/*
 * Fetch what detection looks at; the caller frees it.  When the file starts with a partition table
 * its first bytes belong to the disk in it, and the head is left empty so that no driver finds a
 * mark there.
 */
int image_probe_read(struct source *file, struct image_probe **ret, struct error *err);

/*
 * -ENOTSUP and what to do when the file is of a kind that is known but cannot be read at random:
 * compressed streams, archives, formats of others.  Otherwise 0: it may be raw.
 */
int image_probe_refuse(const struct image_probe *probe, const struct source *file,
                       struct error *err);

#endif
