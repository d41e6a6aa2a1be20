// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/source.h"
#include "tests/unit/fault-server.h"
#include "util/clock.h"

#define SIZE  (1024 * 1024 + 17)
#define PIECE 4096

static uint8_t file[SIZE];

/* Servers and sources of one test, with room for what it reads. */
struct fixture {
	struct fault_server *server;
	struct source *src;
	struct error err;
	uint8_t buf[SIZE];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < SIZE; i++)
		file[i] = (uint8_t)(i * 31 + i / 4096);
	f->server = fault_server_start(file, SIZE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	source_close(f->src);
	fault_server_stop(f->server);
	free(f);
	return 0;
}

#define HTTP_TEST(name) static void name(void **state)
#define HTTP_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Stalls and deadlines that are long enough for a busy computer and short enough for a test. */
static const struct source_options quick = { .stall_ms = 300, .deadline_ms = 20000 };

static struct fixture *opened(void **state)
{
	struct fixture *f = *state;

	if (source_open(fault_server_url(f->server), &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return f;
}

/* Read a piece that fails, with a sentence that has the URL and `words` in it. */
static void refused(struct fixture *f, int code, const char *words)
{
	f->err = (struct error){ 0 };
	assert_int_equal(source_read(f->src, f->buf, PIECE, 8192, NULL, &f->err), code);
	assert_int_equal(f->err.code, -code);
	if (!strstr(f->err.text, words) || !strstr(f->err.text, f->src->name))
		fail_msg("'%s' does not say '%s'", f->err.text, words);
}

static void reads(struct fixture *f, size_t len, uint64_t off)
{
	memset(f->buf, 0xee, len);
	if (source_read(f->src, f->buf, len, off, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, file + off, len);
}

/* The fault passes, and the same source serves again. */
static void heals(struct fixture *f)
{
	fault_server_heal(f->server);
	reads(f, PIECE, 12288);
}

HTTP_TEST(a_file_is_read_by_ranges_and_known_by_its_version)
{
	struct fixture *f = opened(state);

	assert_int_equal(f->src->identity.size, SIZE);
	assert_string_equal(f->src->identity.etag, "\"one\"");
	assert_true(f->src->identity.last_modified == 1785578400);
	assert_string_equal(f->src->name, fault_server_url(f->server));
	reads(f, SIZE, 0);
	reads(f, 1, SIZE - 1);
	reads(f, 100, 4000);
	assert_true(fault_server_saw(f->server, -1, "Range: bytes=4000-4099\r\n"));
	assert_int_equal(fault_server_bytes(f->server), 1 + SIZE + 1 + 100);
	assert_int_equal(source_read(f->src, f->buf, 2, SIZE - 1, NULL, &f->err), -EINVAL);
	assert_int_equal(source_read(f->src, f->buf, 1, UINT64_MAX, NULL, &f->err), -EINVAL);
}

HTTP_TEST(an_empty_file_opens)
{
	struct fixture *f = *state;

	fault_server_serve(f->server, file, 0, "\"none\"", NULL);
	opened(state);
	assert_int_equal(f->src->identity.size, 0);
	assert_int_equal(source_read(f->src, f->buf, 1, 0, NULL, &f->err), -EINVAL);
}

struct progress {
	const uint8_t *buf;
	size_t last;
	unsigned int calls, wrong;
};

static void on_progress(void *arg, size_t prefix)
{
	struct progress *p = arg;

	p->calls++;
	if (prefix <= p->last || memcmp(p->buf, file, prefix) != 0)
		p->wrong++;
	p->last = prefix;
}

HTTP_TEST(bytes_are_told_as_they_arrive_in_order)
{
	struct fixture *f = opened(state);
	struct progress p = { .buf = f->buf };
	const struct source_read how = { .arrived = on_progress, .arg = &p };

	assert_int_equal(source_read(f->src, f->buf, SIZE, 0, &how, &f->err), 0);
	assert_true(p.calls > 1);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(p.last, SIZE);
}

static void status_is(void **state, int status, const char *headers, int code, const char *words)
{
	struct fixture *f = opened(state);

	fault_server_fail(
		f->server,
		(struct fault){ .kind = FAULT_STATUS, .status = status, .headers = headers });
	refused(f, code, words);
	heals(f);
}

HTTP_TEST(status_401_says_that_credentials_are_wanted)
{
	status_is(state, 401, NULL, -EACCES, "wants credentials");
}

HTTP_TEST(status_403_says_that_it_is_not_allowed)
{
	status_is(state, 403, NULL, -EACCES, "does not allow");
}

HTTP_TEST(status_404_says_that_there_is_no_such_file)
{
	status_is(state, 404, NULL, -ENOENT, "no such file");
}

HTTP_TEST(status_416_says_which_bytes_are_missing)
{
	status_is(state, 416, NULL, -EIO, "bytes 8192-12287 are not in the file (416)");
}

HTTP_TEST(status_500_says_that_the_server_failed)
{
	status_is(state, 500, NULL, -EIO, "the server failed (500)");
}

HTTP_TEST(status_418_says_that_it_makes_no_sense)
{
	status_is(state, 418, NULL, -EPROTO, "makes no sense (418)");
}

HTTP_TEST(status_503_says_that_the_server_is_busy)
{
	status_is(state, 503, NULL, -EBUSY, "busy (503)");
}

HTTP_TEST(status_503_is_remembered_with_the_seconds_it_asks_for)
{
	struct fixture *f = *state;
	uint64_t before = now_ns();

	status_is(state, 503, "Retry-After: 7\r\n", -EBUSY, "come back in 7 s");
	assert_true(f->src->not_before_ns >= before + 7 * NS_PER_SEC);
	assert_true(f->src->not_before_ns <= now_ns() + 7 * NS_PER_SEC);
}

HTTP_TEST(status_503_is_remembered_with_the_date_it_asks_for)
{
	struct fixture *f = *state;
	char header[64];
	time_t then = time(NULL) + 100;
	struct tm tm;

	strftime(header, sizeof(header), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n",
	         gmtime_r(&then, &tm));
	status_is(state, 503, header, -EBUSY, "come back in");
	assert_true(f->src->not_before_ns > now_ns() + 50 * NS_PER_SEC);
	assert_true(f->src->not_before_ns <= now_ns() + 100 * NS_PER_SEC);
}

HTTP_TEST(a_changed_object_is_stale_for_ever)
{
	struct fixture *f = opened(state);
	unsigned int requests;

	fault_server_serve(f->server, file, SIZE, "\"two\"", NULL);
	refused(f, -ESTALE, "was changed on the server");
	requests = fault_server_requests(f->server);
	fault_server_serve(f->server, file, SIZE, "\"one\"", NULL);
	refused(f, -ESTALE, "was changed on the server");
	assert_int_equal(fault_server_requests(f->server), requests);
}

HTTP_TEST(another_date_is_stale_where_there_is_no_etag)
{
	struct fixture *f = *state;

	fault_server_serve(f->server, file, SIZE, "W/\"weak\"", "Sat, 01 Aug 2026 10:00:00 GMT");
	opened(state);
	assert_string_equal(f->src->identity.etag, "");
	reads(f, PIECE, 0);
	assert_true(fault_server_saw(f->server, -1,
	                             "If-Unmodified-Since: Sat, 01 Aug 2026 10:00:00 GMT\r\n"));
	fault_server_serve(f->server, file, SIZE, "W/\"weak\"", "Sat, 01 Aug 2026 10:00:01 GMT");
	refused(f, -ESTALE, "its date");
}

HTTP_TEST(another_size_is_stale)
{
	struct fixture *f = *state;

	fault_server_serve(f->server, file, SIZE, NULL, NULL);
	opened(state);
	assert_memory_not_equal(f->src->identity.sample, (uint8_t[32]){ 0 }, 32);
	fault_server_serve(f->server, file, SIZE - 1, NULL, NULL);
	refused(f, -ESTALE, "it had 1048593 bytes and has 1048592");
}

HTTP_TEST(a_server_that_knows_if_match_answers_412)
{
	struct fixture *f = opened(state);

	fault_server_fail(f->server, (struct fault){ .kind = FAULT_STATUS, .status = 412 });
	refused(f, -ESTALE, "changed on the server (412)");
	assert_true(fault_server_saw(f->server, -1, "If-Match: \"one\"\r\n"));
}

HTTP_TEST(an_answer_that_hides_the_version_is_refused)
{
	struct fixture *f = opened(state);

	fault_server_fail(f->server, (struct fault){ .kind = FAULT_NO_VERSION });
	refused(f, -EPROTO, "no longer says the version");
	heals(f);
}

HTTP_TEST(a_server_that_ignores_range_is_left_at_once)
{
	struct fixture *f = opened(state);

	fault_server_fail(f->server, (struct fault){ .kind = FAULT_IGNORE_RANGE });
	refused(f, -ENOTSUP, "ignores Range");
	assert_true(f->src->bytes_fetched < PIECE);
	heals(f);
}

HTTP_TEST(a_server_that_ignores_range_does_not_open)
{
	struct fixture *f = *state;

	fault_server_fail(f->server, (struct fault){ .kind = FAULT_IGNORE_RANGE });
	assert_int_equal(source_open(fault_server_url(f->server), &quick, &f->src, &f->err),
	                 -ENOTSUP);
	assert_non_null(strstr(f->err.text, "ignores Range and sends the whole file"));
}

static void fault_is(void **state, struct fault fault, int code, const char *words)
{
	struct fixture *f = opened(state);

	fault_server_fail(f->server, fault);
	refused(f, code, words);
	heals(f);
}

HTTP_TEST(a_short_body_is_told_with_its_length)
{
	fault_is(state, (struct fault){ .kind = FAULT_SHORT, .bytes = 1000 }, -EIO,
	         "ended after 1000 of 4096 bytes (short body)");
}

HTTP_TEST(a_short_length_is_refused_before_the_body)
{
	fault_is(state, (struct fault){ .kind = FAULT_SHORT_LENGTH }, -EPROTO,
	         "a body of 4095 bytes for a range of 4096 (short body)");
}

HTTP_TEST(a_long_body_is_refused_and_overruns_nothing)
{
	struct fixture *f = *state;

	memset(f->buf, 0xa5, sizeof(f->buf));
	fault_is(state, (struct fault){ .kind = FAULT_LONG, .bytes = 1 }, -EPROTO, "(long body)");
	assert_int_equal(f->buf[PIECE], 0xa5);
}

HTTP_TEST(a_stall_ends_after_the_stall_time)
{
	fault_is(state, (struct fault){ .kind = FAULT_HOLD, .bytes = 1000 }, -ETIMEDOUT,
	         "no byte for 0.3 s, after 1000 of 4096 (stalled)");
}

HTTP_TEST(a_server_that_never_answers_is_a_stall)
{
	fault_is(state, (struct fault){ .kind = FAULT_HOLD }, -ETIMEDOUT,
	         "no byte for 0.3 s, after 0");
}

HTTP_TEST(a_deadline_ends_a_read_before_the_stall_time)
{
	struct fixture *f = *state;
	const struct source_options slow = { .stall_ms = 600000 };
	const struct source_read how = { .deadline_ns = now_ns() + 200 * NS_PER_MS };

	assert_int_equal(source_open(fault_server_url(f->server), &slow, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .bytes = 10 });
	assert_int_equal(source_read(f->src, f->buf, PIECE, 0, &how, &f->err), -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "not done before the deadline"));
	heals(f);
}

HTTP_TEST(a_reset_connection_is_told)
{
	fault_is(state, (struct fault){ .kind = FAULT_RESET, .bytes = 1000 }, -ECONNRESET,
	         "the connection was lost after");
}

HTTP_TEST(a_connection_closed_without_an_answer_is_told)
{
	fault_is(state, (struct fault){ .kind = FAULT_MUTE }, -ECONNRESET, "without an answer");
}

HTTP_TEST(a_refused_connection_is_told)
{
	struct fixture *f = opened(state);

	fault_server_down(f->server);
	refused(f, -ECONNREFUSED, "cannot connect: Connection refused");
	fault_server_up(f->server);
	heals(f);
}

HTTP_TEST(an_unknown_host_is_told)
{
	struct fixture *f = *state;

	assert_int_equal(source_open("http://nothing.invalid/disk.raw", &quick, &f->src, &f->err),
	                 -EHOSTUNREACH);
	assert_non_null(strstr(f->err.text, "the name of the server is not known"));
	assert_non_null(strstr(f->err.text, "nothing.invalid"));
}

HTTP_TEST(a_wrong_content_range_is_refused)
{
	fault_is(state, (struct fault){ .kind = FAULT_WRONG_RANGE }, -EPROTO,
	         "asked for bytes 8192-12287 and answers with 8193-12288");
}

HTTP_TEST(an_answer_without_content_range_is_refused)
{
	fault_is(state, (struct fault){ .kind = FAULT_NO_RANGE }, -EPROTO, "without Content-Range");
}

HTTP_TEST(an_answer_in_several_parts_is_refused)
{
	fault_is(state, (struct fault){ .kind = FAULT_PARTS }, -EPROTO, "with several parts");
}

HTTP_TEST(a_redirect_is_followed_and_remembered)
{
	struct fixture *f = *state;
	struct fault_server *front = fault_server_start(file, SIZE);
	char header[128];

	snprintf(header, sizeof(header), "Location: %s\r\n", fault_server_url(f->server));
	fault_server_fail(front,
	                  (struct fault){ .kind = FAULT_STATUS, .status = 302, .headers = header });
	assert_int_equal(source_open(fault_server_url(front), &quick, &f->src, &f->err), 0);
	reads(f, PIECE, 0);
	reads(f, PIECE, 4096);
	assert_int_equal(fault_server_requests(front), 1);
	assert_int_equal(fault_server_requests(f->server), 3);
	/* The place is gone: the way is asked for again, and leads nowhere either. */
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_STATUS, .status = 404 });
	refused(f, -ENOENT, "sent on to");
	assert_int_equal(fault_server_requests(front), 2);
	/* It leads back to the file. */
	fault_server_heal(front);
	reads(f, PIECE, 8192);
	assert_int_equal(fault_server_requests(front), 3);
	source_close(f->src);
	f->src = NULL;
	fault_server_stop(front);
}

