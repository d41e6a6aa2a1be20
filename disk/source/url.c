// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"
#include "disk/source/source.h"

#define URL_MAX 8192

static const struct scheme {
	const char *name;
	enum source_kind kind;
} schemes[] = {
	{ "file", SOURCE_KIND_FILE },     { "http", SOURCE_KIND_HTTP },
	{ "https", SOURCE_KIND_HTTP },    { "nbd", SOURCE_KIND_NBD },
	{ "nbds", SOURCE_KIND_NBD },      { "nbd+unix", SOURCE_KIND_NBD },
	{ "nbds+unix", SOURCE_KIND_NBD },
};

void source_url_free(struct source_url *url)
{
	free(url->target);
	free(url->name);
	url->target = url->name = NULL;
}

/* Characters before the ':' that a scheme may have (RFC 3986, 3.1); 0 when there is no scheme. */
static size_t scheme_length(const char *text)
{
	size_t n =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return text[n] == ':' && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z') ? n : 0;
}

/* The known scheme that `text` begins with, or NULL. */
static const struct scheme *find_scheme(const char *text)
{
	size_t n = scheme_length(text);

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(schemes); i++)
		if (strlen(schemes[i].name) == n && strncasecmp(text, schemes[i].name, n) == 0)
			return &schemes[i];
	return NULL;
}

/* A control character ends lines in headers and on terminals. */
static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* file:PATH, file:/PATH, file:///PATH, file://localhost/PATH, with %XX for odd bytes. */
static int parse_file_url(const char *text, struct source_url *url, struct error *err)
{
	const char *path = text + strlen("file:");
	cleanup_free char *plain = NULL;
	char *decoded;
	int len;

	if (strncmp(path, "//", 2) == 0) {
		path += 2;
		if (strncasecmp(path, "localhost/", 10) == 0)
			path += 9;
		if (*path != '/')
			return error_set(err, EINVAL,
			                 "%s: a file: URL names a file of this computer, such as "
			                 "file:///srv/disk.raw",
			                 text);
	}
	decoded = curl_easy_unescape(NULL, path, 0, &len);
	if (decoded && strlen(decoded) == (size_t)len)
		plain = strdup(decoded);
	curl_free(decoded);
	if (!plain || len == 0)
		return error_set(err, EINVAL, "%s: not a file: URL", text);
	url->name = strdup(plain);
	url->target = take_ptr(plain);
	return 0;
}

/* A part of a URL, or NULL when it has none.  To be freed with curl_free(). */
static char *url_part(CURLU *parts, CURLUPart what)
{
	char *text;

	return curl_url_get(parts, what, &text, 0) == CURLUE_OK ? text : NULL;
}

static void curl_url_at(CURLU **at)
{
	curl_url_cleanup(*at);
}

static void curl_free_at(char **at)
{
	curl_free(*at);
}

#define cleanup_curl cleanup(curl_free)

/* The name in messages: without the query, which is where signatures and tokens are. */
static char *public_name(const char *text)
{
	size_t n = strcspn(text, "?#");
	char *name = malloc(n + sizeof("?..."));

	if (!name)
		return NULL;
	memcpy(name, text, n);
	memcpy(name + n, text[n] == '?' ? "?..." : "", text[n] == '?' ? sizeof("?...") : 1);
	return name;
}

static int parse_net_url(const char *text, struct source_url *url, struct error *err)
{
	size_t scheme = scheme_length(text);
	const char *host = text + scheme + 3;
	const char *at;
	int shown;

	if (strncmp(text + scheme, "://", 3) != 0)
		return error_set(err, EINVAL, "a URL begins with %.*s://", (int)scheme, text);
	at = memrchr(host, '@', strcspn(host, "/?#"));
	if (at)
		host = at + 1;
	shown = (int)min_u64(strcspn(host, "?#"), 200);
	/* nbds: has user names, which are not secret, and no passwords. */
	if (at && (url->kind == SOURCE_KIND_HTTP ||
	           memchr(text + scheme + 3, ':', (size_t)(at - text) - scheme - 3)))
		return error_set(err, EINVAL,
		                 "%.*s://%.*s: a user name or password does not belong into a URL; "
		                 "put it into a credentials file (sill-credentials(5))",
		                 (int)scheme, text, shown, host);
	if (url->kind == SOURCE_KIND_HTTP) {
		cleanup(curl_url) CURLU *parts = curl_url();
		cleanup_curl char *name = NULL;
		CURLUcode code;

		if (!parts)
			return error_sys(err, ENOMEM, "%.200s", text);
		code = curl_url_set(parts, CURLUPART_URL, text, CURLU_URLENCODE);
		if (code != CURLUE_OK)
			return error_set(err, EINVAL, "%.*s://%.*s: not a URL: %s", (int)scheme,
			                 text, shown, host, curl_url_strerror(code));
		name = url_part(parts, CURLUPART_HOST);
		if (!name || !*name)
			return error_set(err, EINVAL, "%.*s://%.*s: names no host", (int)scheme,
			                 text, shown, host);
		/* The fragment is for browsers; curl would not send it either. */
		curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);

		cleanup_curl char *whole = url_part(parts, CURLUPART_URL);

		url->target = whole ? strdup(whole) : NULL;
	} else {
		url->target = strdup(text);
	}
	if (url->target)
		url->name = url->kind == SOURCE_KIND_HTTP ? public_name(url->target)
		                                          : strdup(url->target);
	return 0;
}

