/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk of a machine as it is now, its own layer and all, to be read by a verb while the machine
 * stands still.
 */
#ifndef CLI_MACHINE_DISK_H
#define CLI_MACHINE_DISK_H

#include "disk/disk.h"
#include "machine/manifest.h"
#include "machine/state.h"

struct machine_source {
	int lock; /* held until it is closed: the machine cannot be started */
	struct manifest *manifest;
	struct disk *disk;
	struct image *image;
};

/* -ENOENT when there is no such machine; -EBUSY when it runs. */
int machine_source_open(const struct state *state, const char *name, struct machine_source **ret,
                        struct error *err);
void machine_source_close(struct machine_source *source);
DEFINE_CLEANUP(struct machine_source *, machine_source_close);

#endif