HTTP_TEST(a_redirect_loop_ends)
{
	struct fixture *f = *state;

	fault_server_fail(f->server, (struct fault){ .kind = FAULT_STATUS,
	                                             .status = 301,
	                                             .headers = "Location: /again\r\n" });
	assert_int_equal(source_open(fault_server_url(f->server), &quick, &f->src, &f->err),
	                 -ELOOP);
	assert_non_null(strstr(f->err.text, "sent on more than 10 times"));
	assert_int_equal(fault_server_requests(f->server), 11);
}

HTTP_TEST(a_redirect_to_another_protocol_is_refused)
{
	struct fixture *f = *state;

	fault_server_fail(f->server,
	                  (struct fault){ .kind = FAULT_STATUS,
	                                  .status = 302,
	                                  .headers = "Location: file:///etc/passwd\r\n" });
	assert_int_equal(source_open(fault_server_url(f->server), &quick, &f->src, &f->err),
	                 -EPROTO);
	assert_non_null(strstr(f->err.text, "sent on to no place"));
}

/* A credentials file for the server of a test; to be removed. */
static void write_credentials(char path[32], const char *url, const char *rest)
{
	int fd;

	snprintf(path, 32, "/tmp/test-source-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%s %s\n", url, rest) > 0);
	close(fd);
}

