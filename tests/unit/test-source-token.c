// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tokens: what a server that answers 401 wants, and how a source gets it.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/token.h"
#include "tests/unit/web-server.h"
#include "util/clock.h"

#define SIZE  65536
#define PIECE 4096

static uint8_t file[SIZE];

/* A server that has one file for who shows the token of the day, and gives tokens itself. */
struct fixture {
	struct web_server *server;
	struct source *src;
	struct error err;
	char home[32], credentials[64];
	uint8_t buf[SIZE];

	/* With the server's lock. */
	char challenge[256]; /* "": the usual one */
	unsigned int tokens; /* given so far: "token-1" is the first */
	unsigned int wanted; /* the number that is let in; 0: the last that was given */
	const char *reply;   /* of the token server instead of a token */
	int token_status;    /* 0: it says nothing */
	time_t age;          /* of the tokens that are given, in seconds */
	const char *moved;   /* where the file is instead */
	unsigned int refused;
	char seen[512]; /* what the token server was asked */
	char body[512];
};

static void give_token(struct fixture *f, const struct web_request *request,
                       struct web_reply *reply)
{
	static char text[256];
	char when[64];
	time_t issued = time(NULL) - f->age;
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S.123Z", gmtime_r(&issued, &tm));
	snprintf(f->seen, sizeof(f->seen), "%s %s %s", request->method, request->path,
	         strcasestr(request->head, "\r\nAuthorization: ")
	                 ? strcasestr(request->head, "\r\nAuthorization: ") + 2
	                 : "");
	snprintf(f->body, sizeof(f->body), "%.*s", (int)request->len, request->body);
	reply->status = f->token_status;
	f->tokens++;
	snprintf(text, sizeof(text),
	         "{\"token\":\"token-%u\",\"expires_in\":60,\"issued_at\":\"%s\"}", f->tokens,
	         when);
	reply->body = f->reply ? f->reply : text;
	reply->len = strlen(reply->body);
}

static void give_file(struct fixture *f, const struct web_request *request, struct web_reply *reply)
{
	const char *range = strcasestr(request->head, "\r\nRange: bytes=");
	unsigned long first = 0, last = SIZE - 1;

	if (f->moved) {
		reply->status = 307;
		web_add_header(reply, "Location: %s\r\n", f->moved);
		return;
	}
	if (range) {
		char *end;

		first = strtoul(range + 15, &end, 10);
		last = strtoul(end + 1, NULL, 10);
	}
	reply->status = 206;
	web_add_header(reply, "ETag: \"one\"\r\nContent-Range: bytes %lu-%lu/%d\r\n", first, last,
	               SIZE);
	reply->body = file + first;
	reply->len = last - first + 1;
}

