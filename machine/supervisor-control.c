// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the supervisor's control socket answers.  Its threads only look, under the lock, or leave a
 * wish for the loop; what the disk server must be asked is asked without the lock.
 *
 * Requests: {"cmd": "status"}; {"cmd": "stop", "force": bool}; {"cmd": "fill", "on": bool, "rate":
 * bytes a second}; {"cmd": "wait", "ms": most} answers when the guest's agent does.
 */
#include "machine/supervisor-internal.h"

#include <errno.h>
#include <string.h>

#include "util/io.h"

static const char *const states[] = { "starting", "running", "stopping", "ending" };

void supervisor_grant_wishes(void *arg)
{
	struct supervisor *s = arg;
	uint64_t times;

	(void)!read(s->wishes.fd, &times, sizeof(times));
	if (s->wish_kill)
		supervisor_finish(s, true, "its power was cut by sill stop --force");
	else if (s->wish_stop)
		supervisor_ask_to_stop(s);
	s->wish_stop = s->wish_kill = false;
}

static void wish(struct supervisor *s, bool force)
{
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	s->wish_stop = true;
	s->wish_kill |= force;
	(void)!write_all(s->wishes.fd, &one, sizeof(one));
	pthread_mutex_unlock(&s->lock);
}

/* What the session knows by itself. */
static json_t *own_status(struct supervisor *s)
{
	json_t *status;

	pthread_mutex_lock(&s->lock);
	status = json_pack("{ss si sI sI ss ss ss ss sb sb ss*}", "state",
	                   s->paused && s->state == RUNNING ? "paused" : states[s->state],
	                   "supervisor", (int)getpid(), "started", (json_int_t)s->started,
	                   "uptime_ms", (json_int_t)((now_ns() - s->start_ns) / NS_PER_MS), "accel",
	                   s->kvm ? "kvm" : "tcg", "accel_why", s->accel_why, "firmware",
	                   firmware_names[s->firmware], "firmware_why", s->firmware_why, "ready",
	                   s->ready_ms != 0, "ephemeral", s->ephemeral, "message",
	                   *s->message ? s->message : NULL);
	if (s->ready_ms)
		json_object_set_new(status, "ready_ms", json_integer((json_int_t)s->ready_ms));
	if (s->qemu.pid)
		json_object_set_new(status, "qemu", json_integer(s->qemu.pid));
	if (s->disk.pid)
		json_object_set_new(status, "disk_server", json_integer(s->disk.pid));
	if (s->state != STARTING)
		json_object_set_new(status, "console", json_string(s->paths.console));
	if (s->manifest->display == DISPLAY_VNC && s->qemu.pid)
		json_object_set_new(status, "vnc", json_string(s->paths.vnc));
	pthread_mutex_unlock(&s->lock);
	return status;
}

static int answer_status(struct supervisor *s, json_t *reply, struct error *err)
{
	json_t *status = own_status(s), *request, *disk = NULL;

	if (!status)
		return error_sys(err, ENOMEM, "status");
	/* A disk server that does not answer is no reason to know nothing. */
	request = json_pack("{ss}", "cmd", "status");
	if (control_call(s->paths.disk_control, request, DISK_ANSWER_MS, &disk, NULL) == 0)
		json_object_set(status, "disk", json_object_get(disk, "status"));
	json_decref(request);
	json_decref(disk);
	return json_object_set_new(reply, "status", status) < 0 ? error_sys(err, ENOMEM, "status")
	                                                        : 0;
}

/* Until the guest's agent answers. */
static int answer_wait(struct supervisor *s, const json_t *request, struct error *err)
{
	json_int_t ms = json_integer_value(json_object_get(request, "ms"));
	struct timespec at = timespec_of(now_ns() + (ms > 0 ? (uint64_t)ms : 0) * NS_PER_MS);
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->ready_ms && s->state != ENDING && r == 0)
		r = pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &at);
	if (s->ready_ms)
		r = 0;
	else if (s->state == ENDING)
		r = error_set(err, EPIPE, "it ended before it was ready: %s", s->reason.text);
	else
		r = error_set(err, ETIMEDOUT, "it is not ready in time");
	pthread_mutex_unlock(&s->lock);
	return r;
}

int supervisor_answer(void *arg, const json_t *request, json_t *reply, struct error *err)
{
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	struct supervisor *s = arg;

	if (cmd && strcmp(cmd, "status") == 0)
		return answer_status(s, reply, err);
	if (cmd && strcmp(cmd, "stop") == 0) {
		wish(s, json_is_true(json_object_get(request, "force")));
		return 0;
	}
	if (cmd && strcmp(cmd, "wait") == 0)
		return answer_wait(s, request, err);
	if (cmd && strcmp(cmd, "fill") == 0) {
		json_t *copy = json_deep_copy(request);
		int r = control_call(s->paths.disk_control, copy, DISK_ANSWER_MS, NULL, err);

		json_decref(copy);
		return r;
	}
	return error_set(err, EINVAL, "the supervisor does not know this request");
}
