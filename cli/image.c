// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

/* The value behind ",KEY=" when that is the last part of `text`; cuts it off. */
static char *take_last(char *text, const char *key)
{
	char *comma = strrchr(text, ',');
	size_t len = strlen(key);

	if (!comma || strncmp(comma + 1, key, len) != 0 || comma[1 + len] != '=')
		return NULL;
	*comma = '\0';
	return comma + 1 + len + 1;
}

/* Take the words behind `url` off, and add what is left. */
static int add_value(struct source_places *places, const char *option, const char *text,
                     struct error *err)
{
	cleanup_free char *url = strdup(text);
	struct source_place place = { .url = url };
	uint64_t priority = CLI_PLACE_PRIORITY;
	struct error why;

	if (!url)
		return error_sys(err, ENOMEM, "%s", text);
	for (;;) {
		char *value = take_last(url, "priority");

		if (value) {
			if (parse_number(value, 0, 1000, &priority, &why) < 0)
				return cli_usage(err, "--%s: priority: %s", option, why.text);
			continue;
		}
		value = take_last(url, "digest");
		if (!value)
			break;
		if (strncmp(value, "sha256:", 7) != 0 || strlen(value) != 7 + 64 ||
		    strspn(value + 7, "0123456789abcdef") != 64)
			return cli_usage(err,
			                 "--%s: '%s' is no digest: sha256: and 64 hexadecimal "
			                 "digits in small letters",
			                 option, value);
		place.digest = value;
	}
	if (!*url)
		return cli_usage(err, "--%s: '%s' has no URL", option, text);
	place.priority = (int)priority;
	return source_places_add(places, &place, err);
}

static void say(void *arg, const char *text)
{
	const struct cli_call *call = arg;

	fprintf(stderr, "sill: %s: %s\n", call->verb->name, text);
}

static bool has_option(const struct cli_call *call, const char *name)
{
	return cli_option(call->verb, name, strlen(name)) && cli_given(call, name);
}

static struct source_options source_options(const struct cli_call *call)
{
	struct source_options options = { 0 };

	if (has_option(call, "ca"))
		options.ca_file = cli_text(call, "ca", NULL);
	if (has_option(call, "credentials"))
		options.credentials_file = cli_text(call, "credentials", NULL);
	if (has_option(call, "deadline"))
		options.deadline_ms = (uint32_t)cli_number(call, "deadline", 0) * 1000;
	if (has_option(call, "stall"))
		options.stall_ms = (uint32_t)cli_number(call, "stall", 0) * 1000;
	return options;
}

static int open_chain(const struct cli_call *call, const struct source_places *places,
                      const struct source_identity *expected, struct source **ret,
                      struct error *err)
{
	const struct chain_options options = {
		.source = source_options(call),
		.hedge_percent = has_option(call, "hedge")
		                         ? (unsigned int)cli_number(call, "hedge", 0)
		                         : CHAIN_DEFAULT_HEDGE_PERCENT,
		.message = say,
		.arg = (void *)call,
	};

	return chain_open(places->at, places->n, &options, expected, ret, err);
}

/* Parents come from the same servers as their children: the same certificates and passwords. */
static int open_parent(void *arg, const struct source_places *places, struct source **ret,
                       struct error *err)
{
	return open_chain(arg, places, NULL, ret, err);
}

/* What an index names by digest comes from where the index does. */
static int open_beside(void *arg, const struct source_places *places,
                       const struct source_identity *identity,
                       bool metadata __attribute__((unused)), struct source **ret,
                       struct error *err)
{
	return open_chain(arg, places, identity, ret, err);
}

int cli_places(const struct cli_call *call, const char *url, const char *option,
               struct source_places *ret, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	bool more = option && cli_option(call->verb, option, strlen(option));
	const char *text;
	int r = 0;

	if (url)
		r = source_places_add(&places, &(struct source_place){ .url = url }, err);
	for (size_t i = 0; more && r == 0 && (text = cli_nth(call, option, i)) != NULL; i++)
		r = add_value(&places, option, text, err);
	if (r < 0)
		return r;
	*ret = places;
	places = (struct source_places){ 0 };
	return 0;
}

int cli_image_open_at(const struct cli_call *call, const struct source_places *places,
                      const struct source_places *parents, const char *format, bool warn,
                      struct image **ret, struct error *err)
{
	struct image_options options = {
		.places = *places,
		.parents = *parents,
		.open_parent = open_parent,
		.open_beside = open_beside,
		.warn = warn ? say : NULL,
		.arg = (void *)call,
	};
	cleanup(source_close) struct source *file = NULL;
	int r = image_format_parse(format, &options.format, err);

	if (r == 0)
		r = open_chain(call, places, NULL, &file, err);
	if (r == 0)
		r = image_open(file, &options, ret, err);
	if (r == 0)
		file = NULL;
	return r;
}

int cli_image_open(const struct cli_call *call, const char *format, const char *parents_option,
                   bool warn, struct image **ret, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 }, parents = { 0 };
	int r = cli_places(call, call->arguments[0], "source", &places, err);

	if (r == 0)
		r = cli_places(call, NULL, parents_option, &parents, err);
	return r < 0 ? r : cli_image_open_at(call, &places, &parents, format, warn, ret, err);
}
