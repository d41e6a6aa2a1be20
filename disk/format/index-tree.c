// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Look-ups in the trees of an image index.
 *
 * Any thread.  A look-up goes from the root down, one page a level, and compares the digest of every
 * page that it uses, so it does not matter what keeps or delivers them.  The cursor saves the way
 * for the next look-up in the same lowest page.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/output.h"

static int is_page(void *arg, const void *buf, size_t len, struct error *err)
{
	const struct index_page_ref *ref = arg;
	uint8_t digest[INDEX_DIGEST_BYTES];
	char have[INDEX_NAME_BYTES], want[INDEX_NAME_BYTES];

	index_digest(buf, len, digest);
	if (memcmp(digest, ref->digest, sizeof(digest)) == 0)
		return 0;
	index_digest_name(digest, have);
	index_digest_name(ref->digest, want);
	return error_set(err, EBADMSG, "the index page at %llu has %s, not %s",
	                 (unsigned long long)ref->off, have, want);
}

/* The page of `ref`, verified, into `page`. */
static int read_page(struct index_image *index, const struct index_page_ref *ref,
                     uint8_t page[INDEX_PAGE_BYTES], const struct source_read *how,
                     struct error *err)
{
	const struct source_judge judge = { .right = is_page, .arg = (void *)ref };
	struct source_read meta = { .priority = SOURCE_DEMAND };
	int r = pages_read(index->pages, page, INDEX_PAGE_BYTES, ref->off, how, err);

	if (r < 0 || is_page((void *)ref, page, INDEX_PAGE_BYTES, NULL) == 0)
		return r;
	/* Somebody delivered a wrong one: this one alone, from somebody else. */
	if (how)
		meta = *how;
	meta.metadata = true;
	pages_forget(index->pages, ref->off);
	return source_read_judged(index->pages_file, page, INDEX_PAGE_BYTES, ref->off, &meta,
	                          &judge, err);
}

/* A lowest page, or that everything beneath some page is zero from `n` on for *ret_run. */
struct place {
	uint64_t ret_run; /* 0: there is a page */
	uint64_t first;   /* number of its first entry */
};

/*
 * From the root down to the lowest page with entry `n` of `count`.  `page` has it, unless the way
 * ends before in a page that is not there.
 */
static int descend(struct index_image *index, struct index_page_ref ref, uint64_t count, uint64_t n,
                   uint8_t page[INDEX_PAGE_BYTES], const struct source_read *how, struct place *ret,
                   struct error *err)
{
	unsigned int level = index_levels(count);
	int r = 0;

	while (r == 0 && level-- > 0) {
		uint64_t reach = UINT64_C(1) << (INDEX_FANOUT_BITS * (level + 1));

		ret->first = n & ~(reach - 1);
		if (is_zero(ref.digest, sizeof(ref.digest))) {
			ret->ret_run = min_u64(ret->first + reach, count) - n;
			return 0;
		}
		r = read_page(index, &ref, page, how, err);
		if (r == 0 && level > 0) {
			uint64_t at = n >> (INDEX_FANOUT_BITS * level) & (INDEX_FANOUT - 1);
			uint64_t off = ref.off;

			r = index_ref_parse(page + at * INDEX_ENTRY_BYTES, &index->header, &ref,
			                    err);
			if (r < 0 && err)
				error_prefix(err, "%s: entry %llu of the index page at %llu",
				             index->image.file->name, (unsigned long long)at,
				             (unsigned long long)off);
		}
	}
	ret->ret_run = 0;
	return r;
}

static int parse_chunk(const struct index_image *index, const struct index_cursor *cursor,
                       uint64_t n, struct index_chunk *ret, struct error *err)
{
	int r = index_chunk_parse(cursor->page + (n - cursor->first) * INDEX_ENTRY_BYTES,
	                          &index->header, index_chunk_len(&index->header, n), ret, err);

	if (r < 0 && err)
		error_prefix(err, "%s: chunk %llu", index->image.file->name, (unsigned long long)n);
	return r;
}

int index_find_chunk(struct index_image *index, struct index_cursor *cursor, uint64_t n,
                     const struct source_read *how, struct index_chunk *ret, uint64_t *ret_run,
                     struct error *err)
{
	if (!cursor->valid || n - cursor->first >= INDEX_FANOUT) {
		struct place place = { 0 };
		int r;

		cursor->valid = false;
		r = descend(index, index->header.chunks, index_chunks_of(&index->header), n,
		            cursor->page, how, &place, err);
		if (r < 0)
			return r;
		if (place.ret_run > 0) {
			*ret = (struct index_chunk){ 0 };
			*ret_run = place.ret_run;
			return 0;
		}
		cursor->first = place.first;
		cursor->valid = true;
	}
	*ret_run = 1;
	return parse_chunk(index, cursor, n, ret, err);
}

int index_walk(struct index_image *index, struct index_walk *walk, struct index_chunk *ret,
               struct error *err)
{
	uint64_t entries = index->header.pages_size / INDEX_PAGE_BYTES * INDEX_FANOUT, run;
	int r;

	if (walk->next >= index_chunks_of(&index->header))
		return 0;
	if (walk->steps++ > entries)
		return error_set(err, ELOOP, "%s: names pages more than once",
		                 index->image.file->name);
	walk->n = walk->next;
	r = index_find_chunk(index, &walk->cursor, walk->n, NULL, ret, &run, err);
	/* An entry that is nonsense stands alone; a page that cannot be had does not. */
	if (r == -EINVAL)
		run = 1;
	else if (r < 0)
		run = INDEX_FANOUT - walk->n % INDEX_FANOUT;
	walk->next += run;
	return r < 0 ? r : 1;
}

int index_find_pack(struct index_image *index, uint32_t n, const struct source_read *how,
                    struct index_pack *ret, struct error *err)
{
	uint8_t page[INDEX_PAGE_BYTES];
	struct place place = { 0 };
	int r = descend(index, index->header.packs, index->header.n_packs, n, page, how, &place,
	                err);

	if (r < 0)
		return r;
	if (place.ret_run > 0)
		return error_set(err, EINVAL, "%s: pack %u of %llu is not listed",
		                 index->image.file->name, n,
		                 (unsigned long long)index->header.n_packs);
	r = index_pack_parse(page + (n - place.first) * INDEX_ENTRY_BYTES, ret, err);
	if (r < 0 && err)
		error_prefix(err, "%s: pack %u", index->image.file->name, n);
	return r;
}
