/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's image index: chunk digests in a tree of pages, chunks in packs.  Layout and rules:
 * docs/library-format.md.
 *
 *   index-layout.c  the bytes of header and entries, and what is refused of them
 *   index-tree.c    look-ups in the two trees, page by page, each verified
 *   index-packs.c   packs as sources, some of them open
 *   index-chunks.c  fetching, verifying and unpacking chunks
 *   index.c         the format
 *
 * Trust: index, pages and packs are hostile until their digest was compared; and what is in a page
 * with the right digest may still be nonsense.
 */
#ifndef DISK_FORMAT_INDEX_H
#define DISK_FORMAT_INDEX_H

#include <pthread.h>

#include "base/bits.h"
#include "disk/format/format.h"
#include "disk/format/pages.h"

#define INDEX_HEADER_BYTES 256u
#define INDEX_PAGE_BYTES   4096u
#define INDEX_ENTRY_BYTES  64u
#define INDEX_FANOUT       64u /* entries of a page */
#define INDEX_FANOUT_BITS  6u
#define INDEX_MIN_CHUNK    (16 * KIB)
#define INDEX_MAX_CHUNK    (4 * MIB)
#define INDEX_MAX_DISK     (UINT64_C(1) << 48)
#define INDEX_MAX_PACKS    (UINT64_C(1) << 24)
#define INDEX_MAX_TRACE    (16 * MIB)
#define INDEX_MAX_LEVELS   6u /* 2^48 bytes in chunks of 16 KiB: 2^34 of them */
#define INDEX_DIGEST_BYTES 32u
#define INDEX_NAME_BYTES   72u /* "sha256:", 64 digits and a NUL */

/* The root of a tree, or a page beneath one. */
struct index_page_ref {
	uint8_t digest[INDEX_DIGEST_BYTES]; /* all zero: everything beneath is zero */
	uint64_t off;                       /* in the file of pages */
};

struct index_header {
	uint32_t chunk_size;
	uint64_t size; /* of the disk */
	uint64_t n_packs;
	uint64_t pages_size;
	uint64_t used, distinct, stored; /* for people; see docs/library-format.md */
	uint8_t pages_digest[INDEX_DIGEST_BYTES];
	struct index_page_ref chunks, packs;
	uint8_t trace_digest[INDEX_DIGEST_BYTES]; /* of the published trace */
	uint64_t trace_size;                      /* bytes; 0: there is none */
};

enum index_coding { INDEX_PLAIN = 0, INDEX_ZSTD = 1 };

/* Where a chunk is. */
struct index_chunk {
	uint8_t digest[INDEX_DIGEST_BYTES];
	uint64_t off;    /* in the pack */
	uint32_t stored; /* bytes there; 0: the chunk is zero, and nothing else counts */
	uint32_t pack;
	enum index_coding coding;
};

struct index_pack {
	uint8_t digest[INDEX_DIGEST_BYTES];
	uint64_t size;
};

/*
 * index-layout.c.  Taking apart: -EINVAL with a sentence about the field, without the file's name;
 * -ENOTSUP for another version.
 */
int index_header_parse(const uint8_t raw[INDEX_HEADER_BYTES], struct index_header *ret,
                       struct error *err);
void index_header_write(const struct index_header *header, uint8_t raw[INDEX_HEADER_BYTES]);
int index_ref_parse(const uint8_t raw[INDEX_ENTRY_BYTES], const struct index_header *header,
                    struct index_page_ref *ret, struct error *err);
void index_ref_write(const struct index_page_ref *ref, uint8_t raw[INDEX_ENTRY_BYTES]);
/* `len`: bytes of that chunk of the disk. */
int index_chunk_parse(const uint8_t raw[INDEX_ENTRY_BYTES], const struct index_header *header,
                      uint32_t len, struct index_chunk *ret, struct error *err);
void index_chunk_write(const struct index_chunk *chunk, uint8_t raw[INDEX_ENTRY_BYTES]);
int index_pack_parse(const uint8_t raw[INDEX_ENTRY_BYTES], struct index_pack *ret,
                     struct error *err);
void index_pack_write(const struct index_pack *pack, uint8_t raw[INDEX_ENTRY_BYTES]);

uint64_t index_chunks_of(const struct index_header *header);
/* Bytes of the n-th chunk. */
uint32_t index_chunk_len(const struct index_header *header, uint64_t n);
/* Levels of a tree over `n` things: at least 1. */
unsigned int index_levels(uint64_t n);

