/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking through a guest's disk for what must not be published (rules.h), and taking it out.
 * docs/publish.md says what is looked into, and what is refused.
 */
#ifndef LIBRARY_GUEST_IDENTITY_H
#define LIBRARY_GUEST_IDENTITY_H

#include <stdbool.h>

#include "library/guest/disk.h"

struct identity_report {
	/* One thing: "SSH host key", "partition 3: /etc/ssh/ssh_host_rsa_key".  Foreign text. */
	void (*found)(void *arg, const char *what, const char *where);
	/* A sentence about something that was not looked into. */
	void (*note)(void *arg, const char *text);
	void *arg;
};

/*
 * 0 when all of the disk has been looked through.  With `strip` what was found is taken out, for
 * which the disk must be writable.  -EOPNOTSUPP for a disk that cannot be looked into, -EBUSY for
 * one that was not unmounted, -EBADMSG for one that is damaged: each says which partition.
 */
int identity_look(struct guest_disk *disk, bool strip, const struct identity_report *report,
                  struct error *err);

#endif
