/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks by their digest, in memory: 64 bytes each, at most two thirds full.
 *
 * Threads: any number look up while nobody adds.
 */
#ifndef LIBRARY_CHUNK_TABLE_H
#define LIBRARY_CHUNK_TABLE_H

#include "disk/format/index.h"

struct chunk_table {
	struct index_chunk *at; /* stored is 0: free */
	uint64_t room;          /* a power of two, or 0 */
	uint64_t n;
};

/* NULL: it has none like that. */
const struct index_chunk *chunk_table_find(const struct chunk_table *table,
                                           const uint8_t digest[INDEX_DIGEST_BYTES]);
/* One that is not there yet.  -ENOMEM. */
int chunk_table_add(struct chunk_table *table, const struct index_chunk *chunk);
void chunk_table_free(struct chunk_table *table);

#endif
