/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session of a machine, from outside: start a supervisor, ask it, tell it to end.
 *
 * STATE/machines/<name>/last.json is the record of the last session (docs/machines.md): written
 * when it starts and when it ends.  One that has no end although nobody holds the machine's lock
 * belongs to a supervisor that was killed.
 */
#ifndef MACHINE_SESSION_H
#define MACHINE_SESSION_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/un.h>

#include "machine/state.h"
#include "util/error.h"

/* Where a session's files and sockets are. */
struct session_paths {
	char dir[PATH_MAX]; /* STATE/machines/<name> */
	char run[STATE_RUN_MAX];
	char control[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* the supervisor's */
	char disk[sizeof(((struct sockaddr_un *)0)->sun_path)];    /* NBD */
	char disk_control[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char console[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char vnc[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* With `make` the directory for sockets is made. */
int session_paths(const struct state *state, const char *name, bool make, struct session_paths *ret,
                  struct error *err);

struct session_start {
	bool ephemeral; /* as in the manifest, for this session */
	int accel;      /* enum accel; -1: as in the manifest */
	/* One line that a person should know, such as why the machine is emulated. */
	void (*note)(void *arg, const char *text);
	void *arg;
};

/*
 * Start the machine in the background: returns when its processor runs, or with why it does not.
 * -EALREADY when it runs.  Waits for what is left of a killed session to end.
 */
int session_start(const struct state *state, const char *name, const struct session_start *how,
                  struct error *err);

/* The supervisor's answer to {"cmd": "status"}; -ENOENT or -ECONNREFUSED when there is none. */
int session_status(const struct state *state, const char *name, json_t **ret, struct error *err);

/*
 * End it: ask the guest to shut down, or with `force` cut its power, and wait.  -ETIMEDOUT when it
 * still runs after `seconds`; 0 as well when it did not run.
 */
int session_stop(const struct state *state, const char *name, bool force, unsigned int seconds,
                 struct error *err);

/* Wait until the guest's agent answers; -EREMOTEIO when it ended before, or has not in time. */
int session_wait_ready(const struct state *state, const char *name, unsigned int seconds,
                       struct error *err);

/* Wait until nothing is left of the session: 0, -ETIMEDOUT. */
int session_wait_end(const struct state *state, const char *name, unsigned int seconds,
                     struct error *err);

/* The record of the last session; -ENOENT when it never ran. */
int session_last(int machine_dir, json_t **ret, struct error *err);
int session_write_last(int machine_dir, const json_t *record, struct error *err);

/* The boot of this host that is running: sessions of another one were cut off by its end. */
void session_boot_id(char ret[40]);

#endif
