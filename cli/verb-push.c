// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill push: an image of the host's own library to another one.
 */
#include <errno.h>
#include <string.h>

#include "cli/copying.h"
#include "cli/library.h"

/* Where the second argument, or else the first, says. */
static int find_target(const struct cli_call *call, const struct cli_libraries *known,
                       const char *tag, struct reference *ret_ref, struct library_found *ret,
                       struct error *err)
{
	const char *text = call->arguments[call->n_arguments - 1], *last;
	int r = reference_parse(text, ret_ref, err);

	if (r == 0 && *ret_ref->digest)
		return cli_usage(err, "'%s': a digest cannot be given to an image", text);
	if (r == 0)
		r = library_place(&known->libraries, ret_ref, &known->options, ret, err);
	if (r < 0)
		return r;
	if (ret->own)
		return cli_usage(err,
		                 "'%s' is in the library of this host: say where it is to go, such "
		                 "as registry.example/%s",
		                 text, ret_ref->name);
	/* The second argument's name may say none. */
	last = strrchr(text, '/');
	if (call->n_arguments > 1 && *tag && !strchr(last ? last : text, ':'))
		snprintf(ret_ref->tag, sizeof(ret_ref->tag), "%s", tag);
	return 0;
}

static int push(const struct cli_call *call, struct error *err)
{
	cleanup(reference_free) struct reference from = { 0 }, to = { 0 };
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	cleanup(library_found_free) struct library_found target = { 0 };
	cleanup(store_close) struct store *own = NULL;
	struct store_manifest manifest = { 0 };
	char name[REFERENCE_NAME_MAX + 1];
	struct cli_copying copying;
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = cli_own_name(&known, call->arguments[0], &from, name, err);
	if (r == 0)
		r = find_target(call, &known, from.tag, &to, &target, err);
	if (r == 0)
		r = cli_own_library(known.state, known.own, &own, err);
	if (r == 0)
		r = store_get_manifest(own, name, reference_which(&from), &manifest, err);
	copying = (struct cli_copying){ .what = "pushing",
		                        .from = own,
		                        .from_name = name,
		                        .manifest = &manifest,
		                        .to = target.store,
		                        .to_name = target.name,
		                        .tag = to.tag };
	if (r == 0)
		r = cli_copy(call, &copying, err);
	store_manifest_free(&manifest);
	return r;
}

const struct cli_verb verb_push = {
	.name = "push",
	.group = CLI_LIBRARY,
	.summary = "Send an image of this host's library to another one",
	.description = "Send an image, with its signatures, from the library of this host to a "
		       "registry or to "
		       "a folder. Only what is not there is sent, several files at a time, and "
		       "what was cut "
		       "short goes on where it stopped. The tag comes last: it never names what is "
		       "not whole.\n\n"
		       "Without TO the image goes where its name says, as *sill pull* or *sill "
		       "tag* gave it.",
	.arguments = { ARGUMENT_REFERENCE,
	               { .name = "TO",
	                 .optional = true,
	                 .type = CLI_TEXT,
	                 .help = "Where to, and under which name; the tag is the image's unless "
	                         "said" } },
	.options = { OPTION_AT_ONCE, OPTIONS_STORE },
	.examples = { { "sill push debian:12 registry.example/team/debian",
	                "Send it to a registry" },
	              { "sill push debian:12 /media/usb#debian:12", "Send it to a stick" } },
	.run = push,
};
