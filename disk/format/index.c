// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library's image index as a format.
 *
 * Opening reads 256 bytes.  Pages and packs are opened when they are first wanted, so an index whose
 * blocks are all near needs them as little as it needs a network.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define PAGES_AT_ONCE (64 * KIB) /* so a look-up seldom waits more than once */
#define PAGES_KEPT    16

static void index_close(struct image *image)
{
	struct index_image *index = to_index(image);

	pages_free(index->pages);
	source_close(index->pages_file);
	index_packs_close(index);
	source_places_free(&index->places);
	pthread_mutex_destroy(&index->lock);
	pthread_cond_destroy(&index->idle);
	free(index);
}

static int index_read(struct image *image, void *buf, size_t len, uint64_t off,
                      const struct source_read *how, struct error *err)
{
	struct index_image *index = to_index(image);
	cleanup_free struct index_cursor *cursor = calloc(1, sizeof(*cursor));
	uint64_t size = index->header.chunk_size;
	size_t done = 0;

	if (!cursor)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	while (done < len) {
		uint64_t at = off + done, n = at / size, within = at % size;
		struct index_run run;
		size_t some;
		int r = index_find_run(index, cursor, n, div_round_up(within + len - done, size),
		                       how, &run, err);

		if (r < 0)
			return r;
		some = min_u64(len - done, run.count * size - within);
		if (run.zero)
			memset((uint8_t *)buf + done, 0, some);
		else
			r = index_read_run(index, &run, (uint8_t *)buf + done, within, some, how,
			                   err);
		if (r < 0)
			return r;
		done += some;
		if (how && how->arrived)
			how->arrived(how->arg, done);
	}
	return 0;
}

static int index_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
                     enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	struct index_image *index = to_index(image);
	cleanup_free struct index_cursor *cursor = calloc(1, sizeof(*cursor));
	uint64_t size = index->header.chunk_size, within = off % size;
	struct index_run run;
	int r;

	if (!cursor)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	r = index_find_run(index, cursor, off / size, div_round_up(within + max, size), how, &run,
	                   err);
	if (r < 0)
		return r;
	*ret_kind = run.zero ? IMAGE_EXTENT_ZERO : IMAGE_EXTENT_PACKED;
	*ret_len = min_u64(max, run.count * size - within);
	return 0;
}

static int index_describe(struct image *image, json_t *info,
                          struct error *err __attribute__((unused)))
{
	const struct index_header *header = &to_index(image)->header;
	char digest[INDEX_NAME_BYTES];

	index_digest_name(image->digest, digest);
	json_object_set_new(info, "digest", json_string(digest));
	json_object_set_new(info, "chunk_size", json_integer(header->chunk_size));
	json_object_set_new(info, "chunks", json_integer((json_int_t)header->used));
	json_object_set_new(info, "distinct_chunks", json_integer((json_int_t)header->distinct));
	json_object_set_new(info, "packs", json_integer((json_int_t)header->n_packs));
	json_object_set_new(info, "packed_bytes", json_integer((json_int_t)header->stored));
	return 0;
}

static int is_trace(void *arg, const void *buf, size_t len, struct error *err)
{
	const struct index_header *header = arg;
	uint8_t digest[INDEX_DIGEST_BYTES];

	index_digest(buf, len, digest);
	if (memcmp(digest, header->trace_digest, sizeof(digest)) == 0)
		return 0;
	return error_set(err, EBADMSG, "the trace is not the one that the index names");
}

static int index_trace(struct image *image, const struct source_read *how, uint8_t **ret,
                       size_t *ret_len, struct error *err)
{
	struct index_image *index = to_index(image);
	const struct source_judge judge = { .right = is_trace, .arg = &index->header };
	cleanup(source_close) struct source *file = NULL;
	size_t len = index->header.trace_size;
	cleanup_free uint8_t *raw = NULL;
	int r;

	if (len == 0)
		return error_set(err, ENOENT, "%s: was published without a trace",
		                 image->file->name);
	r = index_open_beside(index, index->header.trace_digest, len, false, &file, err);
	if (r < 0)
		return r;
	raw = malloc(len);
	if (!raw)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	r = source_read_judged(file, raw, len, 0, how, &judge, err);
	if (r < 0)
		return r;
	*ret = take_ptr(raw);
	*ret_len = len;
	return 0;
}

