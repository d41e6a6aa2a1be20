// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/credentials.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "util/io.h"

#define FILE_MAX (1u << 20)

/* Where a credential may go: what a URL has to have in common with its line. */
struct place {
	char *scheme, *host, *port, *path; /* from curl_url_get */
};

struct entry {
	struct place place;
	struct credential credential;
};

struct credentials {
	struct entry *entries;
	size_t n;
};

static void place_free(struct place *place)
{
	curl_free(place->scheme);
	curl_free(place->host);
	curl_free(place->port);
	curl_free(place->path);
}

static void place_free_at(struct place *place)
{
	place_free(place);
}

/* Host names are the same in either case; paths are not.  curl takes dot segments out. */
static int place_of(const char *url, struct place *ret)
{
	CURLU *parts = curl_url();
	int r = -EINVAL;

	if (!parts)
		return -ENOMEM;
	if (curl_url_set(parts, CURLUPART_URL, url, CURLU_URLENCODE) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PATH, &ret->path, 0) == CURLUE_OK)
		r = 0;
	curl_url_cleanup(parts);
	return r;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void entry_free(struct entry *entry)
{
	place_free(&entry->place);
	free(entry->credential.user);
	wipe(entry->credential.secret);
}

void credentials_free(struct credentials *creds)
{
	if (!creds)
		return;
	for (size_t i = 0; i < creds->n; i++)
		entry_free(&creds->entries[i]);
	free(creds->entries);
	free(creds);
}

/* The next word of a line: *at moves behind it; NULL at the end of the line. */
static char *take_word(char **at)
{
	char *word = *at + strspn(*at, " \t");
	size_t n = strcspn(word, " \t");

	if (n == 0)
		return NULL;
	*at = word + n;
	if (**at)
		*(*at)++ = '\0';
	return word;
}

/* The rest of a line, blanks around it off. */
static char *take_rest(char **at)
{
	char *rest = *at + strspn(*at, " \t");
	size_t n = strlen(rest);

	while (n > 0 && (rest[n - 1] == ' ' || rest[n - 1] == '\t'))
		rest[--n] = '\0';
	return n ? rest : NULL;
}

/* `entry` is all zeros before, and the caller's to free even when it fails. */
static int parse_line(char *line, const char *name, unsigned int number, struct entry *entry,
                      struct error *err)
{
	char *url = take_word(&line), *kind = take_word(&line), *user = NULL, *secret;

	if (!url || place_of(url, &entry->place) < 0 ||
	    (strcmp(entry->place.scheme, "https") != 0 && strcmp(entry->place.scheme, "http") != 0))
		return error_set(err, EINVAL,
		                 "%s: line %u does not begin with an http or https URL", name,
		                 number);
	if (kind && strcmp(kind, "basic") == 0) {
		entry->credential.kind = CREDENTIAL_BASIC;
		user = take_word(&line);
	} else if (kind && strcmp(kind, "bearer") == 0) {
		entry->credential.kind = CREDENTIAL_BEARER;
	} else {
		return error_set(err, EINVAL,
		                 "%s: line %u: after the URL comes 'basic' or 'bearer'", name,
		                 number);
	}
	secret = take_rest(&line);
	if (!secret || (entry->credential.kind == CREDENTIAL_BASIC && !user))
		return error_set(err, EINVAL, "%s: line %u: %s is missing", name, number,
		                 entry->credential.kind == CREDENTIAL_BASIC
		                         ? "user name or password"
		                         : "the token");
	if (user && strchr(user, ':'))
		return error_set(err, EINVAL, "%s: line %u: a user name cannot hold a colon", name,
		                 number);
	if (entry->credential.kind == CREDENTIAL_BEARER && strpbrk(secret, " \t"))
		return error_set(err, EINVAL, "%s: line %u: a token has no blanks in it", name,
		                 number);
	entry->credential.user = user ? strdup(user) : NULL;
	entry->credential.secret = strdup(secret);
	if ((user && !entry->credential.user) || !entry->credential.secret)
		return error_sys(err, ENOMEM, "%s", name);
	return 0;
}

int credentials_parse(const char *text, size_t len, const char *name, struct credentials **ret,
                      struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = calloc(1, sizeof(*creds));
	char *copy = creds ? strndup(text, len) : NULL;
	unsigned int number = 0;
	int r = 0;

	if (!copy)
		return error_sys(err, ENOMEM, "%s", name);
	for (char *line = copy, *next; r == 0 && line; line = next) {
		char *first = line + strspn(line, " \t");
		struct entry *more;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		if (line[strcspn(line, "\r")])
			line[strcspn(line, "\r")] = '\0';
		if (!*first || *first == '#')
			continue;
		more = reallocarray(creds->entries, creds->n + 1, sizeof(*more));
		if (!more) {
			r = error_sys(err, ENOMEM, "%s", name);
			break;
		}
		creds->entries = more;
		more[creds->n] = (struct entry){ 0 };
		r = parse_line(line, name, number, &more[creds->n++], err);
	}
	/* Words were cut off with zeros: strlen() would leave secrets behind. */
	explicit_bzero(copy, strnlen(text, len));
	free(copy);
	if (r == 0)
		*ret = take_ptr(creds);
	return r;
}

int credentials_load(const char *path, struct credentials **ret, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char self[32], *text;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "%s: is not a file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return error_set(err, EPERM, "%s: belongs to somebody else", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(err, EPERM, "%s: others can read it; do: chmod 600 %s", path,
		                 path);
	/* Through the open descriptor: the file that was looked at, not another of its name. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	r = read_file(AT_FDCWD, self, FILE_MAX, &text, &len, NULL);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	r = credentials_parse(text, len, path, ret, err);
	explicit_bzero(text, len);
	free(text);
	return r;
}

/* Is `path` inside the folder or file `prefix`? */
static bool path_inside(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(path, prefix, n) != 0)
		return false;
	return prefix[n - 1] == '/' || path[n] == '\0' || path[n] == '/';
}

const struct credential *credentials_find(const struct credentials *creds, const char *url)
{
	cleanup(place_free) struct place place = { 0 };
	const struct entry *best = NULL;

	if (!creds || place_of(url, &place) < 0)
		return NULL;
	for (size_t i = 0; i < creds->n; i++) {
		const struct entry *entry = &creds->entries[i];

		if (strcasecmp(entry->place.scheme, place.scheme) == 0 &&
		    strcasecmp(entry->place.host, place.host) == 0 &&
		    strcmp(entry->place.port, place.port) == 0 &&
		    path_inside(place.path, entry->place.path) &&
		    (!best || strlen(entry->place.path) >= strlen(best->place.path)))
			best = entry;
	}
	return best ? &best->credential : NULL;
}
