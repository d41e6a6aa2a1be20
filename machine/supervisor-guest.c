// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's side of a session: starting QEMU, its monitor, the guest's agent.
 */
#include "machine/supervisor-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "machine/qemu.h"
#include "util/io.h"

/* One timer for the monitor's deadlines, one for the agent's next try. */
static void set_timers(struct supervisor *s)
{
	timer_set(&s->qmp_timer, s->qmp ? qmp_deadline(s->qmp) : 0);
	timer_set(&s->agent_timer, s->agent ? agent_deadline(s->agent) : 0);
}

void supervisor_qmp_overdue(void *arg)
{
	struct supervisor *s = arg;

	supervisor_timer_read(&s->qmp_timer);
	qmp_expire(s->qmp, now_ns());
	set_timers(s);
}

void supervisor_agent_overdue(void *arg)
{
	struct supervisor *s = arg;

	supervisor_timer_read(&s->agent_timer);
	agent_retry(s->agent, now_ns());
	set_timers(s);
}

static void tell_qemu(struct supervisor *s, const char *command, qmp_done done)
{
	struct error err;

	if (!s->qmp ||
	    qmp_execute(s->qmp, command, NULL, now_ns() + QMP_PATIENCE, done, s, &err) < 0)
		fprintf(stderr, "%s\n", s->qmp ? err.text : "QEMU is not there yet");
	set_timers(s);
}

/* QEMU closes its monitor when it ends, read to the end or not: then its own end is the reason. */
static bool monitor_is_gone(const struct error *err)
{
	return err->code == EPIPE || err->code == ECONNRESET;
}

static void continued(void *arg, const json_t *result, const struct error *err)
{
	struct supervisor *s = arg;

	if (!result) {
		if (!monitor_is_gone(err))
			supervisor_finish(s, false, err->text);
		return;
	}
	if (s->state == STARTING)
		s->state = RUNNING;
	supervisor_report(s, "started", json_true());
	close_at(&s->report_fd);
	s->report_fd = -1;
}

static void monitor_ready(void *arg)
{
	tell_qemu(arg, "cont", continued);
}

void supervisor_resume(void *arg)
{
	struct supervisor *s = arg;

	supervisor_timer_read(&s->resume_timer);
	if (s->paused && s->state != ENDING)
		tell_qemu(s, "cont", NULL);
}

static void monitor_event(void *arg, const char *name, const json_t *data)
{
	struct supervisor *s = arg;

	if (strcmp(name, "SHUTDOWN") == 0) {
		s->guest_shut_down = json_is_true(json_object_get(data, "guest")) || s->stop_asked;
	} else if (strcmp(name, "BLOCK_IO_ERROR") == 0) {
		bool full = json_is_true(json_object_get(data, "nospace"));

		s->paused = true;
		supervisor_message(
			s, full ? "waiting: there is no space left for what the guest writes"
				: "waiting: the disk cannot be read or written now");
		timer_set(&s->resume_timer, now_ns() + RESUME_AFTER);
	} else if (strcmp(name, "RESUME") == 0) {
		s->paused = false;
		supervisor_message(s, "");
	} else if (strcmp(name, "VSERPORT_CHANGE") == 0 && s->agent) {
		agent_guest_opened(s->agent, json_is_true(json_object_get(data, "open")), now_ns());
		set_timers(s);
	} else if (strcmp(name, "GUEST_PANICKED") == 0) {
		supervisor_message(s, "the guest's kernel has panicked");
	}
}

static void monitor_closed(void *arg, const struct error *err)
{
	struct supervisor *s = arg;

	if (s->state != ENDING && !monitor_is_gone(err))
		supervisor_finish(s, false, err->text);
}

static void monitor_input(void *arg)
{
	struct supervisor *s = arg;

	if (qmp_readable(s->qmp) < 0)
		loop_unwatch(&s->loop, &s->qmp_input);
	set_timers(s);
}

static void agent_ready(void *arg)
{
	struct supervisor *s = arg;

	s->ready_ms = (now_ns() - s->start_ns) / NS_PER_MS;
	timer_set(&s->trace_timer, now_ns() + TRACE_AFTER);
	pthread_cond_broadcast(&s->changed);
	supervisor_record(s, false);
}

static void agent_input(void *arg)
{
	struct supervisor *s = arg;

	if (agent_readable(s->agent) < 0)
		loop_unwatch(&s->loop, &s->agent_input);
	set_timers(s);
}

/* The boot is over: what it read becomes the image's trace. */
void supervisor_trace_over(void *arg)
{
	struct supervisor *s = arg;
	json_t *request = json_pack("{ss}", "cmd", "trace-stop");
	struct error err;

	supervisor_timer_read(&s->trace_timer);
	if (s->state == RUNNING &&
	    control_call(s->paths.disk_control, request, DISK_ANSWER_MS, NULL, &err) < 0)
		fprintf(stderr, "boot trace: %s\n", err.text);
	json_decref(request);
}

