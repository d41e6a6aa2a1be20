// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill library mirror: one image, or all of a library, into another library.
 *
 * Names stay as they are, each behind its library's prefix.  Nothing is judged, for nothing is used:
 * signatures go with the images, and who runs one of them judges it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/copying.h"
#include "cli/library.h"

struct mirror {
	const struct cli_call *call;
	const struct cli_libraries *known;
	struct library to;
	struct store *target;
	size_t failed;
};

/* A library by its name, or by its place. */
static int find_library(const struct cli_libraries *known, const char *text, struct library *ret,
                        struct error *err)
{
	const struct library *named = libraries_get(&known->libraries, text);
	char path[PATH_MAX];
	int r;

	if (!strstr(text, "://") && realpath(text, path) && !named)
		text = path;
	r = library_parse("x", named ? named->place : text, ret, err);
	if (r < 0 && !named && !strpbrk(text, "./:"))
		return error_set(err, ENOENT, "there is no library '%s'", text);
	return r;
}

/* One manifest of from/name, whose library puts `prefix` bytes in front of its names. */
static int copy_one(struct mirror *mirror, struct store *from, const char *name, size_t prefix,
                    const struct store_manifest *manifest, const char *tag, struct error *err)
{
	char to_name[REFERENCE_NAME_MAX + 1];
	const struct cli_copying copying = { .what = "mirroring",
		                             .from = from,
		                             .from_name = name,
		                             .manifest = manifest,
		                             .to = mirror->target,
		                             .to_name = to_name,
		                             .tag = tag,
		                             .any_kind = true };
	int n = snprintf(to_name, sizeof(to_name), "%s%s", mirror->to.prefix, name + prefix);

	if (n < 0 || (size_t)n >= sizeof(to_name))
		return error_set(err, ENAMETOOLONG, "%s%s: the name is too long", mirror->to.prefix,
		                 name + prefix);
	return cli_copy(mirror->call, &copying, err);
}

static int mirror_image(struct mirror *mirror, const char *text, struct error *err)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	cleanup(reference_free) struct reference ref = { 0 };
	int r = cli_find_image(mirror->known, text, &ref, &found, err);

	return r < 0 ? r
	             : copy_one(mirror, found.store, found.name, found.prefix, &found.manifest,
	                        *ref.tag ? ref.tag : NULL, err);
}

/* One that fails is said, and the others go on; only an interrupt ends it. */
static int mirror_tags(struct mirror *mirror, struct store *from, const char *name, size_t prefix,
                       struct error *err)
{
	cleanup(cli_texts_free) struct cli_texts tags = { 0 };
	int r = from->ops->tags(from, name, cli_take_text, &tags, err);

	for (size_t i = 0; r == 0 && i < tags.n; i++) {
		struct store_manifest manifest = { 0 };

		r = store_get_manifest(from, name, tags.at[i], &manifest, err);
		if (r == 0)
			r = copy_one(mirror, from, name, prefix, &manifest, tags.at[i], err);
		store_manifest_free(&manifest);
		if (r == -EINTR)
			return r;
		if (r < 0) {
			fprintf(stderr, "sill: library mirror: %s:%s: %s\n", name, tags.at[i],
			        err->text);
			mirror->failed++;
			r = 0;
		}
	}
	return r;
}

static int mirror_all(struct mirror *mirror, const char *text, struct error *err)
{
	cleanup(cli_texts_free) struct cli_texts names = { 0 };
	cleanup(library_free) struct library from = { 0 };
	cleanup(store_close) struct store *source = NULL;
	int r = find_library(mirror->known, text, &from, err);
	size_t prefix = r < 0 ? 0 : strlen(from.prefix);

	if (r == 0)
		r = library_open(&from, &mirror->known->options.store, &source, err);
	if (r == 0)
		r = source->ops->names(source, cli_take_text, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (strncmp(names.at[i], from.prefix, prefix) == 0)
			r = mirror_tags(mirror, source, names.at[i], prefix, err);
	}
	if (r == 0 && mirror->failed > 0)
		return error_set(err, EIO, "%zu image%s could not be copied", mirror->failed,
		                 mirror->failed == 1 ? "" : "s");
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	struct mirror mirror = { .call = call, .known = &known };
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = find_library(&known, call->arguments[1], &mirror.to, err);
	if (r == 0 && strcmp(mirror.to.address, known.own) == 0)
		r = error_set(err, EINVAL,
		              "the library of this host takes what was judged: sill pull brings "
		              "images there");
	if (r == 0)
		r = library_open(&mirror.to, &known.options.store, &mirror.target, err);
	if (r == 0 && cli_given(call, "all"))
		r = mirror_all(&mirror, call->arguments[0], err);
	else if (r == 0)
		r = mirror_image(&mirror, call->arguments[0], err);
	store_close(mirror.target);
	library_free(&mirror.to);
	return r;
}

const struct cli_verb verb_library_mirror = {
	.name = "library mirror",
	.group = CLI_LIBRARY,
	.summary = "Copy an image, or all of a library, to another library",
	.description =
		"Copy an image with its signatures from one library to another, from registry to "
		"registry, or between registries and folders: for networks that have no way out. "
		"What is there already is not sent again, what was cut short goes on where it "
		"stopped, and every file is verified on its way. Names and tags stay as they "
		"are.\n\n"
		"With --all SRC is a library too, and all of its images are copied; one that "
		"cannot "
		"be is said, and the others are.",
	.arguments = { { .name = "SRC",
	                 .type = CLI_TEXT,
	                 .help = "An image, or with --all a library by its name or place" },
	               { .name = "DST",
	                 .type = CLI_TEXT,
	                 .help = "A library by its name or place: a registry or a folder" } },
	.options = { { .name = "all",
	               .type = CLI_FLAG,
	               .help = "All tags of all images of the library SRC" },
	             OPTION_AT_ONCE,
	             OPTIONS_STORE },
	.examples = { { "sill library mirror registry.example/debian:12 /media/usb",
	                "One image to a stick" },
	              { "sill library mirror --all /media/usb inside.example",
	                "All of a stick to another registry" } },
	.run = run,
};
