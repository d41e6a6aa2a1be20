// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/access.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/exchange.h"
#include "disk/source/token.h"
#include "disk/source/url.h"
#include "util/clock.h"

#define PASSES_MAX 32 /* the one that is unused for longest gives way */
#define SCOPE_MAX  1024
#define RENEW_NS   (20 * NS_PER_SEC) /* before it runs out, or a tenth of its life */

struct held {
	char origin[SOURCE_ORIGIN_MAX];
	char scope[SCOPE_MAX];
	struct credential credential;
	struct challenge challenge; /* of a token: the way to the next */
	unsigned int number;
	uint64_t renew_ns, expires_ns; /* CLOCK_MONOTONIC; UINT64_MAX: never */
	uint64_t used;                 /* by `uses` */
};

struct access {
	char *ca_file;
	uint32_t stall_ms;
	bool has_file;
	struct credentials *credentials; /* fixed when has_file; else who is busy loads them */
	struct exchange *exchange;       /* of who is busy */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool busy; /* somebody gets a pass */
	struct held *held;
	size_t n;
	unsigned int numbers;
	uint64_t uses;
	/* How the last try to get one ended, for those who waited for it. */
	unsigned int tries;
	char tried_origin[SOURCE_ORIGIN_MAX], tried_scope[SCOPE_MAX];
	int result;
	struct error why;
};

int access_new(const struct access_options *options, struct access **ret, struct error *err)
{
	cleanup(access_free) struct access *access = calloc(1, sizeof(*access));
	int r = 0;

	if (!access) {
		credentials_free(options->given);
		return error_sys(err, ENOMEM, "credentials");
	}
	pthread_mutex_init(&access->lock, NULL);
	pthread_cond_init(&access->changed, NULL);
	access->stall_ms = options->stall_ms;
	access->has_file = options->credentials_file || options->given;
	access->credentials = options->given;
	access->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	if (options->ca_file && !access->ca_file)
		return error_sys(err, ENOMEM, "credentials");
	if (options->credentials_file && !options->given)
		r = credentials_load(options->credentials_file, &access->credentials, err);
	if (r == 0)
		*ret = take_ptr(access);
	return r;
}

void access_free(struct access *access)
{
	if (!access)
		return;
	for (size_t i = 0; i < access->n; i++)
		credential_wipe(&access->held[i].credential);
	free(access->held);
	credentials_free(access->credentials);
	exchange_free(access->exchange);
	pthread_cond_destroy(&access->changed);
	pthread_mutex_destroy(&access->lock);
	free(access->ca_file);
	free(access);
}

/* With the lock. */
static struct held *find(struct access *access, const char *url, const char *scope)
{
	char origin[SOURCE_ORIGIN_MAX];

	source_url_origin(url, origin, sizeof(origin));
	for (size_t i = 0; *origin && i < access->n; i++) {
		struct held *held = &access->held[i];

		if (strcmp(held->origin, origin) == 0 && strcmp(held->scope, scope) == 0) {
			held->used = ++access->uses;
			return held;
		}
	}
	return NULL;
}

int access_pass(struct access *access, const char *url, const char *scope, struct access_pass *ret)
{
	const struct credential *found = NULL;
	const struct held *held;
	int r = 0;

	*ret = (struct access_pass){ 0 };
	pthread_mutex_lock(&access->lock);
	held = find(access, url, scope);
	if (held) {
		ret->shown.number = held->number;
		if (now_ns() < held->expires_ns)
			found = &held->credential;
	} else if (access->has_file) {
		found = credentials_find(access->credentials, url);
	}
	if (found && found->secret)
		r = credential_copy(found, &ret->credential);
	ret->shown.any = ret->credential.secret != NULL;
	pthread_mutex_unlock(&access->lock);
	return r;
}

/* With the lock: the one for that, new when there is none. */
static struct held *hold(struct access *access, const char *url, const char *scope)
{
	struct held *held = find(access, url, scope), *more;

