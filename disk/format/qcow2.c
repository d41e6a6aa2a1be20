// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qcow2, versions 2 and 3: the driver.
 *
 * Opening reads the header and opens the backing file; tables are read when a look-up needs them
 * (qcow2-map.c).  Internal snapshots, dirty bitmaps and refcounts concern writers: the active disk
 * reads the same without them.
 *
 * Any thread reads and maps; open and close are the caller's to order.
 */
#include "disk/format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

/* A page of a table is fetched at once: it costs one round trip, like a small part of it would. */
#define PAGE_SIZE_MAX 65536u
#define PAGE_SIZE_MIN 4096u
#define PAGES         64u

/* Up to this much of L2 tables is read to tell how much is allocated. */
#define DESCRIBE_MAX (4 * MIB)

static bool qcow2_detect(const struct image_probe *probe)
{
	return probe->head_len >= 8 && load_be32(probe->head) == QCOW2_MAGIC;
}

static int read_run(struct qcow2 *q, uint8_t *buf, uint64_t off, const struct qcow2_run *run,
                    const struct source_read *how, struct error *err)
{
	struct source_read aside = how ? *how : (struct source_read){ 0 };

	switch (run->kind) {
	case QCOW2_ABSENT:
		if (q->image.parent)
			return parent_read(&q->image, buf, run->len, off, how, err);
		break;
	case QCOW2_ZERO:
		break;
	case QCOW2_DATA:
		return source_read(q->image.file, buf, run->len, run->host, how, err);
	case QCOW2_PACKED:
		/* How far the compressed bytes have come says nothing about `buf`. */
		aside.arrived = NULL;
		return qcow2_unpack(q, buf, run->len, off, run, &aside, err);
	}
	memset(buf, 0, run->len);
	return 0;
}

static int qcow2_read(struct image *image, void *buf, size_t len, uint64_t off,
                      const struct source_read *how, struct error *err)
{
	struct qcow2 *q = to_qcow2(image);

	for (size_t done = 0; done < len;) {
		struct piece_read piece;
		struct qcow2_run run;
		int r = qcow2_run(q, off + done, len - done, how, &run, err);

		if (r == 0)
			r = read_run(q, (uint8_t *)buf + done, off + done, &run,
			             piece_how(&piece, how, done), err);
		if (r < 0)
			return r;
		done += run.len;
	}
	return 0;
}

static int qcow2_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
                     enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct qcow2 *q = to_qcow2(image);
	struct qcow2_run run;
	int r;

	r = qcow2_run(q, off, max, how, &run, err);
	if (r < 0)
		return r;
	if (run.kind == QCOW2_ABSENT && image->parent)
		return parent_map(image, off, run.len, how, ret_kind, ret_len, err);
	*ret_kind = run.kind == QCOW2_DATA     ? IMAGE_EXTENT_DATA
	            : run.kind == QCOW2_PACKED ? IMAGE_EXTENT_PACKED
	                                       : IMAGE_EXTENT_ZERO;
	*ret_len = run.len;
	return 0;
}

/* Bytes of the disk that this file holds; -EFBIG when telling would take too much reading. */
static int count_allocated(struct qcow2 *q, uint64_t *ret, struct error *err)
{
	uint64_t reach = q->header.cluster_size * q->header.l2_entries, tables = 0, sum = 0,
		 off = 0;
	struct qcow2_run run;
	int r;

	for (uint64_t i = 0; i < div_round_up(q->image.size, reach); i++) {
		uint64_t table;

		r = qcow2_l2_table(q, i, NULL, &table, err);
		if (r < 0)
			return r;
		tables += table != 0;
		if (tables * q->header.cluster_size > DESCRIBE_MAX)
			return -EFBIG;
	}
	while (off < q->image.size) {
		r = qcow2_run(q, off, q->image.size - off, NULL, &run, err);
		if (r < 0)
			return r;
		if (run.kind == QCOW2_DATA || run.kind == QCOW2_PACKED)
			sum += run.len;
		off += run.len;
	}
	*ret = sum;
	return 0;
}

/* A name from the file as JSON, which is UTF-8; what is not is shown as question marks. */
static json_t *json_name(const char *name)
{
	json_t *text = json_string(name);
	char ascii[QCOW2_NAME_MAX + 1];
	size_t n;

	if (text)
		return text;
	for (n = 0; n < QCOW2_NAME_MAX && name[n]; n++)
		ascii[n] = name[n] & 0x80 ? '?' : name[n];
	return json_stringn(ascii, n);
}

