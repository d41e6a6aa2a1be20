/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial console of a running machine: what the guest prints goes into a ring in memory, from
 * there to everybody who is attached, and into a log file of bounded size.  Whoever attaches first
 * sees the last part of what was printed before.
 *
 * One thread, the supervisor's loop.  The guest and slow readers are hostile: nothing grows, and
 * nobody is waited for.  A reader who falls behind by more than the ring misses what is gone.
 */
#ifndef MACHINE_CONSOLE_H
#define MACHINE_CONSOLE_H

#include "machine/loop.h"
#include "util/cleanup.h"
#include "util/error.h"

#define CONSOLE_RING        (256u << 10)
#define CONSOLE_REPLAY      (16u << 10)
#define CONSOLE_MAX_CLIENTS 8
#define CONSOLE_MAX_LOG     (8u << 20) /* then it becomes console.log.1, and a new one starts */

struct console;

/*
 * Takes over `guest_fd`, the other end of QEMU's serial port; listens at `socket_path`; writes
 * `log_path`.
 */
int console_open(struct loop *loop, int guest_fd, const char *socket_path, const char *log_path,
                 struct console **ret, struct error *err);
/* Hands out what is still in the ring where that does not block.  NULL is allowed. */
void console_close(struct console *console);
DEFINE_CLEANUP(struct console *, console_close);

#endif
