// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opening an image: a chain of sources for each of its files, near metadata over it, the format on
 * top.
 *
 * The first look at an image (no record yet) contacts whatever the image suggests for parents.
 * Later opens follow the record: the files it names are expected to be what they were, nothing is
 * contacted that is near, and a place where no parent was found is not tried again.
 *
 * A parent has a chain as its child has: its places are those beside each of the child's, with the
 * same priorities.  When one of them is in the record it is that file, and the others are mirrors
 * of it until they turn out to be something else.
 *
 * Threads: opening is one at a time (disk/far.h); status may be asked for once it has succeeded.
 */
#include "disk/image-dir.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/chain.h"
#include "disk/host-chunks.h"
#include "disk/near/meta.h"

struct opened {
	struct source_places places;
	unsigned int meta;
	struct source *chain; /* owned by `file` */
	struct source *file;  /* owned by the image, and perhaps gone */
};

struct image_opener {
	struct disk_spec *spec;
	char *dir;
	const struct image_record *record;
	struct messages *messages;
	struct opened *opened; /* after success: the files of the image, it first */
	size_t n, room;
	struct host_chunks *chunks;
	struct source *pages; /* chain under the pages of an index, owned by the image; or NULL */
};

int image_opener_new(const struct disk_spec *spec, const char *dir,
                     const struct image_record *record, struct messages *messages,
                     struct image_opener **ret, struct error *err)
{
	cleanup(image_opener_free) struct image_opener *opener = calloc(1, sizeof(*opener));

	if (!opener)
		return error_sys(err, ENOMEM, "%s", dir);
	opener->spec = disk_spec_ref(spec);
	opener->dir = strdup(dir);
	opener->record = record;
	opener->messages = messages;
	opener->chunks = host_chunks_new(dir);
	if (!opener->dir || !opener->chunks)
		return error_sys(err, ENOMEM, "%s", dir);
	*ret = take_ptr(opener);
	return 0;
}

static void forget_opened(struct image_opener *opener)
{
	while (opener->n > 0)
		source_places_free(&opener->opened[--opener->n].places);
}

void image_opener_free(struct image_opener *opener)
{
	if (!opener)
		return;
	forget_opened(opener);
	free(opener->opened);
	disk_spec_free(opener->spec);
	host_chunks_free(opener->chunks);
	free(opener->dir);
	free(opener);
}

static void tell(void *arg, const char *text)
{
	struct image_opener *opener = arg;

	if (opener->messages)
		messages_add(opener->messages, text);
}

static int open_chain(struct image_opener *opener, const struct source_places *places,
                      const struct source_identity *expected, struct source **ret,
                      struct error *err)
{
	const struct disk_spec *spec = opener->spec;
	struct chain_options options = {
		.source = { .ca_file = spec->ca,
		            .credentials_file = spec->credentials,
		            .stall_ms = (uint32_t)spec->stall_ms,
		            .deadline_ms = (uint32_t)spec->deadline_ms },
		.hedge_percent = (unsigned int)spec->hedge_percent,
		.message = tell,
		.arg = opener,
	};

	return chain_open(places->at, places->n, &options, expected, ret, err);
}

/* Room for one more in `opened`. */
static int make_room(struct image_opener *opener, const char *url, struct error *err)
{
	size_t room = opener->room ? 2 * opener->room : 4;
	struct opened *more;

	if (opener->n == IMAGE_MAX_TRIES)
		return error_set(err, ELOOP, "%s: too many places to look for parents", url);
	if (opener->n < opener->room)
		return 0;
	more = reallocarray(opener->opened, room, sizeof(*more));
	if (!more)
		return error_sys(err, ENOMEM, "%s", url);
	opener->opened = more;
	opener->room = room;
	return 0;
}