static int qcow2_describe(struct image *image, json_t *info, struct error *err)
{
	struct qcow2 *q = to_qcow2(image);
	const struct qcow2_header *h = &q->header;
	uint64_t allocated;
	int r, bad = 0;

	bad |= json_object_set_new(info, "version", json_integer(h->version));
	bad |= json_object_set_new(info, "block_size", json_integer((json_int_t)h->cluster_size));
	bad |= json_object_set_new(info, "compression",
	                           json_string(h->compression == QCOW2_ZSTD ? "zstd" : "zlib"));
	bad |= json_object_set_new(info, "extended_l2", json_boolean(h->extended));
	bad |= json_object_set_new(info, "lazy_refcounts",
	                           json_boolean(h->compatible & QCOW2_COMPAT_LAZY));
	bad |= json_object_set_new(info, "dirty",
	                           json_boolean(h->incompatible & QCOW2_INCOMPAT_DIRTY));
	bad |= json_object_set_new(info, "refcount_bits", json_integer(1 << h->refcount_order));
	bad |= json_object_set_new(info, "snapshots", json_integer(h->snapshots));
	if (h->backing)
		bad |= json_object_set_new(info, "backing_file", json_name(h->backing));
	if (h->backing_format[0])
		bad |= json_object_set_new(info, "backing_format", json_name(h->backing_format));
	r = count_allocated(q, &allocated, err);
	if (r == 0)
		bad |= json_object_set_new(info, "allocated", json_integer((json_int_t)allocated));
	if (bad)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	return r == -EFBIG ? 0 : r;
}

static void qcow2_close(struct image *image)
{
	struct qcow2 *q = to_qcow2(image);

	pages_free(q->pages);
	qcow2_slots_free(q);
	qcow2_header_free(&q->header);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static const struct image_ops qcow2_ops = {
	.read = qcow2_read,
	.map = qcow2_map,
	.describe = qcow2_describe,
	.check = qcow2_check,
	.close = qcow2_close,
};

static int open_backing(struct qcow2 *q, const struct image_options *options, struct error *err)
{
	const struct qcow2_header *h = &q->header;
	const char *name = q->image.file->name;
	struct parent_request request = {
		.child = &q->image,
		.options = options,
		.places = (const char *const *)&h->backing,
		.n = 1,
		.format = IMAGE_AUTO,
	};

	if (strncmp(h->backing, "json:", 5) == 0)
		request.n = 0;
	if (request.n == 0 && options->parents.n == 0)
		return error_set(err, ENOTSUP,
		                 "%s: names its backing file by a description (%.100s), not by a "
		                 "path; --parent can say where it is",
		                 name, h->backing);
	if (h->backing_format[0] &&
	    image_format_parse(h->backing_format, &request.format, NULL) < 0)
		return error_set(err, ENOTSUP,
		                 "%s: its backing file %s is of format \"%s\", which Sill does not "
		                 "read",
		                 name, h->backing, h->backing_format);
	if (!h->backing_format[0])
		image_warn(
			&q->image, options,
			"does not say of which format its backing file %s is; its content decides",
			h->backing);
	return parent_open(&request, err);
}

static int qcow2_open(struct source *file, const struct image_options *options, struct image **ret,
                      struct error *err)
{
	cleanup(image_abandon) struct image *image = NULL;
	struct qcow2_header header;
	struct qcow2 *q;
	size_t page;
	int r;

	r = qcow2_header_read(file, &header, err);
	if (r < 0)
		return r;
	q = calloc(1, sizeof(*q));
	if (!q) {
		qcow2_header_free(&header);
		return error_sys(err, ENOMEM, "%s", file->name);
	}
	pthread_mutex_init(&q->lock, NULL);
	q->header = header;
	image_init(&q->image, &qcow2_ops, IMAGE_QCOW2, file, options);
	q->image.size = header.size;
	image = &q->image;

	page = max_u64(PAGE_SIZE_MIN, min_u64(PAGE_SIZE_MAX, header.cluster_size));
	r = pages_new(file, page, PAGES, &q->pages, err);
	if (r == 0 && header.backing)
		r = open_backing(q, options, err);
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

const struct image_driver qcow2_driver = {
	.format = IMAGE_QCOW2,
	.name = "qcow2",
	.detect = qcow2_detect,
	.open = qcow2_open,
};