int source_url_parse(const char *text, struct source_url *ret, struct error *err)
{
	const struct scheme *scheme = find_scheme(text);
	struct source_url url = { .kind = scheme ? scheme->kind : SOURCE_KIND_FILE };
	int r = 0;

	if (!*text)
		return error_set(err, EINVAL, "the name of a source is empty");
	if (strlen(text) > URL_MAX)
		return error_set(err, EINVAL, "the name of a source is longer than %d bytes",
		                 URL_MAX);
	if (has_control(text))
		return error_set(err, EINVAL, "the name of a source has a control character in it");
	if (!scheme && scheme_length(text) && strncmp(text + scheme_length(text), "://", 3) == 0)
		return error_set(err, EINVAL,
		                 "%.*s: is not a kind of source; there are paths, http, https, "
		                 "nbd, nbds, nbd+unix, nbds+unix and file",
		                 (int)scheme_length(text), text);
	if (!scheme) {
		url.target = strdup(text);
		url.name = strdup(text);
	} else if (scheme->kind == SOURCE_KIND_FILE) {
		r = parse_file_url(text, &url, err);
	} else {
		r = parse_net_url(text, &url, err);
	}
	if (r == 0 && (!url.target || !url.name))
		r = error_sys(err, ENOMEM, "%.200s", text);
	if (r < 0) {
		source_url_free(&url);
		return r;
	}
	*ret = url;
	return 0;
}

/* RFC 6454: scheme, host and port.  Host names know no case; curl knows the scheme's own port. */
void source_url_origin(const char *url, char *ret, size_t room)
{
	cleanup(curl_url) CURLU *parts = curl_url();
	cleanup_curl char *scheme = NULL, *host = NULL, *port = NULL;
	int n = 0;

	ret[0] = '\0';
	if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK)
		return;
	scheme = url_part(parts, CURLUPART_SCHEME);
	host = url_part(parts, CURLUPART_HOST);
	if (curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    !scheme || !host)
		return;
	for (char *c = host; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	n = snprintf(ret, room, "%s://%s:%s", scheme, host, port);
	if (n < 0 || (size_t)n >= room)
		ret[0] = '\0';
}

bool source_host_is_loopback(const char *host)
{
	struct in_addr v4;

	return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

/* `name` as the last part of a path in a URL: all but the safest bytes become %XX. */
static char *escape_path(const char *name)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._~/+,=@";
	char *out = malloc(3 * strlen(name) + 1), *p = out;

	for (; out && *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (strchr(safe, c)) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = "0123456789ABCDEF"[c >> 4];
			*p++ = "0123456789ABCDEF"[c & 15];
		}
	}
	if (out)
		*p = '\0';
	return out;
}

static int http_sibling(const char *url, const char *name, char **ret, struct error *err)
{
	cleanup(curl_url) CURLU *parts = curl_url();
	cleanup_free char *escaped = escape_path(name);
	cleanup_curl char *whole = NULL;

	if (!parts || !escaped)
		return error_sys(err, ENOMEM, "%s", name);
	if (curl_url_set(parts, CURLUPART_URL, url, CURLU_URLENCODE) != CURLUE_OK ||
	    curl_url_set(parts, CURLUPART_URL, escaped, 0) != CURLUE_OK)
		return error_set(err, EINVAL, "%.200s is not a name beside %.200s", name, url);
	whole = url_part(parts, CURLUPART_URL);
	*ret = whole ? strdup(whole) : NULL;
	return *ret ? 0 : error_sys(err, ENOMEM, "%s", name);
}

int source_sibling(const char *url, const char *name, char **ret, struct error *err)
{
	const struct scheme *ours = find_scheme(url), *theirs = find_scheme(name);
	enum source_kind kind = ours ? ours->kind : SOURCE_KIND_FILE;
	bool local = theirs ? theirs->kind == SOURCE_KIND_FILE : name[0] == '/';
	struct source_url parsed;
	int r;

	if (!*name || has_control(name) || strlen(name) > URL_MAX)
		return error_set(err, EINVAL,
		                 "%.200s names a file whose name is empty, too long or has control "
		                 "characters",
		                 url);
	if (local && kind != SOURCE_KIND_FILE)
		return error_set(err, EPERM,
		                 "%.200s comes from the network and names a file of this computer, "
		                 "%.200s; say --parent if that is meant",
		                 url, name);
	if (theirs || name[0] == '/') {
		*ret = strdup(name);
		return *ret ? 0 : error_sys(err, ENOMEM, "%s", name);
	}
	if (kind == SOURCE_KIND_NBD)
		return error_set(err, EINVAL, "%.200s is an NBD export and has no files beside it",
		                 url);
	if (kind == SOURCE_KIND_HTTP)
		return http_sibling(url, name, ret, err);
	r = source_url_parse(url, &parsed, err);
	if (r < 0)
		return r;

	const char *slash = strrchr(parsed.target, '/');
	int folder = slash ? (int)(slash - parsed.target) + 1 : 0;

	r = asprintf(ret, "%.*s%s", folder, parsed.target, name) < 0 ? -ENOMEM : 0;
	source_url_free(&parsed);
	return r < 0 ? error_sys(err, ENOMEM, "%s", name) : 0;
}
