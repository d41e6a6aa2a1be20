// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list of packs is a tree of pages in a file that may be large: only what is looked at is read,
 * a window at a time, for the pages of that tree stand together where Sill made them.  Every page is
 * compared with its digest before it is looked at.  There are at most as many packs as layers, so the
 * walk ends.
 */
#include "library/closure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/index.h"
#include "disk/format/output.h"

#define WINDOW (256 * KIB)

struct closure {
	struct store *store;
	const char *name;
	const struct oci_manifest *manifest;
	struct index_header header;
	char pages[STORE_DIGEST_ROOM];
	uint8_t *window; /* WINDOW bytes, `len` of them from `off` on */
	uint64_t off, len;
};

/* A layer of that digest, kind and size. */
static int expect(const struct closure *closure, const uint8_t raw[INDEX_DIGEST_BYTES],
                  const char *what, const char *type, uint64_t size, struct error *err)
{
	const struct oci_descriptor *layer;
	char digest[INDEX_NAME_BYTES];

	index_digest_name(raw, digest);
	layer = oci_find_layer(closure->manifest, digest);
	if (!layer || strcmp(layer->media_type, type) != 0)
		return error_set(err, EBADMSG, "its %s, %s, is not among the layers", what, digest);
	if (layer->size != size)
		return error_set(err, EBADMSG, "its %s, %s, has %llu bytes, and %llu as a layer",
		                 what, digest, (unsigned long long)size,
		                 (unsigned long long)layer->size);
	return 0;
}

/* Ends the reading of a blob when the window is full. */
static int fill(void *arg, const void *buf, size_t len, struct error *err)
{
	struct closure *closure = arg;
	size_t take = (size_t)min_u64(len, WINDOW - closure->len);

	(void)err;
	memcpy(closure->window + closure->len, buf, take);
	closure->len += take;
	return closure->len == WINDOW ? 1 : 0;
}

static int get_page(struct closure *closure, const struct index_page_ref *ref,
                    uint8_t ret[INDEX_PAGE_BYTES], struct error *err)
{
	const struct store_sink sink = { .write = fill, .arg = closure };
	uint8_t digest[INDEX_DIGEST_BYTES];
	int r = 0;

	if (ref->off < closure->off ||
	    !range_inside(ref->off - closure->off, INDEX_PAGE_BYTES, closure->len)) {
		closure->off = ref->off;
		closure->len = 0;
		r = closure->store->ops->read_blob(closure->store, closure->name, closure->pages,
		                                   ref->off, &sink, err);
	}
	if (r < 0)
		return r;
	if (!range_inside(ref->off - closure->off, INDEX_PAGE_BYTES, closure->len))
		return error_set(err, EBADMSG, "its pages end before the one at %llu",
		                 (unsigned long long)ref->off);
	memcpy(ret, closure->window + (ref->off - closure->off), INDEX_PAGE_BYTES);
	index_digest(ret, INDEX_PAGE_BYTES, digest);
	if (memcmp(digest, ref->digest, sizeof(digest)) != 0)
		return error_set(err, EBADMSG, "its page at %llu has another SHA-256",
		                 (unsigned long long)ref->off);
	return 0;
}

static int expect_packs(struct closure *closure, const uint8_t page[INDEX_PAGE_BYTES], uint64_t n,
                        struct error *err)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		struct index_pack pack;

		r = index_pack_parse(page + i * INDEX_ENTRY_BYTES, &pack, err);
		if (r < 0) {
			error_prefix(err, "its list of packs");
			return -EBADMSG;
		}
		r = expect(closure, pack.digest, "pack", MACHINE_PACK_TYPE, pack.size, err);
	}
	return r;
}

/* The page of a tree over `n` packs, and all beneath it. */
static int walk(struct closure *closure, const struct index_page_ref *ref, uint64_t n,
                struct error *err)
{
	unsigned int levels = index_levels(n);
	uint64_t beneath = UINT64_C(1) << (INDEX_FANOUT_BITS * (levels - 1));
	uint8_t page[INDEX_PAGE_BYTES];
	int r;

	if (is_zero(ref->digest, sizeof(ref->digest)))
		return error_set(err, EBADMSG, "its list of packs has a hole");
	r = get_page(closure, ref, page, err);
	if (r < 0 || levels == 1)
		return r < 0 ? r : expect_packs(closure, page, n, err);
	for (uint64_t i = 0; r == 0 && i * beneath < n; i++) {
		struct index_page_ref child;

		r = index_ref_parse(page + i * INDEX_ENTRY_BYTES, &closure->header, &child, err);
		if (r < 0) {
			error_prefix(err, "its list of packs");
			return -EBADMSG;
		}
		r = walk(closure, &child, min_u64(beneath, n - i * beneath), err);
	}
	return r;
}

static int check_index(struct closure *closure, const struct machine_disk *disk, struct error *err)
{
	const struct index_header *header = &closure->header;
	int r;

	if (header->size != disk->size)
		return error_set(err, EBADMSG, "its index says %llu bytes, its configuration %llu",
		                 (unsigned long long)header->size, (unsigned long long)disk->size);
	if (header->n_packs > closure->manifest->n_layers)
		return error_set(err, EBADMSG,
		                 "its index names %llu packs, and there are %zu layers",
		                 (unsigned long long)header->n_packs, closure->manifest->n_layers);
	r = expect(closure, header->pages_digest, "file of pages", MACHINE_PAGES_TYPE,
	           header->pages_size, err);
	if (r == 0 && header->trace_size > 0)
		r = expect(closure, header->trace_digest, "trace", MACHINE_TRACE_TYPE,
		           header->trace_size, err);
	if (r < 0 || header->n_packs == 0)
		return r;
	index_digest_name(header->pages_digest, closure->pages);
	closure->off = closure->len = 0;
	return walk(closure, &header->packs, header->n_packs, err);
}

static int check_disk(struct closure *closure, const struct machine_disk *disk, struct error *err)
{
	cleanup_free char *raw = NULL;
	size_t len;
	int r = store_get_blob(closure->store, closure->name, disk->index, INDEX_HEADER_BYTES, &raw,
	                       &len, err);

	if (r < 0)
		return r;
	if (len != INDEX_HEADER_BYTES)
		r = error_set(err, EBADMSG, "its index has %zu bytes, not %u", len,
		              INDEX_HEADER_BYTES);
	if (r == 0 && index_header_parse((const uint8_t *)raw, &closure->header, err) < 0)
		r = -EBADMSG;
	if (r == 0)
		r = check_index(closure, disk, err);
	if (r < 0)
		error_prefix(err, "%s: disk \"%s\" of %s", closure->store->name, disk->name,
		             closure->name);
	if (r == -EBADMSG && err)
		err->code = EBADMSG;
	return r;
}

int closure_check(struct store *store, const char *name, const struct machine_image *image,
                  struct error *err)
{
	cleanup_free uint8_t *window = malloc(WINDOW);
	struct closure closure = {
		.store = store, .name = name, .manifest = image->manifest, .window = window
	};
	int r = 0;

	if (!window)
		return error_sys(err, ENOMEM, "%s", store->name);
	for (size_t i = 0; r == 0 && i < image->config.n_disks; i++)
		r = check_disk(&closure, &image->config.disks[i], err);
	return r;
}
