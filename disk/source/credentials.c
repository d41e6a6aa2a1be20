// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/credentials.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/source/credential-helper.h"
#include "disk/source/credentials-files.h"
#include "disk/source/docker-auth.h"
#include "util/io.h"

#define FILE_MAX  (1u << 20)
#define FILES_MAX 8

/* Where a credential may go: what a URL has to have in common with its line. */
struct place {
	char *scheme, *host, *port, *path; /* from curl_url_get */
};

struct entry {
	struct place place;
	struct credential credential;
};

/* What a helper program said once. */
struct answer {
	char *helper, *server;
	bool none;
	struct credential credential;
};

struct credentials {
	struct entry *entries; /* of a file of lines */
	size_t n;
	struct docker_auth *docker[FILES_MAX]; /* in the order in which they are asked */
	size_t n_docker;
	struct answer *answers;
	size_t n_answers;
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

void credential_wipe(struct credential *credential)
{
	free(credential->user);
	wipe(credential->secret);
	*credential = (struct credential){ 0 };
}

int credential_copy(const struct credential *from, struct credential *ret)
{
	struct credential copy = { .kind = from->kind };

	copy.user = from->user ? strdup(from->user) : NULL;
	copy.secret = strdup(from->secret);
	if ((from->user && !copy.user) || !copy.secret) {
		credential_wipe(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

static void entry_free(struct entry *entry)
{
	place_free(&entry->place);
	credential_wipe(&entry->credential);
}

void credentials_free(struct credentials *creds)
{
	if (!creds)
		return;
	for (size_t i = 0; i < creds->n; i++)
		entry_free(&creds->entries[i]);
	for (size_t i = 0; i < creds->n_docker; i++)
		docker_auth_free(creds->docker[i]);
	for (size_t i = 0; i < creds->n_answers; i++) {
		free(creds->answers[i].helper);
		free(creds->answers[i].server);
		credential_wipe(&creds->answers[i].credential);
	}
	free(creds->answers);
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

static int parse_lines(struct credentials *creds, const char *text, size_t len, const char *name,
                       struct error *err)
{
	char *copy = strndup(text, len);
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
	return r;
}

static bool is_json(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", *text)) {
		text++;
		len--;
	}
	return len > 0 && *text == '{';
}

/* Add what one file says. */
static int parse(struct credentials *creds, const char *text, size_t len, const char *name,
                 struct error *err)
{
	int r;

	if (!is_json(text, len))
		return parse_lines(creds, text, len, name, err);
	r = docker_auth_parse(text, len, name, &creds->docker[creds->n_docker], err);
	creds->n_docker += r == 0;
	return r;
}

int credentials_parse(const char *text, size_t len, const char *name, struct credentials **ret,
                      struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = calloc(1, sizeof(*creds));
	int r = creds ? parse(creds, text, len, name, err) : error_sys(err, ENOMEM, "%s", name);

	if (r == 0)
		*ret = take_ptr(creds);
	return r;
}

static int load(struct credentials *creds, const char *path, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t before = creds->n_docker;
	char self[32], *text;
	struct stat st;
	bool secrets;
	size_t len;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "%s: is not a file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return error_set(err, EPERM, "%s: belongs to somebody else", path);
	/* Through the open descriptor: the file that was looked at, not another of its name. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	r = read_file(AT_FDCWD, self, FILE_MAX, &text, &len, NULL);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	r = parse(creds, text, len, path, err);
	/* One that only names helper programs, or has settings of docker's, may be seen. */
	secrets = creds->n_docker == before || docker_auth_has_secrets(creds->docker[before]);
	if (r == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) && secrets)
		r = error_set(err, EPERM, "%s: others can read it; do: chmod 600 %s", path, path);
	explicit_bzero(text, len);
	free(text);
	return r;
}

int credentials_load(const char *path, struct credentials **ret, struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = calloc(1, sizeof(*creds));
	int r = creds ? load(creds, path, err) : error_sys(err, ENOMEM, "%s", path);

	if (r == 0)
		*ret = take_ptr(creds);
	return r;
}

int credentials_of(const char *key, const char *user, const char *secret, struct credentials **ret,
                   struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = calloc(1, sizeof(*creds));
	int r = creds ? docker_auth_of(key, user, secret, &creds->docker[0], err)
	              : error_sys(err, ENOMEM, "%s", key);

	if (r < 0)
		return r;
	creds->n_docker = 1;
	*ret = take_ptr(creds);
	return 0;
}

int credentials_load_default(struct credentials **ret, struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = calloc(1, sizeof(*creds));
	char path[PATH_MAX];
	int r = 0;

	_Static_assert(FILES_MAX >= CREDENTIALS_DEFAULT_FILES, "each has its room");
	if (!creds)
		return error_sys(err, ENOMEM, "credentials");
	for (unsigned int i = 0; r == 0 && i < CREDENTIALS_DEFAULT_FILES; i++)
		if (credentials_default_path(i, path) && access(path, F_OK) == 0)
			r = load(creds, path, err);
	if (r == 0)
		*ret = take_ptr(creds);
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

/* What the program says, or said before; NULL after an error. */
static struct answer *ask_helper(struct credentials *creds, const struct docker_answer *where,
                                 uint64_t deadline_ns, struct source_cancel *cancel,
                                 struct error *err)
{
	struct answer answer = { 0 }, *more;
	int r;

	for (size_t i = 0; i < creds->n_answers; i++) {
		struct answer *known = &creds->answers[i];

		if (strcmp(known->helper, where->helper) == 0 &&
		    strcmp(known->server, where->server) == 0)
			return known;
	}
	r = credential_helper_get(where->helper, where->server, deadline_ns, cancel,
	                          &answer.credential, err);
	if (r < 0 && r != -ENOENT)
		return NULL;
	answer.none = r == -ENOENT;
	answer.helper = strdup(where->helper);
	answer.server = strdup(where->server);
	more = reallocarray(creds->answers, creds->n_answers + 1, sizeof(*more));
	if (more)
		creds->answers = more;
	if (!answer.helper || !answer.server || !more) {
		credential_wipe(&answer.credential);
		free(answer.helper);
		free(answer.server);
		error_sys(err, ENOMEM, "credentials");
		return NULL;
	}
	more[creds->n_answers] = answer;
	return &more[creds->n_answers++];
}

int credentials_ask(struct credentials *creds, const char *url, uint64_t deadline_ns,
                    struct source_cancel *cancel, struct credential *ret, struct error *err)
{
	const struct credential *found = credentials_find(creds, url);
	struct error why = { 0 };

	for (size_t i = 0; !found && creds && i < creds->n_docker; i++) {
		struct docker_answer where;
		const struct answer *answer;

		if (!docker_auth_find(creds->docker[i], url, &where))
			continue;
		found = where.credential;
		if (found)
			break;
		answer = ask_helper(creds, &where, deadline_ns, cancel, &why);
		if (!answer) {
			if (err)
				*err = why;
			return -why.code;
		}
		found = answer->none ? NULL : &answer->credential;
	}
	if (!found)
		return -ENOENT;
	return credential_copy(found, ret) < 0 ? error_sys(err, ENOMEM, "credentials") : 0;
}
