// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/token.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"

#define TOKEN_MAX       (32 * KIB)
#define SECONDS_DEFAULT 60u
#define SECONDS_MAX     (24u * 3600)

void token_wipe(struct token *token)
{
	if (token->value)
		explicit_bzero(token->value, strlen(token->value));
	free(token->value);
	*token = (struct token){ 0 };
}

/* RFC 6750, 2.1: letters, digits and a few signs; it goes into a header. */
static bool token_is_sound(const char *text)
{
	size_t n = text ? strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                               "0123456789-._~+/=:,|@!$&*")
	                : 0;

	return n > 0 && n <= TOKEN_MAX && !text[n];
}

/* What is left of `seconds` of a token that was made at that time; clocks may differ. */
static uint32_t seconds_left(const json_t *root, uint32_t seconds, time_t now)
{
	const char *issued = json_string_value(json_object_get(root, "issued_at"));
	struct tm tm = { 0 };
	const char *end = issued ? strptime(issued, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	time_t age;

	/* A fraction may come between the seconds and the zone, which is UTC where it counts. */
	if (!end || issued[strlen(issued) - 1] != 'Z')
		return seconds;
	age = now - timegm(&tm);
	return age > 0 && age < (time_t)seconds ? seconds - (uint32_t)age : seconds;
}

int token_reply_parse(const char *text, size_t len, time_t now, struct token *ret,
                      struct error *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *token = json_string_value(json_object_get(root, "token"));
	const json_t *expires = json_object_get(root, "expires_in");
	double said = json_is_number(expires) ? json_number_value(expires) : SECONDS_DEFAULT;
	uint32_t seconds = SECONDS_DEFAULT;
	int r = 0;

	if (!token || !*token)
		token = json_string_value(json_object_get(root, "access_token"));
	if (!token_is_sound(token)) {
		r = error_set(err, EBADMSG, "does not answer with a token");
	} else {
		/* The specification's least, for clients that are older than the field. */
		if (said > SECONDS_DEFAULT)
			seconds = said < SECONDS_MAX ? (uint32_t)said : SECONDS_MAX;
		ret->seconds = seconds_left(root, seconds, now);
		ret->value = strdup(token);
		if (!ret->value)
			r = error_sys(err, ENOMEM, "token");
		explicit_bzero((char *)token, strlen(token));
	}
	json_decref(root);
	return r;
}

/* "&name=value", escaped; grows *text. */
static int add(char **text, const char *name, const char *value, size_t len)
{
	char *escaped = curl_easy_escape(NULL, value, (int)len), *more = NULL;
	int n = escaped ? asprintf(&more, "%s%s%s=%s", *text, **text ? "&" : "", name, escaped)
	                : -1;

	curl_free(escaped);
	if (n < 0)
		return -ENOMEM;
	explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = more;
	return 0;
}

/* Each scope is a parameter of its own in a query; a form has them in one. */
static int add_scopes(char **text, const char *scopes)
{
	int r = 0;

	for (const char *at = scopes ? scopes + strspn(scopes, " ") : ""; r == 0 && *at;) {
		size_t n = strcspn(at, " ");

		r = add(text, "scope", at, n);
		at += n + strspn(at + n, " ");
	}
	return r;
}

static int make_query(const struct token_request *request, char **text)
{
	const struct challenge *challenge = request->challenge;
	int r = 0;

	if (challenge->service[0])
		r = add(text, "service", challenge->service, strlen(challenge->service));
	if (r == 0)
		r = add_scopes(text, challenge->scope);
	if (r == 0)
		r = add_scopes(text, request->more_scope);
	return r;
}

static int make_form(const struct token_request *request, char **text)
{
	const struct challenge *challenge = request->challenge;
	const char *more = request->more_scope ? request->more_scope : "";
	char scope[sizeof(challenge->scope) * 2];
	int r;

	snprintf(scope, sizeof(scope), "%s%s%.1000s", challenge->scope,
	         *more && challenge->scope[0] ? " " : "", more);
	r = add(text, "grant_type", "refresh_token", strlen("refresh_token"));
	if (r == 0)
		r = add(text, "service", challenge->service, strlen(challenge->service));
	if (r == 0 && scope[0])
		r = add(text, "scope", scope, strlen(scope));
	if (r == 0)
		r = add(text, "client_id", "sill", strlen("sill"));
	if (r == 0)
		r = add(text, "refresh_token", request->who->secret, strlen(request->who->secret));
	return r;
}

static int judge(const struct token_request *request, const struct exchange_answer *answer,
                 struct token *ret, struct error *err)
{
	switch (answer->status) {
	case 200:
		return token_reply_parse(answer->body ? answer->body : "", answer->len, time(NULL),
		                         ret, err);
	case 400: /* of an identity token that is none (RFC 6749, 5.2) */
	case 401:
	case 403:
		return error_set(err, EACCES, "%s (%ld)",
		                 request->who ? "does not accept the credentials it was given"
		                              : "gives no token without credentials",
		                 answer->status);
	case 429:
	case 503:
		return error_set(err, EBUSY, "is busy (%ld)", answer->status);
	default:
		return error_set(err, answer->status >= 500 ? EIO : EBADMSG,
		                 "does not give a token (%ld)", answer->status);
	}
}

static int ask(struct exchange *exchange, const struct token_request *request, const char *url,
               const char *form, struct token *ret, struct error *err)
{
	static const char *const form_headers[] = {
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	const struct exchange_request http = {
		.method = form ? "POST" : "GET",
		.url = url,
		.headers = form ? form_headers : NULL,
		.who = form ? NULL : request->who,
		.body = form,
		.body_len = form ? strlen(form) : 0,
		.max_body = TOKEN_REPLY_MAX,
		.stall_ms = request->stall_ms,
		.deadline_ns = request->deadline_ns,
		.cancel = request->cancel,
	};
	int r = exchange_do(exchange, &http, &answer, err);

	return r < 0 ? r : judge(request, &answer, ret, err);
}

/* May a token be asked for there? */
static int check_realm(const struct token_request *request, int shown, struct error *err)
{
	const char *realm = request->challenge->realm;
	CURLU *parts = curl_url();
	char *scheme = NULL, *user = NULL;
	int r = 0;

	if (!parts)
		return error_sys(err, ENOMEM, "token");
	if (curl_url_set(parts, CURLUPART_URL, realm, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0) ||
	    curl_url_get(parts, CURLUPART_USER, &user, 0) != CURLUE_NO_USER)
		r = error_set(err, EPROTO, "sends for a token to what is no web address");
	else if (strncasecmp(request->url, "https:", 6) == 0 && strcmp(scheme, "https") != 0)
		r = error_set(err, EPROTO,
		              "sends from https to %.*s for a token, where anybody could read it",
		              shown, realm);
	curl_free(scheme);
	curl_free(user);
	curl_url_cleanup(parts);
	return r;
}

int token_fetch(struct exchange *exchange, const struct token_request *request, struct token *ret,
                struct error *err)
{
	const char *realm = request->challenge->realm;
	bool identity = request->who && request->who->kind == CREDENTIAL_IDENTITY;
	cleanup_free char *text = strdup(""), *url = NULL;
	int shown = (int)strcspn(realm, "?#"), n;
	int r = check_realm(request, shown, err);

	if (r < 0)
		return r;
	r = !text ? -ENOMEM : identity ? make_form(request, &text) : make_query(request, &text);
	n = r < 0      ? -1
	    : identity ? asprintf(&url, "%.*s", (int)strcspn(realm, "#"), realm)
	               : asprintf(&url, "%.*s%s%s", (int)strcspn(realm, "#"), realm,
	                          strchr(realm, '?') ? "&" : "?", text);
	if (n < 0) {
		url = NULL;
		return error_sys(err, ENOMEM, "token");
	}
	r = ask(exchange, request, url, identity ? text : NULL, ret, err);
	explicit_bzero(text, strlen(text));
	if (r < 0)
		error_prefix(err, "the token server %.*s", shown, realm);
	return r;
}
