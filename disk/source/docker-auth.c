// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/docker-auth.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "disk/source/source.h"
#include "disk/source/url.h"

#define ENTRIES_MAX 4096
#define HUB         "docker.io"
#define HUB_SERVER  "https://index.docker.io/v1/"

/* A key of the file taken apart; where nothing was said texts are empty. */
struct key {
	char scheme[8];
	char host[256];
	char port[8];
	char path[512]; /* of repositories, without slashes around it */
};

struct entry {
	struct key key;
	struct credential credential; /* no secret: another program keeps it */
	char *helper;
};

struct docker_auth {
	struct entry *entries;
	size_t n;
	char *store; /* the helper that keeps all others */
};

static void entry_free(struct entry *entry)
{
	credential_wipe(&entry->credential);
	free(entry->helper);
}

void docker_auth_free(struct docker_auth *auth)
{
	if (!auth)
		return;
	for (size_t i = 0; i < auth->n; i++)
		entry_free(&auth->entries[i]);
	free(auth->entries);
	free(auth->store);
	free(auth);
}

/* All names of Docker's own registry are one place. */
static void canonical_host(char host[256])
{
	if (strcasecmp(host, "index.docker.io") == 0 ||
	    strcasecmp(host, "registry-1.docker.io") == 0)
		memcpy(host, HUB, sizeof(HUB));
}

static bool copy_part(char *out, size_t room, const char *from, size_t len)
{
	if (len >= room)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

/* "host", "host:port", "host/path", "[::1]:5000", "https://host/v1/". */
static bool key_parse(const char *text, struct key *ret)
{
	const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text;
	size_t all = strcspn(host, "/"), bracket = *host == '[' ? strcspn(host, "]") : 0;
	const char *colon = memchr(host + bracket, ':', all > bracket ? all - bracket : 0);
	size_t n = colon ? (size_t)(colon - host) : all, path;

	*ret = (struct key){ 0 };
	if (scheme && !copy_part(ret->scheme, sizeof(ret->scheme), text, (size_t)(scheme - text)))
		return false;
	if (scheme && strcmp(ret->scheme, "https") != 0 && strcmp(ret->scheme, "http") != 0)
		return false;
	if (n == 0 || !copy_part(ret->host, sizeof(ret->host), host, n) ||
	    (colon && !copy_part(ret->port, sizeof(ret->port), colon + 1, all - n - 1)))
		return false;
	canonical_host(ret->host);
	/* The path of a whole URL is the API's ("/v1/"), not a repository's. */
	host += all + (host[all] == '/');
	path = scheme ? 0 : strlen(host);
	while (path > 0 && host[path - 1] == '/')
		path--;
	return copy_part(ret->path, sizeof(ret->path), host, path);
}

/* "user:password" in base64.  Docker pads what it encodes with zeros. */
static bool decode(const char *text, struct credential *ret)
{
	size_t len = strlen(text);
	unsigned char *plain = malloc(len / 4 * 3 + 1);
	int n = plain ? EVP_DecodeBlock(plain, (const unsigned char *)text, (int)len) : -1;
	char *colon;
	bool fine;

	if (n >= 0)
		plain[n] = '\0';
	colon = n > 0 && len % 4 == 0 ? strchr((char *)plain, ':') : NULL;
	fine = colon != NULL && colon[1] != '\0';
	if (fine) {
		ret->kind = CREDENTIAL_BASIC;
		ret->user = strndup((char *)plain, (size_t)(colon - (char *)plain));
		ret->secret = strdup(colon + 1);
		fine = ret->user && ret->secret;
	}
	if (plain)
		explicit_bzero(plain, len / 4 * 3 + 1);
	free(plain);
	return fine;
}

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : NULL;
}