static const struct image_ops index_ops = {
	.read = index_read,
	.map = index_map,
	.describe = index_describe,
	.check = index_check,
	.trace = index_trace,
	.each_source = index_each_pack,
	.close = index_close,
};

static bool index_detect(const struct image_probe *probe)
{
	return probe->head_len >= 8 && memcmp(probe->head, "SILLINDX", 8) == 0;
}

/* What was asked for, where a digest was said. */
static int check_header(void *arg, const void *buf, size_t len, struct error *err)
{
	const char *want = arg;
	uint8_t digest[INDEX_DIGEST_BYTES];
	char have[INDEX_NAME_BYTES];

	index_digest(buf, len, digest);
	index_digest_name(digest, have);
	if (!want[0] || strcmp(want, have) == 0)
		return 0;
	return error_set(err, EBADMSG, "the index has %s, not %s", have, want);
}

static int read_header(struct index_image *index, const char *want, struct error *err)
{
	const struct source_read how = { .priority = SOURCE_DEMAND, .metadata = true };
	const struct source_judge judge = { .right = check_header, .arg = (void *)want };
	struct source *file = index->image.file;
	uint8_t raw[INDEX_HEADER_BYTES];
	int r;

	if (file->identity.size != INDEX_HEADER_BYTES)
		return error_set(err, EINVAL, "%s: an image index has %u bytes, not %llu",
		                 file->name, INDEX_HEADER_BYTES,
		                 (unsigned long long)file->identity.size);
	r = source_read_judged(file, raw, sizeof(raw), 0, &how, &judge, err);
	if (r < 0)
		return r;
	index_digest(raw, sizeof(raw), index->image.digest);
	index->image.has_digest = true;
	r = index_header_parse(raw, &index->header, err);
	return r < 0 && err ? error_prefix(err, "%s", file->name) : r;
}

/* The digest that was asked for, "" when none was: by the person, or as the file's name. */
static int copy_places(struct index_image *index, const struct source_places *places,
                       char want[INDEX_NAME_BYTES], struct error *err)
{
	int r = 0;

	want[0] = '\0';
	for (size_t i = 0; i < places->n && r == 0; i++) {
		const struct source_place *at = &places->at[i];

		r = source_places_add(&index->places, at, err);
		if (at->digest)
			snprintf(want, INDEX_NAME_BYTES, "%s", at->digest);
		else if (!want[0])
			source_named_digest(at->url, want);
	}
	return r;
}

static int index_open(struct source *file, const struct image_options *options, struct image **ret,
                      struct error *err)
{
	struct index_image *index = calloc(1, sizeof(*index));
	cleanup(image_abandon) struct image *image = NULL;
	char want[INDEX_NAME_BYTES];
	int r;

	if (!index)
		return error_set(err, ENOMEM, "%s: no memory to open it", file->name);
	image = &index->image;
	image_init(image, &index_ops, IMAGE_INDEX, file, options);
	pthread_mutex_init(&index->lock, NULL);
	pthread_cond_init(&index->idle, NULL);
	index->options = (struct image_options){ .open_beside = options->open_beside,
		                                 .find_chunk = options->find_chunk,
		                                 .arg = options->arg };
	r = copy_places(index, &options->places, want, err);
	if (r == 0)
		r = read_header(index, want, err);
	if (r < 0)
		return r;
	image->size = index->header.size;
	image->unit = index->header.chunk_size;
	/* A disk of zeros alone has no pages. */
	if (index->header.pages_size > 0) {
		r = index_open_beside(index, index->header.pages_digest, index->header.pages_size,
		                      true, &index->pages_file, err);
		if (r == 0)
			r = pages_new(index->pages_file, PAGES_AT_ONCE, PAGES_KEPT, &index->pages,
			              err);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

const struct image_driver index_driver = {
	.format = IMAGE_INDEX,
	.name = "index",
	.detect = index_detect,
	.open = index_open,
};
