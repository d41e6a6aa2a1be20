/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Talking to one registry over HTTP: who we are (disk/source/access.h), redirects, trying again.
 *
 * A call is one thing to ask for.  A busy server (429, 5xx) and a broken connection are tried
 * again, HTTP_TRIES times in all, after the time that the server says or one that doubles.
 * Redirects of GET and HEAD are followed; those of other methods (307, 308) with their body.  Each
 * hop is shown what is kept for its own host, and nothing goes from https to http.
 *
 * A registry on this computer is asked by https first, and by http when it speaks no TLS; any other
 * only by https, unless `plain_http` was said.
 *
 * Trust: answers are hostile; disk/source/exchange.h bounds them.
 *
 * Threads: any number; each call takes a connection of its own out of a pool.
 */
#ifndef LIBRARY_HTTP_H
#define LIBRARY_HTTP_H

#include "disk/source/exchange.h"

#define HTTP_TRIES 4u

struct http_client;

struct http_client_options {
	const char *host; /* "registry.example:5000" */
	const char *ca_file;
	const char *credentials_file;
	struct credentials *given; /* in place of any file; becomes the client's own.  NULL: none */
	bool plain_http;
};

struct http_call {
	const char *method;
	const char *url;            /* "/v2/…" at the registry, or a whole one that it named */
	const char *scope;          /* what a token is to be for: "repository:lab/debian:pull" */
	const char *const *headers; /* ends with NULL; NULL: none */
	const void *body;
	size_t body_len;
	size_t max_body; /* of the answer; 64 KiB of a refusal are kept anyway */
	int (*sink)(void *arg, const struct exchange_answer *answer, const void *data, size_t len,
	            struct error *err);
	void *arg;
	bool once; /* a broken connection is the caller's to mend */
};

int http_client_new(const struct http_client_options *options, struct http_client **ret,
                    struct error *err);
void http_client_free(struct http_client *client);
DEFINE_CLEANUP(struct http_client *, http_client_free);

/* Instead of sleeping before another try: for tests.  Before the first call. */
void http_client_pause_with(struct http_client *client, void (*pause)(void *arg, uint32_t ms),
                            void *arg);

/*
 * 0 when there is an answer, whatever its status (but 401, which is -EACCES, and what was busy to
 * the last); *ret is to be freed in any case.  Sentences do not name the registry.
 */
int http_call(struct http_client *client, const struct http_call *call, struct exchange_answer *ret,
              struct error *err);

/* "https://registry.example:5000" as it is reached; contacts it when that is not known yet. */
int http_client_base(struct http_client *client, char **ret, struct error *err);

#endif
