/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's image: a manifest and its configuration, taken apart and held against each other.
 * docs/library.md, "The manifest".
 */
#ifndef LIBRARY_MACHINE_IMAGE_H
#define LIBRARY_MACHINE_IMAGE_H

#include "library/oci.h"

#define MACHINE_IMAGE_TYPE      "application/vnd.sill.machine.v1"
#define MACHINE_CONFIG_TYPE     "application/vnd.sill.machine.config.v1+json"
#define MACHINE_INDEX_TYPE      "application/vnd.sill.disk.index.v1"
#define MACHINE_PAGES_TYPE      "application/vnd.sill.disk.pages.v1"
#define MACHINE_PACK_TYPE       "application/vnd.sill.disk.pack.v1"
#define MACHINE_TRACE_TYPE      "application/vnd.sill.disk.trace.v1"
#define MACHINE_VARIABLES_TYPE  "application/vnd.sill.firmware.variables.v1"
#define MACHINE_DISK_ANNOTATION "vnd.sill.disk"

#define MACHINE_IMAGE_MAX_DISKS 16u
#define MACHINE_CONFIG_MAX      (UINT32_C(256) << 10)

enum machine_disk_role { MACHINE_DISK_SYSTEM, MACHINE_DISK_DATA, MACHINE_DISK_PROFILE };

struct machine_disk {
	char name[64]; /* small letters, digits, '-' */
	enum machine_disk_role role;
	uint64_t size;                 /* bytes */
	char index[STORE_DIGEST_ROOM]; /* one of the layers */
};

struct machine_config {
	char architecture[32]; /* as in OCI: "amd64" */
	char os[32];           /* "linux", "windows"; "" when not known */
	uint64_t release;      /* counts up; 0: not counted */
	char created[32];      /* RFC 3339; "" when not known */
	char firmware[16];     /* "auto", "bios", "uefi" */
	unsigned int cpus_minimum, cpus_recommended;
	uint64_t memory_minimum, memory_recommended; /* bytes; 0: not said */
	struct machine_disk disks[MACHINE_IMAGE_MAX_DISKS];
	size_t n_disks;
	char **profiles; /* n_profiles texts of at most 64 bytes */
	size_t n_profiles;
};

struct machine_image {
	struct oci_manifest *manifest;
	struct machine_config config;
};

int machine_config_parse(const char *text, size_t len, struct machine_config *ret,
                         struct error *err);
/* Canonical bytes, to be freed by the caller. */
int machine_config_write(const struct machine_config *config, char **ret, size_t *ret_len,
                         struct error *err);
void machine_config_free(struct machine_config *config);

/*
 * Manifest and configuration of `name` in a store, verified and consistent: every disk's index is a
 * layer of the right type.  -EBADMSG; -EMEDIUMTYPE, with a sentence that says what it is, for an
 * image of another kind.
 */
int machine_image_get(struct store *store, const char *name, const struct store_manifest *manifest,
                      struct machine_image *ret, struct error *err);
void machine_image_free(struct machine_image *image);
static inline void machine_image_free_at(struct machine_image *at)
{
	machine_image_free(at);
}

/* The disk to start from. */
const struct machine_disk *machine_image_system(const struct machine_image *image);

#endif
