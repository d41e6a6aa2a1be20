// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed clusters: each is a raw deflate stream or zstd frames that give exactly one cluster.
 *
 * Any thread.  What lies together in the file is fetched with one read and decompressed cluster by
 * cluster, straight into the caller's buffer.  Where only a part of a cluster is wanted, all of it
 * is decompressed and kept in one of a few slots, for the reads that will want the rest.
 *
 * The streams are hostile: they may not give more or less than a cluster, and how much memory
 * decoding takes does not depend on them (the window is the output buffer).
 */
#include "disk/format/qcow2.h"

#include <errno.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

static int inflate_cluster(uint8_t *out, size_t size, const uint8_t *in, size_t len)
{
	z_stream z = {
		.next_in = in,
		.avail_in = (uInt)len,
		.next_out = out,
		.avail_out = (uInt)size,
	};
	int r;

	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return r == Z_STREAM_END && z.avail_out == 0 ? 0 : -EINVAL;
}

/* What follows the last frame in its sector is not ours to judge. */
static int unzstd_cluster(ZSTD_DCtx *ctx, uint8_t *out, size_t size, const uint8_t *in, size_t len)
{
	int r = 0;

	while (size > 0 && r == 0) {
		size_t frame = ZSTD_findFrameCompressedSize(in, len), n = 0;

		if (!ZSTD_isError(frame))
			n = ZSTD_decompressDCtx(ctx, out, size, in, frame);
		if (ZSTD_isError(frame) || ZSTD_isError(n)) {
			r = -EINVAL;
			break;
		}
		out += n;
		size -= n;
		in += frame;
		len -= frame;
	}
	return r;
}

DEFINE_CLEANUP(ZSTD_DCtx *, ZSTD_freeDCtx);

/* `ctx` is there for zstd, and may be NULL for deflate. */
static int unpack_cluster(const struct qcow2 *q, ZSTD_DCtx *ctx, uint8_t *out, const uint8_t *in,
                          size_t len, uint64_t host, struct error *err)
{
	size_t size = q->header.cluster_size;
	bool zstd = q->header.compression == QCOW2_ZSTD;
	int r = zstd ? unzstd_cluster(ctx, out, size, in, len)
	             : inflate_cluster(out, size, in, len);

	if (r == -ENOMEM)
		return error_sys(err, ENOMEM, "%s", q->image.file->name);
	if (r < 0)
		return error_set(
			err, EINVAL,
			"%s: the compressed cluster at %#llx is not a %s stream of exactly "
			"%zu bytes",
			q->image.file->name, (unsigned long long)host, zstd ? "zstd" : "deflate",
			size);
	return 0;
}

/* The part of the cluster at `host` that starts at `within`, when a slot has the cluster. */
static bool slot_copy(struct qcow2 *q, void *buf, size_t len, uint64_t within, uint64_t host)
{
	bool found = false;

	pthread_mutex_lock(&q->lock);
	for (unsigned int i = 0; i < QCOW2_SLOTS && !found; i++) {
		if (q->slots[i].host != host)
			continue;
		memcpy(buf, q->slots[i].data + within, len);
		q->slots[i].used = ++q->clock;
		found = true;
	}
	pthread_mutex_unlock(&q->lock);
	return found;
}

/* Takes `data`; the slot that was not used for longest gives way. */
static void slot_keep(struct qcow2 *q, uint8_t *data, uint64_t host)
{
	struct qcow2_slot *oldest = &q->slots[0];
	uint8_t *old;

	pthread_mutex_lock(&q->lock);
	for (unsigned int i = 1; i < QCOW2_SLOTS; i++)
		if (q->slots[i].used < oldest->used)
			oldest = &q->slots[i];
	old = oldest->data;
	*oldest = (struct qcow2_slot){ .host = host, .used = ++q->clock, .data = data };
	pthread_mutex_unlock(&q->lock);
	free(old);
}

void qcow2_slots_free(struct qcow2 *q)
{
	for (unsigned int i = 0; i < QCOW2_SLOTS; i++)
		free(q->slots[i].data);
}

static int unpack_part(struct qcow2 *q, ZSTD_DCtx *ctx, void *buf, size_t len, uint64_t within,
                       const uint8_t *in, size_t in_len, uint64_t host, struct error *err)
{
	uint8_t *whole = malloc(q->header.cluster_size);
	int r;

	if (!whole)
		return error_sys(err, ENOMEM, "%s", q->image.file->name);
	r = unpack_cluster(q, ctx, whole, in, in_len, host, err);
	if (r < 0) {
		free(whole);
		return r;
	}
	memcpy(buf, whole + within, len);
	slot_keep(q, whole, host);
	return 0;
}

int qcow2_unpack(struct qcow2 *q, void *buf, size_t len, uint64_t off, const struct qcow2_run *run,
                 const struct source_read *how, struct error *err)
{
	uint64_t cluster = q->header.cluster_size, within = off % cluster;
	struct qcow2_cursor cursor = { 0 };
	cleanup(ZSTD_freeDCtx) ZSTD_DCtx *ctx = NULL;
	cleanup_free uint8_t *in = NULL;
	uint8_t *out = buf;
	int r;

	if (within + len <= cluster && slot_copy(q, buf, len, within, run->host))
		return 0;
	if (q->header.compression == QCOW2_ZSTD)
		ctx = ZSTD_createDCtx();
	in = malloc(run->host_end - run->host);
	if (!in || (q->header.compression == QCOW2_ZSTD && !ctx))
		return error_sys(err, ENOMEM, "%s", q->image.file->name);
	r = source_read(q->image.file, in, run->host_end - run->host, run->host, how, err);
	while (r == 0 && len > 0) {
		struct qcow2_run one;
		const uint8_t *from;
		size_t n, from_len;

		within = off % cluster;
		n = min_u64(len, cluster - within);
		r = qcow2_lookup(q, &cursor, off, how, &one, err);
		if (r < 0)
			break;
		/* The tables cannot change under us, but they were fetched a second time. */
		if (one.kind != QCOW2_PACKED || one.host < run->host ||
		    one.host_end > run->host_end)
			return error_set(err, ESTALE, "%s: its tables changed while it was read",
			                 q->image.file->name);
		from = in + (one.host - run->host);
		from_len = one.host_end - one.host;
		if (n == cluster)
			r = unpack_cluster(q, ctx, out, from, from_len, one.host, err);
		else
			r = unpack_part(q, ctx, out, n, within, from, from_len, one.host, err);
		out += n;
		off += n;
		len -= n;
	}
	return r;
}
