/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small qcow2 files in memory, made field by field, for the tests of the reader.
 */
#ifndef TESTS_UNIT_QCOW2_MAKE_H
#define TESTS_UNIT_QCOW2_MAKE_H

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/endian.h"

/* Clusters of 16 KiB: header, refcount table, refcount block, L1, L2, then data. */
#define CLUSTER       16384u
#define HEADER        0u
#define RTABLE        (1 * CLUSTER)
#define RBLOCK        (2 * CLUSTER)
#define L1            (3 * CLUSTER)
#define L2            (4 * CLUSTER)
#define DATA          (5 * CLUSTER)
#define FILE_LEN      (32 * CLUSTER)
#define DISK_LEN      (40 * CLUSTER)
#define DATA_ENTRY(n) (UINT64_C(1) << 63 | (DATA + (n) * (uint64_t)CLUSTER))

/* Version 3 with nothing in it.  Data cluster n of the file is filled with n + 1. */
static inline uint8_t *make_empty(void)
{
	uint8_t *d = calloc(1, FILE_LEN);

	assert_non_null(d);
	store_be32(d, 0x514649FB);
	store_be32(d + 4, 3);
	store_be32(d + 20, 14);
	store_be64(d + 24, DISK_LEN);
	store_be32(d + 36, 1);
	store_be64(d + 40, L1);
	store_be64(d + 48, RTABLE);
	store_be32(d + 56, 1);
	store_be32(d + 96, 4);
	store_be32(d + 100, 112);
	store_be64(d + RTABLE, RBLOCK);
	for (unsigned int i = 0; i < FILE_LEN / CLUSTER; i++)
		store_be16(d + RBLOCK + 2 * i, 1);
	store_be64(d + L1, UINT64_C(1) << 63 | L2);
	for (unsigned int i = 0; DATA + i * CLUSTER < FILE_LEN; i++)
		memset(d + DATA + i * CLUSTER, (int)i + 1, CLUSTER);
	return d;
}

static inline void set_entry(uint8_t *d, unsigned int n, uint64_t entry)
{
	store_be64(d + L2 + 8 * n, entry);
}

/* Compressed clusters, packed from the first data cluster on; returns their end in the file. */
static inline size_t pack(uint8_t *d, unsigned int n, bool zstd)
{
	uint8_t plain[CLUSTER], packed[2 * CLUSTER];
	size_t at = DATA;

	if (zstd) {
		store_be64(d + 72, 1 << 3);
		d[104] = 1;
	}
	srand(1);
	for (unsigned int i = 0; i < n; i++) {
		z_stream z = { .next_in = plain,
			       .avail_in = CLUSTER,
			       .next_out = packed,
			       .avail_out = sizeof(packed) };
		size_t len;

		memset(plain, (int)i + 1, CLUSTER);
		for (unsigned int k = 0; k < 700; k++)
			plain[k] = (uint8_t)rand();
		if (zstd) {
			len = ZSTD_compress(packed, sizeof(packed), plain, CLUSTER, 1);
			assert_false(ZSTD_isError(len));
		} else {
			assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, -12, 9, 0), Z_OK);
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			len = z.total_out;
			deflateEnd(&z);
		}
		memcpy(d + at, packed, len);
		set_entry(d, i,
		          UINT64_C(1) << 62 | ((at + len - 1) / 512 - at / 512) << (62 - (14 - 8)) |
		                  at);
		at += len;
	}
	return at;
}

#endif
