// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "disk/serve/control.h"
#include "machine/lines.h"
#include "machine/lock.h"
#include "machine/machine.h"
#include "machine/supervisor.h"
#include "util/clock.h"
#include "util/io.h"

#define LAST_FILE     "last.json"
#define LAST_MAX      (1u << 20)
#define ANSWER_MS     10000
#define LEFTOVER_WAIT (30 * NS_PER_SEC) /* for the rest of a killed session to end */
#define LEFTOVER_LOOK (NS_PER_SEC / 4)
#define REPORT_MAX    (64u << 10)

int session_paths(const struct state *state, const char *name, bool make, struct session_paths *ret,
                  struct error *err)
{
	const struct {
		char *path;
		const char *file;
	} sockets[] = {
		{ ret->control, "control" },
		{ ret->disk, "disk" },
		{ ret->disk_control, "disk-control" },
		{ ret->console, "console" },
		{ ret->vnc, "vnc" },
	};
	int r = state_machine_path(state, name, NULL, ret->dir, err);

	if (r == 0)
		r = state_run_dir(state, name, make, ret->run, err);
	for (size_t i = 0; r == 0 && i < sizeof(sockets) / sizeof(sockets[0]); i++)
		snprintf(sockets[i].path, sizeof(ret->control), "%s/%s", ret->run, sockets[i].file);
	return r;
}

void session_boot_id(char ret[40])
{
	cleanup_free char *text = NULL;

	snprintf(ret, 40, "unknown");
	if (read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 80, &text, NULL, NULL) == 0)
		snprintf(ret, 40, "%.36s", text);
}

int session_last(int machine_dir, json_t **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	json_error_t wrong;
	json_t *record;
	size_t len;
	int r = read_file(machine_dir, LAST_FILE, LAST_MAX, &text, &len, err);

	if (r < 0)
		return r;
	record = json_loadb(text, len, 0, &wrong);
	if (!json_is_object(record)) {
		json_decref(record);
		return error_set(err, EINVAL, LAST_FILE ": %s", wrong.text);
	}
	*ret = record;
	return 0;
}

int session_write_last(int machine_dir, const json_t *record, struct error *err)
{
	cleanup_free char *text = json_dumps(record, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (!text)
		return error_sys(err, ENOMEM, LAST_FILE);
	return replace_file(machine_dir, LAST_FILE, text, strlen(text), 0600, err);
}

static int call(const struct state *state, const char *name, json_t *request, int timeout_ms,
                json_t **ret, struct error *err)
{
	struct session_paths paths;
	int r = request ? session_paths(state, name, false, &paths, err)
	                : error_sys(err, ENOMEM, "%s", name);

	if (r == 0)
		r = control_call(paths.control, request, timeout_ms, ret, err);
	json_decref(request);
	return r;
}

int session_status(const struct state *state, const char *name, json_t **ret, struct error *err)
{
	json_t *reply = NULL;
	int r = call(state, name, json_pack("{ss}", "cmd", "status"), ANSWER_MS, &reply, err);

	if (r == 0)
		*ret = json_incref(json_object_get(reply, "status"));
	json_decref(reply);
	return r;
}

int session_wait_ready(const struct state *state, const char *name, unsigned int seconds,
                       struct error *err)
{
	json_int_t ms = (json_int_t)seconds * 1000;

	return call(state, name, json_pack("{ss sI}", "cmd", "wait", "ms", ms), (int)ms + ANSWER_MS,
	            NULL, err);
}

/* The supervisor does not answer: it is stuck, or stopped.  Its children die with it. */
static void kill_supervisor(int machine_dir)
{
	cleanup_free char *comm = NULL;
	json_t *last = NULL;
	char path[64];
	pid_t pid;

	if (session_last(machine_dir, &last, NULL) < 0)
		return;
	pid = (pid_t)json_integer_value(json_object_get(last, "supervisor"));
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (pid > 1 && !json_object_get(last, "ended") &&
	    read_file(AT_FDCWD, path, 64, &comm, NULL, NULL) == 0 && strcmp(comm, "sill\n") == 0)
		kill(pid, SIGKILL);
	json_decref(last);
}

int session_stop(const struct state *state, const char *name, bool force, unsigned int seconds,
                 struct error *err)
{
	cleanup_close int dir = machine_open(state, name, err);
	int r;

	if (dir < 0)
		return dir;
	if (!lock_is_held(dir))
		return 0;
	r = call(state, name, json_pack("{ss sb}", "cmd", "stop", "force", force), ANSWER_MS, NULL,
	         NULL);
	if (r < 0 && force)
		kill_supervisor(dir);
	r = lock_wait(dir, now_ns() + seconds * NS_PER_SEC, err);
	if (r == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT, "%s still runs: it did not %s within %u s", name,
		                 force ? "end" : "shut down", seconds);
	return r;
}

int session_wait_end(const struct state *state, const char *name, unsigned int seconds,
                     struct error *err)
{
	cleanup_close int dir = machine_open(state, name, err);

	if (dir < 0)
		return dir;
	return lock_wait(dir, now_ns() + seconds * NS_PER_SEC, err);
}

/* What becomes of the process after the fork: no terminal, no descriptors, a session of its own. */
static void detach(const char *log_path)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	setsid();
	(void)!chdir("/");
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(log >= 0 ? log : null, STDOUT_FILENO);
	(void)dup2(log >= 0 ? log : null, STDERR_FILENO);
	setvbuf(stderr, NULL, _IOLBF, 0);
	umask(077);
}

