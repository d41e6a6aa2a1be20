/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The members of a tar archive, in place: POSIX.1-2017 ustar and pax headers, with the long names
 * of GNU tar.  What an OVA is.
 *
 * Trust: hostile.  At most TAR_MAX_MEMBERS members, all of them inside the file.
 */
#ifndef LIBRARY_TAR_H
#define LIBRARY_TAR_H

#include "disk/source/source.h"

#define TAR_MAX_MEMBERS 4096u
#define TAR_NAME_MAX    255u

struct tar_member {
	char name[TAR_NAME_MAX + 1]; /* foreign text, printable */
	uint64_t off, size;          /* of its bytes in the archive */
};

/* Each regular file; anything but 0 from `each` ends it with that.  -EBADMSG. */
int tar_each(struct source *file,
             int (*each)(void *arg, const struct tar_member *member, struct error *err), void *arg,
             struct error *err);

/* Does a tar archive begin so?  `head` has 512 bytes. */
bool tar_begins(const uint8_t head[512]);

/* The head of a member, for archives of our own: as old and as anybody's as can be. */
void tar_head(const char *name, uint64_t size, uint8_t ret[512]);

#endif
