// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/http.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/access.h"
#include "disk/source/http-headers.h"
#include "disk/source/url.h"
#include "util/clock.h"

#define POOL_MAX      16
#define REDIRECTS_MAX 10
#define REFUSAL_MAX   (64 * KIB)
#define STALL_MS      60000 /* a registry computes digests before it answers */
#define PAUSE_MS      500
#define PAUSE_MAX_MS  60000

struct http_client {
	char *host;
	char *ca_file;
	bool loopback;
	struct access *access;
	void (*pause)(void *arg, uint32_t ms);
	void *pause_arg;

	pthread_mutex_t lock; /* guards what follows */
	bool plain;           /* http */
	bool settled;         /* it is known which */
	struct exchange *pool[POOL_MAX];
	size_t n_pool;
};

static void sleep_ms(void *arg, uint32_t ms)
{
	struct timespec until = timespec_of(now_ns() + ms * NS_PER_MS);

	(void)arg;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* The host alone, of "host:port" and "[::1]:port". */
static bool is_loopback(const char *host)
{
	char name[256];
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	snprintf(name, sizeof(name), "%.*s", (int)n, host);
	return source_host_is_loopback(name);
}

int http_client_new(const struct http_client_options *options, struct http_client **ret,
                    struct error *err)
{
	cleanup(http_client_free) struct http_client *client = calloc(1, sizeof(*client));
	const struct access_options access = { .ca_file = options->ca_file,
		                               .credentials_file = options->credentials_file,
		                               .given = options->given,
		                               .stall_ms = STALL_MS };
	int r;

	if (!client) {
		credentials_free(options->given);
		return error_sys(err, ENOMEM, "%s", options->host);
	}
	pthread_mutex_init(&client->lock, NULL);
	r = access_new(&access, &client->access, err);
	if (r < 0)
		return r;
	client->host = strdup(options->host);
	client->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	if (!client->host || (options->ca_file && !client->ca_file))
		return error_sys(err, ENOMEM, "%s", options->host);
	client->plain = options->plain_http;
	client->loopback = is_loopback(options->host);
	client->settled = client->plain || !client->loopback;
	client->pause = sleep_ms;
	*ret = take_ptr(client);
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	for (size_t i = 0; i < client->n_pool; i++)
		exchange_free(client->pool[i]);
	access_free(client->access);
	pthread_mutex_destroy(&client->lock);
	free(client->host);
	free(client->ca_file);
	free(client);
}

void http_client_pause_with(struct http_client *client, void (*pause)(void *arg, uint32_t ms),
                            void *arg)
{
	client->pause = pause;
	client->pause_arg = arg;
}

static int take_exchange(struct http_client *client, struct exchange **ret, struct error *err)
{
	struct exchange *exchange = NULL;

	pthread_mutex_lock(&client->lock);
	if (client->n_pool > 0)
		exchange = client->pool[--client->n_pool];
	pthread_mutex_unlock(&client->lock);
	*ret = exchange;
	return exchange ? 0 : exchange_new(client->ca_file, ret, err);
}

static void give_exchange(struct http_client *client, struct exchange *exchange)
{
	pthread_mutex_lock(&client->lock);
	if (client->n_pool < POOL_MAX)
		client->pool[client->n_pool++] = take_ptr(exchange);
	pthread_mutex_unlock(&client->lock);
	exchange_free(exchange);
}

/* A call under way. */
struct run {
	struct http_client *client;
	const struct http_call *call;
	struct exchange *exchange;
	struct exchange_answer *answer;
	char *url; /* of this hop */
	bool sunk; /* bytes went to the sink: nothing is tried again */
};

static int on_sink(void *arg, const struct exchange_answer *answer, const void *data, size_t len,
                   struct error *err)
{
	struct run *run = arg;

	run->sunk = true;
	return run->call->sink(run->call->arg, answer, data, len, err);
}

/* One request to where the run is now, with what that host wants to see. */
static int ask_once(struct run *run, bool *ret_refused, struct access_shown *ret_shown,
                    struct error *err)
{
	const struct http_call *call = run->call;
	struct http_client *client = run->client;
	const char *scope = call->scope ? call->scope : "";
	cleanup(access_pass_free) struct access_pass pass = { 0 };
	struct exchange_request request = {
		.method = call->method,
		.url = run->url,
		.headers = call->headers,
		.body = call->body,
		.body_len = call->body_len,
		.sink = call->sink ? on_sink : NULL,
		.arg = run,
		.max_body = call->max_body > REFUSAL_MAX ? call->max_body : REFUSAL_MAX,
		.stall_ms = STALL_MS,
	};
	int r;

	access_renew(client->access, run->url, scope, &(struct access_wait){ 0 });
	if (access_pass(client->access, run->url, scope, &pass) < 0)
		return error_sys(err, ENOMEM, "HTTP");
	if (pass.shown.any)
		request.who = &pass.credential;
	exchange_answer_free(run->answer);
	r = exchange_do(run->exchange, &request, run->answer, err);
	*ret_refused = r == 0 && run->answer->status == 401;
	*ret_shown = pass.shown;
	return r;
}

/* The same, and once more with what a 401 asked for. */
static int ask(struct run *run, struct error *err)
{
	struct http_client *client = run->client;
	const char *scope = run->call->scope ? run->call->scope : "";
	const struct access_wait wait = { 0 };
	struct access_shown shown;
	char challenge[4096];
	bool refused;
	int r = ask_once(run, &refused, &shown, err);

	if (r < 0 || !refused)
		return r;
	exchange_header(run->answer, "WWW-Authenticate", challenge, sizeof(challenge));
	r = access_challenged(client->access, run->url, scope, challenge, &shown, &wait, err);
	if (r == 0)
		r = ask_once(run, &refused, &shown, err);
	if (r == 0 && refused)
		r = access_refused(client->access, shown.any, err);
	return r;
}

static bool is_redirect(const struct run *run)
{
	long status = run->answer->status;
	bool reads =
		strcmp(run->call->method, "GET") == 0 || strcmp(run->call->method, "HEAD") == 0;

	return status == 307 || status == 308 ||
	       (reads && (status == 301 || status == 302 || status == 303));
}

/* To an answer that is no redirect. */
static int follow(struct run *run, struct error *err)
{
	for (unsigned int hops = 0;; hops++) {
		const char *next;
		int r = ask(run, err);

		if (r < 0 || !is_redirect(run))
			return r;
		next = run->answer->location;
		if (!next ||
		    (strncmp(next, "https://", 8) != 0 && strncmp(next, "http://", 7) != 0))
			return error_set(err, EBADMSG, "sends on to no place (%ld)",
			                 run->answer->status);
		if (hops == REDIRECTS_MAX)
			return error_set(err, ELOOP, "sends on more than %d times", REDIRECTS_MAX);
		if (strncmp(run->url, "https:", 6) == 0 && strncmp(next, "https:", 6) != 0)
			return error_set(err, EBADMSG,
			                 "sends on from https to http, which anybody could read "
			                 "and change");
		free(run->url);
		run->url = take_ptr(run->answer->location);
	}
}

static bool is_plain(struct http_client *client)
{
	bool plain;

	pthread_mutex_lock(&client->lock);
	plain = client->plain;
	pthread_mutex_unlock(&client->lock);
	return plain;
}

static char *begin_url(const struct http_client *client, bool plain, const char *url)
{
	char *whole;

	if (*url != '/')
		return strdup(url);
	return asprintf(&whole, "%s://%s%s", plain ? "http" : "https", client->host, url) < 0
	               ? NULL
	               : whole;
}

/*
 * Does a registry on this computer speak no TLS, and is it asked without from now on?  Several calls
 * may find out at once: those that asked by https while another one settled it ask again, too.
 */
static bool settle(struct http_client *client, bool plain, int r)
{
	bool again;

	pthread_mutex_lock(&client->lock);
	if (!client->settled && r == -EPROTO)
		client->plain = client->settled = true;
	else if (r == 0)
		client->settled = true;
	again = r == -EPROTO && client->plain && !plain;
	pthread_mutex_unlock(&client->lock);
	return again;
}

static int from_the_start(struct run *run, struct error *err)
{
	bool plain;
	int r;

	do {
		plain = is_plain(run->client);
		free(run->url);
		run->url = begin_url(run->client, plain, run->call->url);
		if (!run->url)
			return error_sys(err, ENOMEM, "HTTP");
		r = follow(run, err);
	} while (settle(run->client, plain, r));
	return r;
}

static bool is_busy(long status)
{
	return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static bool is_broken(int r)
{
	return r == -ECONNRESET || r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EIO ||
	       r == -EBUSY;
}

/* How long to wait before the next try; false when that is longer than anybody would. */
static bool next_pause(const struct exchange_answer *answer, unsigned int tries, uint32_t *ret_ms)
{
	char text[128];
	uint32_t seconds;

	*ret_ms = PAUSE_MS << tries;
	if (exchange_header(answer, "Retry-After", text, sizeof(text)) &&
	    http_parse_retry_after(text, time(NULL), &seconds) == 0) {
		if (seconds > PAUSE_MAX_MS / 1000)
			return false;
		if (seconds * 1000 > *ret_ms)
			*ret_ms = seconds * 1000;
	}
	return true;
}

int http_call(struct http_client *client, const struct http_call *call, struct exchange_answer *ret,
              struct error *err)
{
	struct run run = { .client = client, .call = call, .answer = ret };
	int r;

	*ret = (struct exchange_answer){ 0 };
	r = take_exchange(client, &run.exchange, err);
	for (unsigned int tries = 0; r == 0; tries++) {
		uint32_t ms;
		bool busy;

		r = from_the_start(&run, err);
		busy = r == 0 && is_busy(ret->status);
		if (!busy && (r == 0 || !is_broken(r) || call->once))
			break;
		/* What came of a piece before the server failed is for the caller to find out. */
		if (call->once && busy && ret->status != 429 && ret->status != 503)
			tries = HTTP_TRIES - 1;
		if (run.sunk || !next_pause(ret, tries, &ms) || tries + 1 == HTTP_TRIES) {
			if (busy)
				r = error_set(err, EBUSY, "is busy (%ld)", ret->status);
			break;
		}
		client->pause(client->pause_arg, ms);
		r = 0;
	}
	if (run.exchange)
		give_exchange(client, run.exchange);
	free(run.url);
	return r;
}

int http_client_base(struct http_client *client, char **ret, struct error *err)
{
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	const struct http_call call = { .method = "GET", .url = "/v2/" };
	bool settled;
	int r = 0;

	pthread_mutex_lock(&client->lock);
	settled = client->settled;
	pthread_mutex_unlock(&client->lock);
	if (!settled)
		r = http_call(client, &call, &answer, err);
	/* Refused in a language that is understood. */
	if (r < 0 && r != -EACCES && r != -EBUSY)
		return r;
	*ret = begin_url(client, is_plain(client), "/");
	if (!*ret)
		return error_sys(err, ENOMEM, "HTTP");
	(*ret)[strlen(*ret) - 1] = '\0';
	return 0;
}
