// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The supervisor: one process a session, which starts the disk server and QEMU, hears from both,
 * answers `sill`, and sees to it that either all of them run or none.
 *
 *   starting   the disk server is up; a thread takes the first look at the disk
 *   running    QEMU runs; paused within that: QEMU waits for its disk
 *   stopping   the guest was asked to shut down
 *   ending     QEMU is gone or killed; then the disk server is told to end, and writes what it has
 *
 * Whoever dies first gives the reason that last.json keeps.  The other way round, when the
 * supervisor is killed, the kernel ends the children: QEMU at once, the disk server by SIGTERM, so
 * that nothing the guest flushed, or was merely told is written, is lost.
 *
 * Threads: the loop in the main thread does everything, holding `lock`; the threads of the control
 * socket take it to look or to leave a wish.  The look thread shares nothing but its own object.
 */
#include "machine/supervisor-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "machine/kvm-probe.h"
#include "util/io.h"

void supervisor_report(struct supervisor *s, const char *key, json_t *value)
{
	json_t *object = json_pack("{so}", key, value);
	cleanup_free char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text || s->report_fd < 0)
		return;
	(void)!write_all(s->report_fd, text, strlen(text));
	(void)!write_all(s->report_fd, "\n", 1);
}

void supervisor_message(struct supervisor *s, const char *text)
{
	snprintf(s->message, sizeof(s->message), "%s", text);
	if (*text)
		fprintf(stderr, "%s\n", text);
}

void supervisor_file(const struct supervisor *s, const char *file, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%.*s/%s", PATH_MAX - 32, s->paths.dir, file);
}

/* The first SIGTERM is a wish, the second an order. */
static void signal_came(void *arg)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo info;

	if (read(s->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info) ||
	    info.ssi_signo == SIGCHLD)
		return;
	if (s->signals_seen++ == 0)
		supervisor_ask_to_stop(s);
	else
		supervisor_finish(s, true, "its supervisor was told twice to end");
}

/* The disk is served, and its first sectors are known. */
static void looked(void *arg)
{
	enum firmware found = FIRMWARE_BIOS;
	struct supervisor *s = arg;
	char why[80] = "";
	struct error err;
	int r;

	loop_unwatch(&s->loop, &s->looked);
	r = look_finish(take_ptr(s->look), &found, why, &err);
	if (s->state == ENDING)
		return;
	if (r < 0) {
		/* Its own last words say why better than what a client sees: hear them first. */
		s->look_failed = true;
		s->look_error = err;
		process_signal(&s->disk, SIGTERM);
		timer_set(&s->end_timer, now_ns() + DISK_END_AFTER);
		return;
	}
	if (s->manifest->firmware == FIRMWARE_AUTO) {
		s->firmware = found;
		memcpy(s->firmware_why, why, sizeof(s->firmware_why));
	}
	r = supervisor_start_qemu(s, &err);
	if (r < 0)
		supervisor_finish(s, false, err.text);
}

/* KVM where it runs guests, emulation where not; said in one line. */
static int choose_accel(struct supervisor *s, struct error *err)
{
	int wanted = s->options->accel >= 0 ? s->options->accel : (int)s->manifest->accel;
	char line[480];
	int r;

	if (wanted == ACCEL_TCG) {
		snprintf(s->accel_why, sizeof(s->accel_why), "asked for");
		return 0;
	}
	r = kvm_probe(KVM_PROBE_DEVICE, err);
	s->kvm = r == 0;
	if (s->kvm) {
		snprintf(s->accel_why, sizeof(s->accel_why), "a 64-bit guest ran with it");
		return 0;
	}
	if (wanted == ACCEL_KVM)
		return r;
	snprintf(s->accel_why, sizeof(s->accel_why), "%.390s", err->text);
	snprintf(line, sizeof(line), "the processor is emulated, which is slow: %s", s->accel_why);
	supervisor_report(s, "note", json_string(line));
	return 0;
}

static int open_loop(struct supervisor *s, struct error *err)
{
	int events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), signals;
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (events < 0 || signals < 0)
		return error_sys(err, errno, "event loop");
	r = loop_watch(&s->loop, &s->wishes, events, supervisor_grant_wishes, s, err);
	if (r == 0)
		r = loop_watch(&s->loop, &s->signals, signals, signal_came, s, err);
	if (r == 0)
		r = timer_open(&s->loop, &s->qmp_timer, supervisor_qmp_overdue, s, err);
	if (r == 0)
		r = timer_open(&s->loop, &s->agent_timer, supervisor_agent_overdue, s, err);
	if (r == 0)
		r = timer_open(&s->loop, &s->resume_timer, supervisor_resume, s, err);
	if (r == 0)
		r = timer_open(&s->loop, &s->trace_timer, supervisor_trace_over, s, err);
	if (r == 0)
		r = timer_open(&s->loop, &s->end_timer, supervisor_end_overdue, s, err);
	return r;
}

