/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person means by the NAME or IMAGE of a verb that works on near content: the disk of a
 * machine, or an image that no machine may have yet.
 */
#ifndef CLI_NEAR_DISK_H
#define CLI_NEAR_DISK_H

#include <sys/un.h>

#include "cli/cli.h"
#include "disk/disk.h"

struct near_disk {
	char *image_dir; /* STATE/images/<id> */
	json_t *spec;    /* a specification without layers, image and all */
	/* The control socket of the machine's disk server; empty when it is no machine. */
	char control[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/*
 * The first argument: the name of a machine, or else an image, whose sources are contacted to find
 * out which one it is.
 */
int near_disk_find(const struct cli_call *call, struct near_disk **ret, struct error *err);
void near_disk_free(struct near_disk *near);
DEFINE_CLEANUP(struct near_disk *, near_disk_free);

/* Ask the machine's disk server; -ENOTCONN when there is none to ask. */
int near_disk_ask(const struct near_disk *near, json_t *request, int timeout_ms, json_t **ret,
                  struct error *err);
/* Open the disk here, read-only. */
int near_disk_open(const struct near_disk *near, bool fill, uint64_t rate, struct disk **ret,
                   struct error *err);

#endif
