// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/find.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A library and the name that an image has in it. */
struct candidate {
	struct library library;
	char name[REFERENCE_NAME_MAX + 1];
};

static void candidate_free_at(struct candidate *at)
{
	library_free(&at->library);
}

int library_open(const struct library *library, const struct store_options *options,
                 struct store **ret, struct error *err)
{
	struct store_options how = *options;

	how.plain_http = how.plain_http || library->plain_http;
	switch (library->kind) {
	case LIBRARY_OWN:
	case LIBRARY_FOLDER:
		return folder_open(library->address, ret, err);
	case LIBRARY_WEB:
		return web_open(library->address, &how, ret, err);
	case LIBRARY_REGISTRY:
		return registry_open(library->address, &how, ret, err);
	}
	return error_set(err, EINVAL, "%s: is no library", library->place);
}

static int copy_library(const struct library *library, struct library *ret, struct error *err)
{
	struct library copy = { .name = strdup(library->name),
		                .place = strdup(library->place),
		                .address = strdup(library->address),
		                .prefix = strdup(library->prefix),
		                .kind = library->kind,
		                .plain_http = library->plain_http };

	*ret = copy;
	if (!copy.name || !copy.place || !copy.address || !copy.prefix)
		return error_sys(err, ENOMEM, "library");
	return 0;
}

/* What stands behind a host or a folder that the person wrote. */
static int explicit_place(const struct libraries *libraries, const struct reference *ref,
                          struct library *ret, struct error *err)
{
	char path[PATH_MAX];

	if (!ref->folder) {
		int r = library_parse("x", ref->host, ret, err);

		/* One that is known not to speak TLS need not be told so again. */
		for (size_t i = 0; r == 0 && i < libraries->n; i++) {
			const struct library *known = &libraries->at[i];

			if (known->kind == LIBRARY_REGISTRY && known->plain_http &&
			    strcmp(known->address, ret->address) == 0)
				ret->plain_http = true;
		}
		return r;
	}
	if (strstr(ref->folder, "://"))
		return library_parse("x", ref->folder, ret, err);
	if (!realpath(ref->folder, path))
		return error_sys(err, errno, "%s", ref->folder);
	if (strcmp(path, libraries->at[0].address) == 0)
		return copy_library(&libraries->at[0], ret, err);
	return library_parse("x", path, ret, err);
}

/* `library` and `name` in it; what *ret has is freed by the caller, also after a failure. */
static int make_candidate(const struct library *library, const char *name, struct candidate *ret,
                          struct error *err)
{
	int n = snprintf(ret->name, sizeof(ret->name), "%s%s", library->prefix, name);

	if (n < 0 || (size_t)n >= sizeof(ret->name))
		return error_set(err, ENAMETOOLONG, "%s%s: is longer than %u bytes",
		                 library->prefix, name, REFERENCE_NAME_MAX);
	return copy_library(library, &ret->library, err);
}

/* The library that the first part of the name means: 1; 0 when there is none. */
static int by_first_part(const struct libraries *libraries, const struct reference *ref,
                         struct candidate *ret, struct error *err)
{
	const char *slash = strchr(ref->name, '/');
	char first[REFERENCE_NAME_MAX + 1];
	const struct library *library;
	int r;

	if (!slash)
		return 0;
	snprintf(first, sizeof(first), "%.*s", (int)(slash - ref->name), ref->name);
	library = libraries_get(libraries, first);
	if (!library)
		return 0;
	r = make_candidate(library, slash + 1, ret, err);
	return r < 0 ? r : 1;
}

/* What a registry is called among folders: ':' is none of a name's characters. */
static void host_name(const char *host, char *ret, size_t room)
{
	size_t used = 0;
	bool inside = false;

	if (*host == '[')
		used = (size_t)snprintf(ret, room, "ip6-");
	for (; *host && used + 3 < room; host++) {
		if (*host == '[')
			inside = true;
		else if (*host == ']')
			used += (size_t)snprintf(ret + used, room - used, "-x");
		else if (*host == ':')
			ret[used++] = inside && strchr(host, ']') ? '-' : '_';
		else
			ret[used++] = *host;
	}
	ret[used] = '\0';
}

