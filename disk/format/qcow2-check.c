// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verify the structure of a qcow2 file: every entry of the active L1 and L2 tables is sound and
 * points inside the file, no two things claim one cluster, and what is used is counted as used.
 *
 * Called by one thread.  Memory is bounded: two bits for each cluster of a window of the file; a
 * file with more clusters than the window has is walked once for each window, and everything else
 * is only reported on the first walk.  Compressed clusters may share a cluster of the file among
 * themselves, nothing else may.  Clusters that only snapshots or bitmaps use are not looked at.
 */
#include "disk/format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define WINDOW    (64 * MIB) /* clusters */
#define MAX_WALKS 64

struct walk {
	struct check check;
	struct qcow2 *q;
	uint64_t clusters; /* in the file, a part of one at the end included */
	uint64_t first;    /* of the window */
	uint64_t count;
	uint8_t *used;   /* bits: something lies there */
	uint8_t *packed; /* bits: compressed data lies there */
};

static bool test_and_set(uint8_t *bits, uint64_t n)
{
	uint8_t bit = (uint8_t)(1u << n % 8);
	bool was = bits[n / 8] & bit;

	bits[n / 8] |= bit;
	return was;
}

/* Broken structure is a finding and the walk goes on; anything else ends it. */
static int found(struct walk *w, int r, const struct error *err)
{
	size_t skip = strlen(w->q->image.file->name) + 2;

	if (r != -EINVAL)
		return r;
	if (w->first == 0)
		check_problem(&w->check, "%s",
		              strlen(err->text) > skip ? err->text + skip : err->text);
	return 0;
}

/* The refcount block of the clusters around `cluster`, 0 for none. */
static int refcount_block(struct walk *w, uint64_t index, uint64_t *ret, struct error *err)
{
	const struct qcow2_header *h = &w->q->header;
	uint8_t raw[8];
	uint64_t block = 0;
	int r = 0;

	if (index < h->refcount_size / 8) {
		r = pages_read(w->q->pages, raw, sizeof(raw), h->refcount_offset + 8 * index, NULL,
		               err);
		block = r == 0 ? load_be64(raw) : 0;
	}
	if (r == 0 && (block % h->cluster_size != 0 ||
	               !range_inside(block, h->cluster_size, w->q->image.file->identity.size)))
		return error_set(
			err, EINVAL,
			"%s: entry %llu of the refcount table points to %#llx, which is not "
			"a cluster of the file",
			w->q->image.file->name, (unsigned long long)index,
			(unsigned long long)block);
	if (r == 0)
		*ret = block;
	return r;
}

static int refcount_is_zero(struct walk *w, uint64_t cluster, bool *ret, struct error *err)
{
	const struct qcow2_header *h = &w->q->header;
	uint64_t bits = UINT64_C(1) << h->refcount_order, block;
	uint64_t in_block = h->cluster_size * 8 / bits;
	uint64_t bit = cluster % in_block * bits;
	uint8_t raw[8] = { 0 }, any = 0;
	size_t len = bits < 8 ? 1 : bits / 8;
	int r;

	r = refcount_block(w, cluster / in_block, &block, err);
	if (r == 0 && block)
		r = pages_read(w->q->pages, raw, len, block + bit / 8, NULL, err);
	if (r < 0)
		return r;
	if (bits < 8)
		raw[0] = (uint8_t)(raw[0] >> bit % 8) & (uint8_t)((1u << bits) - 1);
	for (size_t i = 0; i < len; i++)
		any |= raw[i];
	*ret = any == 0;
	return 0;
}

/* Something called `what` takes [host, host + len) of the file. */
static int claim(struct walk *w, uint64_t host, uint64_t len, bool packed, const char *what,
                 struct error *err)
{
	unsigned int bits = w->q->header.cluster_bits;
	bool dirty = w->q->header.incompatible & QCOW2_INCOMPAT_DIRTY;

