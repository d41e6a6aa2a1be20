// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill pull: images of other libraries into the host's own.
 */
#include <errno.h>
#include <string.h>

#include "cli/copying.h"
#include "cli/judge.h"
#include "cli/library.h"

static int pull_one(const struct cli_call *call, const struct cli_libraries *known,
                    struct store *own, const char *text, struct error *err)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	cleanup(reference_free) struct reference ref = { 0 };
	struct policy_answer answer;
	struct cli_copying copying;
	int r = cli_find_image(known, text, &ref, &found, err);

	if (r < 0)
		return r;
	if (found.own)
		return error_set(err, EALREADY, "%s: the library of this host has it already",
		                 text);
	r = cli_judge(call, &found, &ref, &answer, err);
	if (r < 0)
		return r;
	copying = (struct cli_copying){ .what = "pulling",
		                        .from = found.store,
		                        .from_name = found.name,
		                        .manifest = &found.manifest,
		                        .to = own,
		                        .to_name = found.own_name,
		                        .tag = *ref.tag ? ref.tag : NULL };
	r = cli_copy(call, &copying, err);
	return r < 0 ? r : cli_remember(&answer, err);
}

static int pull(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	cleanup(store_close) struct store *own = NULL;
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = cli_own_library(known.state, known.own, &own, err);
	for (size_t i = 0; r == 0 && i < call->n_arguments; i++)
		r = pull_one(call, &known, own, call->arguments[i], err);
	return r;
}

const struct cli_verb verb_pull = {
	.name = "pull",
	.group = CLI_LIBRARY,
	.summary = "Bring images into this host's library",
	.description =
		"Bring whole images into the library of this host, so that machines made of them "
		"need "
		"no network. What is there already is not sent again, and what was cut short goes "
		"on "
		"where it stopped. *sill run* does not need this: it streams.\n\n"
		"Whether an image is taken is decided by who signed it (*sill key*); one that is "
		"refused is not brought.",
	.arguments = { { .name = "REF",
	                 .repeat = true,
	                 .type = CLI_TEXT,
	                 .help = "The images: [HOST[:PORT]/]NAME[:TAG][@DIGEST], "
	                         "LIBRARY/NAME[:TAG], or FOLDER#NAME[:TAG]" } },
	.options = { OPTION_AT_ONCE, OPTIONS_JUDGE, OPTIONS_STORE },
	.examples = { { "sill pull registry.example/debian:12", "Bring it here" },
	              { "sill pull /media/usb#debian:12", "Take it from a stick" } },
	.run = pull,
};