static void handle(void *arg, const struct web_request *request, struct web_reply *reply)
{
	struct fixture *f = arg;
	char want[64];

	if (strncmp(request->path, "/token", 6) == 0) {
		give_token(f, request, reply);
		return;
	}
	snprintf(want, sizeof(want), "\r\nAuthorization: Bearer token-%u\r\n",
	         f->wanted ? f->wanted : f->tokens);
	if (web_has(request, want)) {
		give_file(f, request, reply);
		return;
	}
	f->refused++;
	reply->status = 401;
	if (f->challenge[0])
		web_add_header(reply, "WWW-Authenticate: %s\r\n", f->challenge);
	else
		web_add_header(reply,
		               "WWW-Authenticate: Bearer realm=\"%s/token\",service=\"the "
		               "registry\",scope=\"repository:lab/debian:pull\"\r\n",
		               web_server_url(f->server));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->home, sizeof(f->home), "/tmp/test-token-XXXXXX");
	for (size_t i = 0; i < SIZE; i++)
		file[i] = (uint8_t)(i * 31 + i / 256);
	/* Nobody's own files have a part in this. */
	assert_non_null(mkdtemp(f->home));
	setenv("HOME", f->home, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_CONFIG");
	f->token_status = 200;
	f->server = web_server_start(handle, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	source_close(f->src);
	web_server_stop(f->server);
	if (f->credentials[0])
		unlink(f->credentials);
	rmdir(f->home);
	free(f);
	return 0;
}

#define TOKEN_TEST(name) static void name(void **state)
#define TOKEN_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A credentials file; "%s" in it is the server's address without its scheme. */
static void write_credentials(struct fixture *f, const char *text)
{
	const char *at = strstr(text, "%s");
	FILE *out;

	snprintf(f->credentials, sizeof(f->credentials), "%s.json", f->home);
	out = fopen(f->credentials, "w");
	assert_non_null(out);
	fchmod(fileno(out), 0600);
	if (at)
		fprintf(out, "%.*s%s%s", (int)(at - text), text, web_server_host(f->server),
		        at + 2);
	else
		fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static int open_source(struct fixture *f)
{
	struct source_options options = { .stall_ms = 300, .deadline_ms = 20000 };
	char url[128];

	snprintf(url, sizeof(url), "%s/v2/lab/debian/blobs/x", web_server_url(f->server));
	options.credentials_file = f->credentials[0] ? f->credentials : NULL;
	return source_open(url, &options, &f->src, &f->err);
}

static void opens(struct fixture *f)
{
	if (open_source(f) < 0)
		fail_msg("%s", f->err.text);
}

static void reads(struct fixture *f)
{
	memset(f->buf, 0, PIECE);
	if (source_read(f->src, f->buf, PIECE, 8192, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, file + 8192, PIECE);
}

static void says(const struct fixture *f, const char *words)
{
	if (!strstr(f->err.text, words))
		fail_msg("'%s' does not say '%s'", f->err.text, words);
	assert_null(strstr(f->err.text, "token-"));
	assert_null(strstr(f->err.text, "s3cret"));
}

TOKEN_TEST(a_read_that_is_refused_gets_a_token_and_asks_again)
{
	struct fixture *f = *state;

	opens(f);
	reads(f);
	assert_string_equal(f->seen, "GET /token?service=the%20registry&scope=repository%3Alab%"
	                             "2Fdebian%3Apull ");
	assert_int_equal(f->tokens, 1);
	assert_int_equal(f->refused, 1);
}

TOKEN_TEST(the_token_server_is_shown_the_password_and_the_registry_is_not)
{
	struct fixture *f = *state;

	/* "joe:s3cret" */
	write_credentials(f, "{\"auths\":{\"%s\":{\"auth\":\"am9lOnMzY3JldA==\"}}}");
	opens(f);
	reads(f);
	assert_non_null(strstr(f->seen, "Authorization: Basic am9lOnMzY3JldA==\r\n"));
	assert_int_equal(web_server_count(f->server, "Authorization: Basic"), 1);
}

TOKEN_TEST(an_identity_token_is_sent_as_a_form)
{
	struct fixture *f = *state;

	f->reply = "{\"access_token\":\"token-1\",\"expires_in\":300}";
	write_credentials(f, "{\"auths\":{\"%s\":{\"identitytoken\":\"s3cret/+\"}}}");
	opens(f);
	assert_non_null(strstr(f->seen, "POST /token "));
	assert_string_equal(f->body,
	                    "grant_type=refresh_token&service=the%20registry&scope=repository%"
	                    "3Alab%2Fdebian%3Apull&client_id=sill&refresh_token=s3cret%2F%2B");
	assert_int_equal(web_server_count(f->server, "s3cret"), 0);
}

TOKEN_TEST(a_line_of_sills_own_credentials_gets_tokens_too)
{
	struct fixture *f = *state;

	write_credentials(f, "http://%s/ basic joe s3cret\n");
	opens(f);
	assert_non_null(strstr(f->seen, "Authorization: Basic am9lOnMzY3JldA==\r\n"));
}

TOKEN_TEST(a_token_that_is_no_longer_good_is_replaced_by_another)
{
	struct fixture *f = *state;

	opens(f);
	f->wanted = 2;
	reads(f);
	assert_int_equal(f->tokens, 2);
	assert_int_equal(f->refused, 2);
	reads(f);
	assert_int_equal(f->refused, 2);
}

TOKEN_TEST(a_read_that_is_refused_with_a_new_token_fails)
{
	struct fixture *f = *state;
	unsigned int before;

	f->wanted = 77;
	assert_int_equal(open_source(f), -EACCES);
	says(f, "does not accept the credentials it was given (401)");
	assert_int_equal(f->refused, 2);
	assert_int_equal(f->tokens, 1);
	f->wanted = 0;
	opens(f);
	before = f->refused;
	f->wanted = 78;
	assert_int_equal(source_read(f->src, f->buf, PIECE, 0, NULL, &f->err), -EACCES);
	assert_int_equal(f->refused, before + 2);
}

TOKEN_TEST(a_token_is_renewed_before_it_runs_out)
{
	struct fixture *f = *state;
	uint64_t limit = now_ns() + 30 * NS_PER_SEC;

	/* Good for a minute, of which three seconds are left. */
	f->age = 57;
	opens(f);
	assert_int_equal(f->refused, 1);
	while (f->tokens < 2 && now_ns() < limit)
		reads(f);
	assert_in_range(f->tokens, 2, 3);
	/* By a reader who asked in time, or after it had run out: never by two. */
	assert_in_range(f->refused, 1, 2);
}

TOKEN_TEST(a_token_server_that_refuses_is_named)
{
	struct fixture *f = *state;
	static const struct {
		int status, code;
		const char *reply, *words;
	} rows[] = {
		{ 401, -EACCES, "{}", "/token: gives no token without credentials (401)" },
		{ 403, -EACCES, "{}", "/token: gives no token without credentials (403)" },
		{ 503, -EBUSY, "{}", "/token: is busy (503)" },
		{ 500, -EIO, "{}", "/token: does not give a token (500)" },
		{ 302, -EBADMSG, "{}", "/token: does not give a token (302)" },
		{ 200, -EBADMSG, "{}", "/token: does not answer with a token" },
		{ 200, -EBADMSG, "{\"token\":\"token-\\r\\nX: y\"}",
		  "does not answer with a token" },
		{ 200, -EBADMSG, "token-1", "does not answer with a token" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f->token_status = rows[i].status;
		f->reply = rows[i].reply;
		assert_int_equal(open_source(f), rows[i].code);
		says(f, rows[i].words);
		says(f, "/v2/lab/debian/blobs/x: the token server http://127.0.0.1:");
	}
	write_credentials(f, "{\"auths\":{\"%s\":{\"auth\":\"am9lOnMzY3JldA==\"}}}");
	f->token_status = 401;
	assert_int_equal(open_source(f), -EACCES);
	says(f, "does not accept the credentials it was given (401)");
}

TOKEN_TEST(a_token_reply_without_an_end_is_not_read_to_its_end)
{
	struct fixture *f = *state;
	/* Outlives the server, which may still be sending it. */
	static char text[TOKEN_REPLY_MAX + 2];

	memset(text, ' ', TOKEN_REPLY_MAX + 1);
	text[TOKEN_REPLY_MAX + 1] = '\0';
	f->reply = text;
	assert_int_equal(open_source(f), -EFBIG);
	says(f, "answers with more than 65536 bytes");
}

TOKEN_TEST(a_token_does_not_follow_a_redirect_to_another_host)
{
	struct fixture *f = *state, *other = calloc(1, sizeof(*other));
	char url[128];

	other->server = web_server_start(handle, other);
	other->token_status = 200;
	snprintf(url, sizeof(url), "%s/storage/x", web_server_url(other->server));
	opens(f);
	f->moved = url;
	/* The other host wants a token of its own, and gets that one. */
	reads(f);
	assert_true(web_server_saw(other->server, 0, "GET /storage/x"));
	assert_false(web_server_saw(other->server, 0, "Authorization"));
	assert_int_equal(other->tokens, 1);
	assert_int_equal(f->tokens, 1);
	source_close(f->src);
	f->src = NULL;
	web_server_stop(other->server);
	free(other);
}

TOKEN_TEST(an_https_registrys_token_is_not_asked_for_over_http)
{
	static const struct {
		const char *url, *realm;
		const char *words;
	} rows[] = {
		{ "https://r.example/v2/", "http://auth.example/token?x=s3cret",
		  "sends from https to http://auth.example/token for a token" },
		{ "https://r.example/v2/", "ftp://auth.example/token", "what is no web address" },
		{ "https://r.example/v2/", "https://joe:s3cret@auth.example/", "no web address" },
		{ "http://r.example/v2/", "file:///etc/passwd", "what is no web address" },
		{ "http://r.example/v2/", "nonsense ", "what is no web address" },
	};
	struct fixture *f = *state;
	struct exchange *exchange;

	assert_int_equal(exchange_new(NULL, &exchange, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct challenge challenge = { .kind = CHALLENGE_BEARER };
		struct token_request request = { .url = rows[i].url,
			                         .challenge = &challenge,
			                         .stall_ms = 300 };
		struct token token;

		snprintf(challenge.realm, sizeof(challenge.realm), "%s", rows[i].realm);
		assert_int_equal(token_fetch(exchange, &request, &token, &f->err), -EPROTO);
		says(f, rows[i].words);
	}
	exchange_free(exchange);
}

struct reader {
	struct fixture *f;
	pthread_t thread;
	struct source_cancel cancel;
	uint64_t deadline_ns;
	int result;
	struct error err;
	uint8_t buf[PIECE];
};

static void *read_one(void *arg)
{
	struct reader *reader = arg;
	const struct source_read how = { .priority = SOURCE_DEMAND,
		                         .cancel = &reader->cancel,
		                         .deadline_ns = reader->deadline_ns };

	reader->result = source_read(reader->f->src, reader->buf, PIECE, 0, &how, &reader->err);
	return NULL;
}

static void start_reader(struct reader *reader, struct fixture *f)
{
	reader->f = f;
	source_cancel_init(&reader->cancel);
	assert_int_equal(pthread_create(&reader->thread, NULL, read_one, reader), 0);
}

TOKEN_TEST(many_readers_that_are_refused_get_one_token)
{
	struct fixture *f = *state;
	struct reader readers[8] = { 0 };

	opens(f);
	f->wanted = 2;
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].result, 0);
		assert_memory_equal(readers[i].buf, file, PIECE);
	}
	assert_int_equal(f->tokens, 2);
}

TOKEN_TEST(a_read_is_cancelled_while_the_token_server_is_silent)
{
	struct fixture *f = *state;
	struct reader readers[3] = { 0 };

	opens(f);
	f->wanted = 99;
	f->token_status = 0;
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f);
	while (web_server_count(f->server, "GET /token") < 2)
		sched_yield();
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		source_cancel_fire(&readers[i].cancel);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].result, -ECANCELED);
	}
}