HTTP_TEST(credentials_go_to_their_server_and_to_no_other)
{
	struct fixture *f = *state;
	struct fault_server *other = fault_server_start(file, SIZE);
	struct source_options options = quick;
	char path[32], header[128];

	write_credentials(path, fault_server_url(f->server), "bearer s3cret-token");
	options.credentials_file = path;
	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	assert_true(fault_server_saw(f->server, 0, "Authorization: Bearer s3cret-token\r\n"));
	assert_null(strstr(f->src->name, "s3cret"));
	snprintf(header, sizeof(header), "Location: %s\r\n", fault_server_url(other));
	fault_server_fail(f->server,
	                  (struct fault){ .kind = FAULT_STATUS, .status = 307, .headers = header });
	reads(f, PIECE, 0);
	assert_true(fault_server_saw(f->server, -1, "Authorization:"));
	assert_int_equal(fault_server_requests(other), 1);
	assert_false(fault_server_saw(other, 0, "Authorization:"));
	/* Refused ones are told apart from missing ones, and not repeated. */
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_STATUS, .status = 401 });
	fault_server_fail(other, (struct fault){ .kind = FAULT_STATUS, .status = 401 });
	refused(f, -EACCES, "does not accept the credentials");
	assert_null(strstr(f->err.text, "s3cret"));
	source_close(f->src);
	f->src = NULL;
	fault_server_stop(other);
	unlink(path);
}

