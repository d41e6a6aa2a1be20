/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person wants to know about this host at a glance: what it runs on, which version, where it
 * is reached, how much room there is, which machines it has.
 *
 * As JSON, since `sill host status --json`, the status screen and the fleet's agent all show it:
 *
 *   name, uptime_seconds, cpus, memory_bytes, memory_available_bytes
 *   beneath    { kind: "sill" | "kvm" | "emulation", version?, abi?, why? }
 *   slot       { running, next, tries, good, fell? }            on a Sill PC only
 *   addresses  [ { interface, address } ]                       global ones
 *   data       { path, size_bytes, free_bytes, kept }
 *   machines   [ … ]                                            as machine_info() says
 */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include <jansson.h>

#include "machine/state.h"
#include "util/error.h"

/* Where files of the host are read; tests have their own. */
struct host_root {
	int dirfd;        /* of "/" */
	const char *kvm;  /* KVM_PROBE_DEVICE */
	const char *sill; /* "/dev/sill" */
};

/* The initrd leaves this file when it could not mount the data partition. */
#define HOST_WITHOUT_DATA "run/sill/without-data"

/* Opens "/"; the caller closes ret->dirfd. */
int host_root_open(struct host_root *ret, struct error *err);

/* `boot_env`: a path of grubenv that can be read, or NULL.  A fact that cannot be had is left out. */
int host_facts(const struct host_root *root, const struct state *state, const char *boot_env,
               json_t **ret, struct error *err);

/* The value of a word of the kernel's command line; -ENOENT. */
int host_word(const struct host_root *root, const char *name, char *ret, size_t room);

#endif
