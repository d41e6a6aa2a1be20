/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_SERVE_CONTROL_ADDRESS_H
#define DISK_SERVE_CONTROL_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/error.h"

/*
 * The address of a socket's path.  A path that is too long for an address (107 bytes) is reached
 * through an open descriptor of its directory, which is why an address is something to release.
 */
struct control_address {
	struct sockaddr_un un;
	socklen_t len;
	int dir; /* -1: none */
};

int control_address_of(const char *path, struct control_address **ret, struct error *err);
void control_address_release(struct control_address *address);
/* A socket of the kind that controls; or a sentence that names the path. */
int control_socket(const char *path, struct error *err);
DEFINE_CLEANUP(struct control_address *, control_address_release);

#endif
