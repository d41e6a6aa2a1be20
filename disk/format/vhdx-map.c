// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From an offset of the virtual disk to what lies there: BAT entry, and for a block that only
 * partly belongs to a differencing disk, its part of the sector bitmap ([MS-VHDX] 2.5).
 *
 * Any thread.  In the BAT the entry of a sector bitmap block follows those of the blocks of its
 * chunk; bits count from the lowest of each byte.  The walk that joins neighbours is bounded by
 * MAX_STEPS.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define MAX_STEPS     65536
#define HOST_SHIFT    20
#define RESERVED_MASK UINT64_C(0x00000000000FFFF8)
#define BITMAP_PIECE  512u

static int bad_entry(const struct vhdx *v, const char *what, uint64_t n, uint64_t raw,
                     const char *why, struct error *err)
{
	return error_set(err, EINVAL, "%s: the BAT entry %#llx of %s %llu %s", v->image.file->name,
	                 (unsigned long long)raw, what, (unsigned long long)n, why);
}

/* `need` bytes are wanted of what the entry points to. */
static int check_host(const struct vhdx *v, const char *what, uint64_t n, uint64_t raw,
                      uint64_t need, struct error *err)
{
	uint64_t host = raw >> HOST_SHIFT << HOST_SHIFT;

	if (host == 0)
		return bad_entry(v, what, n, raw, "points into the header", err);
	if (!range_inside(host, need, v->overlay.file_size))
		return bad_entry(v, what, n, raw, "points past the end of the file", err);
	return 0;
}

int vhdx_payload_entry(struct vhdx *v, struct vhdx_cursor *cursor, uint64_t block,
                       const struct source_read *how, struct vhdx_entry *ret, struct error *err)
{
	uint64_t index = block + block / v->chunk_ratio, raw;
	uint64_t need = min_u64(v->block_size, v->image.size - block * v->block_size);
	int r = 0;

	if (index < cursor->first || index - cursor->first >= cursor->n) {
		uint64_t first = round_down(index, sizeof(cursor->raw) / 8);

		cursor->n = 0;
		r = vhdx_table_read(v, cursor->raw, sizeof(cursor->raw), v->bat.off + 8 * first,
		                    how, err);
		if (r < 0)
			return r;
		cursor->first = first;
		cursor->n = sizeof(cursor->raw) / 8;
	}
	raw = load_le64(cursor->raw + 8 * (index - cursor->first));
	if (raw & RESERVED_MASK)
		return bad_entry(v, "block", block, raw, "has reserved bits set", err);
	switch (raw & 7) {
	case VHDX_NOT_PRESENT:
	case VHDX_UNDEFINED:
	case VHDX_ZEROED:
	case VHDX_UNMAPPED:
	case VHDX_UNMAPPED_OLD:
		break;
	case VHDX_PARTIALLY_PRESENT:
		if (!v->has_parent)
			return bad_entry(v, "block", block, raw,
			                 "is partly present, but the disk has no parent", err);
		r = check_host(v, "block", block, raw, need, err);
		break;
	case VHDX_FULLY_PRESENT:
		r = check_host(v, "block", block, raw, need, err);
		break;
	default:
		return bad_entry(v, "block", block, raw, "has a state that does not exist", err);
	}
	if (r < 0)
		return r;
	*ret = (struct vhdx_entry){ raw & 7, raw >> HOST_SHIFT << HOST_SHIFT };
	return 0;
}

int vhdx_bitmap_entry(struct vhdx *v, uint64_t chunk, const struct source_read *how,
                      struct vhdx_entry *ret, struct error *err)
{
	uint64_t index = (chunk + 1) * v->chunk_ratio + chunk, raw;
	uint8_t bytes[8];
	int r = vhdx_table_read(v, bytes, sizeof(bytes), v->bat.off + 8 * index, how, err);

	if (r < 0)
		return r;
	raw = load_le64(bytes);
	if (raw & RESERVED_MASK)
		return bad_entry(v, "sector bitmap", chunk, raw, "has reserved bits set", err);
	if ((raw & 7) == VHDX_FULLY_PRESENT)
		r = check_host(v, "sector bitmap", chunk, raw, MIB, err);
	else if ((raw & 7) != VHDX_NOT_PRESENT)
		r = bad_entry(v, "sector bitmap", chunk, raw, "has a state that does not exist",
		              err);
	if (r < 0)
		return r;
	*ret = (struct vhdx_entry){ raw & 7, raw >> HOST_SHIFT << HOST_SHIFT };
	return 0;
}

