/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's manifest: what a person decided about it, in STATE/machines/<name>/machine.json.
 *
 * The name is not in it: it is the directory's, so that renaming is one rename(2).  Fields that are
 * not known are refused, for they may be a newer version's promises.
 */
#ifndef MACHINE_MANIFEST_H
#define MACHINE_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/firmware.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MANIFEST_VERSION   1
#define MANIFEST_MAX_PORTS 32
#define MANIFEST_MAX_BYTES (256u << 10)

enum display { DISPLAY_NONE, DISPLAY_VNC, DISPLAY_GTK };
enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

/* Names as they stand in manifests and on command lines, ended by NULL. */
extern const char *const firmware_names[];
extern const char *const display_names[];
extern const char *const accel_names[];
/* The index of `text` in such a list; -EINVAL. */
int manifest_choice(const char *const *names, const char *text);

/* TCP connections to address:host on this host reach port `guest` of the machine. */
struct port_forward {
	char address[16]; /* dotted IPv4 */
	uint16_t host, guest;
};

/* What a guest gets by DHCP; its network is its own, and every machine has the same. */
#define MACHINE_ADDRESS "10.0.2.15"
#define MACHINE_NETWORK "10.0.2.0/24"

struct manifest {
	uint64_t created; /* seconds since 1970 */
	char *image;      /* as the person named it, a path made absolute */
	char *image_dir;  /* STATE/images/<id> */
	/* An image out of a library (docs/library.md): its name there, without the tag ... */
	char *library_name; /* "registry.example/debian"; NULL: it came from a file */
	char *image_digest; /* ... and the digest of its OCI manifest; NULL likewise */
	json_t *disk; /* sources, format, … for the disk's specification (docs/disk-engine.md) */
	unsigned int cpus; /* 1 to MANIFEST_MAX_CPUS */
	uint64_t memory;   /* bytes, a multiple of 1 MiB */
	enum firmware firmware;
	enum display display;
	enum accel accel;
	bool ephemeral; /* what the guest writes is thrown away at the end of each session */
	char mac[18];   /* "52:54:00:…" */
	struct port_forward ports[MANIFEST_MAX_PORTS];
	size_t n_ports;
};

#define MANIFEST_MAX_CPUS   255u
#define MANIFEST_MIN_MEMORY (16ull << 20)
#define MANIFEST_MAX_MEMORY (16ull << 40)

int manifest_parse(const char *text, size_t len, struct manifest **ret, struct error *err);
/* `dirfd` is the machine's directory. */
int manifest_load(int dirfd, struct manifest **ret, struct error *err);
/* Replaced as a whole, also when the power fails. */
int manifest_save(int dirfd, const struct manifest *manifest, struct error *err);
void manifest_free(struct manifest *manifest);
DEFINE_CLEANUP(struct manifest *, manifest_free);

/* "[ADDRESS:]HOST:GUEST", the address being 127.0.0.1 when it is not said. */
int port_forward_parse(const char *text, struct port_forward *ret, struct error *err);

/* A random address of the range that is for virtual machines. */
int manifest_new_mac(char ret[18], struct error *err);

#endif
