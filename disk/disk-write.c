// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes.
 *
 * The near takes whole blocks, so a write that covers a block never fetches it.  Where a write
 * begins or ends inside a block, the rest of that block is read, merged and written back, under
 * locks that order all writers of a block.  What is far is brought near before the locks are taken,
 * so that nobody waits behind a source for a lock.
 *
 * A trim is advice: blocks of which it covers only a part are left as they are.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/internal.h"

/* Bytes that share a write lock with their neighbours. */
#define STRIPE (64 * KIB)

/* A range taken apart: up to one partial block, whole blocks, up to one partial block. */
struct parts {
	uint64_t off, end;
	uint64_t body, body_end; /* whole blocks; the disk's end counts as a boundary */
};

static struct parts take_apart(const struct disk *disk, uint64_t off, uint64_t len)
{
	struct parts parts = { .off = off, .end = off + len };

	parts.body_end = parts.end == disk->size ? parts.end : round_down(parts.end, NEAR_BLOCK);
	/* A last block that is short may be covered by less than a block. */
	parts.body = min_u64(round_up(off, NEAR_BLOCK), disk->size);
	if (parts.body >= parts.body_end)
		parts.body = parts.body_end = parts.end;
	return parts;
}

/* Which of the write locks cover the range. */
static uint64_t stripes(uint64_t off, uint64_t end)
{
	uint64_t first = off / STRIPE, last = (end - 1) / STRIPE, mask = 0;

	if (last - first >= WRITE_LOCKS - 1)
		return UINT64_MAX;
	for (; first <= last; first++)
		mask |= UINT64_C(1) << first % WRITE_LOCKS;
	return mask;
}

/* In rising order, so that two writers never wait for each other. */
static void lock_stripes(struct disk *disk, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		pthread_mutex_lock(&disk->write_locks[__builtin_ctzll(mask)]);
}

static void unlock_stripes(struct disk *disk, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		pthread_mutex_unlock(&disk->write_locks[__builtin_ctzll(mask)]);
}

/* Merge [off, end), which lies in one block, into it; `buf` NULL: zeros.  With its lock. */
static int merge(struct disk *disk, const char *buf, uint64_t off, uint64_t end, struct error *err)
{
	uint64_t block = round_down(off, NEAR_BLOCK);
	size_t len = (size_t)min_u64(NEAR_BLOCK, disk->size - block);
	char whole[NEAR_BLOCK];
	int r = disk_read_noted(disk, whole, len, block, err);

	if (r < 0)
		return r;
	if (buf)
		memcpy(whole + (off - block), buf, end - off);
	else
		memset(whole + (off - block), 0, end - off);
	return near_write(disk->near, whole, len, block, err);
}

/* Merge [from, to), which touches at most two blocks, both in part. */
static int merge_edge(struct disk *disk, const char *buf, uint64_t from, uint64_t to,
                      struct error *err)
{
	while (from < to) {
		uint64_t end = min_u64(to, round_down(from, NEAR_BLOCK) + NEAR_BLOCK);
		int r = merge(disk, buf, from, end, err);

		if (r < 0)
			return r;
		if (buf)
			buf += end - from;
		from = end;
	}
	return 0;
}

/* Bring the blocks of [from, to) near, of which a part will be kept. */
static int bring(struct disk *disk, uint64_t from, uint64_t to, struct error *err)
{
	bool waited;

	if (from >= to)
		return 0;
	return fetch_read(disk->fetch, NULL, to - from, from, &waited, err);
}

/* Write or, with `buf` NULL, zero [off, off + len). */
static int change(struct disk *disk, const char *buf, uint64_t len, uint64_t off,
                  unsigned int flags, struct error *err)
{
	struct parts parts = take_apart(disk, off, len);
	uint64_t body_len = parts.body_end - parts.body, mask;
	/* Without a body the first edge is all there is. */
	uint64_t head_end = body_len ? parts.body : parts.end;
	int r = bring(disk, parts.off, head_end, err);

	if (r == 0 && body_len)
		r = bring(disk, parts.body_end, parts.end, err);
	if (r < 0)
		return r;
	mask = stripes(round_down(off, NEAR_BLOCK), parts.end);
	lock_stripes(disk, mask);
	r = merge_edge(disk, buf, parts.off, head_end, err);
	if (r == 0 && body_len)
		r = buf ? near_write(disk->near, buf + (parts.body - off), body_len, parts.body,
		                     err)
		        : near_zero(disk->near, body_len, parts.body, err);
	if (r == 0 && body_len)
		r = merge_edge(disk, buf ? buf + (parts.body_end - off) : NULL, parts.body_end,
		               parts.end, err);
	unlock_stripes(disk, mask);
	if (r == 0 && flags & DISK_FUA)
		r = near_flush(disk->near, err);
	return r;
}

static int check_write(struct disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	int r = disk_check_range(disk, len, off, err);

	if (r < 0)
		return r;
	if (!disk->writable)
		return error_set(err, EROFS, "the disk has no layer to write to");
	__atomic_fetch_add(&disk->writes, 1, __ATOMIC_RELAXED);
	return 0;
}

int disk_write(struct disk *disk, const void *buf, size_t len, uint64_t off, unsigned int flags,
               struct error *err)
{
	int r = check_write(disk, len, off, err);

	if (r == 0 && len > 0)
		r = change(disk, buf, len, off, flags, err);
	return disk_guest_error(r, err);
}

int disk_zero(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err)
{
	int r = check_write(disk, len, off, err);

	if (r == 0 && len > 0)
		r = change(disk, NULL, len, off, flags, err);
	return disk_guest_error(r, err);
}

int disk_trim(struct disk *disk, uint64_t len, uint64_t off, unsigned int flags, struct error *err)
{
	struct parts parts;
	uint64_t mask;
	int r = check_write(disk, len, off, err);

	if (r < 0 || len == 0)
		return r;
	parts = take_apart(disk, off, len);
	if (parts.body < parts.body_end) {
		mask = stripes(parts.body, parts.body_end);
		lock_stripes(disk, mask);
		r = near_zero(disk->near, parts.body_end - parts.body, parts.body, err);
		unlock_stripes(disk, mask);
	}
	if (r == 0 && flags & DISK_FUA)
		r = near_flush(disk->near, err);
	return disk_guest_error(r, err);
}

int disk_flush(struct disk *disk, struct error *err)
{
	return disk_guest_error(near_flush(disk->near, err), err);
}
