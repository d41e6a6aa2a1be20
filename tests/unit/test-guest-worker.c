// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A worker that a disk has taken over: whatever it asks and says, it gets no more than it may have.
 */
#include "tests/unit/guest-memory.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "library/guest/worker-protocol.h"
#include "library/guest/worker.h"

#define SIZE (1 * MIB)

struct said {
	unsigned int found, notes;
	char text[256];
};

static void found(void *arg, const char *what, const char *where)
{
	struct said *said = arg;

	snprintf(said->text, sizeof(said->text), "%s|%s", what, where);
	said->found++;
}

static void note(void *arg, const char *text)
{
	struct said *said = arg;

	snprintf(said->text, sizeof(said->text), "%s", text);
	said->notes++;
}

/* A process that sends these messages, and reads all that comes. */
static struct guest_worker *worker_that_says(const void *bytes, size_t len)
{
	struct guest_worker *worker = calloc(1, sizeof(*worker));
	char buf[4096];
	int fds[2];

	assert_non_null(worker);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	worker->pid = fork();
	if (worker->pid == 0) {
		close(fds[0]);
		(void)!write(fds[1], bytes, len);
		shutdown(fds[1], SHUT_WR);
		while (read(fds[1], buf, sizeof(buf)) > 0)
			continue;
		_exit(0);
	}
	close(fds[1]);
	worker->fd = fds[0];
	return worker;
}

static int hear(const void *bytes, size_t len, bool strip, struct said *said, struct error *err)
{
	struct memory_disk memory = memory_disk_new(SIZE);
	struct guest_worker *worker = worker_that_says(bytes, len);
	const struct identity_report report = { .found = found, .note = note, .arg = said };
	int r;

	*said = (struct said){ 0 };
	/* memory_read() and its like fail the test for ranges outside. */
	r = guest_worker_look(worker, &memory.disk, strip, &report, err);
	assert_true(strip || memory.writes == 0);
	guest_worker_end(worker);
	memory_disk_free(&memory);
	return r;
}

static void nonsense(struct worker_head head, bool strip)
{
	struct error err = { 0 };
	struct said said;

	assert_int_equal(hear(&head, sizeof(head), strip, &said, &err), -EREMOTEIO);
	if (!strstr(err.text, "makes no sense"))
		fail_msg("%s", err.text);
}

TEST(nothing_outside_the_disk_is_served)
{
	nonsense((struct worker_head){ .kind = WORKER_READ, .off = SIZE, .len = 1 }, false);
	nonsense((struct worker_head){ .kind = WORKER_READ, .off = UINT64_MAX, .len = 2 }, false);
	nonsense((struct worker_head){ .kind = WORKER_READ, .len = SIZE + 1 }, false);
	nonsense((struct worker_head){ .kind = WORKER_READ, .len = UINT64_MAX }, false);
	nonsense((struct worker_head){ .kind = WORKER_WRITE, .off = SIZE - 1, .bytes = 2 }, true);
	nonsense((struct worker_head){ .kind = WORKER_ZERO, .off = 1, .len = SIZE }, true);
	nonsense((struct worker_head){ .kind = WORKER_ZERO, .off = 1, .len = UINT64_MAX }, true);
}

TEST(what_may_not_be_changed_is_not)
{
	nonsense((struct worker_head){ .kind = WORKER_WRITE, .bytes = 1 }, false);
	nonsense((struct worker_head){ .kind = WORKER_ZERO, .len = 512 }, false);
}

TEST(messages_that_there_are_not_end_it)
{
	nonsense((struct worker_head){ .kind = 0 }, true);
	nonsense((struct worker_head){ .kind = WORKER_START }, true);
	nonsense((struct worker_head){ .kind = WORKER_DONE }, true);
	nonsense((struct worker_head){ .kind = 99 }, true);
	nonsense((struct worker_head){ .kind = WORKER_NOTE, .bytes = UINT32_MAX }, true);
	nonsense((struct worker_head){ .kind = WORKER_NOTE }, true);
	nonsense((struct worker_head){ .kind = WORKER_END, .off = 1 }, true);
	nonsense((struct worker_head){ .kind = WORKER_END, .off = (uint64_t)-100000 }, true);
}

TEST(a_worker_that_dies_is_said)
{
	struct worker_head half = { .kind = WORKER_NOTE, .bytes = 100 };
	struct error err = { 0 };
	struct said said;

	assert_int_equal(hear(&half, sizeof(half), false, &said, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "died"));
	assert_int_equal(hear(&half, sizeof(half) - 1, false, &said, &err), -EREMOTEIO);
	assert_int_equal(hear(&half, 0, false, &said, &err), -EREMOTEIO);
}

/* One head, and these bytes behind it. */
struct message {
	struct worker_head head;
	char bytes[32];
	struct worker_head end;
};

TEST(texts_cannot_reach_the_terminal)
{
	struct message message = { .head = { .kind = WORKER_FOUND, .bytes = 32 },
		                   .bytes = "key\033[2J\0/etc/\033]0;x\a\n",
		                   .end = { .kind = WORKER_END } };
	struct error err = { 0 };
	struct said said;

	assert_int_equal(hear(&message, sizeof(message), false, &said, &err), 0);
	assert_int_equal(said.found, 1);
	assert_string_equal(said.text, "key?[2J|/etc/?]0;x??");
	memset(message.bytes, 'x', sizeof(message.bytes));
	assert_int_equal(hear(&message, sizeof(message), false, &said, &err), -EREMOTEIO);
	assert_int_equal(said.found, 0);
}

TEST(reports_without_end_are_ended)
{
	const struct worker_head note_head = { .kind = WORKER_NOTE, .bytes = 1 };
	size_t each = sizeof(note_head) + 1, n = 100010;
	char *all = calloc(n, each);
	struct error err = { 0 };
	struct said said;

	assert_non_null(all);
	for (size_t i = 0; i < n; i++)
		memcpy(all + i * each, &note_head, sizeof(note_head));
	assert_int_equal(hear(all, n * each, false, &said, &err), -E2BIG);
	free(all);
}

/* The real one. */
TEST(a_worker_that_is_let_go_of_ends)
{
	struct guest_worker *worker = NULL;
	pid_t pid;

	assert_int_equal(guest_worker_start(&worker, NULL), 0);
	pid = worker->pid;
	assert_int_equal(kill(pid, 0), 0);
	guest_worker_end(worker);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_outside_the_disk_is_served), CASE(what_may_not_be_changed_is_not),
		CASE(messages_that_there_are_not_end_it), CASE(a_worker_that_dies_is_said),
		CASE(texts_cannot_reach_the_terminal),    CASE(reports_without_end_are_ended),
		CASE(a_worker_that_is_let_go_of_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
