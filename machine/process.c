// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

#define LISTEN_FD 3 /* where socket activation begins */

void argv_add(struct argv *argv, const char *fmt, ...)
{
	va_list args;
	char *word = NULL;

	if (argv->n + 2 > argv->room) {
		char **more = reallocarray(argv->words, argv->room * 2 + 16, sizeof(*more));

		if (!more) {
			argv->failed = true;
			return;
		}
		argv->words = more;
		argv->room = argv->room * 2 + 16;
	}
	va_start(args, fmt);
	if (vasprintf(&word, fmt, args) < 0)
		word = NULL;
	va_end(args);
	if (!word) {
		argv->failed = true;
		return;
	}
	argv->words[argv->n++] = word;
	argv->words[argv->n] = NULL;
}

int argv_check(const struct argv *argv, struct error *err)
{
	return argv->failed || argv->n == 0 ? error_sys(err, ENOMEM, "command line") : 0;
}

void argv_free(struct argv *argv)
{
	for (size_t i = 0; i < argv->n; i++)
		free(argv->words[i]);
	free(argv->words);
	*argv = (struct argv){ 0 };
}

/* Everything from here to execvp() happens between fork and exec: system calls only. */
struct child {
	char **words;
	const struct process_options *options;
	int log, tell;
	pid_t parent;
	char *pid_text; /* digits of LISTEN_PID, filled in by the child */
};

static void put_number(char *at, unsigned int n)
{
	char digits[12];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len > 0)
		*at++ = digits[--len];
	*at = '\0';
}

static void child_fails(const struct child *child)
{
	int code = errno;

	(void)!write(child->tell, &code, sizeof(code));
	_exit(127);
}

__attribute__((noreturn)) static void become(const struct child *child)
{
	const struct process_options *options = child->options;
	int null = open("/dev/null", O_RDONLY);
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, options->death_signal);
	if (getppid() != child->parent)
		_exit(127);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(child->log, 1) < 0 || dup2(child->log, 2) < 0)
		child_fails(child);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < options->n_keep; i++)
		fcntl(options->keep[i], F_SETFD, 0);
	if (options->listen_fd >= 0) {
		if (options->listen_fd == LISTEN_FD)
			fcntl(LISTEN_FD, F_SETFD, 0);
		else if (dup2(options->listen_fd, LISTEN_FD) < 0)
			child_fails(child);
		put_number(child->pid_text, (unsigned int)getpid());
	}
	execvp(child->words[0], child->words);
	child_fails(child);
	_exit(127);
}

/* Socket activation is told in the environment; the child writes its pid into the text. */
static int set_environment(bool listens, char **ret_pid_text, struct error *err)
{
	if (!listens) {
		unsetenv("LISTEN_PID");
		unsetenv("LISTEN_FDS");
		*ret_pid_text = NULL;
		return 0;
	}
	if (setenv("LISTEN_PID", "00000000000", 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0)
		return error_sys(err, errno, "environment");
	*ret_pid_text = getenv("LISTEN_PID");
	return 0;
}

/* The child's descriptor at LISTEN_FD must be none that it is to keep or still needs. */
static int above_listen_fd(int *fd, struct error *err)
{
	int higher;

	if (*fd != LISTEN_FD)
		return 0;
	higher = fcntl(*fd, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
	if (higher < 0)
		return error_sys(err, errno, "descriptors");
	close(*fd);
	*fd = higher;
	return 0;
}

int process_start(struct process *process, struct argv *argv, const struct process_options *options,
                  struct error *err)
{
	cleanup_close int log = open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	cleanup_close int from = -1, tell = -1;
	struct child child = { .words = argv->words, .options = options, .parent = getpid() };
	int ends[2], code = 0, r;
	ssize_t n;
	pid_t pid;

	if (log < 0)
		return error_sys(err, errno, "%s", options->log);
	r = argv_check(argv, err);
	if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
		r = error_sys(err, errno, "pipe");
	if (r < 0)
		return r;
	from = ends[0];
	tell = ends[1];
	r = above_listen_fd(&log, err);
	if (r == 0)
		r = above_listen_fd(&tell, err);
	if (r == 0)
		r = set_environment(options->listen_fd >= 0, &child.pid_text, err);
	if (r < 0)
		return r;
	child.log = log;
	child.tell = tell;
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0)
		become(&child);
	close(take_fd(&tell));
	do
		n = read(from, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(code)) {
		waitpid(pid, NULL, 0);
		return error_sys(err, code, "%s", argv->words[0]);
	}
	process->pid = pid;
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process->pidfd < 0) {
		r = error_sys(err, errno, "pidfd_open");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		process->pid = 0;
		return r;
	}
	fcntl(process->pidfd, F_SETFD, FD_CLOEXEC);
	return 0;
}

void process_reap(struct process *process, int *ret_status)
{
	*ret_status = 0;
	if (process->pid > 0)
		waitpid(process->pid, ret_status, 0);
	if (process->pidfd >= 0)
		close(process->pidfd);
	*process = (struct process)PROCESS_NONE;
}

void process_signal(const struct process *process, int signal)
{
	if (process->pid > 0)
		kill(process->pid, signal);
}

const char *process_end_text(int status, char out[80])
{
	if (WIFSIGNALED(status))
		snprintf(out, 80, "was killed by signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(out, 80, "ended with status %d", WEXITSTATUS(status));
	return out;
}
