// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The specification of a disk, from JSON.
 *
 * One table a JSON object says which fields it may have and where they go.  What is not in the
 * table is refused by name: a misspelt field must not silently mean its default.
 *
 * Trust: the file is the owner's, but a wrong one must end in a sentence and nothing else.
 */
#include "disk/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near.h"
#include "util/io.h"

#define SPEC_MAX_BYTES (1u << 20)
#define SPEC_VERSION   1

struct field {
	const char *name;
	int (*parse)(const struct field *field, const json_t *value, void *at, struct error *err);
	size_t offset; /* of the member that takes it */
	uint64_t low, high;
	bool required;
};

static int parse_object(const json_t *object, const struct field *table, size_t n, void *into,
                        struct error *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return error_set(err, EINVAL, "not a JSON object");
	json_object_foreach ((json_t *)object, name, value) {
		const struct field *field = NULL;
		int r;

		for (size_t i = 0; i < n; i++)
			if (strcmp(name, table[i].name) == 0)
				field = &table[i];
		if (!field)
			return error_set(err, EINVAL, "unknown field \"%.64s\"", name);
		r = field->parse(field, value, (char *)into + field->offset, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++)
		if (table[i].required && !json_object_get(object, table[i].name))
			return error_set(err, EINVAL, "field \"%s\" is missing", table[i].name);
	return 0;
}

static int parse_flag(const struct field *field, const json_t *value, void *at, struct error *err)
{
	if (!json_is_boolean(value))
		return error_set(err, EINVAL, "field \"%s\" must be true or false", field->name);
	*(bool *)at = json_is_true(value);
	return 0;
}

static int parse_whole(const struct field *field, const json_t *value, void *at, struct error *err)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n < field->low ||
	    (uint64_t)n > field->high)
		return error_set(err, EINVAL,
		                 "field \"%s\" must be a whole number from %llu to %llu",
		                 field->name, (unsigned long long)field->low,
		                 (unsigned long long)field->high);
	*(uint64_t *)at = (uint64_t)n;
	return 0;
}

static int parse_text(const struct field *field, const json_t *value, void *at, struct error *err)
{
	const char *text = json_string_value(value);
	char *copy;

	if (!text || !*text || strlen(text) != json_string_length(value))
		return error_set(err, EINVAL, "field \"%s\" must be a text that is not empty",
		                 field->name);
	copy = strdup(text);
	if (!copy)
		return error_sys(err, ENOMEM, "field \"%s\"", field->name);
	free(*(char **)at);
	*(char **)at = copy;
	return 0;
}

/* The server may stand in another directory than the one who wrote the file. */
static int parse_path(const struct field *field, const json_t *value, void *at, struct error *err)
{
	const char *text = json_string_value(value);

	if (text && *text != '/')
		return error_set(err, EINVAL,
		                 "field \"%s\" must be an absolute path, not \"%.200s\"",
		                 field->name, text);
	return parse_text(field, value, at, err);
}

static int parse_format(const struct field *field, const json_t *value, void *at, struct error *err)
{
	int r;

	if (!json_is_string(value))
		return error_set(err, EINVAL, "field \"%s\" must be a text", field->name);
	r = image_format_parse(json_string_value(value), at, err);
	return r < 0 ? error_prefix(err, "field \"%s\"", field->name) : 0;
}

static int parse_version(const struct field *field, const json_t *value,
                         void *at __attribute__((unused)), struct error *err)
{
	if (!json_is_integer(value) || json_integer_value(value) != SPEC_VERSION)
		return error_set(err, EINVAL, "field \"%s\" must be %d: this is the version I know",
		                 field->name, SPEC_VERSION);
	return 0;
}

struct source_fields {
	char *url;
	uint64_t priority;
	char *digest;
};

static int add_source(const json_t *object, struct source_places *into, struct error *err)
{
#define AT(member) offsetof(struct source_fields, member)
	static const struct field table[] = {
		{ "url", parse_text, AT(url), 0, 0, true },
		{ "priority", parse_whole, AT(priority), 0, 1000000, false },
		{ "digest", parse_text, AT(digest), 0, 0, false },
	};
#undef AT
	struct source_fields got = { 0 };
	int r = parse_object(object, table, ARRAY_LEN(table), &got, err);

	if (r == 0)
		r = source_places_add(into,
		                      &(struct source_place){ .url = got.url,
		                                              .priority = (int)got.priority,
		                                              .digest = got.digest },
		                      err);
	free(got.url);
	free(got.digest);
	return r;
}

static int parse_sources(const struct field *field, const json_t *value, void *at,
                         struct error *err)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n < 1 || n > SOURCE_MAX_PLACES)
		return error_set(err, EINVAL, "field \"%s\" must be a list of 1 to %d sources",
		                 field->name, SOURCE_MAX_PLACES);
	for (size_t i = 0; i < n; i++) {
		int r = add_source(json_array_get(value, i), at, err);

		if (r < 0)
			return error_prefix(err, "field \"%s\", entry %zu", field->name, i + 1);
	}
	return 0;
}

