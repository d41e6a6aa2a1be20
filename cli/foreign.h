/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks that QEMU reads and Sill does not: VMDK and VDI.  qemu-nbd opens the file read-only and
 * serves it on a private socket, from which it is read like any other image: nothing is stored
 * twice.
 *
 * Trust: the file is hostile, and a VMDK can name other files.  So only those are let through whose
 * content is in the file itself, or in files of the same folder; a parent never is.
 */
#ifndef CLI_FOREIGN_H
#define CLI_FOREIGN_H

#include "disk/format/image.h"

struct foreign;

enum foreign_kind { FOREIGN_NONE, FOREIGN_VMDK, FOREIGN_VDI };

/* What starts at `off` of the file.  -EBADMSG, -ENOTSUP for a VMDK that is not let through. */
int foreign_detect(const char *path, uint64_t off, uint64_t len, enum foreign_kind *ret,
                   struct error *err);

/* `len` bytes at `off` of the file at `path` as an image; 0 and 0: all of it. */
int foreign_open(const char *path, uint64_t off, uint64_t len, enum foreign_kind kind,
                 struct foreign **ret, struct error *err);
struct image *foreign_image(struct foreign *foreign);
/* Ends qemu-nbd.  NULL is allowed. */
void foreign_close(struct foreign *foreign);
DEFINE_CLEANUP(struct foreign *, foreign_close);

#endif
