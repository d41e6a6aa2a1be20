/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grubenv: the 1024 bytes in which the boot menu and the root session tell each other which slot starts,
 * and how often in vain (docs/appliance.md).  Source of the format: GRUB's manual, "Environment block".
 *
 *   "# GRUB Environment Block\n", then lines NAME=VALUE or # COMMENT ('\\' quotes itself and line ends),
 *   then '#' to the end
 *
 * Trust: it lies on a partition that anybody with the disk can write.
 */
#ifndef HOST_BOOT_ENV_H
#define HOST_BOOT_ENV_H

#include <stddef.h>

#include "util/error.h"

#define BOOT_ENV_BYTES 1024u

struct boot_env {
	char raw[BOOT_ENV_BYTES];
};

/* -EINVAL with a sentence (without the file's name) when it is no such block. */
int boot_env_parse(const void *data, size_t len, struct boot_env *ret, struct error *err);

/* The value of a variable into `ret`, cut to `room`; 0, or -ENOENT when it is not there. */
int boot_env_get(const struct boot_env *env, const char *name, char *ret, size_t room);

/* Set a variable, or take it out with NULL; the others stay.  -ENOSPC when it does not fit. */
int boot_env_set(struct boot_env *env, const char *name, const char *value, struct error *err);

/*
 * Read a file; write it in place and flush it.  In place, because GRUB writes to the blocks that it
 * found, and a file that is replaced might be half there after a power cut.
 */
int boot_env_load(int dirfd, const char *path, struct boot_env *ret, struct error *err);
int boot_env_store(int dirfd, const char *path, const struct boot_env *env, struct error *err);

#endif