/* One text, or a list as for sources. */
static int parse_parent(const struct field *field, const json_t *value, void *at, struct error *err)
{
	char *url = NULL;
	int r;

	if (json_is_array(value))
		return parse_sources(field, value, at, err);
	r = parse_text(field, value, &url, err);
	if (r == 0)
		r = source_places_add(at, &(struct source_place){ .url = url }, err);
	free(url);
	return r;
}

static int parse_layers(const struct field *field, const json_t *value, void *at, struct error *err)
{
	struct disk_spec *spec = at;
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > NEAR_MAX_LAYERS)
		return error_set(err, EINVAL, "field \"%s\" must be a list of up to %d directories",
		                 field->name, NEAR_MAX_LAYERS);
	spec->layers = calloc(n + 1, sizeof(*spec->layers));
	if (!spec->layers)
		return error_sys(err, ENOMEM, "field \"%s\"", field->name);
	spec->n_layers = n;
	for (size_t i = 0; i < n; i++) {
		int r = parse_path(field, json_array_get(value, i), &spec->layers[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_fill(const struct field *field, const json_t *value, void *at, struct error *err)
{
#define AT(member) offsetof(struct disk_spec, member)
	static const struct field table[] = {
		{ "on", parse_flag, AT(fill), 0, 0, true },
		{ "rate", parse_whole, AT(fill_rate), 0, INT64_MAX, false },
	};
	int r = parse_object(value, table, ARRAY_LEN(table), at, err);

	return r < 0 ? error_prefix(err, "field \"%s\"", field->name) : 0;
}

static int parse_trace(const struct field *field, const json_t *value, void *at, struct error *err)
{
	static const struct field table[] = {
		{ "record", parse_flag, AT(trace_record), 0, 0, false },
		{ "replay", parse_flag, AT(trace_replay), 0, 0, false },
	};
	int r = parse_object(value, table, ARRAY_LEN(table), at, err);

	return r < 0 ? error_prefix(err, "field \"%s\"", field->name) : 0;
}

/* Fields with a shape of their own take the whole specification: their offset is 0. */
static const struct field fields[] = {
	{ "version", parse_version, 0, 0, 0, true },
	{ "image", parse_path, AT(image), 0, 0, false },
	{ "sources", parse_sources, AT(sources), 0, 0, true },
	{ "format", parse_format, AT(format), 0, 0, false },
	{ "parent", parse_parent, AT(parents), 0, 0, false },
	{ "credentials", parse_path, AT(credentials), 0, 0, false },
	{ "ca", parse_path, AT(ca), 0, 0, false },
	{ "layers", parse_layers, 0, 0, 0, false },
	{ "fill", parse_fill, 0, 0, 0, false },
	{ "hedge_percent", parse_whole, AT(hedge_percent), 0, 100, false },
	{ "deadline_ms", parse_whole, AT(deadline_ms), 1, 86400000, false },
	{ "stall_ms", parse_whole, AT(stall_ms), 1, 86400000, false },
	{ "trace", parse_trace, 0, 0, 0, false },
	{ "readahead", parse_flag, AT(readahead), 0, 0, false },
	{ "sweep", parse_flag, AT(sweep), 0, 0, false },
	{ "control", parse_path, AT(control), 0, 0, false },
};
#undef AT

int disk_spec_parse(const json_t *object, struct disk_spec **ret, struct error *err)
{
	cleanup(disk_spec_free) struct disk_spec *spec = calloc(1, sizeof(*spec));
	int r;

	if (!spec)
		return error_sys(err, ENOMEM, "the specification of a disk");
	spec->refs = 1;
	spec->format = IMAGE_AUTO;
	spec->hedge_percent = CHAIN_DEFAULT_HEDGE_PERCENT;
	spec->readahead = true;
	r = parse_object(object, fields, ARRAY_LEN(fields), spec, err);
	if (r < 0)
		return r;
	*ret = take_ptr(spec);
	return 0;
}

int disk_spec_load(const char *path, struct disk_spec **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	json_error_t wrong;
	json_t *object;
	size_t len;
	int r = read_file(AT_FDCWD, path, SPEC_MAX_BYTES, &text, &len, err);

	if (r < 0)
		return r;
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
	if (!object)
		return error_set(err, EINVAL, "%s, line %d: %s", path, wrong.line, wrong.text);
	r = disk_spec_parse(object, ret, err);
	json_decref(object);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

struct disk_spec *disk_spec_ref(const struct disk_spec *spec)
{
	struct disk_spec *shared = (struct disk_spec *)spec;

	__atomic_add_fetch(&shared->refs, 1, __ATOMIC_RELAXED);
	return shared;
}

void disk_spec_free(struct disk_spec *spec)
{
	if (!spec || __atomic_sub_fetch(&spec->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < spec->n_layers; i++)
		free(spec->layers[i]);
	source_places_free(&spec->sources);
	source_places_free(&spec->parents);
	free(spec->layers);
	free(spec->image);
	free(spec->credentials);
	free(spec->ca);
	free(spec->control);
	free(spec);
}
