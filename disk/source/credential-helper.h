/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a program that keeps passwords: docker-credential-NAME on $PATH, which reads the server's
 * name on its standard input and answers in JSON (docker's "Credential helper protocol").
 *
 * Trust: the person has named the program; what it answers is bounded in size and time.
 */
#ifndef DISK_SOURCE_CREDENTIAL_HELPER_H
#define DISK_SOURCE_CREDENTIAL_HELPER_H

#include "disk/source/credentials.h"
#include "disk/source/source.h"

#define CREDENTIAL_HELPER_MS 30000

/* -ENOENT with a sentence when it keeps nothing for that server.  `cancel` may be NULL. */
int credential_helper_get(const char *helper, const char *server, uint64_t deadline_ns,
                          struct source_cancel *cancel, struct credential *ret, struct error *err);

/* Its answer.  The user name "<token>" says that the secret is an identity token. */
int credential_helper_parse(const char *text, size_t len, const char *helper,
                            struct credential *ret, struct error *err);

#endif
