// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void source_places_free(struct source_places *places)
{
	for (size_t i = 0; i < places->n; i++) {
		free((char *)places->at[i].url);
		free((char *)places->at[i].digest);
	}
	free(places->at);
	*places = (struct source_places){ 0 };
}

bool source_places_have(const struct source_places *places, const char *url)
{
	for (size_t i = 0; i < places->n; i++)
		if (strcmp(places->at[i].url, url) == 0)
			return true;
	return false;
}

int source_places_add(struct source_places *places, const struct source_place *place,
                      struct error *err)
{
	cleanup_free char *url = strdup(place->url);
	cleanup_free char *digest = place->digest ? strdup(place->digest) : NULL;
	struct source_place *more;
	size_t at = places->n;

	if (places->n == SOURCE_MAX_PLACES)
		return error_set(err, E2BIG, "%s: more than %d places of one file", place->url,
		                 SOURCE_MAX_PLACES);
	more = reallocarray(places->at, places->n + 1, sizeof(*more));
	if (more)
		places->at = more;
	if (!more || !url || (place->digest && !digest))
		return error_sys(err, ENOMEM, "%s", place->url);
	for (; at > 0 && more[at - 1].priority > place->priority; at--)
		more[at] = more[at - 1];
	more[at] = (struct source_place){ .url = take_ptr(url),
		                          .priority = place->priority,
		                          .digest = take_ptr(digest) };
	places->n++;
	return 0;
}

bool source_named_digest(const char *url, char ret[72])
{
	const char *last = strrchr(url, '/'), *name = last ? last + 1 : url;

	if (strncmp(name, "sha256:", 7) == 0)
		name += 7;
	if (strlen(name) != 64 || strspn(name, "0123456789abcdef") != 64)
		return false;
	memcpy(ret, "sha256:", 7);
	memcpy(ret + 7, name, 65);
	return true;
}

int source_places_beside(const struct source_places *of, const char *name,
                         struct source_places *ret, struct error *err)
{
	cleanup(source_places_free) struct source_places list = { 0 };
	struct error first = { 0 };

	for (size_t i = 0; i < of->n; i++) {
		cleanup_free char *url = NULL;
		struct error why = { 0 };
		int r = source_sibling(of->at[i].url, name, &url, &why);

		if (r == 0 && !source_places_have(&list, url)) {
			struct source_place one = { .url = url, .priority = of->at[i].priority };

			r = source_places_add(&list, &one, &why);
		}
		if (r == -EPERM || r == -ENOMEM) {
			if (err)
				*err = why;
			return r;
		}
		if (r < 0 && !first.code)
			first = why;
	}
	if (list.n == 0) {
		if (err)
			*err = first;
		return first.code ? -first.code : -ENOENT;
	}
	*ret = list;
	list = (struct source_places){ 0 };
	return 0;
}
