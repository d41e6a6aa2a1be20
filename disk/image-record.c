// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * image.json: what an image is, and which version of which files it was made of.
 *
 * Trust: the file is ours, but may be torn or edited.  Whatever it says is checked; it can at worst
 * make a disk expect other files than there are.
 */
#include "disk/image-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "util/io.h"

#define RECORD_VERSION   1
#define RECORD_MAX_BYTES (1u << 20)

void image_record_free(struct image_record *record)
{
	if (!record)
		return;
	for (size_t i = 0; i < record->n_files; i++)
		source_places_free(&record->files[i].places);
	free(record->files);
	json_decref(record->info);
	free(record);
}

static void to_hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *text, uint8_t *out, size_t n)
{
	if (!text || strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* A text field that may be missing; -EINVAL when it is something else or too long. */
static int get_text(const json_t *object, const char *name, char *out, size_t room)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || strlen(text) >= room)
		return -EINVAL;
	snprintf(out, room, "%s", text);
	return 0;
}

static int get_whole(const json_t *object, const char *name, uint64_t most, uint64_t *ret)
{
	const json_t *value = json_object_get(object, name);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n > most)
		return -EINVAL;
	*ret = (uint64_t)n;
	return 0;
}

static int parse_identity(const json_t *object, struct source_identity *ret)
{
	const json_t *sample = json_object_get(object, "sample");
	const json_t *modified = json_object_get(object, "last_modified");
	int r = get_whole(object, "size", INT64_MAX, &ret->size);
	uint64_t ns = 0;

	if (r == 0)
		r = get_text(object, "digest", ret->digest, sizeof(ret->digest));
	if (r == 0)
		r = get_text(object, "etag", ret->etag, sizeof(ret->etag));
	if (r == 0)
		r = get_text(object, "etag_from", ret->etag_from, sizeof(ret->etag_from));
	if (r == 0 && json_object_get(object, "modified_ns"))
		r = get_whole(object, "modified_ns", 999999999, &ns);
	if (r == 0 && sample)
		r = from_hex(json_string_value(sample), ret->sample, sizeof(ret->sample));
	if (r == 0 && modified && !json_is_integer(modified))
		r = -EINVAL;
	ret->last_modified = json_integer_value(modified);
	ret->modified_ns = (uint32_t)ns;
	return r;
}

static int add_place(struct image_file *file, const json_t *url, struct error *err)
{
	const char *text = json_string_value(url);

	if (!text)
		return error_set(err, EINVAL, "field \"files\" has a place that is no text");
	return source_places_add(&file->places, &(struct source_place){ .url = text }, err);
}

static int parse_file(const json_t *object, struct image_file *ret, struct error *err)
{
	const json_t *url = json_object_get(object, "url"), *mirror;
	uint64_t meta;
	size_t i;
	int r;

	if (!json_is_string(url) || get_whole(object, "meta", UINT32_MAX, &meta) < 0)
		return error_set(err, EINVAL, "field \"files\" has an entry without url or meta");
	if (parse_identity(json_object_get(object, "identity"), &ret->identity) < 0)
		return error_set(err, EINVAL, "the identity of %s is damaged",
		                 json_string_value(url));
	ret->meta = (unsigned int)meta;
	r = add_place(ret, url, err);
	json_array_foreach (json_object_get(object, "mirrors"), i, mirror) {
		if (r == 0)
			r = add_place(ret, mirror, err);
	}
	return r;
}

int image_record_parse(const json_t *object, struct image_record **ret, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = calloc(1, sizeof(*record));
	const json_t *files = json_object_get(object, "files");
	const char *format = json_string_value(json_object_get(object, "format"));
	size_t n = json_array_size(files);
	int r;

	if (!record)
		return error_sys(err, ENOMEM, "image record");
	if (json_integer_value(json_object_get(object, "version")) != RECORD_VERSION)
		return error_set(err, EINVAL, "field \"version\" is not %d", RECORD_VERSION);
	if (from_hex(json_string_value(json_object_get(object, "id")), record->id, 32) < 0)
		return error_set(err, EINVAL, "field \"id\" is not 64 hexadecimal digits");
	if (get_whole(object, "virtual_size", INT64_MAX, &record->size) < 0 ||
	    record->size % 512 != 0)
		return error_set(err, EINVAL, "field \"virtual_size\" is not a number of sectors");
	if (!format)
		return error_set(err, EINVAL, "field \"format\" is missing");
	r = image_format_parse(format, &record->format, err);
	if (r < 0)
		return r;
	if (n < 1 || n > IMAGE_MAX_DEPTH + 1)
		return error_set(err, EINVAL, "field \"files\" is not a list of 1 to %d files",
		                 IMAGE_MAX_DEPTH + 1);
	record->files = calloc(n, sizeof(*record->files));
	if (!record->files)
		return error_sys(err, ENOMEM, "image record");
	record->n_files = n;
	for (size_t i = 0; i < n; i++) {
		r = parse_file(json_array_get(files, i), &record->files[i], err);
		if (r < 0)
			return r;
	}
	record->info = json_incref(json_object_get(object, "info"));
	*ret = take_ptr(record);
	return 0;
}

