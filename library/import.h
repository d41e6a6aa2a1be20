/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks into the host's own library, as an image with a name and a tag: import and publish are
 * that.  docs/publish.md.
 */
#ifndef LIBRARY_IMPORT_H
#define LIBRARY_IMPORT_H

#include "library/build.h"
#include "library/machine-image.h"

struct import_disk {
	const char *name; /* "system"; small letters, digits, '-' */
	enum machine_disk_role role;
	struct image *image;       /* open */
	const struct trace *trace; /* what a boot reads of it; NULL: not known */
};

#define IMPORT_NEXT_RELEASE UINT64_MAX

struct import {
	const char *name, *tag;
	const struct import_disk *disks;
	size_t n_disks;
	/*
	 * All but disks, created and, with IMPORT_NEXT_RELEASE, release are taken from here; of
	 * CPUs, memory, firmware and os what is 0 or "" is as in the base.
	 */
	struct machine_config config;
	const json_t *annotations; /* text to text; what is not said is taken from the base */
	/*
	 * An earlier release, whose packs are used again where all of them are here: a tag or digest
	 * of `name`.  NULL: what `tag` names, if anything.
	 */
	const char *base;
	/*
	 * Where there is no earlier release: the digest of an index that the first disk was made
	 * from, used in the same way when it and all its packs are here.  NULL: not known.
	 */
	const char *origin;
	int64_t created;     /* seconds since 1970 */
	uint32_t chunk_size; /* as in struct build_options */
	int level;
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct import_result {
	char digest[STORE_DIGEST_ROOM]; /* of the manifest */
	uint64_t release;
	uint64_t size;                 /* of all disks */
	uint64_t bytes;                /* of all blobs */
	uint64_t new_packs, new_bytes; /* that were not there before */
	bool based;                    /* on an earlier release */
};

/*
 * `own` is the folder at `path`.  Until the tag is set, which is last, nobody sees anything of it;
 * -EINTR when progress said so.
 */
int library_import(struct store *own, const char *path, const struct import *import,
                   struct import_result *ret, struct error *err);

#endif
