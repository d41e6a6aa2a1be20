/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_UNIX_SOCKET_H
#define MACHINE_UNIX_SOCKET_H

#include "util/error.h"

/* A stream socket that listens at `path`, in place of what was there; `flags`: SOCK_NONBLOCK. */
int unix_listen(const char *path, int flags, struct error *err);
/* One that is connected to who listens there. */
int unix_connect(const char *path, struct error *err);

#endif
