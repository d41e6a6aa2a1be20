/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where machines are kept: the state directory, and the directory of sockets.
 *
 *   STATE/machines/<name>/   one machine (docs/machines.md)
 *   STATE/images/<id>/       one image's cache, shared by its machines (docs/disk-engine.md)
 *   RUN/<name>-<hash>/       sockets of a running machine
 *
 * STATE is $SILL_STATE, else /var/lib/sill for root, else $XDG_DATA_HOME/sill or
 * ~/.local/share/sill.  RUN is /run/sill for root, else $XDG_RUNTIME_DIR/sill, else
 * /tmp/sill-<uid>: the path of a Unix socket has room for 107 bytes, so names in it are cut, and
 * the hash (of STATE and the whole name) keeps machines apart.
 *
 * Trust: the directories are the person's own; RUN is refused when somebody else owns it.
 */
#ifndef MACHINE_STATE_H
#define MACHINE_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/error.h"

struct state {
	char dir[PATH_MAX - 256]; /* absolute, without links */
	int machines;             /* descriptor of STATE/machines */
};

/* Find STATE and make it when it is not there. */
int state_open(struct state **ret, struct error *err);
void state_close(struct state *state);
DEFINE_CLEANUP(struct state *, state_close);

/* The names of all machines, sorted: those with a manifest.  Free with state_names_free(). */
int state_names(const struct state *state, char ***ret, size_t *ret_n, struct error *err);
void state_names_free(char **names, size_t n);

/* STATE/machines/<name>[/<file>]. */
int state_machine_path(const struct state *state, const char *name, const char *file,
                       char ret[PATH_MAX], struct error *err);

#define STATE_RUN_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 16)

/* RUN/<name>-<hash>, made when `make` is true; room for "/" and 14 more bytes stays. */
int state_run_dir(const struct state *state, const char *name, bool make, char ret[STATE_RUN_MAX],
                  struct error *err);

#endif
