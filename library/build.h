/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making index, pages and packs of a disk.  What they are, and in which order chunks are taken:
 * docs/library-format.md.
 */
#ifndef LIBRARY_BUILD_H
#define LIBRARY_BUILD_H

#include "disk/format/index.h"
#include "disk/trace.h"

struct build_options {
	uint32_t chunk_size;       /* bytes [128 KiB] */
	uint64_t pack_size;        /* bytes that a pack is filled up to [64 MiB] */
	int level;                 /* of zstd [9] */
	unsigned int threads;      /* that read and compress [as many as processors] */
	const struct trace *trace; /* what a boot reads, in order; NULL: not known */
	/* An open index whose packs may be used again, with chunks of the same size; NULL: none. */
	struct image *base;
	/* As in struct convert_options: bytes of the disk that are done, of all. */
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

#define BUILD_DEFAULT_CHUNK (128 * KIB)
#define BUILD_DEFAULT_PACK  (64 * MIB)
#define BUILD_DEFAULT_LEVEL 9

struct build_result {
	uint8_t digest[INDEX_DIGEST_BYTES]; /* of the index, which is its name */
	struct index_header header;
	uint64_t new_packs, new_bytes; /* that were written, without index and pages */
};

/*
 * Write what makes up `image` into the folder `dir`, which is there.  -EINVAL for options that make
 * no sense, -EINTR when progress said so; then nothing is left but whole packs.
 */
int library_build(struct image *image, const char *dir, const struct build_options *options,
                  struct build_result *ret, struct error *err);

#endif
