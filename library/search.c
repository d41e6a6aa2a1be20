// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/search.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk/source/source.h"
#include "library/annotations.h"
#include "library/oci.h"
#include "util/cleanup.h"
#include "util/io.h"
#include "util/text.h"

/* A catalogue is a file beside others: who has none should not keep a person waiting. */
#define CATALOGUE_DEADLINE_MS 10000

struct search {
	const struct library *library;
	struct store *store;
	const char *term;
	search_each *each;
	void *arg;
	char name[REFERENCE_NAME_MAX + 1]; /* whose tags are being listed */
	struct catalogue_entry entry;
	char *texts[CATALOGUE_MAX_TAGS + 8]; /* that the entry points to */
	size_t n_texts;
};

static int read_url(const char *url, const struct store_options *options, char **ret,
                    size_t *ret_len, struct error *err)
{
	const struct source_options how = {
		.ca_file = options->ca_file,
		.credentials_file = options->credentials_file,
		.deadline_ms = CATALOGUE_DEADLINE_MS,
	};
	cleanup(source_close) struct source *src = NULL;
	cleanup_free char *text = NULL;
	int r = source_open(url, &how, &src, err);

	if (r < 0)
		return r;
	if (src->identity.size > CATALOGUE_MAX_BYTES)
		return error_set(err, EFBIG, "%s: is larger than 64 MiB", url);
	text = calloc(1, src->identity.size + 1);
	if (!text)
		return error_sys(err, ENOMEM, "%s", url);
	r = source_read(src, text, src->identity.size, 0, NULL, err);
	if (r < 0)
		return r;
	*ret_len = src->identity.size;
	*ret = take_ptr(text);
	return 0;
}

int library_catalogue(const struct library *library, const struct store_options *options,
                      char **ret, size_t *ret_len, struct error *err)
{
	char place[PATH_MAX + REFERENCE_NAME_MAX];
	const char *scheme = "";

	if (library->kind == LIBRARY_REGISTRY)
		scheme = library->plain_http || options->plain_http ? "http://" : "https://";
	snprintf(place, sizeof(place), "%s%s/%s" CATALOGUE_FILE, scheme, library->address,
	         library->prefix);
	if (library->kind == LIBRARY_OWN || library->kind == LIBRARY_FOLDER)
		return read_file(AT_FDCWD, place, CATALOGUE_MAX_BYTES, ret, ret_len, err);
	return read_url(place, options, ret, ret_len, err);
}

static int match(void *arg, const struct catalogue_entry *entry, struct error *err)
{
	const struct search *search = arg;

	if (!catalogue_matches(entry, search->term))
		return 0;
	return search->each(search->arg, search->library, entry, err);
}

/* Does it look like one?  A server may answer with a page of its own for what it has not. */
static bool is_catalogue(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!memchr(" \t\r\n", text[i], 4))
			return text[i] == '{';
	}
	return false;
}

/* An annotation of a manifest: a stranger's text. */
static const char *keep_text(struct search *search, const char *text)
{
	char *copy = text ? strndup(text, 4096) : NULL;

	if (!copy || search->n_texts == CATALOGUE_MAX_TAGS + 8) {
		free(copy);
		return "";
	}
	search->texts[search->n_texts++] = text_printable(copy);
	return copy;
}

/* Title, description and size out of the first tag's manifest; one that is broken has none. */
static void look_into(struct search *search, const char *tag)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	struct store_manifest bytes = { 0 };
	struct catalogue_entry *entry = &search->entry;

	if (store_get_manifest(search->store, search->name, tag, &bytes, NULL) == 0 &&
	    oci_manifest_parse(bytes.bytes, bytes.len, &manifest, NULL) == 0) {
		const json_t *said = manifest->annotations;

		entry->title = keep_text(search, oci_annotation(said, OCI_TITLE));
		entry->description = keep_text(search, oci_annotation(said, OCI_DESCRIPTION));
		entry->licence = keep_text(search, oci_annotation(said, OCI_LICENCES));
		entry->publisher = keep_text(search, oci_annotation(said, OCI_VENDOR));
		entry->released = keep_text(search, oci_annotation(said, OCI_CREATED));
		for (size_t i = 0; i < manifest->n_layers; i++) {
			if (__builtin_add_overflow(entry->size, manifest->layers[i].size,
			                           &entry->size))
				entry->size = UINT64_MAX;
		}
	}
	store_manifest_free(&bytes);
}

static int take_tag(void *arg, const char *tag, struct error *err __attribute__((unused)))
{
	struct search *search = arg;
	struct catalogue_entry *entry = &search->entry;

	if (entry->n_tags == CATALOGUE_MAX_TAGS)
		return 0;
	if (entry->n_tags == 0)
		look_into(search, tag);
	entry->tags[entry->n_tags] = keep_text(search, tag);
	entry->n_tags += *entry->tags[entry->n_tags] != '\0';
	return 0;
}

static int take_name(void *arg, const char *name, struct error *err)
{
	struct search *search = arg;
	size_t prefix = strlen(search->library->prefix);
	int r = 0;

	if (strncmp(name, search->library->prefix, prefix) != 0 || !reference_name_valid(name))
		return 0;
	search->entry = (struct catalogue_entry){ .name = name + prefix,
		                                  .title = "",
		                                  .description = "",
		                                  .picture = "",
		                                  .licence = "",
		                                  .publisher = "",
		                                  .released = "" };
	/* A registry would have to be asked for each name. */
	if (search->library->kind == LIBRARY_OWN || search->library->kind == LIBRARY_FOLDER) {
		snprintf(search->name, sizeof(search->name), "%s", name);
		r = search->store->ops->tags(search->store, name, take_tag, search, err);
	}
	if (r == 0)
		r = match(search, &search->entry, err);
	while (search->n_texts > 0)
		free(search->texts[--search->n_texts]);
	return r;
}

int library_search(const struct library *library, const struct find_options *options,
                   const char *term, search_each *each, void *arg, struct error *err)
{
	struct search search = { .library = library, .term = term, .each = each, .arg = arg };
	cleanup(store_close) struct store *store = NULL;
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = library_catalogue(library, &options->store, &text, &len, NULL);

	if (r == 0 && is_catalogue(text, len)) {
		r = catalogue_each(text, len, match, &search, err);
		return r == -EBADMSG || r == -EFBIG ? error_prefix(err, CATALOGUE_FILE) : r;
	}
	r = (options->open ? options->open : library_open)(library, &options->store, &store, err);
	if (r == -ENOENT && library->kind == LIBRARY_OWN)
		return 0;
	search.store = store;
	return r < 0 ? r : store->ops->names(store, take_name, &search, err);
}