	if (held) {
		credential_wipe(&held->credential);
		return held;
	}
	if (access->n == PASSES_MAX) {
		held = &access->held[0];
		for (size_t i = 1; i < access->n; i++)
			if (access->held[i].used < held->used)
				held = &access->held[i];
		credential_wipe(&held->credential);
	} else {
		more = reallocarray(access->held, access->n + 1, sizeof(*more));
		if (!more)
			return NULL;
		access->held = more;
		held = &more[access->n++];
	}
	*held = (struct held){ .used = ++access->uses };
	source_url_origin(url, held->origin, sizeof(held->origin));
	snprintf(held->scope, sizeof(held->scope), "%s", scope);
	return held;
}

int access_refused(const struct access *access, bool shown, struct error *err)
{
	return error_set(err, EACCES, "%s (401)",
	                 shown              ? "does not accept the credentials it was given"
	                 : access->has_file ? "wants credentials, and the credentials file has "
	                                      "none for it"
	                                    : "wants credentials, and there are none for it");
}

/* What one try works with and brings: without the lock, by who is busy. */
struct
try {
	const char *url, *scope;
	struct challenge challenge;
	const struct access_wait *wait;
	struct credential credential; /* of the pass, when it worked */
	uint64_t seconds;             /* that it is good for; 0: for ever */
};

static int get_token(struct access *access, struct try *try, const struct credential *who,
                     struct error *err)
{
	const struct token_request request = {
		.url = try->url,
		.challenge = &try->challenge,
		.more_scope = strstr(try->challenge.scope, try->scope) ? NULL : try->scope,
		.who = who,
		.stall_ms = access->stall_ms,
		.deadline_ns = try->wait->deadline_ns,
		.cancel = try->wait->cancel,
	};
	struct token token = { 0 };
	int r = 0;

	if (!access->exchange)
		r = exchange_new(access->ca_file, &access->exchange, err);
	if (r == 0)
		r = token_fetch(access->exchange, &request, &token, err);
	if (r < 0)
		return r;
	try->credential = (struct credential){ .kind = CREDENTIAL_BEARER, .secret = token.value };
	try->seconds = token.seconds;
	return 0;
}