/* What is asked about: `max` bytes of the disk from `off` on. */
struct question {
	uint64_t off, max;
	bool mixed_allowed;
	const struct source_read *how;
};

/* A partly present block: sectors whose bit is set lie here, the others in the parent. */
static int partial_run(struct vhdx *v, uint64_t block, uint64_t host, const struct question *q,
                       struct vhdx_run *run, struct error *err)
{
	uint64_t chunk = block / v->chunk_ratio, within = q->off % v->block_size;
	uint64_t first = (block % v->chunk_ratio * v->block_size + within) / v->logical_sector;
	uint64_t from = round_down(first / 8, BITMAP_PIECE), in_sector = q->off % v->logical_sector;
	uint64_t most = min_u64(q->max, v->block_size - within);
	struct mixed *m = &run->mixed;
	struct vhdx_entry bitmap;
	uint32_t n;
	int r;

	r = vhdx_bitmap_entry(v, chunk, q->how, &bitmap, err);
	if (r == 0 && bitmap.state != VHDX_FULLY_PRESENT)
		r = error_set(
			err, EINVAL,
			"%s: block %llu is partly present, but the sector bitmap of its chunk "
			"%llu is not there",
			v->image.file->name, (unsigned long long)block, (unsigned long long)chunk);
	if (r == 0)
		r = vhdx_table_read(v, m->bits, BITMAP_PIECE, bitmap.host + from, q->how, err);
	if (r < 0)
		return r;
	m->first = (uint32_t)(first - from * 8);
	m->end = (uint32_t)min_u64(m->first + div_round_up(in_sector + most, v->logical_sector),
	                           BITMAP_PIECE * UINT64_C(8));
	m->sector = v->logical_sector;
	m->lowest_first = true;
	run->host = host + within;
	if (q->mixed_allowed && mixed_changes_often(m)) {
		run->kind = VHDX_MIXED;
		n = m->end - m->first;
	} else {
		run->kind = mixed_is_own(m) ? VHDX_DATA : VHDX_PARENT;
		n = mixed_alike(m);
	}
	run->len = min_u64((uint64_t)n * v->logical_sector - in_sector, most);
	return 0;
}

static int block_run(struct vhdx *v, struct vhdx_cursor *cursor, const struct question *q,
                     struct vhdx_run *run, struct error *err)
{
	uint64_t block = q->off / v->block_size, within = q->off % v->block_size;
	struct vhdx_entry entry;
	int r = vhdx_payload_entry(v, cursor, block, q->how, &entry, err);

	if (r < 0)
		return r;
	run->kind = VHDX_ZERO;
	run->len = v->block_size - within;
	switch (entry.state) {
	case VHDX_NOT_PRESENT:
		run->kind = VHDX_PARENT;
		break;
	case VHDX_FULLY_PRESENT:
		run->kind = VHDX_DATA;
		run->host = entry.host + within;
		break;
	case VHDX_PARTIALLY_PRESENT:
		r = partial_run(v, block, entry.host, q, run, err);
		break;
	case VHDX_UNDEFINED:
	case VHDX_ZEROED:
	case VHDX_UNMAPPED:
	case VHDX_UNMAPPED_OLD:
		break;
	}
	if (r < 0)
		return r;
	if (run->kind == VHDX_PARENT && !v->has_parent)
		run->kind = VHDX_ZERO;
	run->len = min_u64(run->len, v->image.size - q->off);
	return 0;
}

int vhdx_run(struct vhdx *v, uint64_t off, uint64_t max, bool mixed_allowed,
             const struct source_read *how, struct vhdx_run *ret, struct error *err)
{
	struct question q = { off, max, mixed_allowed, how };
	struct vhdx_cursor cursor = { 0 };
	struct vhdx_run next;
	int r = block_run(v, &cursor, &q, ret, err);

	if (r < 0)
		return r;
	for (unsigned int step = 0; step < MAX_STEPS && ret->kind != VHDX_MIXED && ret->len < max;
	     step++) {
		q.off = off + ret->len;
		q.max = max - ret->len;
		/* A bad entry further on is met by whoever asks for it. */
		if (block_run(v, &cursor, &q, &next, NULL) < 0 || next.kind != ret->kind ||
		    (ret->kind == VHDX_DATA && next.host != ret->host + ret->len))
			break;
		ret->len += next.len;
	}
	ret->len = min_u64(ret->len, max);
	return 0;
}
