/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where docker and podman keep who they are, and changing what is there: `sill login`.
 *
 * Facts: containers-auth.json(5), podman-login(1), docker's "login" reference.
 */
#ifndef DISK_SOURCE_CREDENTIALS_FILES_H
#define DISK_SOURCE_CREDENTIALS_FILES_H

#include <limits.h>
#include <stdbool.h>

#include "util/error.h"

#define CREDENTIALS_DEFAULT_FILES 5

/*
 * The i-th file, in the order in which they are looked at: $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json,
 * $DOCKER_CONFIG/config.json, ~/.docker/config.json.  False: there is no such place here.
 */
bool credentials_default_path(unsigned int i, char ret[PATH_MAX]);

/* The one that is written: $REGISTRY_AUTH_FILE, or else $XDG_CONFIG_HOME/containers/auth.json. */
int credentials_own_path(char ret[PATH_MAX], struct error *err);

/*
 * Keep a user name and a password for `key` ("registry.example", "http://registry.example" where
 * they may go unencrypted), or forget them (-ENOENT when there were none).  The file is replaced
 * whole, readable by its owner alone, and what else is in it stays.
 */
int credentials_store(const char *path, const char *key, const char *user, const char *secret,
                      struct error *err);
int credentials_forget(const char *path, const char *key, struct error *err);

#endif