HTTP_TEST(basic_credentials_are_sent)
{
	struct fixture *f = *state;
	struct source_options options = quick;
	char path[32];

	write_credentials(path, fault_server_url(f->server), "basic joe pass word");
	options.credentials_file = path;
	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	/* "joe:pass word" */
	assert_true(
		fault_server_saw(f->server, 0, "Authorization: Basic am9lOnBhc3Mgd29yZA==\r\n"));
	unlink(path);
}

HTTP_TEST(a_credentials_file_that_others_can_read_is_refused)
{
	struct fixture *f = *state;
	struct source_options options = quick;
	char path[32];

	write_credentials(path, fault_server_url(f->server), "bearer x");
	options.credentials_file = path;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err),
	                 -EPERM);
	assert_non_null(strstr(f->err.text, "others can read it"));
	assert_int_equal(fault_server_requests(f->server), 0);
	unlink(path);
}

HTTP_TEST(a_proxy_from_the_environment_is_used)
{
	struct fixture *f = *state;
	struct fault_server *proxy = fault_server_start(file, SIZE);
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", fault_server_port(proxy));
	setenv("http_proxy", url, 1);
	if (source_open("http://far.invalid/disk.raw", &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	reads(f, PIECE, 0);
	unsetenv("http_proxy");
	assert_true(fault_server_saw(proxy, -1, "GET http://far.invalid/disk.raw HTTP/1.1\r\n"));
	source_close(f->src);
	f->src = NULL;
	fault_server_stop(proxy);
}

struct reader {
	pthread_t thread;
	struct source *src;
	uint64_t off;
	uint8_t buf[PIECE];
	struct source_cancel cancel;
	enum source_priority priority;
	int result;
};

static void *read_in_thread(void *arg)
{
	struct reader *reader = arg;
	const struct source_read how = { .priority = reader->priority, .cancel = &reader->cancel };

	reader->result = source_read(reader->src, reader->buf, PIECE, reader->off, &how, NULL);
	return NULL;
}

static void start_reader(struct reader *reader, struct source *src, enum source_priority priority,
                         uint64_t off)
{
	*reader = (struct reader){ .src = src, .priority = priority, .off = off };
	source_cancel_init(&reader->cancel);
	assert_int_equal(pthread_create(&reader->thread, NULL, read_in_thread, reader), 0);
}

static void join_reader(struct reader *reader, int result)
{
	pthread_join(reader->thread, NULL);
	source_cancel_destroy(&reader->cancel);
	assert_int_equal(reader->result, result);
	if (result == 0)
		assert_memory_equal(reader->buf, file + reader->off, PIECE);
}

HTTP_TEST(many_ranges_are_in_flight_over_a_bounded_number_of_connections)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[12];

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f->src, SOURCE_DEMAND, i * PIECE);
	fault_server_wait(f->server, 1 + 4);
	assert_int_equal(fault_server_requests(f->server), 5);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		join_reader(&readers[i], 0);
	assert_int_equal(fault_server_most(f->server), 4);
}