TOKEN_TEST(a_silent_token_server_does_not_outlast_a_reads_deadline)
{
	struct fixture *f = *state;
	struct reader readers[3] = { 0 };

	opens(f);
	f->wanted = 99;
	f->token_status = 0;
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		readers[i].deadline_ns = now_ns() + 150 * NS_PER_MS;
		start_reader(&readers[i], f);
	}
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].result, -ETIMEDOUT);
	}
}

TEST(challenges_are_told_apart)
{
	static const struct {
		const char *text;
		int result;
		enum challenge_kind kind;
		const char *realm, *service, *scope;
	} rows[] = {
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"x:y:pull,push\"", 0,
		  CHALLENGE_BEARER, "https://a/t", "s", "x:y:pull,push" },
		{ "bearer  service = s , REALM = \"https://a/t\"", 0, CHALLENGE_BEARER,
		  "https://a/t", "s", "" },
		{ "Basic realm=\"a, b\", Bearer realm=\"https://a/t\"", 0, CHALLENGE_BEARER,
		  "https://a/t", "", "" },
		{ "Negotiate, Basic realm=\"x \\\"y\\\"\"", 0, CHALLENGE_BASIC, "x \"y\"", "", "" },
		{ "Negotiate abc==, Basic", 0, CHALLENGE_BASIC, "", "", "" },
		{ "Bearer realm=\"\", Basic realm=x", 0, CHALLENGE_BASIC, "x", "", "" },
		{ "Bearer realm=\"https://a/t\n\"", -ENOENT, 0, "", "", "" },
		{ "Bearer", -ENOENT, 0, "", "", "" },
		{ "Bearer realm=\"https://a", -ENOENT, 0, "", "", "" },
		{ "Digest realm=\"x\", nonce=\"y\"", -ENOENT, 0, "", "", "" },
		{ "", -ENOENT, 0, "", "", "" },
		{ ",,, ,", -ENOENT, 0, "", "", "" },
		{ "=", -ENOENT, 0, "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct challenge got = { 0 };

		if (challenge_parse(rows[i].text, &got) != rows[i].result)
			fail_msg("%s", rows[i].text);
		if (rows[i].result < 0)
			continue;
		assert_int_equal(got.kind, rows[i].kind);
		assert_string_equal(got.realm, rows[i].realm);
		assert_string_equal(got.service, rows[i].service);
		assert_string_equal(got.scope, rows[i].scope);
	}
}

