// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bytes of an image index (docs/library-format.md), and which of them are refused.  Pure; any
 * thread.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/format/output.h"

#define MAGIC   "SILLINDX"
#define VERSION 1u

/* Fields of the header. */
enum {
	H_VERSION = 8,
	H_CHUNK = 12,
	H_SIZE = 16,
	H_PACKS = 24,
	H_PAGES_SIZE = 32,
	H_USED = 40,
	H_DISTINCT = 48,
	H_STORED = 56,
	H_PAGES_DIGEST = 64,
	H_CHUNK_ROOT = 96,
	H_PACK_ROOT = 128,
	H_CHUNK_ROOT_OFF = 160,
	H_PACK_ROOT_OFF = 168,
	H_TRACE_DIGEST = 176,
	H_TRACE_SIZE = 208,
	H_END = 216,
};

/* Fields of an entry. */
enum { E_DIGEST = 0, E_OFF = 32, E_STORED = 40, E_PACK = 44, E_CODING = 48, E_END = 52 };

void index_digest(const void *data, size_t len, uint8_t ret[INDEX_DIGEST_BYTES])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void index_digest_name(const uint8_t digest[INDEX_DIGEST_BYTES], char ret[INDEX_NAME_BYTES])
{
	size_t used = (size_t)snprintf(ret, INDEX_NAME_BYTES, "sha256:");

	for (size_t i = 0; i < INDEX_DIGEST_BYTES; i++)
		used += (size_t)snprintf(ret + used, INDEX_NAME_BYTES - used, "%02x", digest[i]);
}

uint64_t index_chunks_of(const struct index_header *header)
{
	return div_round_up(header->size, header->chunk_size);
}

uint32_t index_chunk_len(const struct index_header *header, uint64_t n)
{
	return (uint32_t)min_u64(header->chunk_size, header->size - n * header->chunk_size);
}

unsigned int index_levels(uint64_t n)
{
	unsigned int levels = 1;

	for (; n > INDEX_FANOUT; n = div_round_up(n, INDEX_FANOUT))
		levels++;
	return levels;
}

static int check_sizes(const struct index_header *header, struct error *err)
{
	if (!is_power_of_two(header->chunk_size) || header->chunk_size < INDEX_MIN_CHUNK ||
	    header->chunk_size > INDEX_MAX_CHUNK)
		return error_set(err, EINVAL,
		                 "its chunk size is %u, not a power of two from 16 KiB to 4 MiB",
		                 header->chunk_size);
	if (header->size == 0 || header->size % 512 != 0 || header->size > INDEX_MAX_DISK)
		return error_set(err, EINVAL,
		                 "its disk has %llu bytes, which is not a number of sectors up to "
		                 "2^48 bytes",
		                 (unsigned long long)header->size);
	if (header->n_packs > INDEX_MAX_PACKS)
		return error_set(err, EINVAL, "it names %llu packs, more than 2^24",
		                 (unsigned long long)header->n_packs);
	if (header->pages_size % INDEX_PAGE_BYTES != 0 || header->pages_size > INT64_MAX)
		return error_set(err, EINVAL, "its pages take %llu bytes, no multiple of 4096",
		                 (unsigned long long)header->pages_size);
	if (header->n_packs > header->pages_size / INDEX_PAGE_BYTES * INDEX_FANOUT)
		return error_set(err, EINVAL, "it names %llu packs, more than its pages can list",
		                 (unsigned long long)header->n_packs);
	if (header->trace_size > INDEX_MAX_TRACE)
		return error_set(err, EINVAL, "its trace has %llu bytes, more than 16 MiB",
		                 (unsigned long long)header->trace_size);
	return 0;
}

/* A page that is there lies inside the file of pages. */
static int check_ref(const struct index_page_ref *ref, uint64_t pages_size, struct error *err)
{
	if (is_zero(ref->digest, sizeof(ref->digest))) {
		if (ref->off != 0)
			return error_set(err, EINVAL, "a page without a digest has a place");
		return 0;
	}
	if (ref->off % INDEX_PAGE_BYTES != 0 ||
	    !range_inside(ref->off, INDEX_PAGE_BYTES, pages_size))
		return error_set(err, EINVAL,
		                 "a page at %llu is outside the pages of %llu bytes, or not at a "
		                 "multiple of 4096",
		                 (unsigned long long)ref->off, (unsigned long long)pages_size);
	return 0;
}

