// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jansson makes a tree of what it reads, which may be a hundred times as large as the text.  So the
 * outermost object and its list of entries are walked here, and jansson gets a value at a time, from
 * a window of CATALOGUE_MAX_ENTRY bytes: a larger value does not end in it, and is refused.
 */
#include "library/catalogue.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/reference.h"
#include "util/cleanup.h"
#include "util/text.h"

#define CATALOGUE_VERSION 1

struct walk {
	const char *text;
	size_t len, at;
	unsigned int entries; /* whose beginning was seen */
	bool versioned, listed;
};

static void json_free_at(json_t **at)
{
	json_decref(*at);
}

static int bad(const struct walk *walk, struct error *err, const char *why)
{
	if (walk->entries)
		return error_set(err, EBADMSG, "entry %u: %s", walk->entries, why);
	return error_set(err, EBADMSG, "byte %zu: %s", walk->at, why);
}

/* The next byte that is not blank; '\0' at the end. */
static char peek(struct walk *walk)
{
	while (walk->at < walk->len && memchr(" \t\r\n", walk->text[walk->at], 4))
		walk->at++;
	return walk->at < walk->len ? walk->text[walk->at] : '\0';
}

static bool take(struct walk *walk, char wanted)
{
	if (peek(walk) != wanted)
		return false;
	walk->at++;
	return true;
}

/* One value of at most CATALOGUE_MAX_ENTRY bytes. */
static int take_value(struct walk *walk, json_t **ret, struct error *err)
{
	size_t left = walk->len - walk->at;
	json_error_t wrong;
	json_t *value;

	value = json_loadb(walk->text + walk->at, min_u64(left, CATALOGUE_MAX_ENTRY),
	                   JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES,
	                   &wrong);
	if (!value && left > CATALOGUE_MAX_ENTRY &&
	    json_error_code(&wrong) == json_error_premature_end_of_input)
		return bad(walk, err, "is longer than 64 KiB");
	if (!value)
		return bad(walk, err, wrong.text);
	walk->at += (size_t)wrong.position;
	*ret = value;
	return 0;
}

/* A text without control characters, which its owner may show: bytes stay as many as they are. */
static int take_text(const json_t *object, const char *key, size_t max, const char **ret,
                     const char **ret_fault)
{
	json_t *value = json_object_get(object, key);
	cleanup_free char *copy = NULL;

	*ret = "";
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) > max) {
		*ret_fault = key;
		return -EBADMSG;
	}
	copy = strdup(json_string_value(value));
	if (!copy)
		return -ENOMEM;
	if (json_string_set_nocheck(value, text_printable(copy)) < 0)
		return -ENOMEM;
	*ret = json_string_value(value);
	return 0;
}

static bool good_picture(const char *text)
{
	if (!strncmp(text, "https://", 8))
		return text[8] != '\0';
	return text[0] != '/' && !strchr(text, ':') && strncmp(text, "../", 3) != 0 &&
	       !strstr(text, "/../");
}

static int take_tags(const json_t *object, struct catalogue_entry *entry)
{
	const json_t *tags = json_object_get(object, "tags"), *tag;
	size_t i;

	if (!tags || json_is_null(tags))
		return 0;
	if (!json_is_array(tags) || json_array_size(tags) > CATALOGUE_MAX_TAGS)
		return -EBADMSG;
	json_array_foreach (tags, i, tag) {
		const char *text = json_string_value(tag);

		if (!text || !reference_tag_valid(text))
			return -EBADMSG;
		entry->tags[entry->n_tags++] = text;
	}
	return 0;
}

static int take_size(const json_t *object, struct catalogue_entry *entry)
{
	const json_t *size = json_object_get(object, "size");

	if (!size || json_is_null(size))
		return 0;
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return -EBADMSG;
	entry->size = (uint64_t)json_integer_value(size);
	return 0;
}

