/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as VMware and VirtualBox export it: an OVA, or an OVF with its disks beside it.
 */
#ifndef CLI_APPLIANCE_H
#define CLI_APPLIANCE_H

#include "cli/foreign.h"
#include "library/ovf.h"

struct appliance_disk {
	char *path;
	uint64_t off, len; /* of its bytes in that file; 0 and 0: all of it */
};

struct appliance {
	struct ovf ovf;
	struct appliance_disk disks[OVF_MAX_DISKS];
};

/* *ret is NULL when what is at `path` is no such thing, a URL among others. */
int appliance_open(const char *path, struct appliance **ret, struct error *err);
/* NULL is allowed. */
void appliance_close(struct appliance *appliance);
DEFINE_CLEANUP(struct appliance *, appliance_close);

#endif
