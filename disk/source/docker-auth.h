/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file in which docker and podman keep who they are: config.json, auth.json.  Pure: text in, an
 * answer for a URL out; the helper programs that it may name are run by credential-helper.c.
 *
 * Facts: containers-auth.json(5), docker's "login" reference ("Credential stores").
 *
 * Trust: the file is the person's.  Its secrets are wiped when it is freed.
 */
#ifndef DISK_SOURCE_DOCKER_AUTH_H
#define DISK_SOURCE_DOCKER_AUTH_H

#include <stdbool.h>

#include "disk/source/credentials.h"

struct docker_auth;

/* What it says of a URL: a credential, or the helper to be asked and what to ask it for. */
struct docker_answer {
	const struct credential *credential; /* NULL: ask the helper */
	const char *helper;                  /* "pass" stands for docker-credential-pass */
	char server[300];
};

int docker_auth_parse(const char *text, size_t len, const char *name, struct docker_auth **ret,
                      struct error *err);
void docker_auth_free(struct docker_auth *auth);
DEFINE_CLEANUP(struct docker_auth *, docker_auth_free);

/* One entry, of no file. */
int docker_auth_of(const char *key, const char *user, const char *secret, struct docker_auth **ret,
                   struct error *err);

/* Is there anything in it that others must not see? */
bool docker_auth_has_secrets(const struct docker_auth *auth);

/*
 * A key "host[:port]" is for https, and for http only on this computer; "host/path" for repositories
 * below that path; a whole URL for its scheme, host and port.  False: it says nothing of this URL.
 */
bool docker_auth_find(const struct docker_auth *auth, const char *url, struct docker_answer *ret);

#endif
