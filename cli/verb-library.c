// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill library add, list, remove, create: the places where this host looks for images.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "cli/library.h"
#include "cli/options.h"

#define ARGUMENT_LIBRARY                                                       \
	{                                                                      \
		.name = "NAME", .type = CLI_TEXT, .help = "The library's name" \
	}

/* A folder is written down whole, for this directory is left; a library it must be already. */
static int take_folder(const char *place, char ret[PATH_MAX], struct error *err)
{
	cleanup(store_close) struct store *store = NULL;

	if (!realpath(place, ret))
		return error_sys(err, errno, "%s", place);
	return folder_open(ret, &store, err);
}

static int add(const struct cli_call *call, struct error *err)
{
	const char *place = call->arguments[1];
	char path[PATH_MAX];
	struct stat st;

	if (strchr("./", place[0]) || (stat(place, &st) == 0 && S_ISDIR(st.st_mode))) {
		int r = take_folder(place, path, err);

		if (r < 0)
			return r;
		place = path;
	}
	return libraries_add(call->arguments[0], place, err);
}

const struct cli_verb verb_library_add = {
	.name = "library add",
	.group = CLI_LIBRARY,
	.summary = "Let this host look for images in another place",
	.description =
		"Remember a library under a short name. Images are looked for in all libraries, in "
		"the "
		"order in which they were added, after the one of this host; NAME/IMAGE means that "
		"library only. PLACE is a registry (registry.example, or registry.example/team for "
		"names that begin so; http://registry.example when it does not speak TLS), a "
		"folder, "
		"or the URL of a folder that a web server shows.",
	.arguments = { ARGUMENT_LIBRARY,
	               { .name = "PLACE",
	                 .type = CLI_TEXT,
	                 .help = "A registry, a folder, or a URL" } },
	.options = { { .name = NULL } },
	.examples = { { "sill library add team registry.example/team", "Part of a registry" },
	              { "sill library add usb /media/usb", "A folder" },
	              { "sill library add web https://images.example/lib",
	                "A folder that a web server shows" } },
	.run = add,
};

static int remove_library(const struct cli_call *call, struct error *err)
{
	return libraries_remove(call->arguments[0], err);
}

const struct cli_verb verb_library_remove = {
	.name = "library remove",
	.group = CLI_LIBRARY,
	.summary = "Forget a library",
	.description = "Forget where a library is. What it has stays, and so does what was brought "
		       "from it.",
	.arguments = { ARGUMENT_LIBRARY },
	.options = { { .name = NULL } },
	.examples = { { "sill library remove usb", "Forget it" } },
	.run = remove_library,
};

static const char *kind_of(const struct library *library)
{
	static const char *const kinds[] = { [LIBRARY_OWN] = "own",
		                             [LIBRARY_REGISTRY] = "registry",
		                             [LIBRARY_FOLDER] = "folder",
		                             [LIBRARY_WEB] = "web" };

	return kinds[library->kind];
}

static int print_json(const struct libraries *libraries, struct error *err)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < libraries->n; i++) {
		const struct library *library = &libraries->at[i];

		r |= json_array_append_new(list,
		                           json_pack("{ss ss ss}", "name", library->name, "kind",
		                                     kind_of(library), "place", library->place));
	}
	r = r ? error_sys(err, ENOMEM, "list of libraries") : cli_print_json(list, err);
	json_decref(list);
	return r;
}

static int list(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	size_t width = strlen("NAME");
	int r = cli_libraries_open(call, &known, err);

	if (r < 0)
		return r;
	if (cli_given(call, "json"))
		return print_json(&known.libraries, err);
	for (size_t i = 0; i < known.libraries.n; i++)
		width = max_u64(width, strlen(known.libraries.at[i].name));
	printf("%-*s  %-8s  %s\n", (int)width, "NAME", "KIND", "PLACE");
	for (size_t i = 0; i < known.libraries.n; i++)
		printf("%-*s  %-8s  %s\n", (int)width, known.libraries.at[i].name,
		       kind_of(&known.libraries.at[i]), known.libraries.at[i].place);
	return 0;
}

const struct cli_verb verb_library_list = {
	.name = "library list",
	.group = CLI_LIBRARY,
	.summary = "List the libraries that this host knows",
	.description = "List them in the order in which they are asked. The first, local, is the "
		       "library of this host.",
	.options = { OPTION_JSON },
	.examples = { { "sill library list", "Show them" } },
	.run = list,
};

static int create(const struct cli_call *call, struct error *err)
{
	return folder_create(call->arguments[0], err);
}

const struct cli_verb verb_library_create = {
	.name = "library create",
	.group = CLI_LIBRARY,
	.summary = "Make a folder a library",
	.description =
		"Make a library of a folder that is empty or not there: on a stick, or where a web "
		"server shows it. Images get there with *sill push* and *sill library mirror*, and "
		"machines run straight from it. It is an OCI image layout, so other tools can read "
		"it.",
	.arguments = { { .name = "FOLDER", .type = CLI_DIRECTORY, .help = "The folder" } },
	.options = { { .name = NULL } },
	.examples = { { "sill library create /media/usb", "A library on a stick" } },
	.run = create,
};
