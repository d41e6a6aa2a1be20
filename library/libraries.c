// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/libraries.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "util/cleanup.h"
#include "util/config.h"
#include "util/io.h"
#include "util/text.h"

#define LIBRARIES_FILE "libraries"
#define MAX_FILE       (64u << 10)

static int check_name(const char *name, struct error *err)
{
	if (!reference_name_valid(name) || strpbrk(name, "/.") || strlen(name) > LIBRARY_NAME_MAX)
		return error_set(err, EINVAL,
		                 "'%.80s' is no name for a library: up to %u small letters, digits "
		                 "and - _",
		                 name, LIBRARY_NAME_MAX);
	if (strcmp(name, LIBRARY_OWN_NAME) == 0 || strcmp(name, "localhost") == 0)
		return error_set(err, EINVAL, "'%s' is no name for a library: it means this host",
		                 name);
	return 0;
}

/* "HOST[:PORT][/PREFIX]", checked by the rules of references. */
static int take_registry(const char *text, struct library *ret, struct error *err)
{
	cleanup(reference_free) struct reference ref = { 0 };
	char whole[REFERENCE_HOST_MAX + REFERENCE_NAME_MAX + 8];
	struct error why = { 0 };
	size_t n = strlen(text);
	char *last;

	while (n > 0 && text[n - 1] == '/')
		n--;
	if (n + 3 > sizeof(whole) || memchr(text, '#', n))
		return error_set(err, EINVAL, "'%.200s' is no place of a library", text);
	snprintf(whole, sizeof(whole), "%.*s/x", (int)n, text);
	if (reference_parse(whole, &ref, &why) < 0) {
		const char *rule = strstr(why.text, "names no image: ");

		return error_set(err, EINVAL, "'%.200s' is no place of a library: %s", text,
		                 rule ? rule + strlen("names no image: ") : why.text);
	}
	if (!*ref.host)
		return error_set(err, EINVAL,
		                 "'%.200s' is no place of a library: a path begins with '/', and a "
		                 "registry's name has a '.' or a ':'",
		                 text);
	/* Without the "x", so a prefix ends in '/'. */
	last = ref.name + strlen(ref.name) - 1;
	*last = '\0';
	ret->kind = LIBRARY_REGISTRY;
	ret->address = strdup(ref.host);
	ret->prefix = strdup(ref.name);
	return 0;
}

/* Behind the scheme: a registry's, or that of a folder. */
static int take_url(const char *url, bool plain, struct library *ret, struct error *err)
{
	const char *rest = strstr(url, "://") + 3, *path = strchr(rest, '/');
	cleanup_free char *registry = NULL;
	size_t n = strlen(url);

	if (strpbrk(url, "?#@ "))
		return error_set(err, EINVAL,
		                 "'%.200s' is no place of a library: no user, '?' or '#' belongs "
		                 "into it",
		                 url);
	if (!*rest || path == rest)
		return error_set(err, EINVAL, "'%.200s' is no place of a library: no host", url);
	ret->plain_http = plain;
	if (path && strncmp(path, "/v2", 3) == 0 && (path[3] == '/' || !path[3])) {
		if (asprintf(&registry, "%.*s%s", (int)(path - rest), rest, path + 3) < 0)
			return error_sys(err, ENOMEM, "library");
		return take_registry(registry, ret, err);
	}
	if (!path)
		return take_registry(rest, ret, err);
	while (url[n - 1] == '/')
		n--;
	ret->kind = LIBRARY_WEB;
	ret->address = strndup(url, n);
	ret->prefix = strdup("");
	return 0;
}

static int take_place(const char *place, struct library *ret, struct error *err)
{
	if (!*place || strlen(place) >= PATH_MAX || strpbrk(place, "\r\n") || !text_is_utf8(place))
		return error_set(err, EINVAL,
		                 "the place of a library is a text in one line, in UTF-8");
	if (strncmp(place, "https://", 8) == 0)
		return take_url(place, false, ret, err);
	if (strncmp(place, "http://", 7) == 0)
		return take_url(place, true, ret, err);
	if (strstr(place, "://"))
		return error_set(err, EINVAL,
		                 "'%.200s' is no place of a library: a URL of one is http or https",
		                 place);
	if (place[0] != '/')
		return take_registry(place, ret, err);
	ret->kind = LIBRARY_FOLDER;
	ret->address = strdup(place);
	ret->prefix = strdup("");
	return 0;
}