/* The name of a copy in the host's own library. */
static int name_own(const struct libraries *libraries, const struct candidate *from,
                    struct library_found *ret, struct error *err)
{
	const char *address = from->library.address ? from->library.address : "";
	char first[REFERENCE_HOST_MAX + 16] = "";
	int n;

	if (from->library.kind == LIBRARY_REGISTRY) {
		host_name(address, first, sizeof(first));
	} else if (from->library.kind != LIBRARY_OWN) {
		for (size_t i = 0; i < libraries->n && !*first; i++) {
			if (strcmp(libraries->at[i].address, address) == 0)
				snprintf(first, sizeof(first), "%s", libraries->at[i].name);
		}
	}
	n = snprintf(ret->own_name, sizeof(ret->own_name), "%s%s%s", first, *first ? "/" : "",
	             from->name);
	if (n < 0 || (size_t)n >= sizeof(ret->own_name) || !reference_name_valid(ret->own_name))
		return error_set(err, EINVAL,
		                 "%s/%s: is no name that the library of this host could have",
		                 first, from->name);
	return 0;
}

static int name_found(const struct libraries *libraries, const struct candidate *from,
                      struct library_found *ret, struct error *err)
{
	enum library_kind kind = from->library.kind;
	const char *place = kind == LIBRARY_OWN ? LIBRARY_OWN_NAME : from->library.address;

	memcpy(ret->name, from->name, sizeof(ret->name));
	ret->prefix = strlen(from->library.prefix);
	ret->own = kind == LIBRARY_OWN;
	free(ret->canonical);
	ret->canonical = NULL;
	if (asprintf(&ret->canonical, "%s%s%s", place,
	             kind == LIBRARY_OWN || kind == LIBRARY_REGISTRY ? "/" : "#", from->name) < 0) {
		ret->canonical = NULL;
		return error_sys(err, ENOMEM, "%s", from->name);
	}
	return name_own(libraries, from, ret, err);
}

static int open_one(const struct library *library, const struct find_options *options,
                    struct store **ret, struct error *err)
{
	return (options->open ? options->open : library_open)(library, &options->store, ret, err);
}

/* Open it, and get the manifest. */
static int ask(const struct libraries *libraries, const struct candidate *candidate,
               const struct reference *ref, const struct find_options *options,
               struct library_found *ret, struct error *err)
{
	int r = name_found(libraries, candidate, ret, err);

	if (r == 0)
		r = open_one(&candidate->library, options, &ret->store, err);
	if (r == 0)
		r = store_get_manifest(ret->store, ret->name, reference_which(ref), &ret->manifest,
		                       err);
	if (r == 0 && *ref->digest && strcmp(ref->digest, ret->manifest.digest) != 0)
		r = error_set(err, EBADMSG, "%s: has another digest than %s", ret->canonical,
		              ref->digest);
	if (r < 0) {
		store_close(ret->store);
		ret->store = NULL;
	}
	return r;
}

/* The copy of it that the host's own library has: it keeps the name under which it is trusted. */
static int ask_own(const struct libraries *libraries, const struct candidate *from,
                   const struct reference *ref, const struct find_options *options,
                   struct library_found *ret, struct error *err)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	cleanup(candidate_free) struct candidate own = { 0 };
	int r = name_found(libraries, from, &found, err);

	if (r == 0)
		r = make_candidate(&libraries->at[0], found.own_name, &own, err);
	if (r == 0)
		r = open_one(&own.library, options, &found.store, err);
	if (r == 0)
		r = store_get_manifest(found.store, found.own_name, reference_which(ref),
		                       &found.manifest, err);
	if (r < 0)
		return r;
	memcpy(found.name, found.own_name, sizeof(found.name));
	found.own = true;
	library_found_free(ret);
	*ret = found;
	found = (struct library_found){ 0 };
	return 0;
}

/* It said no, which another copy does not change. */
static bool is_an_answer(int r)
{
	static const int answers[] = { -ENOENT, -EACCES, -EBADMSG, -EFBIG,
		                       -EINVAL, -ENOMEM, -EINTR,   -ENAMETOOLONG };

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (r == answers[i])
			return true;
	}
	return false;
}

