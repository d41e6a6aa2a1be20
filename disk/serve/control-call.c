// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The asking side of a control socket.  Trust: the server is ours, its answer is bounded all the
 * same.  Any thread.
 */
#include "disk/serve/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "disk/serve/control-address.h"
#include "util/clock.h"

int control_address_of(const char *path, struct control_address **ret, struct error *err)
{
	cleanup(control_address_release) struct control_address *address =
		calloc(1, sizeof(*address));
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int n;

	if (!address)
		return error_sys(err, ENOMEM, "%s", path);
	address->dir = -1;
	address->un.sun_family = AF_UNIX;
	address->len = sizeof(address->un);
	n = snprintf(address->un.sun_path, sizeof(address->un.sun_path), "%s", path);
	if (n >= (int)sizeof(address->un.sun_path)) {
		if (!slash || (size_t)(slash - path) >= sizeof(dir))
			return error_sys(err, ENAMETOOLONG, "%s", path);
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		address->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (address->dir < 0)
			return error_sys(err, errno, "%s", dir);
		n = snprintf(address->un.sun_path, sizeof(address->un.sun_path),
		             "/proc/self/fd/%d/%s", address->dir, slash + 1);
	}
	if (n <= 0 || n >= (int)sizeof(address->un.sun_path))
		return error_sys(err, n ? ENAMETOOLONG : EINVAL, "%s", path);
	*ret = take_ptr(address);
	return 0;
}

void control_address_release(struct control_address *address)
{
	if (!address)
		return;
	if (address->dir >= 0)
		close(address->dir);
	free(address);
}

int control_socket(const char *path, struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? error_sys(err, errno, "%s", path) : fd;
}

/* Milliseconds left for poll(2); -1 for ever. */
static int left_ms(uint64_t until)
{
	uint64_t now;

	if (until == UINT64_MAX)
		return -1;
	now = now_ns();
	return now >= until ? 0 : (int)((until - now + NS_PER_MS - 1) / NS_PER_MS);
}

/* Wait until `fd` is ready for `events`: 0, -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int n = poll(&p, 1, left_ms(until));

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_to(const char *path, int *ret, struct error *err)
{
	cleanup(control_address_release) struct control_address *address = NULL;
	cleanup_close int fd = control_socket(path, err);
	int r = fd < 0 ? fd : control_address_of(path, &address, err);

	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)&address->un, address->len) < 0)
		return error_sys(err, errno, "%s", path);
	*ret = take_fd(&fd);
	return 0;
}

static int send_line(int fd, const char *text, uint64_t until)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(fd, POLLOUT, until);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* One line, ended by a NUL in place of its newline. */
static int receive_line(int fd, uint64_t until, char **ret)
{
	cleanup_free char *line = NULL;
	size_t room = 0, used = 0;

	for (;;) {
		ssize_t n;
		int r;

		if (used == room) {
			char *more;

			room = room ? 2 * room : 4096;
			if (room > CONTROL_MAX_REPLY)
				return -EMSGSIZE;
			more = realloc(line, room);
			if (!more)
				return -ENOMEM;
			line = more;
		}
		r = wait_for(fd, POLLIN, until);
		if (r < 0)
			return r;
		n = recv(fd, line + used, room - used, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		used += (size_t)n;
		if (line[used - 1] == '\n') {
			line[used - 1] = '\0';
			*ret = take_ptr(line);
			return 0;
		}
	}
}

static int exchange(int fd, const json_t *request, uint64_t until, char **ret)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	int r = text ? send_line(fd, text, until) : -ENOMEM;

	if (r == 0)
		r = send_line(fd, "\n", until);
	/* Whoever turns us away says why, and closes before we have asked. */
	return r < 0 && r != -EPIPE ? r : receive_line(fd, until, ret);
}

int control_call(const char *path, json_t *request, int timeout_ms, json_t **ret, struct error *err)
{
	uint64_t until = timeout_ms < 0 ? UINT64_MAX : now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	cleanup_free char *line = NULL;
	cleanup_close int fd = -1;
	const char *sentence;
	json_t *reply;
	int r = connect_to(path, &fd, err);

	if (r < 0)
		return r;
	r = exchange(fd, request, until, &line);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	reply = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	sentence = json_string_value(json_object_get(reply, "error"));
	if (sentence)
		r = error_set(err, EREMOTEIO, "%s", sentence);
	else if (!json_is_true(json_object_get(reply, "ok")))
		r = error_set(err, EPROTO, "%s: the answer is not one of a control socket", path);
	if (r == 0 && ret)
		*ret = json_incref(reply);
	json_decref(reply);
	return r;
}
