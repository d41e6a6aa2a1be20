// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The clients of QEMU's monitor and of the guest's agent, against a peer that this test plays.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "machine/agent.h"
#include "machine/qmp.h"
#include "util/clock.h"
#include "util/io.h"

struct heard {
	int ready, closed, answers, failures;
	char event[64], words[512];
};

static void on_ready(void *arg)
{
	((struct heard *)arg)->ready++;
}

static void on_event(void *arg, const char *name, const json_t *data)
{
	struct heard *heard = arg;

	(void)data;
	snprintf(heard->event, sizeof(heard->event), "%s", name);
}

static void on_closed(void *arg, const struct error *err)
{
	struct heard *heard = arg;

	heard->closed++;
	snprintf(heard->words, sizeof(heard->words), "%s", err->text);
}

static void on_done(void *arg, const json_t *result, const struct error *err)
{
	struct heard *heard = arg;

	if (result) {
		heard->answers++;
	} else {
		heard->failures++;
		snprintf(heard->words, sizeof(heard->words), "%s", err->text);
	}
}

static const struct qmp_handlers handlers = { on_ready, on_event, on_closed };

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"

static void pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

/* What the client has written; the test fails when it has written nothing. */
static json_t *told(int fd)
{
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *brace;
	json_t *object;

	assert_true(n > 0);
	text[n] = '\0';
	brace = strchr(text, '{');
	assert_non_null(brace);
	object = json_loads(brace, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(object);
	return object;
}

static void expect_command(int fd, const char *command)
{
	json_t *object = told(fd);

	assert_string_equal(json_string_value(json_object_get(object, "execute")), command);
	json_decref(object);
}

static struct qmp *greeted(int ends[2], struct heard *heard)
{
	struct qmp *qmp;

	pair(ends);
	assert_int_equal(qmp_open(ends[0], &handlers, heard, &qmp, NULL), 0);
	say(ends[1], GREETING);
	assert_int_equal(qmp_readable(qmp), 0);
	expect_command(ends[1], "qmp_capabilities");
	assert_int_equal(heard->ready, 0);
	say(ends[1], "{\"return\": {}, \"id\": 1}\r\n");
	assert_int_equal(qmp_readable(qmp), 0);
	assert_int_equal(heard->ready, 1);
	return qmp;
}

TEST(an_answer_finds_its_command_and_events_come_between)
{
	struct heard heard = { 0 };
	int ends[2];
	cleanup(qmp_close) struct qmp *qmp = greeted(ends, &heard);

	assert_int_equal(qmp_execute(qmp, "cont", NULL, 0, on_done, &heard, NULL), 0);
	expect_command(ends[1], "cont");
	say(ends[1], "{\"event\": \"RESUME\", \"timestamp\": {}}\r\n{\"return\"");
	assert_int_equal(qmp_readable(qmp), 0);
	assert_string_equal(heard.event, "RESUME");
	assert_int_equal(heard.answers, 0);
	say(ends[1], ": {}, \"id\": 2}\r\n");
	assert_int_equal(qmp_readable(qmp), 0);
	assert_int_equal(heard.answers, 1);
	assert_int_equal(
		qmp_execute(qmp, "stop", json_pack("{si}", "x", 1), 0, on_done, &heard, NULL), 0);
	say(ends[1], "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}, "
	             "\"id\": 3}\r\n");
	assert_int_equal(qmp_readable(qmp), 0);
	assert_int_equal(heard.failures, 1);
	assert_string_equal(heard.words, "QEMU says: no way");
	close(ends[1]);
}

TEST(a_command_without_an_answer_fails_at_its_deadline)
{
	struct heard heard = { 0 };
	int ends[2];
	cleanup(qmp_close) struct qmp *qmp = greeted(ends, &heard);

	assert_int_equal(qmp_execute(qmp, "cont", NULL, 1000, on_done, &heard, NULL), 0);
	assert_int_equal(qmp_execute(qmp, "stop", NULL, 500, on_done, &heard, NULL), 0);
	assert_true(qmp_deadline(qmp) == 500);
	qmp_expire(qmp, 700);
	assert_int_equal(heard.failures, 1);
	assert_true(qmp_deadline(qmp) == 1000);
	qmp_expire(qmp, 1000);
	assert_int_equal(heard.failures, 2);
	assert_true(qmp_deadline(qmp) == 0);
	/* Its answer comes late and is nobody's. */
	say(ends[1], "{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(qmp_readable(qmp), 0);
	assert_int_equal(heard.answers, 0);
	close(ends[1]);
}

TEST(commands_that_wait_are_bounded_and_end_with_the_connection)
{
	struct heard heard = { 0 };
	int ends[2], sent = 0;
	cleanup(qmp_close) struct qmp *qmp = greeted(ends, &heard);

	while (qmp_execute(qmp, "cont", NULL, 0, on_done, &heard, NULL) == 0)
		sent++;
	assert_int_equal(sent, QMP_MAX_PENDING);
	close(ends[1]);
	while (qmp_readable(qmp) == 0)
		;
	assert_int_equal(heard.failures, QMP_MAX_PENDING);
	assert_int_equal(heard.closed, 1);
	assert_int_equal(qmp_execute(qmp, "cont", NULL, 0, NULL, NULL, NULL), -ENOTCONN);
}

TEST(a_peer_that_is_no_qmp_is_left_with_a_reason)
{
	static const struct {
		const char *says, *words;
	} peers[] = {
		{ "SSH-2.0-OpenSSH\r\n", "no JSON object" },
		{ "[]\n", "no JSON object" },
		{ "{\"hello\": 1}\n", "no greeting" },
		{ GREETING "{\"return\": {}, \"id\": 77}\n", "nothing that was asked" },
		{ GREETING "{\"return\": {}, \"id\": -1}\n", "nothing that was asked" },
		{ GREETING "{\"error\": {\"desc\": \"go away\"}, \"id\": 1}\n", "go away" },
	};

	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		struct heard heard = { 0 };
		cleanup(qmp_close) struct qmp *qmp = NULL;
		int ends[2];

		pair(ends);
		assert_int_equal(qmp_open(ends[0], &handlers, &heard, &qmp, NULL), 0);
		say(ends[1], peers[i].says);
		assert_true(qmp_readable(qmp) < 0);
		assert_int_equal(heard.closed, 1);
		assert_int_equal(heard.ready, 0);
		if (!strstr(heard.words, peers[i].words))
			fail_msg("\"%s\" does not say \"%s\"", heard.words, peers[i].words);
		close(ends[1]);
	}
}

TEST(a_line_without_an_end_does_not_fill_the_memory)
{
	struct heard heard = { 0 };
	cleanup(qmp_close) struct qmp *qmp = NULL;
	char block[4096];
	int ends[2], r = 0;
	size_t fed = 0;

	pair(ends);
	assert_int_equal(qmp_open(ends[0], &handlers, &heard, &qmp, NULL), 0);
	memset(block, 'x', sizeof(block));
	while (r == 0 && fed <= 2 * QMP_MAX_LINE) {
		r = qmp_feed(qmp, block, sizeof(block));
		fed += sizeof(block);
	}
	assert_true(r < 0);
	assert_true(fed <= QMP_MAX_LINE + sizeof(block));
	assert_int_equal(heard.closed, 1);
	close(ends[1]);
}

/* The id of the sync that the client has just sent. */
static json_int_t sync_id(int fd)
{
	json_t *object = told(fd);
	json_int_t id;

	assert_string_equal(json_string_value(json_object_get(object, "execute")),
	                    "guest-sync-delimited");
	id = json_integer_value(json_object_get(json_object_get(object, "arguments"), "id"));
	json_decref(object);
	return id;
}

static void answer_sync(struct agent *agent, const char *before, json_int_t id)
{
	char text[120];
	int n = snprintf(text, sizeof(text), "%s{\"return\": %lld}\n", before, (long long)id);

	agent_feed(agent, text, (size_t)n);
}

TEST(the_agent_is_ready_when_it_answers_a_ping_after_a_sync)
{
	struct heard heard = { 0 };
	cleanup(agent_close) struct agent *agent = NULL;
	json_int_t id;
	int ends[2];

	pair(ends);
	assert_int_equal(agent_open(ends[0], on_ready, &heard, &agent, NULL), 0);
	assert_true(agent_deadline(agent) == 0);
	assert_int_equal(agent_shutdown(agent), -ENOTCONN);
	agent_guest_opened(agent, true, 0);
	id = sync_id(ends[1]);
	assert_true(agent_deadline(agent) == AGENT_RETRY_MS * NS_PER_MS);
	say(ends[1], "{\"return\": {}}\n");
	assert_int_equal(agent_readable(agent), 0);
	assert_int_equal(heard.ready, 0);
	answer_sync(agent, "{\"error\": {}}\n\xff", id);
	expect_command(ends[1], "guest-ping");
	assert_int_equal(heard.ready, 0);
	say(ends[1], "{\"return\": {}}\n");
	assert_int_equal(agent_readable(agent), 0);
	assert_int_equal(heard.ready, 1);
	assert_true(agent_deadline(agent) == 0);
	assert_int_equal(agent_shutdown(agent), 0);
	expect_command(ends[1], "guest-shutdown");
	agent_guest_opened(agent, false, 0);
	assert_int_equal(agent_shutdown(agent), -ENOTCONN);
	close(ends[1]);
	assert_int_equal(agent_readable(agent), -EPIPE);
}

TEST(noise_and_answers_to_older_syncs_do_not_make_the_agent_ready)
{
	struct heard heard = { 0 };
	cleanup(agent_close) struct agent *agent = NULL;
	json_int_t first, second;
	char noise[AGENT_MAX_LINE];
	int ends[2];

	pair(ends);
	assert_int_equal(agent_open(ends[0], on_ready, &heard, &agent, NULL), 0);
	agent_guest_opened(agent, true, 0);
	first = sync_id(ends[1]);
	agent_retry(agent, 1);
	assert_true(agent_deadline(agent) == AGENT_RETRY_MS * NS_PER_MS);
	agent_retry(agent, AGENT_RETRY_MS * NS_PER_MS);
	second = sync_id(ends[1]);
	assert_true(second != first);
	answer_sync(agent, "", second); /* without its mark */
	answer_sync(agent, "\xff", first);
	memset(noise, 'x', sizeof(noise));
	for (int i = 0; i < 5; i++)
		agent_feed(agent, noise, sizeof(noise));
	agent_feed(agent, "\n", 1);
	assert_int_equal(read(ends[1], noise, 1), -1);
	answer_sync(agent, "\xff", second);
	expect_command(ends[1], "guest-ping");
	agent_feed(agent, "{\"return\": 5}\n{\"error\": {}}\n", 28);
	assert_int_equal(heard.ready, 0);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_answer_finds_its_command_and_events_come_between),
		CASE(a_command_without_an_answer_fails_at_its_deadline),
		CASE(commands_that_wait_are_bounded_and_end_with_the_connection),
		CASE(a_peer_that_is_no_qmp_is_left_with_a_reason),
		CASE(a_line_without_an_end_does_not_fill_the_memory),
		CASE(the_agent_is_ready_when_it_answers_a_ping_after_a_sync),
		CASE(noise_and_answers_to_older_syncs_do_not_make_the_agent_ready),
	};

	return cmocka_run_group_tests_name("machine-qmp", tests, NULL, NULL);
}