int library_parse(const char *name, const char *place, struct library *ret, struct error *err)
{
	cleanup(library_free) struct library library = { 0 };
	int r = check_name(name, err);

	if (r == 0)
		r = take_place(place, &library, err);
	if (r < 0)
		return r;
	library.name = strdup(name);
	library.place = strdup(place);
	if (!library.name || !library.place || !library.address || !library.prefix)
		return error_sys(err, ENOMEM, "library");
	*ret = library;
	library = (struct library){ 0 };
	return 0;
}

void library_free(struct library *library)
{
	free(library->name);
	free(library->place);
	free(library->address);
	free(library->prefix);
	*library = (struct library){ 0 };
}

void libraries_free(struct libraries *libraries)
{
	for (size_t i = 0; i < libraries->n; i++)
		library_free(&libraries->at[i]);
	free(libraries->at);
	*libraries = (struct libraries){ 0 };
}

const struct library *libraries_get(const struct libraries *libraries, const char *name)
{
	for (size_t i = 0; i < libraries->n; i++) {
		if (strcmp(libraries->at[i].name, name) == 0)
			return &libraries->at[i];
	}
	return NULL;
}

/* Takes what `library` has. */
static int append(struct libraries *libraries, struct library *library, struct error *err)
{
	struct library *more;

	if (libraries->n >= LIBRARIES_MAX)
		return error_set(err, E2BIG, "more than %u libraries", LIBRARIES_MAX);
	more = reallocarray(libraries->at, libraries->n + 1, sizeof(*more));
	if (!more)
		return error_sys(err, ENOMEM, "libraries");
	libraries->at = more;
	more[libraries->n++] = *library;
	*library = (struct library){ 0 };
	return 0;
}

/* Cut a line into name and place; false: it has neither. */
static bool cut_line(char *line, char **ret_name, char **ret_place)
{
	size_t n = strlen(line);

	while (n > 0 && strchr(" \t\r", line[n - 1]))
		line[--n] = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return false;
	*ret_name = line;
	line += strcspn(line, " \t");
	if (*line)
		*line++ = '\0';
	*ret_place = line + strspn(line, " \t");
	return true;
}

