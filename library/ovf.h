/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptions of machines as VMware, VirtualBox and others exchange them: Open Virtualization
 * Format, DMTF DSP0243 1.1 and 2.1; as much of them as Sill has a use for.
 *
 * Trust: hostile.  Bounded in size, depth, files and disks; a document type, which could define
 * entities, is refused; names of files have no folder in them.
 */
#ifndef LIBRARY_OVF_H
#define LIBRARY_OVF_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define OVF_MAX_BYTES (UINT32_C(1) << 20)
#define OVF_MAX_DISKS 16u
#define OVF_TEXT_MAX  255u

struct ovf_disk {
	char id[64];                 /* ovf:diskId */
	char file[OVF_TEXT_MAX + 1]; /* beside the description; "" for an empty disk */
	uint64_t capacity;           /* bytes; 0: not said */
};

struct ovf {
	char name[OVF_TEXT_MAX + 1];          /* "" when not said; printable */
	char os[16];                          /* "linux", "windows", "" */
	char firmware[8];                     /* "bios", "uefi", "" */
	unsigned int cpus;                    /* 0: not said */
	uint64_t memory;                      /* bytes; 0: not said */
	struct ovf_disk disks[OVF_MAX_DISKS]; /* as the machine has them, the first to start from */
	size_t n_disks;
};

/* -EBADMSG with a sentence; -ENOTSUP for one of several machines, or a compressed disk. */
int ovf_parse(const char *text, size_t len, struct ovf *ret, struct error *err);

/* The description of such a machine, of one disk file of `file_size` bytes; to be freed. */
int ovf_write(const struct ovf *ovf, uint64_t file_size, char **ret, size_t *ret_len,
              struct error *err);

#endif
