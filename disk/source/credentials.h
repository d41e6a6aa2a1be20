/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The credentials file: who a server may know us as (docs/man/sill-credentials.5.scd).
 *
 * Secrets are kept in memory that is wiped when it is freed, and never enter a sentence.
 */
#ifndef DISK_SOURCE_CREDENTIALS_H
#define DISK_SOURCE_CREDENTIALS_H

#include <stddef.h>

#include "util/cleanup.h"
#include "util/error.h"

enum credential_kind {
	CREDENTIAL_BASIC,
	CREDENTIAL_BEARER,
};

struct credential {
	enum credential_kind kind;
	char *user;   /* NULL for a bearer */
	char *secret; /* password or token */
};

struct credentials;

/* -EPERM when others may read the file, or it belongs to somebody else. */
int credentials_load(const char *path, struct credentials **ret, struct error *err);
/* `name` is what sentences call the text; a sentence says the line, never its words. */
int credentials_parse(const char *text, size_t len, const char *name, struct credentials **ret,
                      struct error *err);
/* The one for a URL: same scheme, host and port, the longest path.  NULL: none. */
const struct credential *credentials_find(const struct credentials *creds, const char *url);
void credentials_free(struct credentials *creds);
DEFINE_CLEANUP(struct credentials *, credentials_free);

#endif
