/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk server of a session: nbdkit with Sill's plugin, on a Unix socket that the supervisor has
 * opened before, so that nobody has to wait for it to appear.
 */
#ifndef MACHINE_DISK_SERVER_H
#define MACHINE_DISK_SERVER_H

#include <stdbool.h>

#include "machine/firmware.h"
#include "machine/manifest.h"
#include "machine/process.h"

struct disk_server_paths {
	const char *machine_dir; /* STATE/machines/<name> */
	const char *socket;      /* NBD */
	const char *control;     /* its control socket */
	const char *log;
};

/*
 * Write disk0/spec.json and start the server.  With `ephemeral` writes go to a fresh layer,
 * disk0/ephemeral, on top of the machine's own.  `keep_fd` is inherited (the machine's lock).
 */
int disk_server_start(struct process *process, const struct manifest *manifest,
                      const struct disk_server_paths *paths, bool ephemeral, int keep_fd,
                      struct error *err);

/* Remove what an ephemeral session wrote; nothing when there was none. */
int disk_server_forget_ephemeral(const char *machine_dir, struct error *err);

/* The plugin's path: beside an executable in its build tree, else where it was installed. */
int disk_server_plugin(char *ret, size_t room, struct error *err);

/*
 * A first look at the disk by a thread: connects, waits until it is served, finds out which
 * firmware starts it, and then makes `event` readable.  Ends early when the server dies.
 */
struct look;

int look_start(const char *socket, bool detect, struct look **ret, struct error *err);
int look_event_fd(const struct look *look);
/* Waits for the thread.  What it found, or why it could not; then the object is gone. */
int look_finish(struct look *look, enum firmware *ret, char why[80], struct error *err);

#endif