/* One file of the image, as source for its format; remembered in `opened`. */
static int open_file(struct image_opener *opener, const struct source_places *places,
                     const struct image_file *known, struct source **ret, struct error *err)
{
	cleanup(source_close) struct source *chain = NULL;
	struct opened opened = { .meta = known ? known->meta : (unsigned int)opener->n };
	int r = make_room(opener, places->at[0].url, err);

	if (r == 0)
		r = open_chain(opener, places, known ? &known->identity : NULL, &chain, err);
	for (size_t i = 0; i < places->n && r == 0; i++)
		r = source_places_add(&opened.places, &places->at[i], err);
	if (r == 0)
		r = meta_open(chain, opener->dir, opened.meta, &opened.file, err);
	if (r < 0) {
		source_places_free(&opened.places);
		return r;
	}
	opened.chain = take_ptr(chain);
	opener->opened[opener->n++] = opened;
	*ret = opened.file;
	return 0;
}

/* The file of the record that one of the places is of. */
static const struct image_file *known_parent(const struct image_record *record,
                                             const struct source_places *places)
{
	for (size_t i = 0; i < places->n; i++)
		for (size_t file = 1; record && file < record->n_files; file++)
			if (source_places_have(&record->files[file].places, places->at[i].url))
				return &record->files[file];
	return NULL;
}

static int open_parent(void *arg, const struct source_places *places, struct source **ret,
                       struct error *err)
{
	struct image_opener *opener = arg;
	const struct image_file *known = known_parent(opener->record, places);

	if (opener->record && !known)
		return error_set(err, ENOENT,
		                 "%s: there was no parent when the image was first opened",
		                 places->at[0].url);
	return open_file(opener, places, known, ret, err);
}

/* A file that an index names by its digest: not in the record, for the digest says all. */
static int open_beside(void *arg, const struct source_places *places,
                       const struct source_identity *identity, bool metadata, struct source **ret,
                       struct error *err)
{
	struct image_opener *opener = arg;
	cleanup(source_close) struct source *chain = NULL;
	int r = open_chain(opener, places, identity, &chain, err);

	if (r == 0 && metadata) {
		r = meta_open(chain, opener->dir, IMAGE_META_BESIDE, ret, err);
		opener->pages = r == 0 ? chain : NULL;
	} else if (r == 0) {
		*ret = chain;
	}
	if (r == 0)
		chain = NULL;
	return r;
}

static bool find_chunk(void *arg, const uint8_t digest[32], void *buf, size_t len)
{
	struct image_opener *opener = arg;

	return host_chunks_find(opener->chunks, digest, buf, len);
}

/* Keep of `opened` only what the image is made of, in its order. */
static int keep_files(struct image_opener *opener, const struct image *image, struct error *err)
{
	struct opened *kept = NULL;
	size_t n = 0;

	kept = calloc(IMAGE_MAX_DEPTH + 1, sizeof(*kept));
	if (!kept)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	for (; image && n <= IMAGE_MAX_DEPTH; image = image->parent) {
		/* The latest: an address may have been that of a file closed since. */
		for (size_t i = opener->n; i-- > 0;) {
			if (opener->opened[i].file != image->file)
				continue;
			kept[n++] = opener->opened[i];
			opener->opened[i].places = (struct source_places){ 0 };
			break;
		}
	}
	forget_opened(opener);
	free(opener->opened);
	opener->opened = kept;
	opener->n = n;
	opener->room = IMAGE_MAX_DEPTH + 1;
	return 0;
}

static int check_is_recorded(const struct image_record *record, struct image *image,
                             struct error *err)
{
	uint8_t id[32];
	int r;

	r = image_id(image, id, err);
	if (r < 0)
		return r;
	if (image->size != record->size || memcmp(id, record->id, sizeof(id)) != 0)
		return error_set(
			err, ESTALE,
			"%s: is not the image any more that it was when it was first opened",
			image->file->name);
	return 0;
}

