// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding the parent of an image, and reading through to it.
 *
 * What a child says about where its parent lies is old (files move) and foreign (it may point
 * anywhere), so it is only a list of places to try.  What decides is the unique id, where the
 * format has one: a file at the right place with another id is passed over.  An image that came
 * over a network may name only what lies on servers (source_sibling() sees to it): else it could
 * have a file of this host served to its guest.
 *
 * A child that is in several places has its parent beside each of them.  Those are opened as one
 * source, of which the first that answers decides what the file is; when that is no parent of this
 * child, the others are tried without it.
 *
 * Loops: each image on the way knows its children (struct image_lineage).  One that meets its own
 * unique id, or its own name where ids are unknown, is refused; whatever escapes that ends at depth
 * 64.
 */
#include "disk/format/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define MAX_PLACES 16

/* One search for one parent. */
struct search {
	const struct parent_request *request;
	struct image_lineage lineage;
	char *tried[MAX_PLACES + 1];
	size_t n_tried;
	char report[400]; /* "place (why not); place (why not)" */
	int code;         /* the first reason that is more than "not there" */
};

static void report(struct search *search, const char *place, int code, const char *why)
{
	size_t used = strlen(search->report);

	snprintf(search->report + used, sizeof(search->report) - used, "%s%s (%s)",
	         used ? "; " : "", place, why);
	if (search->code == 0 && code != -ENOENT && code != -ESTALE)
		search->code = code;
}

/* A sentence usually starts with the name of the file, which the report has said already. */
static const char *without_name(const char *text, const char *name)
{
	size_t len = strlen(name);

	if (!strncmp(text, name, len) && !strncmp(text + len, ": ", 2))
		return text + len + 2;
	return text;
}

static bool matches(const struct search *search, const struct image *image)
{
	const uint8_t *const *wants = search->request->wants;

	if (!wants[0])
		return true;
	if (!image->has_unique_id)
		return false;
	return !memcmp(image->unique_id, wants[0], 16) ||
	       (wants[1] && !memcmp(image->unique_id, wants[1], 16));
}

static int open_source(const struct image_options *options, const struct source_places *places,
                       struct source **ret, struct error *err)
{
	if (options->open_parent)
		return options->open_parent(options->arg, places, ret, err);
	return source_open(places->at[0].url, NULL, ret, err);
}

/* Is the file one of those that are being opened? */
static bool is_descendant(const struct search *search, const char *name)
{
	for (const struct image_lineage *at = &search->lineage; at; at = at->child)
		if (!strcmp(at->image->file->name, name))
			return true;
	return false;
}

static bool was_tried(struct search *search, const char *url)
{
	for (size_t i = 0; i < search->n_tried; i++)
		if (!strcmp(search->tried[i], url))
			return true;
	return false;
}

/*
 * Try places of one file.  0 with *ret set: found.  0 without: not it, and the reason is noted;
 * *ret_other: what is there is another file.  Other errors end the search.
 */
static int try_file(struct search *search, const struct source_places *places, bool given,
                    bool *ret_other, struct image **ret, struct error *err)
{
	const struct parent_request *request = search->request;
	struct image_options options = *request->options;
	cleanup(source_close) struct source *file = NULL;
	const char *url = places->at[0].url;
	struct image *image;
	struct error why;
	int r;

	r = open_source(&options, places, &file, &why);
	if (r < 0) {
		report(search, url, r,
		       r != -ENOENT    ? without_name(why.text, url)
		       : places->n > 1 ? "neither there nor at its mirrors"
		                       : "not there");
		return 0;
	}
	if (is_descendant(search, file->name)) {
		if (!request->wants[0])
			return error_set(err, ELOOP, "%s: the chain of parents loops: %s again",
			                 request->child->file->name, file->name);
		report(search, url, -ESTALE, "a child of itself");
		*ret_other = true;
		return 0;
	}
	options.format = request->format;
	options.places = *places;
	/* Without ids --parent is for the first child only; with them it may fit further on. */
	if (given || !request->wants[0])
		options.parents = (struct source_places){ 0 };
	options.depth++;
	options.lineage = &search->lineage;
	r = image_open(file, &options, &image, &why);
	if (r == -ELOOP) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0) {
		report(search, url, r, without_name(why.text, file->name));
		*ret_other = r == -ESTALE || r == -EINVAL || r == -ENOTSUP;
		return 0;
	}
	file = NULL;
	if (!matches(search, image)) {
		report(search, url, -ESTALE,
		       image->has_unique_id ? "another unique id" : "no unique id");
		image_close(image);
		*ret_other = true;
		return 0;
	}
	*ret = image;
	return 0;
}

