// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From an offset of the virtual disk to what lies there: L1 entry, L2 entry, run.
 *
 * Any thread.  The tables are read through the bounded page cache, a few hundred bytes of a table
 * at a time are kept by the walk itself.  Every entry is checked when it is met: reserved bits,
 * alignment, and that what it points to lies inside the file.  The walk that joins neighbours is
 * bounded by MAX_STEPS, and a longer run is simply found in two parts.
 */
#include "disk/format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define MAX_STEPS 65536

/* How many bytes of the virtual disk one L2 table covers. */
static uint64_t l2_reach(const struct qcow2 *q)
{
	return q->header.cluster_size * q->header.l2_entries;
}

static int bad_entry(const struct qcow2 *q, uint64_t off, uint64_t entry, const char *what,
                     struct error *err)
{
	return error_set(err, EINVAL, "%s: the L2 entry %#llx for offset %llu of the disk %s",
	                 q->image.file->name, (unsigned long long)entry, (unsigned long long)off,
	                 what);
}

int qcow2_l2_table(struct qcow2 *q, uint64_t index, const struct source_read *how, uint64_t *ret,
                   struct error *err)
{
	const char *name = q->image.file->name;
	uint8_t raw[8];
	uint64_t entry, table;
	int r;

	r = pages_read(q->pages, raw, sizeof(raw), q->header.l1_offset + 8 * index, how, err);
	if (r < 0)
		return r;
	entry = load_be64(raw);
	table = entry & QCOW2_ENTRY_OFFSET;
	if (entry & QCOW2_L1_RESERVED)
		return error_set(err, EINVAL, "%s: L1 entry %llu is %#llx, with reserved bits set",
		                 name, (unsigned long long)index, (unsigned long long)entry);
	if (table % q->header.cluster_size != 0)
		return error_set(err, EINVAL,
		                 "%s: L1 entry %llu points to %#llx, not the start of a cluster",
		                 name, (unsigned long long)index, (unsigned long long)table);
	if (!range_inside(table, q->header.cluster_size, q->image.file->identity.size))
		return error_set(err, EINVAL, "%s: L1 entry %llu points past the end of the file",
		                 name, (unsigned long long)index);
	*ret = table;
	return 0;
}

/* The L2 entry at `at` in the file, and its bitmap of subclusters where there is one. */
static int load_entry(struct qcow2 *q, struct qcow2_cursor *cursor, uint64_t at,
                      const struct source_read *how, uint64_t *ret_entry, uint64_t *ret_bitmap,
                      struct error *err)
{
	const uint8_t *p;
	int r;

	if (cursor->off == 0 || at < cursor->off || at >= cursor->off + sizeof(cursor->raw)) {
		uint64_t from = round_down(at, sizeof(cursor->raw));

		cursor->off = 0;
		r = pages_read(q->pages, cursor->raw, sizeof(cursor->raw), from, how, err);
		if (r < 0)
			return r;
		cursor->off = from;
	}
	p = cursor->raw + (at - cursor->off);
	*ret_entry = load_be64(p);
	*ret_bitmap = q->header.extended ? load_be64(p + 8) : 0;
	return 0;
}

int qcow2_packed_range(const struct qcow2 *q, uint64_t entry, uint64_t off, uint64_t *ret_host,
                       uint64_t *ret_end, struct error *err)
{
	unsigned int bits = 62 - (q->header.cluster_bits - 8);
	uint64_t host = entry & ((UINT64_C(1) << bits) - 1);
	uint64_t sectors = (entry & (QCOW2_ENTRY_COMPRESSED - 1)) >> bits;
	uint64_t size = q->image.file->identity.size;
	uint64_t end;

	if (host < q->header.cluster_size)
		return bad_entry(q, off, entry, "points into the header", err);
	if (host >= size)
		return bad_entry(q, off, entry, "points past the end of the file", err);
	/* `sectors` counts those after the one that `host` is in; the file may end in the last. */
	end = round_down(host, 512) + (sectors + 1) * 512;
	if (end > round_up(size, 512))
		return bad_entry(q, off, entry, "runs past the end of the file", err);
	*ret_host = host;
	*ret_end = min_u64(end, size);
	return 0;
}

/* Extended entries: the state of subcluster `s`. */
static int subcluster_kind(const struct qcow2 *q, uint64_t entry, uint64_t bitmap, unsigned int s,
                           uint64_t off, enum qcow2_kind *ret, struct error *err)
{
	bool allocated = bitmap >> s & 1;
	bool zero = bitmap >> (s + QCOW2_SUBCLUSTERS) & 1;

	if (allocated && zero)
		return bad_entry(q, off, entry, "has a subcluster that is both data and zero", err);
	if (allocated && (entry & QCOW2_ENTRY_OFFSET) == 0)
		return bad_entry(q, off, entry, "has subclusters but no place for them", err);
	*ret = allocated ? QCOW2_DATA : zero ? QCOW2_ZERO : QCOW2_ABSENT;
	return 0;
}