static struct index_page_ref ref_at(const uint8_t *digest, const uint8_t *off)
{
	struct index_page_ref ref = { .off = load_le64(off) };

	memcpy(ref.digest, digest, sizeof(ref.digest));
	return ref;
}

int index_header_parse(const uint8_t raw[INDEX_HEADER_BYTES], struct index_header *ret,
                       struct error *err)
{
	struct index_header header = {
		.chunk_size = load_le32(raw + H_CHUNK),
		.size = load_le64(raw + H_SIZE),
		.n_packs = load_le64(raw + H_PACKS),
		.pages_size = load_le64(raw + H_PAGES_SIZE),
		.used = load_le64(raw + H_USED),
		.distinct = load_le64(raw + H_DISTINCT),
		.stored = load_le64(raw + H_STORED),
		.chunks = ref_at(raw + H_CHUNK_ROOT, raw + H_CHUNK_ROOT_OFF),
		.packs = ref_at(raw + H_PACK_ROOT, raw + H_PACK_ROOT_OFF),
		.trace_size = load_le64(raw + H_TRACE_SIZE),
	};
	int r;

	memcpy(header.pages_digest, raw + H_PAGES_DIGEST, INDEX_DIGEST_BYTES);
	memcpy(header.trace_digest, raw + H_TRACE_DIGEST, INDEX_DIGEST_BYTES);
	if (memcmp(raw, MAGIC, 8) != 0)
		return error_set(err, EINVAL, "does not start as an image index does");
	if (load_le32(raw + H_VERSION) != VERSION)
		return error_set(err, ENOTSUP, "is an image index of version %u; Sill reads %u",
		                 load_le32(raw + H_VERSION), VERSION);
	if (!is_zero(raw + H_END, INDEX_HEADER_BYTES - H_END))
		return error_set(err, EINVAL, "its reserved bytes are not zero");
	r = check_sizes(&header, err);
	if (r == 0)
		r = check_ref(&header.chunks, header.pages_size, err);
	if (r == 0)
		r = check_ref(&header.packs, header.pages_size, err);
	if (r == 0 && (header.n_packs == 0) != is_zero(header.packs.digest, INDEX_DIGEST_BYTES))
		r = error_set(err, EINVAL, "its list of packs does not fit their number, %llu",
		              (unsigned long long)header.n_packs);
	if (r == 0)
		*ret = header;
	return r;
}

void index_header_write(const struct index_header *header, uint8_t raw[INDEX_HEADER_BYTES])
{
	memset(raw, 0, INDEX_HEADER_BYTES);
	memcpy(raw, MAGIC, 8);
	store_le32(raw + H_VERSION, VERSION);
	store_le32(raw + H_CHUNK, header->chunk_size);
	store_le64(raw + H_SIZE, header->size);
	store_le64(raw + H_PACKS, header->n_packs);
	store_le64(raw + H_PAGES_SIZE, header->pages_size);
	store_le64(raw + H_USED, header->used);
	store_le64(raw + H_DISTINCT, header->distinct);
	store_le64(raw + H_STORED, header->stored);
	memcpy(raw + H_PAGES_DIGEST, header->pages_digest, INDEX_DIGEST_BYTES);
	memcpy(raw + H_CHUNK_ROOT, header->chunks.digest, INDEX_DIGEST_BYTES);
	memcpy(raw + H_PACK_ROOT, header->packs.digest, INDEX_DIGEST_BYTES);
	store_le64(raw + H_CHUNK_ROOT_OFF, header->chunks.off);
	store_le64(raw + H_PACK_ROOT_OFF, header->packs.off);
	memcpy(raw + H_TRACE_DIGEST, header->trace_digest, INDEX_DIGEST_BYTES);
	store_le64(raw + H_TRACE_SIZE, header->trace_size);
}

