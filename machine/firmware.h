/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_FIRMWARE_H
#define MACHINE_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum firmware { FIRMWARE_AUTO, FIRMWARE_BIOS, FIRMWARE_UEFI };

/* How firmware_detect() reads the disk: `len` bytes at `off`, or -errno. */
typedef int (*firmware_read)(void *arg, void *buf, size_t len, uint64_t off, struct error *err);

/*
 * Which firmware boots what is on this disk?  UEFI when there is an EFI system partition (in a GPT,
 * or type 0xef in an MBR); else BIOS, as for a disk with boot code in its first sector, or a BIOS
 * boot partition.  A disk with both is meant for either, and gets UEFI.  `why` (80 bytes) says what
 * was seen.  The tables are the guest's: hostile, and read with bounds.
 */
int firmware_detect(uint64_t disk_size, firmware_read read, void *arg, enum firmware *ret,
                    char why[80], struct error *err);

/* The files of a UEFI: code, shared and read-only, and the template of a machine's variables. */
int firmware_find_uefi(const char **ret_code, const char **ret_vars, struct error *err);

#endif