static int ask_one(const struct libraries *libraries, const struct candidate *candidate,
                   const struct reference *ref, const struct find_options *options,
                   struct library_found *ret, struct error *err)
{
	bool own = candidate->library.kind == LIBRARY_OWN;
	char text[sizeof(err->text) + 80];
	struct error why = { 0 };
	int r;

	if (!own && *ref->digest && ask_own(libraries, candidate, ref, options, ret, &why) == 0)
		return 0;
	r = ask(libraries, candidate, ref, options, ret, &why);
	if (r < 0 && !own && !is_an_answer(r) &&
	    ask_own(libraries, candidate, ref, options, ret, NULL) == 0) {
		snprintf(text, sizeof(text), "%s; the copy of this host is taken", why.text);
		if (options->say)
			options->say(options->arg, text);
		return 0;
	}
	return r < 0 ? error_set(err, -r, "%s", why.text) : 0;
}

/* All libraries in their order; the first that has it wins. */
static int ask_all(const struct libraries *libraries, const struct reference *ref,
                   const struct find_options *options, struct library_found *ret, struct error *err)
{
	struct error answers = { 0 }, why = { 0 };

	error_set(&answers, ENOENT, "no library has %s%s%s", ref->name, *ref->digest ? "@" : ":",
	          reference_which(ref));
	for (size_t i = 0; i < libraries->n; i++) {
		cleanup(candidate_free) struct candidate candidate = { 0 };
		int r = make_candidate(&libraries->at[i], ref->name, &candidate, &why);

		if (r == 0)
			r = ask_one(libraries, &candidate, ref, options, ret, &why);
		if (r == 0)
			return 0;
		library_found_free(ret);
		if (r != -ENOENT && options->say)
			options->say(options->arg, why.text);
		error_set(&answers, ENOENT, "%s%s %s: %s", answers.text, i ? ";" : ":",
		          libraries->at[i].name, r == -ENOENT ? "not there" : why.text);
	}
	return error_set(err, ENOENT, "%s", answers.text);
}

/* The one library that `ref` means: 1; 0 when it says none. */
static int one_library(const struct libraries *libraries, const struct reference *ref,
                       struct candidate *ret, struct error *err)
{
	cleanup(library_free) struct library library = { 0 };
	int r;

	if (!ref->folder && !*ref->host)
		return by_first_part(libraries, ref, ret, err);
	r = explicit_place(libraries, ref, &library, err);
	if (r == 0)
		r = make_candidate(&library, ref->name, ret, err);
	return r < 0 ? r : 1;
}

int library_find(const struct libraries *libraries, const struct reference *ref,
                 const struct find_options *options, struct library_found *ret, struct error *err)
{
	cleanup(candidate_free) struct candidate candidate = { 0 };
	int r = one_library(libraries, ref, &candidate, err);

	*ret = (struct library_found){ 0 };
	if (r == 0)
		return ask_all(libraries, ref, options, ret, err);
	if (r > 0)
		r = ask_one(libraries, &candidate, ref, options, ret, err);
	if (r < 0)
		library_found_free(ret);
	return r;
}

int library_place(const struct libraries *libraries, const struct reference *ref,
                  const struct find_options *options, struct library_found *ret, struct error *err)
{
	cleanup(candidate_free) struct candidate candidate = { 0 };
	int r = one_library(libraries, ref, &candidate, err);

	*ret = (struct library_found){ 0 };
	if (r == 0)
		r = make_candidate(&libraries->at[0], ref->name, &candidate, err);
	if (r >= 0)
		r = name_found(libraries, &candidate, ret, err);
	if (r == 0)
		r = open_one(&candidate.library, options, &ret->store, err);
	if (r < 0)
		library_found_free(ret);
	return r;
}

void library_found_free(struct library_found *found)
{
	store_close(found->store);
	store_manifest_free(&found->manifest);
	free(found->canonical);
	*found = (struct library_found){ 0 };
}
