// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to a file over HTTP: redirects, credentials, a proxy.
 */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/http-fixture.h"

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

HTTP_TEST(a_proxy_that_refuses_a_tunnel_is_named)
{
	struct fixture *f = *state;
	struct fault_server *proxy = fault_server_start(file, SIZE);
	static const struct {
		int status, code;
		const char *words;
	} rows[] = { { 407, -EACCES, "the proxy wants credentials (407)" },
		     { 403, -EIO, "the proxy does not connect to the server (403)" } };
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", fault_server_port(proxy));
	setenv("https_proxy", url, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fault_server_fail(proxy, (struct fault){ .kind = FAULT_STATUS,
		                                         .status = rows[i].status,
		                                         .headers = "Content-Length: 0\r\n" });
		assert_int_equal(
			source_open("https://far.invalid/disk.raw", &quick, &f->src, &f->err),
			rows[i].code);
		if (!strstr(f->err.text, rows[i].words))
			fail_msg("%s", f->err.text);
	}
	unsetenv("https_proxy");
	fault_server_stop(proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_CASE(a_redirect_is_followed_and_remembered),
		HTTP_CASE(a_redirect_loop_ends),
		HTTP_CASE(a_redirect_to_another_protocol_is_refused),
		HTTP_CASE(credentials_go_to_their_server_and_to_no_other),
		HTTP_CASE(basic_credentials_are_sent),
		HTTP_CASE(a_credentials_file_that_others_can_read_is_refused),
		HTTP_CASE(a_proxy_from_the_environment_is_used),
		HTTP_CASE(a_proxy_that_refuses_a_tunnel_is_named),
	};

	return cmocka_run_group_tests_name("source-http-ways", tests, NULL, NULL);
}
