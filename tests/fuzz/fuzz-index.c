// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An image index from anywhere: header, pages and a pack in one input.
 *
 * A digest that is wrong ends every path early, so this stands for a publisher who means harm: the
 * names of pages and chunks are made right, with all else as the input says.
 *
 *   0    header (256 bytes)
 *   256  pages of 4096 bytes, as many as the header's size of pages says, at most MAX_PAGES
 *   …    the rest: every pack
 */
#include "tests/fuzz/exercise.h"

#include <string.h>

#include "base/endian.h"
#include "disk/format/index.h"
#include "disk/format/output.h"

#define MAX_PAGES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	uint8_t header[INDEX_HEADER_BYTES];
	uint8_t pages[MAX_PAGES][INDEX_PAGE_BYTES];
	size_t n_pages;
	const uint8_t *pack;
	size_t pack_len;
};

/* Pages first, then whatever the header's list of packs calls a pack. */
static int open_beside(void *arg, const struct source_places *places,
                       const struct source_identity *identity, bool metadata, struct source **ret,
                       struct error *err)
{
	struct input *in = arg;
	int r = metadata ? source_open_memory(in->pages, in->n_pages * INDEX_PAGE_BYTES,
	                                      places->at[0].url, ret)
	                 : source_open_memory(in->pack, in->pack_len, places->at[0].url, ret);

	(void)err;
	/* A chain never has another size than the one that was named. */
	if (r == 0)
		(*ret)->identity.size = min_u64(identity->size, (*ret)->identity.size);
	return r;
}

/* Give the pages that refer to others their digests, the last ones first. */
static void seal(struct input *in)
{
	for (size_t page = in->n_pages; page-- > 0;)
		for (size_t i = 0; i < INDEX_FANOUT; i++) {
			uint8_t *entry = in->pages[page] + i * INDEX_ENTRY_BYTES;
			uint64_t off = load_le64(entry + 32);

			if (load_le32(entry + 40) == 0 && off % INDEX_PAGE_BYTES == 0 &&
			    off / INDEX_PAGE_BYTES > page && off / INDEX_PAGE_BYTES < in->n_pages &&
			    !is_zero(entry, 32))
				index_digest(in->pages[off / INDEX_PAGE_BYTES], INDEX_PAGE_BYTES,
				             entry);
		}
	for (unsigned int root = 0; root < 2; root++) {
		uint64_t off = load_le64(in->header + 160 + 8 * root);
		uint8_t *digest = in->header + 96 + 32 * root;

		if (off / INDEX_PAGE_BYTES < in->n_pages && off % INDEX_PAGE_BYTES == 0 &&
		    !is_zero(digest, 32))
			index_digest(in->pages[off / INDEX_PAGE_BYTES], INDEX_PAGE_BYTES, digest);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct input in;
	const struct image_options options = { .format = IMAGE_INDEX,
		                               .places = SOURCE_PLACE("/fuzz"),
		                               .open_beside = open_beside,
		                               .arg = &in };

	if (len < INDEX_HEADER_BYTES)
		return 0;
	memcpy(in.header, data, INDEX_HEADER_BYTES);
	data += INDEX_HEADER_BYTES;
	len -= INDEX_HEADER_BYTES;
	in.n_pages = min_u64(load_le64(in.header + 32) / INDEX_PAGE_BYTES,
	                     min_u64(len / INDEX_PAGE_BYTES, MAX_PAGES));
	memcpy(in.pages, data, in.n_pages * INDEX_PAGE_BYTES);
	in.pack = data + in.n_pages * INDEX_PAGE_BYTES;
	in.pack_len = len - in.n_pages * INDEX_PAGE_BYTES;
	seal(&in);
	exercise_bytes(in.header, INDEX_HEADER_BYTES, &options);
	return 0;
}
