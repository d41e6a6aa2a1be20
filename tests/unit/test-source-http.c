// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an HTTP server may answer, and what is said of it.
 */
#include "tests/unit/unit.h"

#include <time.h>

#include "tests/unit/http-fixture.h"
#include "tests/unit/progress.h"

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

HTTP_TEST(bytes_are_told_as_they_arrive_in_order)
{
	struct fixture *f = opened(state);
	struct progress p = { .buf = f->buf, .file = file };
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
	};

	return cmocka_run_group_tests_name("source-http", tests, NULL, NULL);
}
