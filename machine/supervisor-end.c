// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a session ends, and what is written down about it.
 */
#include "machine/supervisor-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "util/io.h"

/* last.json: at the start without an end, at the end with it. */
int supervisor_record(struct supervisor *s, bool ended)
{
	char boot[40];
	json_t *record;
	struct error err;
	int r;

	session_boot_id(boot);
	record = json_pack("{si ss si sI ss ss ss ss}", "version", 1, "boot_id", boot, "supervisor",
	                   (int)getpid(), "started", (json_int_t)s->started, "accel",
	                   s->kvm ? "kvm" : "tcg", "accel_why", s->accel_why, "firmware",
	                   firmware_names[s->firmware], "firmware_why", s->firmware_why);
	if (s->ready_ms)
		json_object_set_new(record, "ready_ms", json_integer((json_int_t)s->ready_ms));
	if (ended) {
		json_object_set_new(record, "ended", json_integer((json_int_t)time(NULL)));
		json_object_set_new(record, "clean", json_boolean(s->clean));
		json_object_set_new(record, "reason", json_string(s->reason.text));
	}
	if (s->disk_status)
		json_object_set(record, "disk", s->disk_status);
	r = record ? session_write_last(s->machine_dir, record, &err)
	           : error_sys(&err, ENOMEM, "last.json");
	json_decref(record);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	return r;
}

/* The loop ends when both children have. */
static void look_for_end(struct supervisor *s)
{
	if (s->state != ENDING || s->qemu.pid)
		return;
	if (!s->disk.pid) {
		s->loop.quit = true;
		return;
	}
	if (!s->disk_status) {
		json_t *request = json_pack("{ss}", "cmd", "status"), *reply = NULL;

		if (control_call(s->paths.disk_control, request, DISK_ANSWER_MS, &reply, NULL) == 0)
			s->disk_status = json_incref(json_object_get(reply, "status"));
		json_decref(request);
		json_decref(reply);
	}
	process_signal(&s->disk, SIGTERM);
	timer_set(&s->end_timer, now_ns() + DISK_END_AFTER);
}

/* End the session.  The first reason is the one that counts. */
void supervisor_finish(struct supervisor *s, bool clean, const char *text)
{
	if (!s->has_reason) {
		s->has_reason = true;
		s->clean = clean;
		error_set(&s->reason, EIO, "%s", text);
		fprintf(stderr, "%s\n", text);
	}
	s->state = ENDING;
	pthread_cond_broadcast(&s->changed);
	process_signal(&s->qemu, SIGKILL);
	look_for_end(s);
}

/* The disk server did not end by itself: it must not keep the machine for ever. */
void supervisor_end_overdue(void *arg)
{
	struct supervisor *s = arg;

	supervisor_timer_read(&s->end_timer);
	supervisor_message(s, "the disk server does not end and is killed");
	process_signal(&s->disk, SIGKILL);
}

/* The last line of a child's log says why it ended, better than its status does. */
static void last_words(const char *path, char ret[300])
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > 299 ? size - 299 : 0;
	char text[300] = "", *line, *mark;

	ret[0] = '\0';
	if (fd < 0 || pread_all(fd, text, (size_t)(size - from), (uint64_t)from) < 0)
		return;
	while (text[0] && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	mark = strstr(line, "qemu-system-x86_64: ");
	if (mark)
		line = mark + strlen("qemu-system-x86_64: ");
	mark = strstr(line, "error: ");
	if (mark && strncmp(line, "nbdkit: ", 8) == 0)
		line = mark + strlen("error: ");
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	snprintf(ret, 300, "%s", line);
}

static void child_died(struct supervisor *s, const char *who, const char *file, int status)
{
	char log[PATH_MAX], words[300] = "", end[80], text[480];

	supervisor_file(s, file, log);
	if (!WIFSIGNALED(status))
		last_words(log, words);
	snprintf(text, sizeof(text), "%s %s%s%s", who, process_end_text(status, end),
	         *words ? ": " : "", words);
	supervisor_finish(s, false, text);
}

/* It could not show the disk: with an error of its own, or one that only the client saw. */
static void disk_not_served(struct supervisor *s)
{
	char log[PATH_MAX], words[300];

	supervisor_file(s, "disk.log", log);
	last_words(log, words);
	supervisor_finish(s, false, *words ? words : s->look_error.text);
}

void supervisor_disk_ended(void *arg)
{
	struct supervisor *s = arg;
	int status;

	loop_unwatch(&s->loop, &s->disk_ended);
	process_reap(&s->disk, &status);
	if (s->state == STARTING && !WIFSIGNALED(status)) {
		disk_not_served(s);
	} else if (s->state != ENDING) {
		child_died(s, "the disk server", "disk.log", status);
	} else if (status && s->clean) {
		/* It could not write what the guest had been promised. */
		s->has_reason = false;
		child_died(s, "the disk server, told to end,", "disk.log", status);
	}
	look_for_end(s);
}

void supervisor_qemu_ended(void *arg)
{
	struct supervisor *s = arg;
	int status;

	loop_unwatch(&s->loop, &s->qemu_ended);
	process_reap(&s->qemu, &status);
	if (status == 0 && s->guest_shut_down)
		supervisor_finish(s, true,
		                  s->stop_asked ? "it was shut down" : "the guest shut down");
	else if (s->state != ENDING)
		child_died(s, "QEMU", "qemu.log", status);
	look_for_end(s);
}
