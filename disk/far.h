/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far image of a disk, opened when somebody first needs it.
 *
 * Opening fails as reading does: the sources may all be gone.  Nothing is latched, the next who
 * needs the image tries again; those who wait for an attempt share its outcome.  Any thread.
 */
#ifndef DISK_FAR_H
#define DISK_FAR_H

#include "disk/format/image.h"

struct far;

typedef int (*far_opener)(void *arg, struct image **ret, struct error *err);

/* One thread at a time calls `open`, and none again once it has succeeded.  NULL: no memory. */
struct far *far_new(far_opener open, void *arg);
/* The image, which far owns. */
int far_image(struct far *far, struct image **ret, struct error *err);
/* The image where it is open already; NULL otherwise. */
struct image *far_peek(struct far *far);
/* Closes the image; nobody reads it any more.  NULL is allowed. */
void far_free(struct far *far);
DEFINE_CLEANUP(struct far *, far_free);

#endif
