/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the qcow2 reader share.  Field names are those of QEMU's
 * docs/interop/qcow2.txt, the format's specification.  Private to disk/format.
 *
 *   qcow2-header.c  header and its extensions, checked once into struct qcow2_header
 *   qcow2-map.c     virtual offset to run, through L1 and L2
 *   qcow2-packed.c  compressed clusters
 *   qcow2.c         the driver: open, read, map, describe
 *   qcow2-check.c   `sill disk check`
 */
#ifndef DISK_FORMAT_QCOW2_H
#define DISK_FORMAT_QCOW2_H

#include <pthread.h>

#include "base/bits.h"
#include "disk/format/format.h"
#include "disk/format/pages.h"

#define QCOW2_MAGIC               0x514649FBu /* "QFI" 0xFB */

#define QCOW2_INCOMPAT_DIRTY      (UINT64_C(1) << 0)
#define QCOW2_INCOMPAT_CORRUPT    (UINT64_C(1) << 1)
#define QCOW2_INCOMPAT_DATA_FILE  (UINT64_C(1) << 2)
#define QCOW2_INCOMPAT_COMPRESSED (UINT64_C(1) << 3) /* compression_type is not zlib */
#define QCOW2_INCOMPAT_EXTENDED   (UINT64_C(1) << 4) /* L2 entries have a bitmap of subclusters */
#define QCOW2_COMPAT_LAZY         (UINT64_C(1) << 0)

#define QCOW2_ENTRY_OFFSET        UINT64_C(0x00FFFFFFFFFFFE00) /* bits 9 to 55 */
#define QCOW2_ENTRY_RESERVED      UINT64_C(0x3F000000000001FE) /* L2: 1 to 8, 56 to 61 */
#define QCOW2_L1_RESERVED         UINT64_C(0x7F000000000001FF) /* L1: 0 to 8, 56 to 62 */
#define QCOW2_ENTRY_COMPRESSED    (UINT64_C(1) << 62)
#define QCOW2_ENTRY_ZERO          UINT64_C(1)

#define QCOW2_SUBCLUSTERS         32 /* in a cluster, with extended L2 entries */
#define QCOW2_NAME_MAX            1023

enum qcow2_compression { QCOW2_ZLIB, QCOW2_ZSTD };

/* Everything the header says, after it was found sound.  Offsets and sizes in bytes. */
struct qcow2_header {
	uint32_t version;
	uint32_t cluster_bits;
	uint64_t cluster_size;
	uint64_t size;
	uint64_t l1_offset;
	uint32_t l1_entries;
	uint64_t refcount_offset;
	uint64_t refcount_size; /* of the refcount table */
	uint32_t refcount_order;
	uint32_t snapshots;
	uint64_t incompatible, compatible;
	enum qcow2_compression compression;
	bool extended;           /* L2 entries of 16 bytes */
	uint64_t l2_entries;     /* in one L2 table, which is one cluster */
	char *backing;           /* name of the backing file, NULL without one */
	char backing_format[17]; /* from the extension; "" when it does not say */
};

struct qcow2_slot {
	uint64_t host; /* where the compressed cluster starts in the file; 0: empty */
	uint64_t used; /* when, counted in look-ups */
	uint8_t *data; /* one cluster */
};

/* Decompressed clusters of which only a part was wanted: the rest is likely wanted next. */
#define QCOW2_SLOTS 4

struct qcow2 {
	struct image image;
	struct qcow2_header header;
	struct pages *pages;
	pthread_mutex_t lock; /* guards slots and clock */
	uint64_t clock;
	struct qcow2_slot slots[QCOW2_SLOTS];
};

/* `head` is released with qcow2_header_free() after success. */
int qcow2_header_read(struct source *file, struct qcow2_header *ret, struct error *err);
void qcow2_header_free(struct qcow2_header *head);

enum qcow2_kind {
	QCOW2_ABSENT, /* the backing file decides; zeros without one */
	QCOW2_ZERO,
	QCOW2_DATA,
	QCOW2_PACKED,
};

struct qcow2_run {
	enum qcow2_kind kind;
	uint64_t len;      /* bytes of the virtual disk from the offset asked for */
	uint64_t host;     /* DATA: where it lies.  PACKED: where the first cluster starts. */
	uint64_t host_end; /* PACKED: end of the last cluster's compressed bytes */
	uint64_t entry;    /* the first cluster's L2 entry as it stands there; 0 without L2 table */
};

/* Most decompressed bytes that one PACKED run covers, unless one cluster is larger. */
#define QCOW2_PACKED_MAX (2 * MIB)

/*
 * The run at `off`, at most `max` bytes, with neighbours joined: ABSENT and ZERO to their like,
 * DATA where the file goes on without a gap, PACKED where the compressed bytes lie together.  DATA
 * is checked to lie inside the file.
 */
int qcow2_run(struct qcow2 *q, uint64_t off, uint64_t max, const struct source_read *how,
              struct qcow2_run *ret, struct error *err);

/*
 * The same for just the one cluster (or run of equal subclusters in it).  `cursor` keeps the piece
 * of the L2 table that the last look-up used; zero it before the first.
 */
struct qcow2_cursor {
	uint64_t off; /* of `raw` in the file; 0: nothing there */
	size_t len;
	uint8_t raw[512];
};

int qcow2_lookup(struct qcow2 *q, struct qcow2_cursor *cursor, uint64_t off,
                 const struct source_read *how, struct qcow2_run *ret, struct error *err);

/*
 * L1 entry `index` as the offset of an L2 table inside the file, 0 where there is none.
 */
int qcow2_l2_table(struct qcow2 *q, uint64_t index, const struct source_read *how, uint64_t *ret,
                   struct error *err);

/* Where the L2 entry of a compressed cluster says its bytes are, clipped to the file. */
int qcow2_packed_range(const struct qcow2 *q, uint64_t entry, uint64_t off, uint64_t *ret_host,
                       uint64_t *ret_end, struct error *err);

/* Read a PACKED run, or part of one: one source read. */
int qcow2_unpack(struct qcow2 *q, void *buf, size_t len, uint64_t off, const struct qcow2_run *run,
                 const struct source_read *how, struct error *err);
void qcow2_slots_free(struct qcow2 *q);

int qcow2_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err);

static inline struct qcow2 *to_qcow2(struct image *image)
{
	return container_of(image, struct qcow2, image);
}

#endif
