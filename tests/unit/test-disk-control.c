// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket, by its client and by what a careless or hostile peer may send.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "disk/serve/control.h"

static char dir[] = "/tmp/test-control-XXXXXX";
static char path[100];

static int echo(void *arg, const json_t *request, json_t *reply, struct error *err)
{
	int *calls = arg;

	__atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
	if (json_object_get(request, "fail"))
		return error_set(err, EINVAL, "the disk is on fire");
	json_object_set(reply, "echo", json_object_get(request, "say"));
	return 0;
}

static int setup(void **state __attribute__((unused)))
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int teardown(void **state __attribute__((unused)))
{
	return rmdir(dir);
}

static int raw_connect(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* What comes until the other side closes or `lines` lines are there. */
static void receive(int fd, int lines, char *buf, size_t size)
{
	size_t used = 0;

	while (lines > 0 && used + 1 < size && read(fd, buf + used, 1) == 1)
		if (buf[used++] == '\n')
			lines--;
	buf[used] = '\0';
}

static struct control *serve(int *calls)
{
	struct control *control = NULL;
	struct error err = { 0 };

	assert_int_equal(control_serve(path, echo, calls, &control, &err), 0);
	return control;
}

TEST(a_request_gets_the_answer_of_the_handler)
{
	int calls = 0;
	struct control *control = serve(&calls);
	json_t *request = json_pack("{s:s}", "say", "hello"), *reply = NULL;
	struct error err = { 0 };

	assert_int_equal(control_call(path, request, 5000, &reply, &err), 0);
	assert_string_equal(json_string_value(json_object_get(reply, "echo")), "hello");
	json_decref(reply);
	json_decref(request);
	control_close(control);
	assert_int_equal(calls, 1);
	assert_int_equal(access(path, F_OK), -1);
}

TEST(an_error_comes_back_as_its_sentence)
{
	int calls = 0;
	struct control *control = serve(&calls);
	json_t *request = json_pack("{s:b}", "fail", 1);
	struct error err = { 0 };

	assert_int_equal(control_call(path, request, 5000, NULL, &err), -EREMOTEIO);
	assert_string_equal(err.text, "the disk is on fire");
	json_decref(request);
	control_close(control);
}

TEST(nobody_listening_is_an_error_that_names_the_socket)
{
	json_t *request = json_object();
	struct error err = { 0 };

	assert_int_equal(control_call(path, request, 5000, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	json_decref(request);
}

TEST(several_requests_may_come_in_one_piece)
{
	int calls = 0;
	struct control *control = serve(&calls);
	static const char text[] = "{\"say\":1}\n{\"say\":2}\n{\"say\":3}\n";
	char buf[512];
	int fd = raw_connect();

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	receive(fd, 3, buf, sizeof(buf));
	assert_string_equal(buf, "{\"ok\":true,\"echo\":1}\n{\"ok\":true,\"echo\":2}\n"
	                         "{\"ok\":true,\"echo\":3}\n");
	close(fd);
	control_close(control);
}

TEST(what_is_not_an_object_is_refused_and_the_connection_goes_on)
{
	int calls = 0;
	struct control *control = serve(&calls);
	static const char text[] = "nonsense\n[1]\n\n{\"say\":7}\n";
	char buf[1024];
	int fd = raw_connect();

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	receive(fd, 4, buf, sizeof(buf));
	assert_non_null(strstr(buf, "\"error\""));
	assert_non_null(strstr(buf, "\"echo\":7"));
	assert_int_equal(calls, 1);
	close(fd);
	control_close(control);
}

TEST(a_line_without_end_is_cut_off)
{
	int calls = 0;
	struct control *control = serve(&calls);
	char *text = malloc(2 * CONTROL_MAX_REQUEST), buf[256];
	int fd = raw_connect();

	memset(text, 'x', 2 * CONTROL_MAX_REQUEST);
	for (size_t sent = 0; sent < 2 * CONTROL_MAX_REQUEST;) {
		ssize_t n = send(fd, text, 2 * CONTROL_MAX_REQUEST - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	receive(fd, 1, buf, sizeof(buf));
	assert_true(buf[0] == '\0' || strstr(buf, "too long"));
	assert_int_equal(calls, 0);
	close(fd);
	free(text);
	control_close(control);
}

TEST(the_socket_is_for_its_owner_only)
{
	int calls = 0;
	struct control *control = serve(&calls);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	control_close(control);
}

TEST(a_socket_left_behind_is_replaced_but_one_in_use_is_not)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int calls = 0, fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct control *control, *second = NULL;
	struct error err = { 0 };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	control = serve(&calls);
	assert_int_equal(control_serve(path, echo, &calls, &second, &err), -EADDRINUSE);
	control_close(control);
}

TEST(a_file_that_is_no_socket_is_never_removed)
{
	FILE *f = fopen(path, "w");
	struct control *control = NULL;
	int calls = 0;

	assert_non_null(f);
	fclose(f);
	assert_int_equal(control_serve(path, echo, &calls, &control, NULL), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

TEST(a_path_longer_than_an_address_works)
{
	char long_dir[256], long_path[300], name[121];
	struct control *control = NULL;
	json_t *request = json_pack("{s:i}", "say", 1), *reply = NULL;
	int calls = 0;

	memset(name, 'd', 120);
	name[120] = '\0';
	snprintf(long_dir, sizeof(long_dir), "%s/%s", dir, name);
	snprintf(long_path, sizeof(long_path), "%s/sock", long_dir);
	assert_int_equal(mkdir(long_dir, 0700), 0);
	assert_int_equal(control_serve(long_path, echo, &calls, &control, NULL), 0);
	assert_int_equal(control_call(long_path, request, 5000, &reply, NULL), 0);
	json_decref(reply);
	json_decref(request);
	control_close(control);
	assert_int_equal(rmdir(long_dir), 0);
}

TEST(clients_that_say_nothing_keep_nobody_else_out_for_ever)
{
	int calls = 0, fds[CONTROL_MAX_CLIENTS];
	struct control *control = serve(&calls);
	json_t *request = json_pack("{s:i}", "say", 1), *reply = NULL;
	struct error err = { 0 };
	char buf[128];

	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		/* One exchange, so that the server is known to have taken it in. */
		fds[i] = raw_connect();
		assert_int_equal(write(fds[i], "{}\n", 3), 3);
		receive(fds[i], 1, buf, sizeof(buf));
	}
	assert_int_equal(control_call(path, request, 5000, NULL, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "too many"));
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		close(fds[i]);
	while (control_call(path, request, 5000, &reply, &err) == -EREMOTEIO)
		;
	assert_non_null(reply);
	json_decref(reply);
	json_decref(request);
	control_close(control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_request_gets_the_answer_of_the_handler),
		CASE(an_error_comes_back_as_its_sentence),
		CASE(nobody_listening_is_an_error_that_names_the_socket),
		CASE(several_requests_may_come_in_one_piece),
		CASE(what_is_not_an_object_is_refused_and_the_connection_goes_on),
		CASE(a_line_without_end_is_cut_off),
		CASE(the_socket_is_for_its_owner_only),
		CASE(a_socket_left_behind_is_replaced_but_one_in_use_is_not),
		CASE(a_file_that_is_no_socket_is_never_removed),
		CASE(a_path_longer_than_an_address_works),
		CASE(clients_that_say_nothing_keep_nobody_else_out_for_ever),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