TEST(a_token_is_good_for_as_long_as_its_reply_says)
{
	static const struct {
		const char *text;
		uint32_t seconds; /* 0: refused */
	} rows[] = {
		{ "{\"token\":\"a\"}", 60 },
		{ "{\"token\":\"a\",\"expires_in\":300}", 300 },
		{ "{\"access_token\":\"a\",\"expires_in\":5}", 60 },
		{ "{\"token\":\"\",\"access_token\":\"a\",\"expires_in\":1e300}", 86400 },
		{ "{\"token\":\"a\",\"expires_in\":300,\"issued_at\":\"2026-08-01T10:00:00Z\"}",
		  200 },
		{ "{\"token\":\"a\",\"expires_in\":300,\"issued_at\":\"2026-08-01T09:00:00Z\"}",
		  300 },
		{ "{\"token\":\"a\",\"expires_in\":300,\"issued_at\":\"2027-08-01T10:00:00Z\"}",
		  300 },
		{ "{\"token\":\"a\",\"issued_at\":\"\"}", 60 },
		{ "{\"token\":\"a b\"}", 0 },
		{ "{\"token\":7}", 0 },
		{ "[\"token\"]", 0 },
		{ "", 0 },
	};
	/* 2026-08-01 10:01:40 */
	const time_t now = 1785578500;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct token token = { 0 };
		int r = token_reply_parse(rows[i].text, strlen(rows[i].text), now, &token, NULL);

		assert_int_equal(r, rows[i].seconds ? 0 : -EBADMSG);
		if (token.seconds != rows[i].seconds)
			fail_msg("%s: %u", rows[i].text, token.seconds);
		token_wipe(&token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(challenges_are_told_apart),
		CASE(a_token_is_good_for_as_long_as_its_reply_says),
		TOKEN_CASE(a_read_that_is_refused_gets_a_token_and_asks_again),
		TOKEN_CASE(the_token_server_is_shown_the_password_and_the_registry_is_not),
		TOKEN_CASE(an_identity_token_is_sent_as_a_form),
		TOKEN_CASE(a_line_of_sills_own_credentials_gets_tokens_too),
		TOKEN_CASE(a_token_that_is_no_longer_good_is_replaced_by_another),
		TOKEN_CASE(a_read_that_is_refused_with_a_new_token_fails),
		TOKEN_CASE(a_token_is_renewed_before_it_runs_out),
		TOKEN_CASE(a_token_server_that_refuses_is_named),
		TOKEN_CASE(a_token_reply_without_an_end_is_not_read_to_its_end),
		TOKEN_CASE(a_token_does_not_follow_a_redirect_to_another_host),
		TOKEN_CASE(an_https_registrys_token_is_not_asked_for_over_http),
		TOKEN_CASE(many_readers_that_are_refused_get_one_token),
		TOKEN_CASE(a_read_is_cancelled_while_the_token_server_is_silent),
		TOKEN_CASE(a_silent_token_server_does_not_outlast_a_reads_deadline),
	};

	return cmocka_run_group_tests_name("source-token", tests, NULL, NULL);
}
