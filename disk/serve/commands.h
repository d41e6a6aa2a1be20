/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_SERVE_COMMANDS_H
#define DISK_SERVE_COMMANDS_H

#include "disk/disk.h"

/* What a disk server's control socket understands: a control_handler whose argument is the disk. */
int commands_handle(void *disk, const json_t *request, json_t *reply, struct error *err);

#endif
