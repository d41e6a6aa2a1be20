// SPDX-License-Identifier: GPL-2.0-or-later
/* Open addressing: a digest is as good as a random number. */
#include "library/chunk-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

#define FIRST_ROOM 1024u

/* Where the chunk with that digest is, or would be. */
static struct index_chunk *place(const struct chunk_table *table, const uint8_t *digest)
{
	uint64_t i = load_le64(digest) & (table->room - 1);

	while (table->at[i].stored > 0 &&
	       memcmp(table->at[i].digest, digest, INDEX_DIGEST_BYTES) != 0)
		i = (i + 1) & (table->room - 1);
	return &table->at[i];
}

const struct index_chunk *chunk_table_find(const struct chunk_table *table,
                                           const uint8_t digest[INDEX_DIGEST_BYTES])
{
	const struct index_chunk *chunk = table->room ? place(table, digest) : NULL;

	return chunk && chunk->stored > 0 ? chunk : NULL;
}

static int grow(struct chunk_table *table)
{
	struct chunk_table more = { .room = table->room ? 2 * table->room : FIRST_ROOM,
		                    .n = table->n };

	more.at = calloc(more.room, sizeof(*more.at));
	if (!more.at)
		return -ENOMEM;
	for (uint64_t i = 0; i < table->room; i++)
		if (table->at[i].stored > 0)
			*place(&more, table->at[i].digest) = table->at[i];
	free(table->at);
	*table = more;
	return 0;
}

int chunk_table_add(struct chunk_table *table, const struct index_chunk *chunk)
{
	int r = 3 * (table->n + 1) > 2 * table->room ? grow(table) : 0;

	if (r < 0)
		return r;
	*place(table, chunk->digest) = *chunk;
	table->n++;
	return 0;
}

void chunk_table_free(struct chunk_table *table)
{
	free(table->at);
	*table = (struct chunk_table){ 0 };
}
