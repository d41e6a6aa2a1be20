/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock of a machine: held by its supervisor, and by QEMU and the disk server, which inherit the
 * descriptor; so it is free only when nothing of a session is left, whoever was killed.
 *
 * It is a lock of the open file description (fcntl(2), F_OFD_SETLK) on STATE/machines/<name>/lock.
 */
#ifndef MACHINE_LOCK_H
#define MACHINE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* The lock's descriptor (10 or more, closed on exec); -EALREADY when somebody else has it. */
int lock_take(int machine_dir, struct error *err);
bool lock_is_held(int machine_dir);
/* Wait until it is free: 0, or -ETIMEDOUT at this point of CLOCK_MONOTONIC. */
int lock_wait(int machine_dir, uint64_t deadline_ns, struct error *err);

#endif
