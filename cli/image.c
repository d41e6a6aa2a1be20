// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#define MAX_SOURCES 64

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

int cli_source_parse(const char *text, struct cli_source *ret, struct error *err)
{
	cleanup_free char *url = strdup(text), *digest = NULL;
	uint64_t priority = CLI_SOURCE_PRIORITY;
	struct error why;

	if (!url)
		return error_sys(err, ENOMEM, "%s", text);
	for (;;) {
		char *value = take_last(url, "priority");

		if (value) {
			if (parse_number(value, 0, 1000, &priority, &why) < 0)
				return cli_usage(err, "--source: priority: %s", why.text);
			continue;
		}
		value = take_last(url, "digest");
		if (!value)
			break;
		if (strncmp(value, "sha256:", 7) != 0 || strlen(value) != 7 + 64 ||
		    strspn(value + 7, "0123456789abcdef") != 64)
			return cli_usage(err,
			                 "--source: '%s' is no digest: sha256: and 64 hexadecimal "
			                 "digits in small letters",
			                 value);
		free(digest);
		digest = strdup(value);
		if (!digest)
			return error_sys(err, ENOMEM, "%s", text);
	}
	if (!*url)
		return cli_usage(err, "--source: '%s' has no URL", text);
	ret->url = take_ptr(url);
	ret->digest = take_ptr(digest);
	ret->priority = (int)priority;
	return 0;
}

void cli_source_free(struct cli_source *source)
{
	free(source->url);
	free(source->digest);
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
	return options;
}

/* Parents come from the same servers as their children: the same certificates and passwords. */
static int open_parent(void *arg, const char *url, struct source **ret, struct error *err)
{
	const struct source_options options = source_options(arg);

	return source_open(url, &options, ret, err);
}

/* The chain of `url` and every --source. */
static int open_chain(const struct cli_call *call, const char *url, struct source **ret,
                      struct error *err)
{
	const struct chain_options options = {
		.source = source_options(call),
		.hedge_percent = CHAIN_DEFAULT_HEDGE_PERCENT,
		.message = say,
		.arg = (void *)call,
	};
	struct cli_source extra[MAX_SOURCES] = { { 0 } };
	struct chain_source sources[MAX_SOURCES + 1] = { { .url = url } };
	bool more = cli_option(call->verb, "source", strlen("source")) != NULL;
	size_t n = 0;
	int r = 0;

	for (const char *text; more && (text = cli_nth(call, "source", n)) != NULL; n++) {
		if (n == MAX_SOURCES) {
			r = cli_usage(err, "more than %d --source", MAX_SOURCES);
			break;
		}
		r = cli_source_parse(text, &extra[n], err);
		if (r != 0)
			break;
		sources[n + 1] =
			(struct chain_source){ extra[n].url, extra[n].priority, extra[n].digest };
	}
	if (r == 0)
		r = chain_open(sources, n + 1, &options, NULL, ret, err);
	while (n-- > 0)
		cli_source_free(&extra[n]);
	return r;
}

int cli_image_open(const struct cli_call *call, const char *url, const char *format,
                   const char *parent, bool warn, struct image **ret, struct error *err)
{
	struct image_options options = {
		.url = url,
		.parent = parent,
		.open_parent = open_parent,
		.warn = warn ? say : NULL,
		.arg = (void *)call,
	};
	cleanup(source_close) struct source *file = NULL;
	int r = image_format_parse(format, &options.format, err);

	if (r == 0)
		r = open_chain(call, url, &file, err);
	if (r == 0)
		r = image_open(file, &options, ret, err);
	if (r == 0)
		file = NULL;
	return r;
}