	if (len == 0)
		return 0;
	for (uint64_t c = host >> bits; c <= (host + len - 1) >> bits; c++) {
		bool was, was_packed, zero = false;
		int r = 0;

		if (c >= w->clusters && w->first == 0)
			check_problem(&w->check, "%s at %#llx lies past the end of the file", what,
			              (unsigned long long)host);
		if (c >= w->clusters)
			break;
		if (c < w->first || c - w->first >= w->count)
			continue;
		was = test_and_set(w->used, c - w->first);
		was_packed = packed ? test_and_set(w->packed, c - w->first) : false;
		if (was && !was_packed)
			check_problem(&w->check,
			              "%s at %#llx overlaps something else in the same cluster",
			              what, (unsigned long long)host);
		if (was || dirty)
			continue;
		r = refcount_is_zero(w, c, &zero, err);
		if (r < 0 && r != -EINVAL)
			return r;
		if (zero)
			check_problem(&w->check, "%s at %#llx is counted as free (refcount 0)",
			              what, (unsigned long long)host);
	}
	return 0;
}

static int check_entry(struct walk *w, const struct qcow2_run *run, struct error *err)
{
	uint64_t host = run->entry & QCOW2_ENTRY_OFFSET;

	if (run->entry & QCOW2_ENTRY_COMPRESSED)
		return claim(w, run->host, run->host_end - run->host, true, "compressed data", err);
	if (host == 0)
		return 0;
	return claim(w, host, w->q->header.cluster_size, false, "data", err);
}

/* All clusters that L1 entry `index` covers. */
static int check_l2(struct walk *w, uint64_t index, struct error *err)
{
	const struct qcow2_header *h = &w->q->header;
	uint64_t reach = h->cluster_size * h->l2_entries;
	uint64_t off = index * reach, end = min_u64(w->q->image.size, off + reach), table;
	struct qcow2_cursor cursor = { 0 };
	int r;

	r = qcow2_l2_table(w->q, index, NULL, &table, err);
	if (r < 0 || table == 0)
		return found(w, r, err);
	r = claim(w, table, h->cluster_size, false, "an L2 table", err);
	while (r == 0 && off < end) {
		uint64_t next = min_u64(end, off + h->cluster_size);
		struct qcow2_run run;

		r = qcow2_lookup(w->q, &cursor, off, NULL, &run, err);
		if (r == 0)
			r = check_entry(w, &run, err);
		/* Subclusters: the rest of the same entry. */
		while (r == 0 && (off += run.len) < next)
			r = qcow2_lookup(w->q, &cursor, off, NULL, &run, err);
		r = found(w, r, err);
		off = next;
	}
	return r;
}

static int check_refcount_table(struct walk *w, struct error *err)
{
	const struct qcow2_header *h = &w->q->header;
	int r = claim(w, h->refcount_offset, h->refcount_size, false, "the refcount table", err);

	for (uint64_t i = 0; r == 0 && i < h->refcount_size / 8; i++) {
		uint64_t block = 0;

		r = found(w, refcount_block(w, i, &block, err), err);
		if (r == 0 && block)
			r = claim(w, block, h->cluster_size, false, "a refcount block", err);
	}
	return r;
}

static int check_window(struct walk *w, struct error *err)
{
	const struct qcow2_header *h = &w->q->header;
	uint64_t needed = div_round_up(h->size, h->cluster_size * h->l2_entries);
	int r;

	r = claim(w, 0, h->cluster_size, false, "the header", err);
	if (r == 0)
		r = check_refcount_table(w, err);
	if (r == 0)
		r = claim(w, h->l1_offset, 8 * (uint64_t)h->l1_entries, false, "the L1 table", err);
	for (uint64_t i = 0; r == 0 && i < needed; i++)
		r = check_l2(w, i, err);
	return r;
}

int qcow2_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err)
{
	struct qcow2 *q = to_qcow2(image);
	struct walk w = {
		.check = { .image = image, .problem = problem, .arg = arg },
		.q = q,
		.clusters = div_round_up(image->file->identity.size, q->header.cluster_size),
	};
	cleanup_free uint8_t *bits = NULL;
	struct error why = { 0 };
	int r = 0;

	w.count = min_u64(w.clusters, WINDOW);
	if (w.clusters / WINDOW >= MAX_WALKS)
		return error_set(err, EFBIG, "%s: has more clusters than can be checked",
		                 image->file->name);
	bits = malloc(2 * (w.count / 8 + 1));
	if (!bits)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	w.used = bits;
	w.packed = bits + w.count / 8 + 1;
	for (; r == 0 && w.first < w.clusters; w.first += WINDOW) {
		memset(bits, 0, 2 * (w.count / 8 + 1));
		r = check_window(&w, &why);
	}
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	return check_end(&w.check);
}