static void be_supervisor(const struct supervisor_options *options)
{
	char log[PATH_MAX];
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (state_machine_path(options->state, options->name, "supervisor.log", log, NULL) < 0)
		_exit(1);
	detach(log);
	_exit(supervisor_run(options, NULL) < 0);
}

/* Read the supervisor's reports until it runs, has failed, or has died. */
static int hear_reports(int from, const struct session_start *how, struct error *err)
{
	struct lines lines = { .max = REPORT_MAX };
	int r = -EINPROGRESS;

	while (r == -EINPROGRESS) {
		char bytes[1024], *line;
		ssize_t n = read(from, bytes, sizeof(bytes));
		size_t len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || lines_feed(&lines, bytes, (size_t)n) < 0) {
			r = error_set(err, EIO,
			              "its supervisor died at the start (supervisor.log)");
			break;
		}
		while (r == -EINPROGRESS && (line = lines_next(&lines, &len))) {
			json_t *report = json_loadb(line, len, 0, NULL);
			const char *note = json_string_value(json_object_get(report, "note"));
			const char *error = json_string_value(json_object_get(report, "error"));

			if (note && how->note)
				how->note(how->arg, note);
			if (error)
				r = error_set(err, EIO, "%s", error);
			else if (json_is_true(json_object_get(report, "started")))
				r = 0;
			json_decref(report);
		}
	}
	lines_free(&lines);
	return r;
}

/*
 * The lock, once what a killed session left has ended: its disk server may still be writing.  A
 * session that lives has a supervisor that answers, and is not waited for.
 */
static int take_lock(const struct state *state, const char *name, int dir, struct error *err)
{
	uint64_t deadline = now_ns() + LEFTOVER_WAIT;

	for (;;) {
		json_t *status = NULL;
		int fd = lock_take(dir, err), r;

		if (fd != -EALREADY)
			return fd;
		r = session_status(state, name, &status, NULL);
		json_decref(status);
		if (r == 0)
			return error_set(err, EALREADY, "%s runs already", name);
		/* Or one that is just being started: look again now and then. */
		r = lock_wait(dir, now_ns() + LEFTOVER_LOOK, err);
		if (r < 0 && now_ns() >= deadline)
			return error_set(err, EBUSY,
			                 "what is left of %s's last session does not end", name);
	}
}

int session_start(const struct state *state, const char *name, const struct session_start *how,
                  struct error *err)
{
	struct supervisor_options options = {
		.state = state, .name = name, .ephemeral = how->ephemeral, .accel = how->accel
	};
	cleanup_close int dir = machine_open(state, name, err), lock = -1, from = -1, to = -1;
	int ends[2], status;
	pid_t pid;

	if (dir < 0)
		return dir;
	lock = take_lock(state, name, dir, err);
	if (lock < 0)
		return lock;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "pipe");
	from = ends[0];
	to = ends[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0) {
		/* Twice, so that the supervisor is nobody's child that waits. */
		if (fork() != 0)
			_exit(0);
		close(from);
		options.lock_fd = lock;
		options.report_fd = to;
		be_supervisor(&options);
	}
	waitpid(pid, &status, 0);
	close(take_fd(&to));
	close(take_fd(&lock));
	return hear_reports(from, how, err);
}