static int try_to_get(struct access *access, struct try *try, struct error *err)
{
	cleanup(credential_wipe) struct credential who = { 0 };
	bool bearer = try->challenge.kind == CHALLENGE_BEARER;
	int r = 0;

	if (!access->credentials)
		r = credentials_load_default(&access->credentials, err);
	if (r == 0)
		r = credentials_ask(access->credentials, try->url, try->wait->deadline_ns,
		                    try->wait->cancel, &who, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (bearer && who.kind == CREDENTIAL_BEARER && who.secret) {
		try->credential = who;
		who = (struct credential){ 0 };
		return 0;
	}
	if (bearer)
		return get_token(access, try, r == 0 ? &who : NULL, err);
	if (r == -ENOENT || who.kind == CREDENTIAL_IDENTITY)
		return access_refused(access, false, err);
	try->credential = who;
	who = (struct credential){ 0 };
	return 0;
}

/* With the lock, which is given up meanwhile: be the one who gets it. */
static int get_one(struct access *access, struct try *try, struct error *err)
{
	struct error why = { 0 };
	struct held *held;
	int r;

	access->busy = true;
	pthread_mutex_unlock(&access->lock);
	r = try_to_get(access, try, &why);
	pthread_mutex_lock(&access->lock);
	held = r == 0 ? hold(access, try->url, try->scope) : NULL;
	if (r == 0 && !held) {
		r = error_sys(&why, ENOMEM, "credentials");
		credential_wipe(&try->credential);
	}
	if (held) {
		uint64_t now = now_ns(), life = try->seconds * NS_PER_SEC;

		held->credential = try->credential;
		held->challenge = try->challenge;
		held->number = ++access->numbers;
		held->expires_ns = life ? now + life : UINT64_MAX;
		held->renew_ns = life ? now + life - min_u64(RENEW_NS, life / 10) : UINT64_MAX;
	}
	access->busy = false;
	access->tries++;
	access->result = r;
	access->why = why;
	source_url_origin(try->url, access->tried_origin, sizeof(access->tried_origin));
	snprintf(access->tried_scope, sizeof(access->tried_scope), "%s", try->scope);
	pthread_cond_broadcast(&access->changed);
	if (r < 0 && err)
		*err = why;
	return r;
}

/* With the lock: would somebody who asks for that be told the same as who has just tried? */
static bool same_answer(const struct access *access, const char *url, const char *scope)
{
	char origin[SOURCE_ORIGIN_MAX];

	source_url_origin(url, origin, sizeof(origin));
	/* A deadline and a change of mind are everybody's own. */
	return access->result < 0 && access->result != -ECANCELED && access->result != -ETIMEDOUT &&
	       strcmp(access->tried_origin, origin) == 0 && strcmp(access->tried_scope, scope) == 0;
}

struct waiter {
	struct access *access;
	bool cancelled;
};

static void on_wake(void *arg, bool fired)
{
	struct waiter *waiter = arg;

	if (!fired)
		return;
	pthread_mutex_lock(&waiter->access->lock);
	waiter->cancelled = true;
	pthread_cond_broadcast(&waiter->access->changed);
	pthread_mutex_unlock(&waiter->access->lock);
}

/* Until nobody is busy; the lock is not held, for a cancellation takes it after its own. */
static int wait_for_other(struct access *access, const struct try *try, struct error *err)
{
	const struct access_wait *wait = try->wait;
	struct waiter waiter = { .access = access };
	struct timespec until = timespec_of(wait->deadline_ns);
	unsigned int before;
	int r = 0;

	if (wait->cancel && !source_cancel_arm(wait->cancel, on_wake, &waiter))
		return error_set(err, ECANCELED, "no longer wanted");
	pthread_mutex_lock(&access->lock);
	before = access->tries;
	while (access->busy && access->tries == before && !waiter.cancelled && r != ETIMEDOUT)
		r = wait->deadline_ns ? pthread_cond_clockwait(&access->changed, &access->lock,
		                                               CLOCK_MONOTONIC, &until)
		                      : pthread_cond_wait(&access->changed, &access->lock);
	if (waiter.cancelled)
		r = error_set(err, ECANCELED, "no longer wanted");
	else if (r == ETIMEDOUT && access->tries == before)
		r = error_set(err, ETIMEDOUT, "not done before the deadline");
	else if (access->tries != before && same_answer(access, try->url, try->scope))
		r = error_set(err, -access->result, "%s", access->why.text);
	else
		r = 0;
	pthread_mutex_unlock(&access->lock);
	if (wait->cancel)
		source_cancel_disarm(wait->cancel);
	return r;
}

/* Would asking again show the very same thing? */
static bool is_final(const struct access *access, const char *url,
                     const struct challenge *challenge, const struct access_shown *shown)
{
	const struct credential *line;

	if (challenge->kind == CHALLENGE_BASIC)
		return true;
	if (shown->number > 0 || !access->has_file)
		return false;
	line = credentials_find(access->credentials, url);
	return line && line->kind == CREDENTIAL_BEARER;
}

int access_challenged(struct access *access, const char *url, const char *scope,
                      const char *challenge, const struct access_shown *shown,
                      const struct access_wait *wait, struct error *err)
{
	struct try try = { .url = url, .scope = scope, .wait = wait };
	const struct held *held;
	int r = 0;

	if (challenge_parse(challenge, &try.challenge) < 0 || strlen(scope) >= SCOPE_MAX ||
	    (shown->any && is_final(access, url, &try.challenge, shown)))
		return access_refused(access, shown->any, err);
	for (;;) {
		bool busy, done = false;

		pthread_mutex_lock(&access->lock);
		held = find(access, url, scope);
		done = held && held->number != shown->number;
		busy = access->busy;
		if (!done && !busy)
			r = get_one(access, &try, err);
		pthread_mutex_unlock(&access->lock);
		if (done || !busy)
			return r;
		r = wait_for_other(access, &try, err);
		if (r < 0)
			return r;
	}
}

void access_renew(struct access *access, const char *url, const char *scope,
                  const struct access_wait *wait)
{
	struct try try = { .url = url, .scope = scope, .wait = wait };
	const struct held *held;

	pthread_mutex_lock(&access->lock);
	held = find(access, url, scope);
	if (held && !access->busy && now_ns() >= held->renew_ns) {
		try.challenge = held->challenge;
		get_one(access, &try, NULL);
	}
	pthread_mutex_unlock(&access->lock);
}