/* The member that is wrong goes to *ret_fault. */
static int take_members(const json_t *object, struct catalogue_entry *entry, const char **ret_fault)
{
	const struct {
		const char *key;
		size_t max;
		const char **ret;
	} texts[] = {
		{ "name", REFERENCE_NAME_MAX, &entry->name },
		{ "title", 256, &entry->title },
		{ "description", 8192, &entry->description },
		{ "picture", 2048, &entry->picture },
		{ "licence", 256, &entry->licence },
		{ "publisher", 256, &entry->publisher },
		{ "released", 64, &entry->released },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
		r = take_text(object, texts[i].key, texts[i].max, texts[i].ret, ret_fault);
	if (r < 0)
		return r;
	*ret_fault = "name";
	if (!reference_name_valid(entry->name))
		return -EBADMSG;
	*ret_fault = "picture";
	if (*entry->picture && !good_picture(entry->picture))
		return -EBADMSG;
	*ret_fault = "tags";
	r = take_tags(object, entry);
	if (r < 0)
		return r;
	*ret_fault = "size";
	return take_size(object, entry);
}

static int take_entry(struct walk *walk,
                      int (*each)(void *arg, const struct catalogue_entry *entry,
                                  struct error *err),
                      void *arg, struct error *err)
{
	cleanup(json_free) json_t *object = NULL;
	struct catalogue_entry entry = { .n_tags = 0 };
	const char *fault = NULL;
	int r;

	if (++walk->entries > CATALOGUE_MAX)
		return error_set(err, EFBIG, "more than %u entries", CATALOGUE_MAX);
	peek(walk);
	r = take_value(walk, &object, err);
	if (r < 0)
		return r;
	if (!json_is_object(object))
		return bad(walk, err, "is no object");
	r = take_members(object, &entry, &fault);
	if (r == -ENOMEM)
		return error_sys(err, ENOMEM, "catalogue");
	if (r < 0)
		return error_set(err, EBADMSG, "entry %u: \"%s\" is missing or wrong",
		                 walk->entries, fault);
	return each(arg, &entry, err);
}

static int take_entries(struct walk *walk,
                        int (*each)(void *arg, const struct catalogue_entry *entry,
                                    struct error *err),
                        void *arg, struct error *err)
{
	int r = 0;

	if (walk->listed || !take(walk, '['))
		return bad(walk, err, "\"entries\" is one list");
	walk->listed = true;
	if (take(walk, ']'))
		return 0;
	do {
		r = take_entry(walk, each, arg, err);
	} while (r == 0 && take(walk, ','));
	if (r == 0 && !take(walk, ']'))
		r = bad(walk, err, "a ',' or ']' is missing behind it");
	walk->entries = 0;
	return r;
}

/* Anything but the entries: only the version means something. */
static int take_other(struct walk *walk, const char *key, struct error *err)
{
	cleanup(json_free) json_t *value = NULL;
	int r = take_value(walk, &value, err);

	if (r < 0 || strcmp(key, "version") != 0)
		return r;
	if (!json_is_integer(value) || json_integer_value(value) != CATALOGUE_VERSION)
		return error_set(err, EBADMSG, "has another version than %d, which this Sill knows",
		                 CATALOGUE_VERSION);
	walk->versioned = true;
	return 0;
}

static int take_member(struct walk *walk,
                       int (*each)(void *arg, const struct catalogue_entry *entry,
                                   struct error *err),
                       void *arg, struct error *err)
{
	cleanup(json_free) json_t *key = NULL;
	int r;

	if (peek(walk) != '"')
		return bad(walk, err, "the name of a member is missing");
	r = take_value(walk, &key, err);
	if (r < 0)
		return r;
	if (!take(walk, ':'))
		return bad(walk, err, "a ':' is missing");
	peek(walk);
	if (strcmp(json_string_value(key), "entries") != 0)
		return take_other(walk, json_string_value(key), err);
	if (!walk->versioned)
		return error_set(err, EBADMSG, "has no \"version\" in front of its entries");
	return take_entries(walk, each, arg, err);
}

int catalogue_each(const char *text, size_t len,
                   int (*each)(void *arg, const struct catalogue_entry *entry, struct error *err),
                   void *arg, struct error *err)
{
	struct walk walk = { .text = text, .len = len };
	int r = 0;

	if (len > CATALOGUE_MAX_BYTES)
		return error_set(err, EFBIG, "is larger than 64 MiB");
	if (!take(&walk, '{'))
		return bad(&walk, err, "is no JSON object");
	do {
		r = take_member(&walk, each, arg, err);
	} while (r == 0 && take(&walk, ','));
	if (r < 0)
		return r;
	if (!take(&walk, '}') || peek(&walk) || walk.at < len)
		return bad(&walk, err, "the object does not end where the file does");
	return walk.listed ? 0 : error_set(err, EBADMSG, "has no \"entries\"");
}

bool catalogue_matches(const struct catalogue_entry *entry, const char *term)
{
	return strcasestr(entry->name, term) || strcasestr(entry->title, term) ||
	       strcasestr(entry->description, term);
}
