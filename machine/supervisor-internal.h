/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the supervisor share; machine/supervisor.c tells how they work together.
 */
#ifndef MACHINE_SUPERVISOR_INTERNAL_H
#define MACHINE_SUPERVISOR_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "disk/serve/control.h"
#include "machine/agent.h"
#include "machine/console.h"
#include "machine/disk-server.h"
#include "machine/logs.h"
#include "machine/loop.h"
#include "machine/process.h"
#include "machine/qmp.h"
#include "machine/session.h"
#include "machine/supervisor.h"
#include "util/clock.h"

#define QMP_PATIENCE   (30 * NS_PER_SEC) /* for an answer of QEMU's monitor */
#define RESUME_AFTER   (2 * NS_PER_SEC)  /* from a failed disk access to the next try */
#define DISK_END_AFTER (60 * NS_PER_SEC) /* the disk server may write this long */
#define TRACE_AFTER    (5 * NS_PER_SEC)  /* from ready to the end of the boot trace */
#define TRACE_AT_LAST  (600 * NS_PER_SEC)
#define DISK_ANSWER_MS 3000

enum session_state { STARTING, RUNNING, STOPPING, ENDING };

struct supervisor {
	const struct supervisor_options *options;
	struct manifest *manifest;
	struct session_paths paths;
	int machine_dir;
	int report_fd; /* -1 once reported */

	pthread_mutex_t lock;   /* guards everything below */
	pthread_cond_t changed; /* it became ready, or it ends */
	struct loop loop;
	struct logs logs;
	struct loop_watch signals, looked, disk_ended, qemu_ended, qmp_input, agent_input, wishes;
	struct loop_timer qmp_timer, agent_timer, resume_timer, trace_timer, end_timer;
	struct process disk, qemu;
	struct control *control;
	struct look *look;
	struct qmp *qmp;
	struct agent *agent;
	struct console *console;

	enum session_state state;
	bool paused, guest_shut_down, stop_asked, kvm, ephemeral;
	bool look_failed;
	struct error look_error; /* what the first look failed with */
	unsigned int signals_seen;
	bool wish_stop, wish_kill; /* left by a control thread, with an event on `wishes` */
	enum firmware firmware;
	char firmware_why[80], accel_why[400];
	char message[256]; /* what a person should know now; empty: nothing */
	uint64_t start_ns, ready_ms;
	time_t started;
	bool has_reason, clean;
	struct error reason; /* why the session ends */
	json_t *disk_status; /* the last one, taken before the disk server ended */
};

/* supervisor.c */
void supervisor_report(struct supervisor *s, const char *key, json_t *value);
/* What a person should know now; "" takes it back. */
void supervisor_message(struct supervisor *s, const char *text);
/* STATE/machines/<name>/<file> */
void supervisor_file(const struct supervisor *s, const char *file, char ret[PATH_MAX]);

/* supervisor-end.c */
int supervisor_record(struct supervisor *s, bool ended);
/* End the session.  The first reason is the one that counts. */
void supervisor_finish(struct supervisor *s, bool clean, const char *text);
void supervisor_disk_ended(void *arg);
void supervisor_qemu_ended(void *arg);
void supervisor_end_overdue(void *arg);

/* supervisor-guest.c */
int supervisor_start_qemu(struct supervisor *s, struct error *err);
/* Ask the guest to shut down: by its agent, and where none answers by the power button. */
void supervisor_ask_to_stop(struct supervisor *s);
void supervisor_qmp_overdue(void *arg);
void supervisor_agent_overdue(void *arg);
void supervisor_resume(void *arg);
void supervisor_trace_over(void *arg);

/* supervisor-control.c */
int supervisor_answer(void *arg, const json_t *request, json_t *reply, struct error *err);
void supervisor_grant_wishes(void *arg);

/* Empty a timer that has fired. */
static inline void supervisor_timer_read(const struct loop_timer *timer)
{
	uint64_t times;

	(void)!read(timer->watch.fd, &times, sizeof(times));
}

#endif
