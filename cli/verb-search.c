// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill search: images in all libraries that this host knows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/library.h"
#include "cli/options.h"
#include "library/search.h"
#include "util/text.h"

/* A picture beside the catalogue gets its whole URL. */
static json_t *picture_of(const struct library *library, const char *picture)
{
	const char *scheme = "";

	if (strstr(picture, "://"))
		return json_string(picture);
	if (library->kind == LIBRARY_REGISTRY)
		scheme = library->plain_http ? "http://" : "https://";
	return json_sprintf("%s%s/%s%s", scheme, library->address, library->prefix, picture);
}

static int add_text(json_t *object, const char *key, const char *text)
{
	return *text ? json_object_set_new(object, key, json_string(text)) : 0;
}

static int take_hit(void *arg, const struct library *library, const struct catalogue_entry *entry,
                    struct error *err)
{
	json_t *object = json_object(), *tags = json_array();
	int r = 0;

	for (size_t i = 0; i < entry->n_tags; i++)
		r |= json_array_append_new(tags, json_string(entry->tags[i]));
	r |= add_text(object, "library", library->name);
	/* What sill run takes. */
	r |= json_object_set_new(object, "reference",
	                         json_sprintf("%s/%s", library->name, entry->name));
	if (entry->n_tags > 0)
		r |= json_object_set(object, "tags", tags);
	json_decref(tags);
	r |= add_text(object, "title", entry->title);
	r |= add_text(object, "description", entry->description);
	if (entry->size > 0)
		r |= json_object_set_new(object, "size",
		                         json_integer((json_int_t)min_u64(entry->size, INT64_MAX)));
	if (*entry->picture)
		r |= json_object_set_new(object, "picture", picture_of(library, entry->picture));
	r |= add_text(object, "licence", entry->licence);
	r |= add_text(object, "publisher", entry->publisher);
	r |= add_text(object, "released", entry->released);
	if (json_array_append_new(arg, object) < 0 || r < 0)
		return error_sys(err, ENOMEM, "list of images");
	return 0;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void print_hit(const json_t *hit, size_t width)
{
	const json_t *size = json_object_get(hit, "size");
	const char *title = text_at(hit, "title"), *description = text_at(hit, "description");
	char bytes[16] = "-";

	if (size)
		format_bytes((uint64_t)json_integer_value(size), bytes);
	printf("%-*s  %9s  %s%s%.100s\n", (int)width, text_at(hit, "reference"), bytes, title,
	       *title && *description ? ": " : "", description);
}

static void print_hits(const json_t *list)
{
	size_t width = strlen("IMAGE"), i;
	const json_t *hit;

	json_array_foreach (list, i, hit) {
		size_t len = strlen(text_at(hit, "reference"));

		width = len > width ? len : width;
	}
	if (json_array_size(list) > 0)
		printf("%-*s  %9s  %s\n", (int)width, "IMAGE", "SIZE", "TITLE");
	json_array_foreach (list, i, hit)
		print_hit(hit, width);
}

/* One library that fails is said, and the others go on: how many answered. */
static size_t search_all(const struct cli_call *call, const struct cli_libraries *known,
                         json_t *list, struct error *err)
{
	const char *only = cli_text(call, "library", NULL);
	size_t answered = 0;

	for (size_t i = 0; i < known->libraries.n; i++) {
		const struct library *library = &known->libraries.at[i];

		if (only && strcmp(only, library->name) != 0)
			continue;
		if (library_search(library, &known->options, call->arguments[0], take_hit, list,
		                   err) == 0)
			answered++;
		else
			fprintf(stderr, "sill: search: %s: %s\n", library->name, err->text);
	}
	return answered;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	const char *only = cli_text(call, "library", NULL);
	json_t *list;
	int r = cli_libraries_open(call, &known, err);

	if (r < 0)
		return r;
	if (only && !libraries_get(&known.libraries, only))
		return error_set(err, ENOENT, "there is no library '%s'", only);
	list = json_array();
	if (search_all(call, &known, list, err) == 0)
		r = error_set(err, EIO, "no library could be searched");
	else if (cli_given(call, "json"))
		r = cli_print_json(list, err);
	else
		print_hits(list);
	json_decref(list);
	return r;
}

const struct cli_verb verb_search = {
	.name = "search",
	.group = CLI_LIBRARY,
	.summary = "Search the libraries for images",
	.description =
		"Show the images of all libraries that have TERM in their name, title or "
		"description; "
		"small and capital letters are the same. A library that has a catalogue says all "
		"of "
		"that; of others only names are known, and of folders what their images say.\n\n"
		"A library that does not answer is a line on standard error, and the others are "
		"searched all the same; the command fails when none could be.",
	.arguments = { { .name = "TERM", .type = CLI_TEXT, .help = "What to look for" } },
	.options = { { .name = "library",
	               .letter = 'l',
	               .type = CLI_TEXT,
	               .value = "NAME",
	               .help = "Search this library only; local is that of this host" },
	             OPTION_JSON,
	             OPTIONS_STORE },
	.examples = { { "sill search debian", "What there is with debian in it" },
	              { "sill search --json debian | jq -r '.[].reference'",
	                "Only what sill run takes" } },
	.run = run,
};
