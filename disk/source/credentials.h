/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a server may know us as (docs/man/sill-credentials.5.scd): Sill's own file of lines, whose
 * credentials are sent without being asked for, and the JSON of docker and podman (docker-auth.h),
 * whose credentials are for servers that ask.
 *
 * Secrets are kept in memory that is wiped when it is freed, and never enter a sentence.
 *
 * Threads: finding only looks; asking is for one thread at a time.
 */
#ifndef DISK_SOURCE_CREDENTIALS_H
#define DISK_SOURCE_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

enum credential_kind {
	CREDENTIAL_BASIC,
	CREDENTIAL_BEARER,
	CREDENTIAL_IDENTITY, /* for the server that gives tokens, not for the registry itself */
};

struct credential {
	enum credential_kind kind;
	char *user;   /* NULL where there is only a token */
	char *secret; /* password or token */
};

/* What a copy holds, wiped and freed. */
void credential_wipe(struct credential *credential);
static inline void credential_wipe_at(struct credential *at)
{
	credential_wipe(at);
}
int credential_copy(const struct credential *from, struct credential *ret);

struct credentials;
struct source_cancel;

/*
 * One file, of either kind.  -EPERM when others may read the secrets in it, or it belongs to
 * somebody else.
 */
int credentials_load(const char *path, struct credentials **ret, struct error *err);
/* A user name and a password for one key as docker's files have it, that are in no file yet. */
int credentials_of(const char *key, const char *user, const char *secret, struct credentials **ret,
                   struct error *err);
/*
 * Where docker and podman look, in podman's order: the first one that says something of a host
 * decides.  Files that are not there are left out; none at all is no error.
 */
int credentials_load_default(struct credentials **ret, struct error *err);
/* `name` is what sentences call the text; a sentence says the line, never its words. */
int credentials_parse(const char *text, size_t len, const char *name, struct credentials **ret,
                      struct error *err);
/*
 * The one to send to a URL without being asked: same scheme, host and port, the longest path.  NULL:
 * none.
 */
const struct credential *credentials_find(const struct credentials *creds, const char *url);
/*
 * The one for a URL whose server asks: that, or else docker's and podman's.  Runs a helper program
 * where one is named, and remembers what it said.  -ENOENT, without a sentence, when there is none.
 * `cancel` may be NULL.
 */
int credentials_ask(struct credentials *creds, const char *url, uint64_t deadline_ns,
                    struct source_cancel *cancel, struct credential *ret, struct error *err);
void credentials_free(struct credentials *creds);
DEFINE_CLEANUP(struct credentials *, credentials_free);

#endif
