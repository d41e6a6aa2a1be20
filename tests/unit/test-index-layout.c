// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bytes of an image index: written and read alike, and refused where they lie.
 */
#include "tests/unit/library-folder.h"

/* A header with that field changed is refused with these words. */
static void refused_header(const struct index_header *header, const char *words)
{
	uint8_t raw[INDEX_HEADER_BYTES];
	struct index_header parsed;
	struct error err = { 0 };

	index_header_write(header, raw);
	assert_int_equal(index_header_parse(raw, &parsed, &err), -EINVAL);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say: %s", err.text, words);
}

TEST(headers_that_lie_are_refused)
{
	struct index_header good = { .chunk_size = CHUNK,
		                     .size = 10 * CHUNK,
		                     .n_packs = 1,
		                     .pages_size = 8192,
		                     .chunks = { .digest = { 1 } },
		                     .packs = { .digest = { 2 }, .off = 4096 } };
	struct index_header bad;
	uint8_t raw[INDEX_HEADER_BYTES];

	index_header_write(&good, raw);
	assert_int_equal(index_header_parse(raw, &bad, NULL), 0);
	assert_true(bad.chunk_size == good.chunk_size && bad.size == good.size &&
	            bad.n_packs == good.n_packs && bad.pages_size == good.pages_size);
	assert_memory_equal(&bad.packs, &good.packs, sizeof(bad.packs));
	raw[8] = 2;
	assert_int_equal(index_header_parse(raw, &bad, NULL), -ENOTSUP);
	raw[8] = 1;
	raw[250] = 1;
	assert_int_equal(index_header_parse(raw, &bad, NULL), -EINVAL);

	bad = good;
	bad.chunk_size = CHUNK + 1;
	refused_header(&bad, "chunk size");
	bad.chunk_size = 8 * MIB;
	refused_header(&bad, "chunk size");
	bad = good;
	bad.size = 100;
	refused_header(&bad, "number of sectors");
	bad.size = INDEX_MAX_DISK + 512;
	refused_header(&bad, "number of sectors");
	bad = good;
	bad.n_packs = INDEX_MAX_PACKS + 1;
	refused_header(&bad, "more than 2^24");
	bad.n_packs = 2 * INDEX_FANOUT + 1;
	refused_header(&bad, "more than its pages can list");
	bad.n_packs = 0;
	refused_header(&bad, "list of packs");
	bad = good;
	bad.chunks.off = 8192;
	refused_header(&bad, "outside the pages");
	bad.chunks.off = 100;
	refused_header(&bad, "outside the pages");
	bad = good;
	bad.trace_size = INDEX_MAX_TRACE + 1;
	refused_header(&bad, "its trace");
	bad = good;
	bad.pages_size = 8191;
	refused_header(&bad, "no multiple of 4096");
}

TEST(chunks_that_lie_are_refused)
{
	const struct index_header header = { .chunk_size = CHUNK, .n_packs = 2 };
	struct index_chunk chunk = { .digest = { 9 }, .stored = 100, .coding = INDEX_ZSTD };
	struct index_chunk got, bad;
	uint8_t raw[INDEX_ENTRY_BYTES];

	index_chunk_write(&chunk, raw);
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), 0);
	assert_memory_equal(got.digest, chunk.digest, 32);
	assert_true(got.off == chunk.off && got.stored == 100 && got.pack == 0);
	assert_int_equal(got.coding, INDEX_ZSTD);
	raw[48] = 2;
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), -EINVAL);
	raw[48] = INDEX_PLAIN; /* not as long as the chunk */
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), -EINVAL);
	assert_int_equal(index_chunk_parse(raw, &header, 100, &got, NULL), 0);
	raw[60] = 1;
	assert_int_equal(index_chunk_parse(raw, &header, 100, &got, NULL), -EINVAL);

	bad = chunk;
	bad.stored = 0;
	index_chunk_write(&bad, raw);
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), -EINVAL);
	bad = chunk;
	bad.pack = 2;
	index_chunk_write(&bad, raw);
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), -EINVAL);
	bad = chunk;
	bad.off = INT64_MAX - 50;
	index_chunk_write(&bad, raw);
	assert_int_equal(index_chunk_parse(raw, &header, CHUNK, &got, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(headers_that_lie_are_refused),
		CASE(chunks_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
