// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/credential-helper.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "util/clock.h"
#include "util/io.h"

#define ANSWER_MAX (64 * KIB)

int credential_helper_parse(const char *text, size_t len, const char *helper,
                            struct credential *ret, struct error *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *user = json_string_value(json_object_get(root, "Username")),
		   *secret = json_string_value(json_object_get(root, "Secret"));
	int r = 0;

	if (!user || !secret || !*secret) {
		r = error_set(err, EBADMSG,
		              "docker-credential-%s: does not answer with a user name and a secret",
		              helper);
	} else {
		bool token = strcmp(user, "<token>") == 0;

		ret->kind = token ? CREDENTIAL_IDENTITY : CREDENTIAL_BASIC;
		ret->user = token ? NULL : strdup(user);
		ret->secret = strdup(secret);
		if (!ret->secret || (!token && !ret->user))
			r = error_sys(err, ENOMEM, "docker-credential-%s", helper);
	}
	if (secret)
		explicit_bzero((char *)secret, strlen(secret));
	json_decref(root);
	return r;
}

static void on_wake(void *arg, bool fired)
{
	const int *fd = arg;
	uint64_t one = 1;

	if (fired)
		(void)!write_all(*fd, &one, sizeof(one));
}

/* Until there is something at `fd`; -ECANCELED, -ETIMEDOUT. */
static int wait_for(int fd, int wake, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
			                { .fd = wake, .events = POLLIN } };
		uint64_t now = now_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)min_u64((deadline_ns - now) / NS_PER_MS + 1, 60000)) < 0 &&
		    errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents)
			return 0;
	}
}

/* All that the program says, until it closes its output and ends. */
static int read_answer(int fd, int pidfd, int wake, uint64_t deadline_ns, char *out, size_t *len)
{
	for (;;) {
		int r = wait_for(fd, wake, deadline_ns);
		ssize_t n = r == 0 ? read(fd, out + *len, ANSWER_MAX - *len) : 0;

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return wait_for(pidfd, wake, deadline_ns);
		*len += (size_t)n;
		if (*len == ANSWER_MAX)
			return -EFBIG;
	}
}

/* The program with pipes for its input and output; its errors go where ours do. */
static int start(const char *program, int *ret_in, int *ret_out, pid_t *ret_pid)
{
	char *words[] = { (char *)program, (char *)"get", NULL };
	cleanup_close int in = -1, out = -1, near_in = -1, near_out = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	near_in = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	near_out = fds[0];
	out = fds[1];
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	/* A group of its own, so that what it starts ends with it. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
	                                              POSIX_SPAWN_SETPGROUP);
	r = -posix_spawnp(ret_pid, program, &actions, &attributes, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r == 0) {
		*ret_in = take_fd(&near_in);
		*ret_out = take_fd(&near_out);
	}
	return r;
}

/* Without a signal when it has closed its end: that is its own affair. */
static void tell(int fd, const char *server)
{
	sigset_t pipe_signal, before;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	(void)!write_all(fd, server, strlen(server));
	if (!sigismember(&before, SIGPIPE))
		while (sigtimedwait(&pipe_signal, NULL, &(struct timespec){ 0 }) == SIGPIPE)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(fd);
}

/* What it said when it failed: the first line. */
static int refused(const char *program, char *text, size_t len, struct error *err)
{
	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (strstr(text, "credentials not found"))
		return error_set(err, ENOENT, "%s: has nothing for it", program);
	return error_set(err, EACCES, "%s: %.200s", program, *text ? text : "failed");
}

int credential_helper_get(const char *helper, const char *server, uint64_t deadline_ns,
                          struct source_cancel *cancel, struct credential *ret, struct error *err)
{
	char program[128], *text;
	cleanup_close int wake = eventfd(0, EFD_CLOEXEC), out = -1;
	uint64_t own = now_ns() + CREDENTIAL_HELPER_MS * NS_PER_MS;
	int in = -1, status = 0, r;
	size_t len = 0;
	pid_t pid = -1;

	snprintf(program, sizeof(program), "docker-credential-%s", helper);
	text = malloc(ANSWER_MAX + 1);
	if (wake < 0 || !text || (cancel && !source_cancel_arm(cancel, on_wake, &wake))) {
		r = wake < 0 || !text ? -ENOMEM : -ECANCELED;
		free(text);
		return error_sys(err, -r, "%s", program);
	}
	r = start(program, &in, &out, &pid);
	if (r == 0) {
		cleanup_close int pidfd = pidfd_open(pid, 0);

		tell(in, server);
		r = pidfd < 0 ? -errno
		              : read_answer(out, pidfd, wake,
		                            deadline_ns ? min_u64(own, deadline_ns) : own, text,
		                            &len);
		if (r < 0)
			kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (cancel)
		source_cancel_disarm(cancel);
	if (r == -ENOENT)
		r = error_set(err, EINVAL, "%s: is named as the keeper of passwords and not there",
		              program);
	else if (r < 0)
		r = error_sys(err, -r, "%s", program);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		r = refused(program, text, len, err);
	else
		r = credential_helper_parse(text, len, helper, ret, err);
	explicit_bzero(text, len);
	free(text);
	return r;
}