static int subcluster_run(struct qcow2 *q, uint64_t entry, uint64_t bitmap, uint64_t off,
                          struct qcow2_run *run, struct error *err)
{
	uint64_t size = q->header.cluster_size / QCOW2_SUBCLUSTERS;
	uint64_t within = off % q->header.cluster_size;
	unsigned int s = (unsigned int)(within / size);
	enum qcow2_kind next = QCOW2_ABSENT;
	int r;

	if (entry & QCOW2_ENTRY_ZERO)
		return bad_entry(q, off, entry, "has reserved bits set", err);
	r = subcluster_kind(q, entry, bitmap, s, off, &run->kind, err);
	while (r == 0 && ++s < QCOW2_SUBCLUSTERS) {
		r = subcluster_kind(q, entry, bitmap, s, off, &next, err);
		if (r == 0 && next != run->kind)
			break;
	}
	run->len = s * size - within;
	return r;
}

static int standard_run(struct qcow2 *q, uint64_t entry, uint64_t bitmap, uint64_t off,
                        struct qcow2_run *run, struct error *err)
{
	uint64_t within = off % q->header.cluster_size;
	uint64_t host = entry & QCOW2_ENTRY_OFFSET;
	int r = 0;

	if (entry & QCOW2_ENTRY_RESERVED)
		return bad_entry(q, off, entry, "has reserved bits set", err);
	if (host % q->header.cluster_size != 0)
		return bad_entry(q, off, entry, "does not point to the start of a cluster", err);
	run->len = q->header.cluster_size - within;
	if (q->header.extended)
		r = subcluster_run(q, entry, bitmap, off, run, err);
	else if (entry & QCOW2_ENTRY_ZERO)
		run->kind = QCOW2_ZERO;
	else
		run->kind = host ? QCOW2_DATA : QCOW2_ABSENT;
	if (r == 0 && !q->header.extended && entry & QCOW2_ENTRY_ZERO && q->header.version < 3)
		r = bad_entry(q, off, entry, "is a zero cluster, which version 2 does not have",
		              err);
	run->host = host + within;
	return r;
}

int qcow2_lookup(struct qcow2 *q, struct qcow2_cursor *cursor, uint64_t off,
                 const struct source_read *how, struct qcow2_run *ret, struct error *err)
{
	struct qcow2_run run = { .kind = QCOW2_ABSENT };
	uint64_t left = q->image.size - off;
	uint64_t index = off / l2_reach(q), table, entry, bitmap;
	int r;

	r = qcow2_l2_table(q, index, how, &table, err);
	if (r < 0)
		return r;
	if (table == 0) {
		run.len = min_u64(left, l2_reach(q) - off % l2_reach(q));
		*ret = run;
		return 0;
	}
	r = load_entry(q, cursor,
	               table + off % l2_reach(q) / q->header.cluster_size *
	                               (q->header.extended ? 16 : 8),
	               how, &entry, &bitmap, err);
	if (r < 0)
		return r;
	run.entry = entry;
	if (entry & QCOW2_ENTRY_COMPRESSED) {
		run.kind = QCOW2_PACKED;
		if (!__atomic_load_n(&q->image.unit, __ATOMIC_RELAXED))
			__atomic_store_n(&q->image.unit, q->header.cluster_size, __ATOMIC_RELAXED);
		run.len = q->header.cluster_size - off % q->header.cluster_size;
		r = qcow2_packed_range(q, entry, off, &run.host, &run.host_end, err);
	} else {
		r = standard_run(q, entry, bitmap, off, &run, err);
	}
	if (r < 0)
		return r;
	run.len = min_u64(run.len, left);
	if (run.kind == QCOW2_DATA &&
	    !range_inside(run.host, run.len, q->image.file->identity.size))
		return bad_entry(q, off, entry, "points past the end of the file", err);
	*ret = run;
	return 0;
}

/* Does `next` go on where `run` ends?  Then it is made part of it. */
static bool join(const struct qcow2 *q, uint64_t start, struct qcow2_run *run,
                 const struct qcow2_run *next)
{
	uint64_t whole = start % q->header.cluster_size + run->len + next->len;

	if (next->kind != run->kind)
		return false;
	if (run->kind == QCOW2_DATA && next->host != run->host + run->len)
		return false;
	if (run->kind == QCOW2_PACKED) {
		/* The next one often starts in the sector that this one ends in. */
		if (next->host <= run->host || next->host > run->host_end ||
		    next->host_end < run->host_end || whole > QCOW2_PACKED_MAX)
			return false;
		run->host_end = next->host_end;
	}
	run->len += next->len;
	return true;
}

int qcow2_run(struct qcow2 *q, uint64_t off, uint64_t max, const struct source_read *how,
              struct qcow2_run *ret, struct error *err)
{
	struct qcow2_cursor cursor = { 0 };
	struct qcow2_run run, next;
	int r;

	r = qcow2_lookup(q, &cursor, off, how, &run, err);
	if (r < 0)
		return r;
	for (unsigned int step = 0; step < MAX_STEPS && run.len < max; step++) {
		/* A bad entry further on is met by whoever asks for it. */
		if (qcow2_lookup(q, &cursor, off + run.len, how, &next, NULL) < 0 ||
		    !join(q, off, &run, &next))
			break;
	}
	run.len = min_u64(run.len, max);
	*ret = run;
	return 0;
}