int image_record_load(const char *dir, struct image_record **ret, struct error *err)
{
	cleanup_free char *text = NULL, *path = NULL;
	json_t *object;
	size_t len;
	int r;

	if (asprintf(&path, "%s/%s", dir, IMAGE_RECORD_NAME) < 0)
		return error_sys(err, ENOMEM, "%s", dir);
	r = read_file(AT_FDCWD, path, RECORD_MAX_BYTES, &text, &len, err);
	if (r < 0)
		return r;
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = object ? image_record_parse(object, ret, err)
	           : error_set(err, EINVAL, "the file is not JSON");
	json_decref(object);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

/* NULL, as all that makes JSON here: no memory, or a text that JSON does not take. */
static json_t *identity_object(const struct source_identity *id)
{
	static const uint8_t no_sample[sizeof(id->sample)];
	json_t *object = json_pack("{s:I}", "size", (json_int_t)id->size);
	char hex[2 * sizeof(id->sample) + 1];
	int r = 0;

	if (id->digest[0])
		r |= json_object_set_new(object, "digest", json_string(id->digest));
	if (id->last_modified)
		r |= json_object_set_new(object, "last_modified", json_integer(id->last_modified));
	if (id->modified_ns)
		r |= json_object_set_new(object, "modified_ns", json_integer(id->modified_ns));
	if (id->etag[0])
		r |= json_object_set_new(object, "etag", json_string(id->etag));
	if (id->etag_from[0])
		r |= json_object_set_new(object, "etag_from", json_string(id->etag_from));
	if (memcmp(id->sample, no_sample, sizeof(no_sample)) != 0) {
		to_hex(id->sample, sizeof(id->sample), hex);
		r |= json_object_set_new(object, "sample", json_string(hex));
	}
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *file_object(const struct image_file *file)
{
	const struct source_places *places = &file->places;
	json_t *object = json_pack("{s:s, s:i, s:o}", "url", places->at[0].url, "meta",
	                           (int)file->meta, "identity", identity_object(&file->identity));
	json_t *mirrors = places->n > 1 ? json_array() : NULL;

	for (size_t i = 1; i < places->n; i++)
		json_array_append_new(mirrors, json_string(places->at[i].url));
	if (mirrors)
		json_object_set_new(object, "mirrors", mirrors);
	return object;
}

int image_record_save(const struct image_record *record, const char *dir, struct error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	json_t *files = json_array(), *object;
	char id[65];

	for (size_t i = 0; i < record->n_files; i++) {
		if (json_array_append_new(files, file_object(&record->files[i])) < 0) {
			json_decref(files);
			return error_set(err, EILSEQ, "%s: what it is cannot be written down",
			                 record->files[i].places.at[0].url);
		}
	}
	to_hex(record->id, sizeof(record->id), id);
	object = json_pack("{s:i, s:s, s:s, s:I, s:o, s:O}", "version", RECORD_VERSION, "id", id,
	                   "format", image_format_name(record->format), "virtual_size",
	                   (json_int_t)record->size, "files", files, "info", record->info);
	text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
	json_decref(object);
	if (!text || asprintf(&path, "%s/%s", dir, IMAGE_RECORD_NAME) < 0)
		return error_sys(err, ENOMEM, "%s: %s", dir, IMAGE_RECORD_NAME);
	return replace_file(AT_FDCWD, path, text, strlen(text), 0644, err);
}

int image_record_merge(struct image_record *record, const struct image_record *other,
                       bool *ret_more, struct error *err)
{
	bool more = false;

	for (size_t i = 0; i < record->n_files && i < other->n_files; i++) {
		struct source_places *places = &record->files[i].places;
		const struct source_places *others = &other->files[i].places;

		for (size_t j = 0; j < others->n && places->n < SOURCE_MAX_PLACES; j++) {
			int r = 0;

			if (source_places_have(places, others->at[j].url))
				continue;
			r = source_places_add(places, &others->at[j], err);
			if (r < 0)
				return r;
			more = true;
		}
	}
	*ret_more = more;
	return 0;
}