int index_ref_parse(const uint8_t raw[INDEX_ENTRY_BYTES], const struct index_header *header,
                    struct index_page_ref *ret, struct error *err)
{
	struct index_page_ref ref = ref_at(raw + E_DIGEST, raw + E_OFF);
	int r = 0;

	if (!is_zero(raw + E_STORED, INDEX_ENTRY_BYTES - E_STORED))
		r = error_set(err, EINVAL, "reserved bytes are not zero");
	if (r == 0)
		r = check_ref(&ref, header->pages_size, err);
	if (r == 0)
		*ret = ref;
	return r;
}

void index_ref_write(const struct index_page_ref *ref, uint8_t raw[INDEX_ENTRY_BYTES])
{
	memset(raw, 0, INDEX_ENTRY_BYTES);
	memcpy(raw + E_DIGEST, ref->digest, INDEX_DIGEST_BYTES);
	store_le64(raw + E_OFF, ref->off);
}

int index_chunk_parse(const uint8_t raw[INDEX_ENTRY_BYTES], const struct index_header *header,
                      uint32_t len, struct index_chunk *ret, struct error *err)
{
	uint32_t stored = load_le32(raw + E_STORED), coding = load_le32(raw + E_CODING);
	struct index_chunk chunk = {
		.off = load_le64(raw + E_OFF),
		.stored = stored,
		.pack = load_le32(raw + E_PACK),
		.coding = coding == INDEX_ZSTD ? INDEX_ZSTD : INDEX_PLAIN,
	};

	memcpy(chunk.digest, raw + E_DIGEST, INDEX_DIGEST_BYTES);
	if (is_zero(raw, INDEX_ENTRY_BYTES)) {
		*ret = chunk;
		return 0;
	}
	if (!is_zero(raw + E_END, INDEX_ENTRY_BYTES - E_END))
		return error_set(err, EINVAL, "reserved bytes are not zero");
	if (coding != INDEX_PLAIN && coding != INDEX_ZSTD)
		return error_set(err, EINVAL, "its coding is %u, which is none", coding);
	if (stored == 0 || stored > len || (coding == INDEX_PLAIN) != (stored == len))
		return error_set(err, EINVAL, "%u bytes are stored of a chunk of %u", stored, len);
	if (chunk.pack >= header->n_packs)
		return error_set(err, EINVAL, "it is in pack %u of %llu", chunk.pack,
		                 (unsigned long long)header->n_packs);
	if (chunk.off > (uint64_t)INT64_MAX - stored)
		return error_set(err, EINVAL, "its place in the pack is past 2^63");
	*ret = chunk;
	return 0;
}

void index_chunk_write(const struct index_chunk *chunk, uint8_t raw[INDEX_ENTRY_BYTES])
{
	memset(raw, 0, INDEX_ENTRY_BYTES);
	memcpy(raw + E_DIGEST, chunk->digest, INDEX_DIGEST_BYTES);
	store_le64(raw + E_OFF, chunk->off);
	store_le32(raw + E_STORED, chunk->stored);
	store_le32(raw + E_PACK, chunk->pack);
	store_le32(raw + E_CODING, chunk->coding);
}

int index_pack_parse(const uint8_t raw[INDEX_ENTRY_BYTES], struct index_pack *ret,
                     struct error *err)
{
	struct index_pack pack = { .size = load_le64(raw + E_OFF) };

	memcpy(pack.digest, raw + E_DIGEST, INDEX_DIGEST_BYTES);
	if (!is_zero(raw + E_STORED, INDEX_ENTRY_BYTES - E_STORED))
		return error_set(err, EINVAL, "reserved bytes are not zero");
	if (pack.size == 0 || pack.size > INT64_MAX)
		return error_set(err, EINVAL, "its size is %llu bytes",
		                 (unsigned long long)pack.size);
	*ret = pack;
	return 0;
}

void index_pack_write(const struct index_pack *pack, uint8_t raw[INDEX_ENTRY_BYTES])
{
	memset(raw, 0, INDEX_ENTRY_BYTES);
	memcpy(raw + E_DIGEST, pack->digest, INDEX_DIGEST_BYTES);
	store_le64(raw + E_OFF, pack->size);
}