/* 0, or -EINVAL when there is something that cannot be used. */
static int take_credential(const json_t *value, struct credential *ret)
{
	const char *auth = member(value, "auth"), *user = member(value, "username"),
		   *password = member(value, "password"),
		   *identity = member(value, "identitytoken"),
		   *token = member(value, "registrytoken");

	if (identity || token) {
		ret->kind = identity ? CREDENTIAL_IDENTITY : CREDENTIAL_BEARER;
		ret->secret = strdup(identity ? identity : token);
		return ret->secret ? 0 : -ENOMEM;
	}
	if (auth)
		return decode(auth, ret) ? 0 : -EINVAL;
	if (!user || !password)
		return 0;
	ret->kind = CREDENTIAL_BASIC;
	ret->user = strdup(user);
	ret->secret = strdup(password);
	return ret->user && ret->secret ? 0 : -ENOMEM;
}

static int add(struct docker_auth *auth, const char *text, const char *name, struct entry **ret,
               struct error *err)
{
	struct entry *more;

	if (auth->n >= ENTRIES_MAX)
		return error_set(err, E2BIG, "%s: has more than %d registries", name, ENTRIES_MAX);
	more = reallocarray(auth->entries, auth->n + 1, sizeof(*more));
	if (!more)
		return error_sys(err, ENOMEM, "%s", name);
	auth->entries = more;
	*ret = &more[auth->n++];
	**ret = (struct entry){ 0 };
	if (!key_parse(text, &(*ret)->key))
		return error_set(err, EINVAL, "%s: '%.200s' is not the name of a registry", name,
		                 text);
	return 0;
}

/* A name becomes part of a program's: no path may come in. */
static int take_helper(const json_t *value, const char *name, char **ret, struct error *err)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) > 64 ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
		return error_set(err, EINVAL,
		                 "%s: the name of a credential helper has letters, digits, '-', "
		                 "'_' and '.' in it",
		                 name);
	*ret = strdup(text);
	return *ret ? 0 : error_sys(err, ENOMEM, "%s", name);
}

static int take_all(struct docker_auth *auth, json_t *root, const char *name, struct error *err)
{
	json_t *auths = json_object_get(root, "auths"),
	       *store = json_object_get(root, "credsStore"),
	       *helpers = json_object_get(root, "credHelpers"), *value;
	struct entry *entry;
	const char *key;
	int r = 0;

	if ((auths && !json_is_object(auths)) || (helpers && !json_is_object(helpers)))
		return error_set(err, EINVAL, "%s: 'auths' and 'credHelpers' are objects", name);
	json_object_foreach (auths, key, value) {
		r = add(auth, key, name, &entry, err);
		if (r < 0)
			return r;
		r = take_credential(value, &entry->credential);
		if (r < 0)
			return error_set(err, -r,
			                 "%s: what it has for %.200s is not a user name and a "
			                 "password",
			                 name, key);
	}
	json_object_foreach (helpers, key, value) {
		r = add(auth, key, name, &entry, err);
		if (r == 0)
			r = take_helper(value, name, &entry->helper, err);
		if (r < 0)
			return r;
	}
	if (store && !(json_is_string(store) && !*json_string_value(store)))
		r = take_helper(store, name, &auth->store, err);
	return r;
}

/* Texts of JSON are the library's; they are wiped in place. */
static void wipe_texts(json_t *value)
{
	const char *key;
	json_t *item;

	if (json_is_string(value))
		explicit_bzero((char *)json_string_value(value), json_string_length(value));
	json_object_foreach (value, key, item)
		wipe_texts(item);
}

int docker_auth_parse(const char *text, size_t len, const char *name, struct docker_auth **ret,
                      struct error *err)
{
	cleanup(docker_auth_free) struct docker_auth *auth = calloc(1, sizeof(*auth));
	json_error_t why;
	json_t *root;
	int r;

	if (!auth)
		return error_sys(err, ENOMEM, "%s", name);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(root))
		/* What jansson says may quote the text. */
		r = error_set(err, EINVAL, "%s: line %d: is not JSON as docker and podman write it",
		              name, root ? 1 : why.line);
	else
		r = take_all(auth, root, name, err);
	wipe_texts(root);
	json_decref(root);
	if (r == 0)
		*ret = take_ptr(auth);
	return r;
}

