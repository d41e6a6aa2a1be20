// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill images, tag, rmi: the images that the host's own library has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/library.h"
#include "cli/options.h"
#include "library/annotations.h"
#include "library/machine-image.h"
#include "machine/machine.h"
#include "util/text.h"

/* What is being listed. */
struct listing {
	struct store *store;
	json_t *list;
	const char *name; /* whose tags come */
};

static int set_text(json_t *object, const char *key, const char *text)
{
	cleanup_free char *copy = text ? strdup(text) : NULL;

	if (!copy || !*copy)
		return 0;
	return json_object_set_new(object, key, json_string(text_printable(copy)));
}

/* What its manifest and configuration say. */
static void add_facts(json_t *object, const struct machine_image *image)
{
	const json_t *said = image->manifest->annotations;
	uint64_t size = image->manifest->config.size;

	for (size_t i = 0; i < image->manifest->n_layers; i++) {
		if (__builtin_add_overflow(size, image->manifest->layers[i].size, &size))
			size = INT64_MAX;
	}
	json_object_set_new(object, "size", json_integer((json_int_t)min_u64(size, INT64_MAX)));
	json_object_set_new(object, "release", json_integer((json_int_t)image->config.release));
	set_text(object, "created", image->config.created);
	set_text(object, "title", oci_annotation(said, OCI_TITLE));
	set_text(object, "version", oci_annotation(said, OCI_VERSION));
}

static int take_tag(void *arg, const char *tag, struct error *err)
{
	struct listing *listing = arg;
	cleanup(machine_image_free) struct machine_image image = { 0 };
	struct store_manifest manifest = { 0 };
	struct error why = { 0 };
	json_t *object = json_object();
	int r;

	json_object_set_new(object, "image", json_sprintf("%s:%s", listing->name, tag));
	/* One that is broken must not hide the others. */
	r = store_get_manifest(listing->store, listing->name, tag, &manifest, &why);
	if (r == 0) {
		json_object_set_new(object, "digest", json_string(manifest.digest));
		r = machine_image_get(listing->store, listing->name, &manifest, &image, &why);
	}
	if (r == 0)
		add_facts(object, &image);
	else
		set_text(object, "error", why.text);
	store_manifest_free(&manifest);
	return json_array_append_new(listing->list, object) < 0
	               ? error_sys(err, ENOMEM, "list of images")
	               : 0;
}