/* Ask the guest to shut down: by its agent, and where none answers by the power button. */
void supervisor_ask_to_stop(struct supervisor *s)
{
	s->stop_asked = true;
	if (s->state == STARTING) {
		supervisor_finish(s, true, "it was stopped before it had started");
		return;
	}
	if (s->state == RUNNING)
		s->state = STOPPING;
	if (!s->agent || agent_shutdown(s->agent) < 0)
		tell_qemu(s, "system_powerdown", NULL);
}

/* A pair of sockets: ours does not block, and the child's keeps its number. */
static int make_pair(int *ret_ours, int *ret_childs, struct error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_sys(err, errno, "sockets");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*ret_ours = ends[0];
	*ret_childs = ends[1];
	return 0;
}

/* The machine's own copy of the firmware's variables, made at its first start. */
static int own_variables(struct supervisor *s, const char *template, struct error *err)
{
	cleanup_free char *data = NULL;
	size_t len;
	int r;

	if (faccessat(s->machine_dir, "uefi-vars.fd", F_OK, 0) == 0)
		return 0;
	r = read_file(AT_FDCWD, template, 64u << 20, &data, &len, err);
	return r < 0 ? r : replace_file(s->machine_dir, "uefi-vars.fd", data, len, 0600, err);
}

static int open_channels(struct supervisor *s, int qmp_fd, int agent_fd, int console_fd,
                         struct error *err)
{
	static const struct qmp_handlers handlers = { monitor_ready, monitor_event,
		                                      monitor_closed };
	char log[PATH_MAX];
	int r;

	supervisor_file(s, "console.log", log);
	r = console_open(&s->loop, console_fd, s->paths.console, log, &s->console, err);
	if (r < 0) {
		close(qmp_fd);
		close(agent_fd);
		return r;
	}
	r = qmp_open(qmp_fd, &handlers, s, &s->qmp, err);
	if (r < 0)
		close(qmp_fd);
	else
		r = loop_watch(&s->loop, &s->qmp_input, qmp_fd, monitor_input, s, err);
	if (r == 0)
		r = agent_open(agent_fd, agent_ready, s, &s->agent, err);
	if (!s->agent)
		close(agent_fd);
	else
		r = loop_watch(&s->loop, &s->agent_input, agent_fd, agent_input, s, err);
	return r;
}

int supervisor_start_qemu(struct supervisor *s, struct error *err)
{
	cleanup_close int qmp = -1, agent = -1, console = -1;
	struct qemu_options options = { .name = s->options->name,
		                        .manifest = s->manifest,
		                        .kvm = s->kvm,
		                        .disk_socket = s->paths.disk,
		                        .vnc_socket = s->paths.vnc };
	char vars[PATH_MAX], log[PATH_MAX];
	struct argv argv = { 0 };
	int ours[3], keep[4], r;
	const char *template;

	supervisor_file(s, "uefi-vars.fd", vars);
	supervisor_file(s, "qemu.log", log);
	if (s->firmware == FIRMWARE_UEFI) {
		r = firmware_find_uefi(&options.uefi_code, &template, err);
		if (r == 0)
			r = own_variables(s, template, err);
		if (r < 0)
			return r;
		options.uefi_vars = vars;
	}
	r = make_pair(&ours[0], &qmp, err);
	if (r < 0)
		return r;
	r = make_pair(&ours[1], &agent, err);
	if (r < 0) {
		close(ours[0]);
		return r;
	}
	r = make_pair(&ours[2], &console, err);
	if (r < 0) {
		close(ours[0]);
		close(ours[1]);
		return r;
	}
	r = open_channels(s, ours[0], ours[1], ours[2], err);
	if (r < 0)
		return r;
	options.qmp_fd = keep[0] = qmp;
	options.agent_fd = keep[1] = agent;
	options.console_fd = keep[2] = console;
	keep[3] = s->options->lock_fd;
	r = qemu_command(&options, &argv, err);
	/* SIGKILL: without a supervisor nobody would see whether it obeys a softer one. */
	if (r == 0)
		r = process_start(&s->qemu, &argv,
		                  &(struct process_options){ .log = log,
		                                             .death_signal = SIGKILL,
		                                             .keep = keep,
		                                             .n_keep = 4,
		                                             .listen_fd = -1 },
		                  err);
	argv_free(&argv);
	if (r == 0)
		r = loop_watch(&s->loop, &s->qemu_ended, s->qemu.pidfd, supervisor_qemu_ended, s,
		               err);
	return r;
}