int docker_auth_of(const char *key, const char *user, const char *secret, struct docker_auth **ret,
                   struct error *err)
{
	cleanup(docker_auth_free) struct docker_auth *auth = calloc(1, sizeof(*auth));
	const struct credential who = { CREDENTIAL_BASIC, (char *)user, (char *)secret };
	struct entry *entry;
	int r = auth ? add(auth, key, key, &entry, err) : error_sys(err, ENOMEM, "%s", key);

	if (r == 0 && credential_copy(&who, &entry->credential) < 0)
		r = error_sys(err, ENOMEM, "%s", key);
	if (r == 0)
		*ret = take_ptr(auth);
	return r;
}

bool docker_auth_has_secrets(const struct docker_auth *auth)
{
	for (size_t i = 0; i < auth->n; i++)
		if (auth->entries[i].credential.secret)
			return true;
	return false;
}

static bool split_url(const char *url, struct key *ret)
{
	char origin[SOURCE_ORIGIN_MAX];
	CURLU *parts = curl_url();
	const char *host, *port, *inside;
	char *path = NULL;
	bool fine = false;

	*ret = (struct key){ 0 };
	source_url_origin(url, origin, sizeof(origin));
	host = strstr(origin, "://");
	port = strrchr(origin, ':');
	if (host && parts &&
	    curl_url_set(parts, CURLUPART_URL, url, CURLU_URLENCODE) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		inside = path + strspn(path, "/");
		if (strncmp(inside, "v2/", 3) == 0)
			inside += 3;
		fine = copy_part(ret->scheme, sizeof(ret->scheme), origin,
		                 (size_t)(host - origin)) &&
		       copy_part(ret->host, sizeof(ret->host), host + 3,
		                 (size_t)(port - host) - 3) &&
		       copy_part(ret->port, sizeof(ret->port), port + 1, strlen(port + 1));
		canonical_host(ret->host);
		/* One that is longer than any key is inside none that is as long. */
		if (fine)
			copy_part(ret->path, sizeof(ret->path), inside,
			          strnlen(inside, sizeof(ret->path) - 1));
	}
	curl_free(path);
	curl_url_cleanup(parts);
	return fine;
}

static bool is_inside(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return n == 0 || (strncmp(path, folder, n) == 0 && (!path[n] || path[n] == '/'));
}

static bool key_fits(const struct key *key, const struct key *url)
{
	bool https = strcmp(url->scheme, "https") == 0;

	if (key->scheme[0] ? strcmp(key->scheme, url->scheme) != 0
	                   : !https && !source_host_is_loopback(url->host))
		return false;
	return strcasecmp(key->host, url->host) == 0 &&
	       strcmp(key->port[0] ? key->port
	              : https      ? "443"
	                           : "80",
	              url->port) == 0 &&
	       is_inside(url->path, key->path);
}

static void name_server(const struct key *url, struct docker_answer *ret)
{
	bool https = strcmp(url->scheme, "https") == 0;

	if (strcmp(url->host, HUB) == 0)
		snprintf(ret->server, sizeof(ret->server), "%s", HUB_SERVER);
	else if (strcmp(url->port, https ? "443" : "80") == 0)
		snprintf(ret->server, sizeof(ret->server), "%s", url->host);
	else
		snprintf(ret->server, sizeof(ret->server), "%s:%s", url->host, url->port);
}

bool docker_auth_find(const struct docker_auth *auth, const char *url, struct docker_answer *ret)
{
	const struct entry *best = NULL;
	struct key at;

	*ret = (struct docker_answer){ 0 };
	if (!split_url(url, &at))
		return false;
	for (size_t i = 0; i < auth->n; i++) {
		const struct entry *entry = &auth->entries[i];

		if ((!entry->helper && !entry->credential.secret) || !key_fits(&entry->key, &at))
			continue;
		/* A helper decides over what else is said of the same place. */
		if (!best || strlen(entry->key.path) > strlen(best->key.path) || entry->helper)
			best = entry;
	}
	name_server(&at, ret);
	if (best && best->credential.secret)
		ret->credential = &best->credential;
	else
		ret->helper = best ? best->helper : auth->store;
	return ret->credential || ret->helper;
}
