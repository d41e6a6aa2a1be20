/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trying a user name and a password at a registry before they are kept.
 */
#ifndef LIBRARY_REGISTRY_LOGIN_H
#define LIBRARY_REGISTRY_LOGIN_H

#include <stdbool.h>

#include "util/error.h"

/* -EACCES when the registry does not take them; -EINVAL when it is none. */
int registry_check_login(const char *host, const char *ca_file, bool plain_http, const char *user,
                         const char *password, struct error *err);

#endif
