/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Child processes of a supervisor: QEMU and the disk server.
 *
 * A child dies with the supervisor (PR_SET_PDEATHSIG), is watched through a pidfd, writes what it
 * has to say into a log file, and inherits only the descriptors it is given.  Start children from
 * the thread that lives as long as the process: the signal comes when that thread ends.
 */
#ifndef MACHINE_PROCESS_H
#define MACHINE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/error.h"

/* A growing list of words for execve(); errors are kept until argv_ok(). */
struct argv {
	char **words;
	size_t n, room;
	bool failed;
};

void argv_add(struct argv *argv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int argv_check(const struct argv *argv, struct error *err);
void argv_free(struct argv *argv);

struct process {
	pid_t pid; /* 0: none */
	int pidfd; /* readable when it has ended; -1: none */
};

#define PROCESS_NONE                  \
	{                             \
		.pid = 0, .pidfd = -1 \
	}

struct process_options {
	const char *log;  /* standard output and error are appended there */
	int death_signal; /* when the supervisor dies */
	const int *keep;  /* descriptors that stay open, at their numbers */
	size_t n_keep;
	int listen_fd; /* handed over as socket activation does (sd_listen_fds(3)); -1: none */
};

/* Start argv->words[0], looked for in $PATH.  It fails here when it cannot be executed. */
int process_start(struct process *process, struct argv *argv, const struct process_options *options,
                  struct error *err);

/* Collect the end of one whose pidfd is readable; *ret is what waitpid() says. */
void process_reap(struct process *process, int *ret_status);
/* Send a signal; nothing when there is no process. */
void process_signal(const struct process *process, int signal);

/* "ended with status 1", "was killed by signal 9 (Killed)". */
const char *process_end_text(int status, char out[80]);

#endif
