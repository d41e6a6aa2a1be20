// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(void *arg, const char *text)
{
	const struct cli_call *call = arg;

	fprintf(stderr, "sill: %s: %s\n", call->verb->name, text);
}

static bool has(const struct cli_call *call, const char *name)
{
	return cli_option(call->verb, name, strlen(name)) && cli_given(call, name);
}

int cli_libraries_open(const struct cli_call *call, struct cli_libraries *ret, struct error *err)
{
	int r;

	*ret = (struct cli_libraries){ .options = { .say = say, .arg = (void *)call } };
	r = state_open(&ret->state, err);
	if (r < 0)
		return r;
	snprintf(ret->own, sizeof(ret->own), "%s/library", ret->state->dir);
	snprintf(ret->uploads, sizeof(ret->uploads), "%s/uploads", ret->state->dir);
	ret->options.store.uploads_dir = ret->uploads;
	if (has(call, "ca"))
		ret->options.store.ca_file = cli_text(call, "ca", NULL);
	if (has(call, "credentials"))
		ret->options.store.credentials_file = cli_text(call, "credentials", NULL);
	ret->options.store.plain_http = has(call, "plain-http");
	r = libraries_load(ret->own, &ret->libraries, err);
	if (r < 0)
		cli_libraries_close(ret);
	return r;
}

void cli_libraries_close(struct cli_libraries *libraries)
{
	libraries_free(&libraries->libraries);
	state_close(libraries->state);
	*libraries = (struct cli_libraries){ 0 };
}

int cli_own_library(const struct state *state, char ret_path[PATH_MAX], struct store **ret,
                    struct error *err)
{
	int r;

	snprintf(ret_path, PATH_MAX, "%s/library", state->dir);
	r = folder_create(ret_path, err);
	return r < 0 ? r : folder_open(ret_path, ret, err);
}

int cli_find_image(const struct cli_libraries *libraries, const char *text,
                   struct reference *ret_ref, struct library_found *ret, struct error *err)
{
	int r = reference_parse(text, ret_ref, err);

	return r < 0 ? r
	             : library_find(&libraries->libraries, ret_ref, &libraries->options, ret, err);
}

/* Nobody is asked. */
static int open_nothing(const struct library *library __attribute__((unused)),
                        const struct store_options *options __attribute__((unused)),
                        struct store **ret, struct error *err __attribute__((unused)))
{
	*ret = NULL;
	return 0;
}

int cli_own_name(const struct cli_libraries *libraries, const char *text, struct reference *ret_ref,
                 char ret[REFERENCE_NAME_MAX + 1], struct error *err)
{
	const struct find_options nobody = { .open = open_nothing };
	cleanup(library_found_free) struct library_found place = { 0 };
	int r = reference_parse(text, ret_ref, err);

	if (r == 0)
		r = library_place(&libraries->libraries, ret_ref, &nobody, &place, err);
	if (r < 0)
		return r;
	memcpy(ret, place.own_name, sizeof(place.own_name));
	return 0;
}

int cli_take_text(void *arg, const char *text, struct error *err)
{
	struct cli_texts *texts = arg;
	char **more = reallocarray(texts->at, texts->n + 1, sizeof(*more));

	if (!more)
		return error_sys(err, ENOMEM, "list");
	texts->at = more;
	more[texts->n] = strdup(text);
	if (!more[texts->n])
		return error_sys(err, ENOMEM, "list");
	texts->n++;
	return 0;
}

void cli_texts_free(struct cli_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->at[i]);
	free(texts->at);
	*texts = (struct cli_texts){ 0 };
}

const char *cli_short_digest(const char *digest, char ret[24])
{
	snprintf(ret, 24, "%.19s", digest);
	return ret;
}