/* SHA-256; cannot fail but for lack of memory, which ends the program. */
void index_digest(const void *data, size_t len, uint8_t ret[INDEX_DIGEST_BYTES]);
/* "sha256:…". */
void index_digest_name(const uint8_t digest[INDEX_DIGEST_BYTES], char ret[INDEX_NAME_BYTES]);

/* A pack that is open, or was. */
struct index_open_pack {
	uint32_t number;
	unsigned int users; /* reads under way; 0: may be closed */
	uint64_t used;      /* value of the clock at the last use */
	struct source *src; /* NULL: empty */
};

#define INDEX_OPEN_PACKS 32

struct index_image {
	struct image image;
	struct index_header header;
	struct image_options options; /* its callbacks only */
	struct source_places places;  /* of the index */
	struct source *pages_file;
	struct pages *pages;
	pthread_mutex_t lock; /* guards the packs and the clock */
	pthread_cond_t idle;  /* a pack has no users any more, or is open */
	uint64_t clock;
	struct index_open_pack packs[INDEX_OPEN_PACKS];
};

/* The lowest page that the last look-up used; zero it before the first. */
struct index_cursor {
	bool valid;
	uint64_t first; /* number of its first entry */
	uint8_t page[INDEX_PAGE_BYTES];
};

/*
 * index-tree.c.  What the disk's chunk `n` is.  Where that is zero *ret_run says how many from it on
 * are known to be, without reading more; else it is 1.  -EBADMSG when no source has the page.
 */
int index_find_chunk(struct index_image *index, struct index_cursor *cursor, uint64_t n,
                     const struct source_read *how, struct index_chunk *ret, uint64_t *ret_run,
                     struct error *err);
/*
 * All chunks in order, zero ones by the run; zero it before the first step.
 *
 * An index could name the same few pages over and over, for more chunks than anybody could look at;
 * so there are as many steps as its pages have entries, and then -ELOOP.
 */
struct index_walk {
	uint64_t n, next, steps; /* chunk of the latest step; of the next one */
	struct index_cursor cursor;
};

/* 1, 0 behind the last one, -errno as index_find_chunk(): the next step goes on behind it. */
int index_walk(struct index_image *index, struct index_walk *walk, struct index_chunk *ret,
               struct error *err);
int index_find_pack(struct index_image *index, uint32_t n, const struct source_read *how,
                    struct index_pack *ret, struct error *err);

/* index-packs.c: the source of a pack, to be given back. */
int index_pack_get(struct index_image *index, uint32_t n, const struct source_read *how,
                   struct index_open_pack **ret, struct error *err);
void index_pack_put(struct index_image *index, struct index_open_pack *pack);
/* image_ops.each_source: with the lock held. */
void index_each_pack(struct image *image, void (*each)(void *arg, struct source *src), void *arg);
void index_packs_close(struct index_image *index);
/* Open the file with that digest and size from beside the index. */
int index_open_beside(struct index_image *index, const uint8_t digest[INDEX_DIGEST_BYTES],
                      uint64_t size, bool metadata, struct source **ret, struct error *err);

/*
 * index-chunks.c.  Chunks that follow each other on the disk and in a pack, at most `max` of them,
 * from `n` on: how many there are.
 */
#define INDEX_RUN_BYTES MIB /* most of the disk that a run covers, unless one chunk is larger */

struct index_run {
	bool zero;
	uint64_t n;               /* first chunk */
	uint64_t count;           /* at least 1 */
	struct index_chunk first; /* unless zero */
	uint64_t stored;          /* bytes of all of them in the pack */
};

int index_find_run(struct index_image *index, struct index_cursor *cursor, uint64_t n, uint64_t max,
                   const struct source_read *how, struct index_run *ret, struct error *err);
/*
 * Read [within, within + len) of a run that is not zero into `buf`: every chunk of it is verified
 * before bytes of it are there.  -EBADMSG when no source has the right bytes.
 */
int index_read_run(struct index_image *index, const struct index_run *run, uint8_t *buf,
                   size_t within, size_t len, const struct source_read *how, struct error *err);

int index_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err);

static inline struct index_image *to_index(struct image *image)
{
	return container_of(image, struct index_image, image);
}

#endif