HTTP_TEST(a_demand_read_finds_a_connection_however_many_background_reads_there_are)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[10], demand;

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .times = 2 });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f->src, i % 2 ? SOURCE_TRACE : SOURCE_BACKGROUND,
		             i * PIECE);
	fault_server_wait(f->server, 1 + 2);
	start_reader(&demand, f->src, SOURCE_DEMAND, 100 * PIECE);
	join_reader(&demand, 0); /* while the others are held */
	assert_int_equal(fault_server_requests(f->server), 1 + 2 + 1);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		join_reader(&readers[i], 0);
}

HTTP_TEST(a_background_read_that_hurries_passes_those_before_it)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[10];
	struct reader *last = &readers[9];

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .times = 2 });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		start_reader(&readers[i], f->src, SOURCE_BACKGROUND, i * PIECE);
		if (i == 1)
			fault_server_wait(f->server, 1 + 2);
	}
	source_cancel_hurry(&last->cancel);
	join_reader(last, 0); /* while the others are held, or wait behind those */
	assert_int_equal(fault_server_requests(f->server), 1 + 2 + 1);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers) - 1; i++)
		join_reader(&readers[i], 0);
}

HTTP_TEST(a_read_that_is_cancelled_returns_while_the_server_is_silent)
{
	struct fixture *f = *state;
	struct reader reader;

	assert_int_equal(source_open(fault_server_url(f->server), NULL, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .bytes = 100 });
	start_reader(&reader, f->src, SOURCE_DEMAND, 0);
	fault_server_wait(f->server, 2);
	source_cancel_fire(&reader.cancel);
	join_reader(&reader, -ECANCELED);
	heals(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_CASE(a_file_is_read_by_ranges_and_known_by_its_version),
		HTTP_CASE(an_empty_file_opens),
		HTTP_CASE(bytes_are_told_as_they_arrive_in_order),
		HTTP_CASE(status_401_says_that_credentials_are_wanted),
		HTTP_CASE(status_403_says_that_it_is_not_allowed),
		HTTP_CASE(status_404_says_that_there_is_no_such_file),
		HTTP_CASE(status_416_says_which_bytes_are_missing),
		HTTP_CASE(status_500_says_that_the_server_failed),
		HTTP_CASE(status_418_says_that_it_makes_no_sense),
		HTTP_CASE(status_503_says_that_the_server_is_busy),
		HTTP_CASE(status_503_is_remembered_with_the_seconds_it_asks_for),
		HTTP_CASE(status_503_is_remembered_with_the_date_it_asks_for),
		HTTP_CASE(a_changed_object_is_stale_for_ever),
		HTTP_CASE(another_date_is_stale_where_there_is_no_etag),
		HTTP_CASE(another_size_is_stale),
		HTTP_CASE(a_server_that_knows_if_match_answers_412),
		HTTP_CASE(an_answer_that_hides_the_version_is_refused),
		HTTP_CASE(a_server_that_ignores_range_is_left_at_once),
		HTTP_CASE(a_server_that_ignores_range_does_not_open),
		HTTP_CASE(a_short_body_is_told_with_its_length),
		HTTP_CASE(a_short_length_is_refused_before_the_body),
		HTTP_CASE(a_long_body_is_refused_and_overruns_nothing),
		HTTP_CASE(a_stall_ends_after_the_stall_time),
		HTTP_CASE(a_server_that_never_answers_is_a_stall),
		HTTP_CASE(a_deadline_ends_a_read_before_the_stall_time),
		HTTP_CASE(a_reset_connection_is_told),
		HTTP_CASE(a_connection_closed_without_an_answer_is_told),
		HTTP_CASE(a_refused_connection_is_told),
		HTTP_CASE(an_unknown_host_is_told),
		HTTP_CASE(a_wrong_content_range_is_refused),
		HTTP_CASE(an_answer_without_content_range_is_refused),
		HTTP_CASE(an_answer_in_several_parts_is_refused),
		HTTP_CASE(a_redirect_is_followed_and_remembered),
		HTTP_CASE(a_redirect_loop_ends),
		HTTP_CASE(a_redirect_to_another_protocol_is_refused),
		HTTP_CASE(credentials_go_to_their_server_and_to_no_other),
		HTTP_CASE(basic_credentials_are_sent),
		HTTP_CASE(a_credentials_file_that_others_can_read_is_refused),
		HTTP_CASE(a_proxy_from_the_environment_is_used),
		HTTP_CASE(many_ranges_are_in_flight_over_a_bounded_number_of_connections),
		HTTP_CASE(a_demand_read_finds_a_connection_however_many_background_reads_there_are),
		HTTP_CASE(a_background_read_that_hurries_passes_those_before_it),
		HTTP_CASE(a_read_that_is_cancelled_returns_while_the_server_is_silent),
	};

	return cmocka_run_group_tests_name("source-http", tests, NULL, NULL);
}
