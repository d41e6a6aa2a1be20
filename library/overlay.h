/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk with changes that nobody else sees: an image below, and what was written above it in a
 * file without a name, gone with the overlay.  For what is published out of a machine that stays as
 * it is.
 *
 * Threads: changes from one at a time and while nobody reads; then any number read.
 */
#ifndef LIBRARY_OVERLAY_H
#define LIBRARY_OVERLAY_H

#include "disk/format/image.h"
#include "library/guest/disk.h"

struct overlay;

/* `below` is borrowed.  The file is made in the folder `dir`. */
int overlay_open(struct image *below, const char *dir, struct overlay **ret, struct error *err);
/* After the sources over it.  NULL is allowed. */
void overlay_close(struct overlay *overlay);
DEFINE_CLEANUP(struct overlay *, overlay_close);

/* To be looked into and changed. */
struct guest_disk *overlay_disk(struct overlay *overlay);
/* To be read, as a raw image. */
int overlay_image(struct overlay *overlay, struct image **ret, struct error *err);

#endif