int image_opener_open(void *arg, struct image **ret, struct error *err)
{
	struct image_opener *opener = arg;
	struct image_options options = {
		.format = opener->record ? opener->record->format : opener->spec->format,
		.places = opener->spec->sources,
		.parents = opener->spec->parents,
		.open_parent = open_parent,
		.open_beside = open_beside,
		.find_chunk = find_chunk,
		.warn = tell,
		.arg = opener,
	};
	cleanup(image_close) struct image *image = NULL;
	struct source *file;
	int r;

	forget_opened(opener);
	r = open_file(opener, &opener->spec->sources,
	              opener->record ? &opener->record->files[0] : NULL, &file, err);
	if (r < 0)
		return r;
	r = image_open(file, &options, &image, err);
	if (r < 0) {
		source_close(file);
		return r;
	}
	r = keep_files(opener, image, err);
	if (r == 0 && opener->record)
		r = check_is_recorded(opener->record, image, err);
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

int image_opener_record(const struct image_opener *opener, struct image *image,
                        struct image_record **ret, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = calloc(1, sizeof(*record));
	int r;

	if (record)
		record->files = calloc(opener->n, sizeof(*record->files));
	if (!record || !record->files)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	r = image_id(image, record->id, err);
	if (r < 0)
		return r;
	record->format = image->format;
	record->size = image->size;
	while (record->n_files < opener->n) {
		const struct opened *opened = &opener->opened[record->n_files];
		struct image_file *file = &record->files[record->n_files++];

		file->meta = opened->meta;
		file->identity = opened->file->identity;
		for (size_t i = 0; i < opened->places.n; i++) {
			const struct source_place place = { .url = opened->places.at[i].url };

			r = source_places_add(&file->places, &place, err);
			if (r < 0)
				return r;
		}
	}
	r = image_info(image, &record->info, err);
	if (r < 0)
		return r;
	*ret = take_ptr(record);
	return 0;
}

uint64_t image_opener_copied(const struct image_opener *opener)
{
	return host_chunks_bytes(opener->chunks);
}

/* Are the two files in the same place, but for their names? */
static bool is_beside(const char *a, const char *b)
{
	const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');

	return end_a && end_b && end_a - a == end_b - b && memcmp(a, b, end_a - a) == 0;
}

static int severity(const json_t *row)
{
	static const char *const states[] = { "untried", "well", "failing", "aside" };
	const char *state = json_string_value(json_object_get(row, "state"));
	int i = 0;

	while (i + 1 < (int)ARRAY_LEN(states) && strcmp(state, states[i]) != 0)
		i++;
	return i;
}

/* What one place has done for one more file, added to what it has done already. */
static void merge_row(json_t *row, json_t *more)
{
	static const char *const sums[] = { "bytes", "requests", "hedges" };

	for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
		json_int_t sum = json_integer_value(json_object_get(row, sums[i])) +
		                 json_integer_value(json_object_get(more, sums[i]));

		json_object_set_new(row, sums[i], json_integer(sum));
	}
	if (json_number_value(json_object_get(more, "latency_ms")) > 0)
		json_object_set(row, "latency_ms", json_object_get(more, "latency_ms"));
	if (severity(more) > severity(row)) {
		json_object_set(row, "state", json_object_get(more, "state"));
		json_object_set(row, "error", json_object_get(more, "error"));
	}
}

/* The row of the place where the file of `more` is too; NULL: it is nobody's. */
static json_t *row_beside(json_t *all, const json_t *more)
{
	const char *url = json_string_value(json_object_get(more, "url"));
	json_t *row;
	size_t i;

	json_array_foreach (all, i, row)
		if (is_beside(json_string_value(json_object_get(row, "url")), url))
			return row;
	return NULL;
}

/* The files that an index names are told under the index's own rows. */
static void add_beside(void *arg, struct source *chain)
{
	json_t *rows = chain_status(chain), *more;
	size_t i;

	json_array_foreach (rows, i, more) {
		json_t *row = row_beside(arg, more);

		if (row)
			merge_row(row, more);
	}
	json_decref(rows);
}

json_t *image_opener_status(const struct image_opener *opener, struct image *image)
{
	json_t *all = json_array();

	for (size_t i = 0; i < opener->n; i++) {
		json_t *some = chain_status(opener->opened[i].chain);

		json_array_extend(all, some);
		json_decref(some);
	}
	if (opener->pages)
		add_beside(all, opener->pages);
	if (image->ops->each_source)
		image->ops->each_source(image, add_beside, all);
	return all;
}