static int try_places(struct search *search, const struct source_places *places, bool given,
                      struct image **ret, struct error *err)
{
	struct source_places left = *places;
	bool other = true;
	int r = 0;

	if (was_tried(search, left.at[0].url) || search->n_tried == ARRAY_LEN(search->tried))
		return 0;
	search->tried[search->n_tried] = strdup(left.at[0].url);
	if (!search->tried[search->n_tried++])
		return error_set(err, ENOMEM, "%s: no memory to look for its parent",
		                 search->request->child->file->name);
	for (; r == 0 && !*ret && other && left.n > 0; left.at++, left.n--) {
		other = false;
		r = try_file(search, &left, given, &other, ret, err);
	}
	return r;
}

static int try_said(struct search *search, const char *place, struct image **ret, struct error *err)
{
	static struct source_place nowhere = { .url = "" };
	cleanup(source_places_free) struct source_places found = { 0 };
	struct source_places from = search->request->options->places;
	struct error why;
	int r;

	if (place[0] == '\0')
		return 0;
	if (from.n == 0) {
		if (place[0] != '/' && !strchr(place, ':')) {
			report(search, place, -ENOENT, "the child's own place is not known");
			return 0;
		}
		from = (struct source_places){ .at = &nowhere, .n = 1 };
	}
	r = source_places_beside(&from, place, &found, &why);
	if (r < 0) {
		report(search, place, r == -EPERM ? r : -ENOENT, why.text);
		return 0;
	}
	return try_places(search, &found, false, ret, err);
}

/* Is the image that asks the one its child looks for, and not its own descendant? */
static int check_lineage(const struct parent_request *request, struct error *err)
{
	const struct image *child = request->child;
	const struct image_lineage *lineage = request->options->lineage;

	if (!child->has_unique_id || !lineage)
		return 0;
	if (lineage->wants[0] && memcmp(lineage->wants[0], child->unique_id, 16) != 0 &&
	    (!lineage->wants[1] || memcmp(lineage->wants[1], child->unique_id, 16) != 0))
		return error_set(err, ESTALE, "%s: another unique id", child->file->name);
	for (; lineage; lineage = lineage->child)
		if (lineage->image->has_unique_id &&
		    !memcmp(lineage->image->unique_id, child->unique_id, 16))
			return error_set(err, ELOOP,
			                 "%s: the chain of parents loops: it is its own ancestor "
			                 "(by way of %s)",
			                 child->file->name, lineage->image->file->name);
	return 0;
}

static int search_places(struct search *search, struct image **ret, struct error *err)
{
	const struct parent_request *request = search->request;
	int r = 0;

	*ret = NULL;
	if (request->options->parents.n > 0)
		r = try_places(search, &request->options->parents, true, ret, err);
	for (size_t i = 0; i < request->n && r == 0 && !*ret; i++)
		r = try_said(search, request->places[i], ret, err);
	return r;
}

int parent_open(const struct parent_request *request, struct error *err)
{
	struct search search = {
		.request = request,
		.lineage = { .child = request->options->lineage,
		             .image = request->child,
		             .wants = { request->wants[0], request->wants[1] } },
	};
	struct image *parent;
	int r;

	r = check_lineage(request, err);
	if (r < 0)
		return r;
	r = search_places(&search, &parent, err);
	for (size_t i = 0; i < search.n_tried; i++)
		free(search.tried[i]);
	if (r < 0)
		return r;
	if (!parent)
		return error_set(
			err, search.code ? -search.code : ENOENT,
			"%s: its parent was not found: tried %s", request->child->file->name,
			search.report[0] ? search.report : "nothing, for the child names no place");
	request->child->parent = parent;
	return 0;
}

int parent_read(struct image *image, void *buf, size_t len, uint64_t off,
                const struct source_read *how, struct error *err)
{
	uint64_t end = image->parent->size;
	size_t have = off < end ? min_u64(len, end - off) : 0;
	int r = image_read(image->parent, buf, have, min_u64(off, end), how, err);

	if (r < 0)
		return r;
	memset((uint8_t *)buf + have, 0, len - have);
	return 0;
}

int parent_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
               enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	uint64_t end = image->parent->size;

	if (off >= end) {
		*ret_kind = IMAGE_EXTENT_ZERO;
		*ret_len = max;
		return 0;
	}
	return image_map(image->parent, off, min_u64(max, end - off), how, ret_kind, ret_len, err);
}
