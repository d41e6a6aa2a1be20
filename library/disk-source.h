/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBRARY_DISK_SOURCE_H
#define LIBRARY_DISK_SOURCE_H

#include "disk/disk.h"

/*
 * A streamed disk, its layers and all, as an image that can be read once more: packed, converted.
 * Borrowed: the disk is closed after the image, and not written to meanwhile.  `name` is what
 * messages call it.  Any number of threads.
 */
int disk_as_image(struct disk *disk, const char *name, struct image **ret, struct error *err);

#endif
