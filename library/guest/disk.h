/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk as this folder sees it: bytes, and three ways to get at them.
 *
 * What is on it was written by a guest: all of it is hostile.  So what takes it apart runs in a
 * process of its own (worker.c), where these calls go over a socket; tests use memory.
 */
#ifndef LIBRARY_GUEST_DISK_H
#define LIBRARY_GUEST_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct guest_disk {
	uint64_t size; /* bytes, a multiple of 512 */
	/* Ranges lie inside the disk.  `write` and `zero` are NULL when it cannot be changed. */
	int (*read)(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
	            struct error *err);
	int (*write)(struct guest_disk *disk, const void *buf, size_t len, uint64_t off,
	             struct error *err);
	int (*zero)(struct guest_disk *disk, uint64_t len, uint64_t off, struct error *err);
};

#endif