static int start_disk(struct supervisor *s, struct error *err)
{
	char log[PATH_MAX];
	struct disk_server_paths paths = { .machine_dir = s->paths.dir,
		                           .socket = s->paths.disk,
		                           .control = s->paths.disk_control,
		                           .log = log };
	int r;

	supervisor_file(s, "disk.log", log);
	r = disk_server_start(&s->disk, s->manifest, &paths, s->ephemeral, s->options->lock_fd,
	                      err);
	if (r == 0)
		r = loop_watch(&s->loop, &s->disk_ended, s->disk.pidfd, supervisor_disk_ended, s,
		               err);
	if (r == 0)
		r = look_start(s->paths.disk, s->manifest->firmware == FIRMWARE_AUTO, &s->look,
		               err);
	if (r == 0)
		r = loop_watch(&s->loop, &s->looked, look_event_fd(s->look), looked, s, err);
	timer_set(&s->trace_timer, now_ns() + TRACE_AT_LAST);
	return r;
}

static int begin(struct supervisor *s, struct error *err)
{
	int r = session_paths(s->options->state, s->options->name, true, &s->paths, err);

	if (r < 0)
		return r;
	s->machine_dir = open(s->paths.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->machine_dir < 0)
		return error_sys(err, errno, "%s", s->paths.dir);
	r = manifest_load(s->machine_dir, &s->manifest, err);
	if (r == 0)
		r = choose_accel(s, err);
	if (r < 0)
		return r;
	s->ephemeral = s->manifest->ephemeral || s->options->ephemeral;
	s->firmware = s->manifest->firmware;
	snprintf(s->firmware_why, sizeof(s->firmware_why), "asked for");
	r = supervisor_record(s, false);
	if (r < 0)
		return error_sys(err, -r, "%s/last.json", s->paths.dir);
	r = loop_open(&s->loop, err);
	if (r == 0)
		logs_open(&s->logs, &s->loop, s->paths.dir);
	if (r == 0)
		r = open_loop(s, err);
	if (r == 0)
		r = control_serve(s->paths.control, supervisor_answer, s, &s->control, err);
	return r;
}

static void close_watched(struct supervisor *s, struct loop_watch *watch)
{
	int fd = watch->ready ? watch->fd : -1;

	loop_unwatch(&s->loop, watch);
	if (fd >= 0)
		close(fd);
}

/* Both children are gone.  The control socket goes first: its threads use all the rest. */
static void end(struct supervisor *s)
{
	enum firmware unused;
	char why[80];
	struct error err;

	control_close(s->control);
	if (s->look)
		look_finish(s->look, &unused, why, NULL);
	qmp_close(s->qmp);
	agent_close(s->agent);
	console_close(s->console);
	logs_close(&s->logs);
	close_watched(s, &s->wishes);
	close_watched(s, &s->signals);
	timer_close(&s->loop, &s->qmp_timer);
	timer_close(&s->loop, &s->agent_timer);
	timer_close(&s->loop, &s->resume_timer);
	timer_close(&s->loop, &s->trace_timer);
	timer_close(&s->loop, &s->end_timer);
	loop_close(&s->loop);
	if (s->ephemeral && disk_server_forget_ephemeral(s->paths.dir, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	unlink(s->paths.disk);
	unlink(s->paths.vnc);
	rmdir(s->paths.run);
	if (s->manifest && s->has_reason)
		supervisor_record(s, true);
	json_decref(s->disk_status);
	manifest_free(s->manifest);
	if (s->machine_dir >= 0)
		close(s->machine_dir);
}

static void take_lock(void *arg)
{
	pthread_mutex_lock(&((struct supervisor *)arg)->lock);
}

static void give_lock(void *arg)
{
	pthread_mutex_unlock(&((struct supervisor *)arg)->lock);
}

int supervisor_run(const struct supervisor_options *options, struct error *err)
{
	struct supervisor s = { .options = options,
		                .machine_dir = -1,
		                .report_fd = options->report_fd,
		                .lock = PTHREAD_MUTEX_INITIALIZER,
		                .changed = PTHREAD_COND_INITIALIZER,
		                .loop = { .epoll = -1, .lock = take_lock, .unlock = give_lock },
		                .disk = PROCESS_NONE,
		                .qemu = PROCESS_NONE,
		                .start_ns = now_ns(),
		                .started = time(NULL) };
	struct error why = { 0 };
	int r;

	s.loop.arg = &s;
	r = begin(&s, &why);
	if (r == 0) {
		take_lock(&s);
		r = start_disk(&s, &why);
		if (r < 0)
			supervisor_finish(&s, false, why.text);
		give_lock(&s);
		r = loop_run(&s.loop, &why);
	}
	if (r < 0 && !s.has_reason) {
		s.has_reason = true;
		s.reason = why;
	}
	end(&s);
	if (s.has_reason && !s.clean && err)
		*err = s.reason;
	if (s.report_fd >= 0 && s.has_reason)
		supervisor_report(&s, "error", json_string(s.reason.text));
	if (s.report_fd >= 0)
		close(s.report_fd);
	return s.clean ? 0 : -EIO;
}