static int take_name(void *arg, const char *name, struct error *err)
{
	struct listing *listing = arg;

	listing->name = name;
	return listing->store->ops->tags(listing->store, name, take_tag, listing, err);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void print_image(const json_t *image, size_t width)
{
	char digest[24], bytes[16];

	printf("%-*s  %-19s  ", (int)width, text_at(image, "image"),
	       cli_short_digest(text_at(image, "digest"), digest));
	if (*text_at(image, "error"))
		printf("%s\n", text_at(image, "error"));
	else
		printf("%9s  %7lld  %s\n",
		       format_bytes((uint64_t)json_integer_value(json_object_get(image, "size")),
		                    bytes),
		       (long long)json_integer_value(json_object_get(image, "release")),
		       text_at(image, "title"));
}

static void print_images(const json_t *list)
{
	size_t width = strlen("IMAGE"), i;
	const json_t *image;

	json_array_foreach (list, i, image)
		width = max_u64(width, strlen(text_at(image, "image")));
	if (json_array_size(list) > 0)
		printf("%-*s  %-19s  %9s  %7s  %s\n", (int)width, "IMAGE", "DIGEST", "SIZE",
		       "RELEASE", "TITLE");
	json_array_foreach (list, i, image)
		print_image(image, width);
}

static int images(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	cleanup(store_close) struct store *own = NULL;
	struct listing listing = { 0 };
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = folder_open(known.own, &own, err);
	if (r < 0 && r != -ENOENT)
		return r;
	listing = (struct listing){ .store = own, .list = json_array() };
	r = own ? own->ops->names(own, take_name, &listing, err) : 0;
	if (r == 0 && cli_given(call, "json"))
		r = cli_print_json(listing.list, err);
	else if (r == 0)
		print_images(listing.list);
	json_decref(listing.list);
	return r;
}

const struct cli_verb verb_images = {
	.name = "images",
	.group = CLI_LIBRARY,
	.summary = "List the images that this host's library has",
	.description = "List what *sill pull*, *import* and *publish* brought into the library of "
		       "this host. "
		       "What came from a registry has its registry in front of its name, with '_' "
		       "for the ':' "
		       "of a port. The size is that of all its files, whether other images have "
		       "some of them "
		       "too or not.",
	.options = { OPTION_JSON },
	.examples = { { "sill images", "Show them" },
	              { "sill images --json | jq -r '.[].digest'", "Their digests" } },
	.run = images,
};

static int tag(const struct cli_call *call, struct error *err)
{
	cleanup(reference_free) struct reference from = { 0 }, to = { 0 };
	char from_name[REFERENCE_NAME_MAX + 1], to_name[REFERENCE_NAME_MAX + 1];
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	cleanup(store_close) struct store *own = NULL;
	struct store_manifest manifest = { 0 };
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = cli_own_name(&known, call->arguments[0], &from, from_name, err);
	if (r == 0)
		r = cli_own_name(&known, call->arguments[1], &to, to_name, err);
	if (r == 0 && *to.digest)
		return cli_usage(err, "'%s': a digest cannot be given to an image",
		                 call->arguments[1]);
	if (r == 0)
		r = cli_own_library(known.state, known.own, &own, err);
	if (r == 0)
		r = store_get_manifest(own, from_name, reference_which(&from), &manifest, err);
	if (r == 0)
		r = own->ops->put_manifest(own, to_name, to.tag, &manifest, err);
	store_manifest_free(&manifest);
	return r;
}

const struct cli_verb verb_tag = {
	.name = "tag",
	.group = CLI_LIBRARY,
	.summary = "Give an image of this host's library another name",
	.description = "Let NEW mean the image that REF means now, in the library of this host. A "
		       "name that means another image is moved. Nothing is copied. With a registry "
		       "in front *sill push* NEW sends it there.",
	.arguments = { ARGUMENT_REFERENCE,
	               { .name = "NEW", .type = CLI_TEXT, .help = "Its other name" } },
	.options = { { .name = NULL } },
	.examples = { { "sill tag debian:12 debian:stable", "Give it another tag" },
	              { "sill tag debian:12 registry.example/team/debian:12",
	                "Name it for a registry" } },
	.run = tag,
};

/* The machine that was made of that manifest, if there is one. */
static int find_user(const struct state *state, const char *digest, char **ret, struct error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = state_names(state, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n && !*ret; i++) {
		cleanup(manifest_free) struct manifest *m = NULL;
		cleanup_close int dir = machine_open(state, names[i], NULL);

		/* One whose manifest cannot be read might be the one. */
		r = dir < 0 ? 0 : manifest_load(dir, &m, err);
		if (r < 0)
			error_prefix(err, "%s", names[i]);
		else if (m && m->image_digest && strcmp(m->image_digest, digest) == 0)
			*ret = strdup(names[i]);
	}
	state_names_free(names, n);
	return r;
}

static int check_unused(const struct cli_libraries *known, const char *text, const char *digest,
                        struct error *err)
{
	cleanup_free char *user = NULL;
	int r = find_user(known->state, digest, &user, err);

	if (r == 0 && user)
		return error_set(err, EBUSY,
		                 "%s: is what the machine '%s' was made of: delete that first, or "
		                 "use --force",
		                 text, user);
	return r;
}

/* How many names an image has. */
struct census {
	struct store *store;
	const char *digest;
	const char *name; /* whose tags come */
	size_t n;
};

static int count_tag(void *arg, const char *tag, struct error *err __attribute__((unused)))
{
	struct census *census = arg;
	struct store_manifest manifest = { 0 };

	if (store_get_manifest(census->store, census->name, tag, &manifest, NULL) == 0)
		census->n += strcmp(manifest.digest, census->digest) == 0;
	store_manifest_free(&manifest);
	return 0;
}

static int count_name(void *arg, const char *name, struct error *err)
{
	struct census *census = arg;

	census->name = name;
	return census->store->ops->tags(census->store, name, count_tag, census, err);
}

/* Without its last name an image goes itself, and its signatures with it. */
static int remove_name(const struct cli_call *call, const struct cli_libraries *known,
                       struct store *own, const char *text, const char *name,
                       const struct reference *ref, const char *digest, struct error *err)
{
	struct census census = { .store = own, .digest = digest };
	int r = own->ops->names(own, count_name, &census, err);
	bool last = census.n <= 1 || *ref->digest;

	if (r == 0 && last && !cli_given(call, "force"))
		r = check_unused(known, text, digest, err);
	return r < 0 ? r : own->ops->delete_manifest(own, name, last ? digest : ref->tag, err);
}

static int remove_one(const struct cli_call *call, const struct cli_libraries *known,
                      struct store *own, const char *text, struct error *err)
{
	cleanup(reference_free) struct reference ref = { 0 };
	char name[REFERENCE_NAME_MAX + 1];
	struct store_manifest manifest = { 0 };
	int r = cli_own_name(known, text, &ref, name, err);

	if (r == 0)
		r = store_get_manifest(own, name, reference_which(&ref), &manifest, err);
	if (r == 0)
		r = remove_name(call, known, own, text, name, &ref, manifest.digest, err);
	store_manifest_free(&manifest);
	return r;
}

static int rmi(const struct cli_call *call, struct error *err)
{
	cleanup(cli_libraries_close) struct cli_libraries known = { 0 };
	cleanup(store_close) struct store *own = NULL;
	uint64_t freed = 0;
	char bytes[16];
	int r = cli_libraries_open(call, &known, err);

	if (r == 0)
		r = cli_own_library(known.state, known.own, &own, err);
	for (size_t i = 0; r == 0 && i < call->n_arguments; i++)
		r = remove_one(call, &known, own, call->arguments[i], err);
	if (r < 0)
		return r;
	r = folder_sweep(own, &freed, err);
	if (r == -EBUSY) {
		fprintf(stderr, "sill: rmi: %s\n", err->text);
		return 0;
	}
	if (r == 0)
		printf("%s freed\n", format_bytes(freed, bytes));
	return r;
}

const struct cli_verb verb_rmi = {
	.name = "rmi",
	.group = CLI_LIBRARY,
	.summary = "Remove images from this host's library",
	.description =
		"Remove names from the library of this host, and the files that no other image "
		"there has. With a digest an image loses all its names. The last name of one that "
		"a machine was made of stays, unless --force is given: that machine then reads "
		"from where the image came, or, when it came from nowhere else, no longer starts.",
	.arguments = { { .name = "REF",
	                 .repeat = true,
	                 .type = CLI_TEXT,
	                 .help = "The images: names as sill images shows them, or as they were "
	                         "pulled" } },
	.options = { { .name = "force",
	               .letter = 'f',
	               .type = CLI_FLAG,
	               .help = "Those that machines were made of too" } },
	.examples = { { "sill rmi debian:11", "Remove it" } },
	.run = rmi,
};