int libraries_parse(char *text, struct libraries *ret, struct error *err)
{
	size_t before = ret->n;
	unsigned int number = 0;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		cleanup(library_free) struct library library = { 0 };
		const struct library *same;
		char *name, *place;
		int r;

		number++;
		if (!cut_line(line, &name, &place))
			continue;
		r = library_parse(name, place, &library, err);
		if (r < 0)
			return error_prefix(err, "line %u", number);
		same = libraries_get(ret, name);
		if (same && same >= ret->at + before)
			return error_set(err, EINVAL, "line %u: '%s' stands there twice", number,
			                 name);
		if (same)
			continue;
		r = append(ret, &library, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A file that is not there has no libraries. */
static int load_file(const char *path, struct libraries *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(AT_FDCWD, path, MAX_FILE, &text, &len, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (memchr(text, '\0', len))
		return error_set(err, EINVAL, "%s: is no text", path);
	r = libraries_parse(text, ret, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

static int add_own(const char *own, struct libraries *ret, struct error *err)
{
	cleanup(library_free) struct library library = {
		.name = strdup(LIBRARY_OWN_NAME),
		.place = strdup(own),
		.address = strdup(own),
		.prefix = strdup(""),
		.kind = LIBRARY_OWN,
	};

	if (!library.name || !library.place || !library.address || !library.prefix)
		return error_sys(err, ENOMEM, "libraries");
	return append(ret, &library, err);
}

int libraries_load(const char *own, struct libraries *ret, struct error *err)
{
	cleanup(libraries_free) struct libraries libraries = { 0 };
	char path[PATH_MAX];
	int r = add_own(own, &libraries, err);

	if (r == 0)
		r = config_path(LIBRARIES_FILE, path, err);
	if (r == 0)
		r = load_file(path, &libraries, err);
	if (r == 0 && config_host_path(LIBRARIES_FILE, path))
		r = load_file(path, &libraries, err);
	if (r < 0)
		return r;
	*ret = libraries;
	libraries = (struct libraries){ 0 };
	return 0;
}

/* The person's file, open for a change: nobody else changes it until the descriptor is closed. */
static int begin_change(char path[PATH_MAX], char **ret_text, int *ret_lock, struct error *err)
{
	int r = config_path(LIBRARIES_FILE, path, err);
	cleanup_close int lock = -1;
	char dir[PATH_MAX];
	size_t len;

	if (r < 0)
		return r;
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	r = make_dirs(dir, 0755, err);
	if (r < 0)
		return r;
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return error_sys(err, errno, "%s", dir);
	r = read_file(AT_FDCWD, path, MAX_FILE, ret_text, &len, err);
	if (r == -ENOENT) {
		*ret_text = strdup("");
		r = *ret_text ? 0 : error_sys(err, ENOMEM, "%s", path);
	}
	if (r == 0)
		*ret_lock = take_fd(&lock);
	return r;
}

/* What a file has; its text stays. */
static int parse_copy(const char *path, const char *text, struct libraries *ret, struct error *err)
{
	cleanup_free char *copy = strdup(text);
	int r = copy ? libraries_parse(copy, ret, err) : error_sys(err, ENOMEM, "%s", path);

	return r < 0 && copy ? error_prefix(err, "%s", path) : r;
}

int libraries_add(const char *name, const char *place, struct error *err)
{
	cleanup(libraries_free) struct libraries there = { 0 };
	cleanup(library_free) struct library library = { 0 };
	cleanup_free char *text = NULL, *more = NULL;
	cleanup_close int lock = -1;
	char path[PATH_MAX];
	int r = library_parse(name, place, &library, err);

	if (r == 0)
		r = begin_change(path, &text, &lock, err);
	if (r == 0)
		r = parse_copy(path, text, &there, err);
	if (r < 0)
		return r;
	if (libraries_get(&there, name))
		return error_set(err, EEXIST, "there is a library '%s' already: %s", name,
		                 libraries_get(&there, name)->place);
	if (there.n + 2 > LIBRARIES_MAX)
		return error_set(err, E2BIG, "there are %u libraries already", LIBRARIES_MAX);
	if (asprintf(&more, "%s%s%s %s\n", text,
	             *text && text[strlen(text) - 1] != '\n' ? "\n" : "", name, place) < 0)
		return error_sys(err, ENOMEM, "%s", path);
	if (strlen(more) > MAX_FILE)
		return error_set(err, EFBIG, "%s: would be longer than %u bytes", path, MAX_FILE);
	return replace_file(AT_FDCWD, path, more, strlen(more), 0644, err);
}

static int not_there(const char *name, struct error *err)
{
	cleanup(libraries_free) struct libraries host = { 0 };
	char path[PATH_MAX];

	if (config_host_path(LIBRARIES_FILE, path) && load_file(path, &host, NULL) == 0 &&
	    libraries_get(&host, name))
		return error_set(err, EPERM,
		                 "the library '%s' is this host's: it stands in %s, where only "
		                 "root changes it",
		                 name, path);
	return error_set(err, ENOENT, "there is no library '%s'", name);
}

int libraries_remove(const char *name, struct error *err)
{
	cleanup_free char *text = NULL, *less = NULL;
	cleanup_close int lock = -1;
	size_t len = strlen(name), used = 0;
	bool found = false;
	char path[PATH_MAX];
	int r = begin_change(path, &text, &lock, err);

	if (r < 0)
		return r;
	if (!*name || *name == '#')
		return not_there(name, err);
	less = text ? calloc(1, strlen(text) + 2) : NULL;
	if (!less)
		return error_sys(err, ENOMEM, "%s", path);
	for (const char *line = text; *line;) {
		size_t whole = strcspn(line, "\n"), blank = strspn(line, " \t");
		const char *word = line + blank;

		whole += line[whole] == '\n';
		if (strncmp(word, name, len) == 0 && strchr(" \t\r\n", word[len])) {
			found = true;
		} else {
			memcpy(less + used, line, whole);
			used += whole;
		}
		line += whole;
	}
	return found ? replace_file(AT_FDCWD, path, less, used, 0644, err) : not_there(name, err);
}
