// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The serving side of a control socket.
 *
 * One thread accepts; each connection has a thread of its own, at most CONTROL_MAX_CLIENTS, because
 * a request may take long (verify) and must not keep another from being answered.  All of them also
 * wait on one eventfd, which becomes readable for good when the socket is closed.
 *
 * Trust: only this user and root can connect, and the peer's id is looked at too.  What they send
 * is bounded all the same: a line of CONTROL_MAX_REQUEST bytes, a minute of silence.
 */
#include "disk/serve/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "disk/serve/control-address.h"

#define IDLE_MS      60000
#define SEND_SECONDS 10

struct client {
	struct control *control;
	pthread_t thread;
	int fd;        /* -1: the place is free */
	bool finished; /* its thread has nothing more to do; under control->lock */
};

struct control {
	char *path;
	control_handler handler;
	void *arg;
	int fd;
	int stop; /* eventfd: readable once the socket is being closed */
	pthread_t thread;
	pthread_mutex_t lock; /* guards `finished` of the clients */
	struct client clients[CONTROL_MAX_CLIENTS];
};

/* Wait for bytes: 1 when there are some, 0 when it is time to go. */
static int wait_readable(const struct control *control, int fd, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = control->stop, .events = POLLIN },
	};
	int n;

	do
		n = poll(fds, 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n > 0 && !fds[1].revents;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_reply(int fd, json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT);
	int r = -ENOMEM;

	if (text)
		r = send_all(fd, text, strlen(text));
	if (r == 0)
		r = send_all(fd, "\n", 1);
	free(text);
	return r;
}

static int send_error(int fd, const char *sentence)
{
	json_t *reply = json_pack("{s:s}", "error", sentence);
	int r = reply ? send_reply(fd, reply) : -ENOMEM;

	json_decref(reply);
	return r;
}

static int answer(const struct control *control, int fd, const char *line, size_t len)
{
	json_error_t wrong;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &wrong);
	json_t *reply = json_pack("{s:b}", "ok", 1);
	struct error err = { 0 };
	int r;

	if (!reply)
		r = -ENOMEM;
	else if (!json_is_object(request))
		r = send_error(fd, "a request must be one JSON object a line");
	else if (control->handler(control->arg, request, reply, &err) < 0)
		r = send_error(fd, err.text);
	else
		r = send_reply(fd, reply);
	json_decref(request);
	json_decref(reply);
	return r;
}

static void talk(const struct control *control, int fd)
{
	cleanup_free char *line = malloc(CONTROL_MAX_REQUEST);
	size_t used = 0;

	while (line && wait_readable(control, fd, IDLE_MS)) {
		ssize_t n = recv(fd, line + used, CONTROL_MAX_REQUEST - used, MSG_DONTWAIT);
		char *end;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		used += (size_t)n;
		while ((end = memchr(line, '\n', used))) {
			size_t len = (size_t)(end - line);

			if (answer(control, fd, line, len) < 0)
				return;
			used -= len + 1;
			memmove(line, end + 1, used);
		}
		if (used == CONTROL_MAX_REQUEST) {
			send_error(fd, "the request is too long");
			return;
		}
	}
}

static void *client_thread(void *arg)
{
	struct client *client = arg;
	struct control *control = client->control;

	talk(control, client->fd);
	shutdown(client->fd, SHUT_RDWR);
	pthread_mutex_lock(&control->lock);
	client->finished = true;
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

static void client_end(struct client *client)
{
	pthread_join(client->thread, NULL);
	close(client->fd);
	client->fd = -1;
}

/* A free place; those whose talk has ended become free. */
static struct client *client_place(struct control *control)
{
	struct client *place = NULL;

	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &control->clients[i];
		bool finished;

		pthread_mutex_lock(&control->lock);
		finished = client->finished;
		pthread_mutex_unlock(&control->lock);
		if (client->fd >= 0 && finished)
			client_end(client);
		if (client->fd < 0)
			place = client;
	}
	return place;
}

static bool peer_is_owner(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void admit(struct control *control, int fd)
{
	struct timeval limit = { .tv_sec = SEND_SECONDS };
	struct client *client = client_place(control);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!peer_is_owner(fd) || !client) {
		if (!client)
			send_error(fd, "too many connections to this control socket");
		close(fd);
		return;
	}
	client->fd = fd;
	client->finished = false;
	if (pthread_create(&client->thread, NULL, client_thread, client) != 0) {
		client->fd = -1;
		close(fd);
	}
}

static void *accept_thread(void *arg)
{
	struct control *control = arg;

	while (wait_readable(control, control->fd, -1)) {
		int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			admit(control, fd);
		else if (errno == EMFILE || errno == ENFILE)
			/* It stays readable: wait for a client to leave, not in a loop. */
			wait_readable(control, control->stop, 100);
	}
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (control->clients[i].fd >= 0)
			client_end(&control->clients[i]);
	return NULL;
}

/* Only a socket without a listener may be replaced. */
static int remove_stale(const char *path, const struct control_address *address, struct error *err)
{
	struct stat st;
	cleanup_close int fd = -1;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s: there is something that is not a socket", path);
	fd = control_socket(path, err);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address->un, address->len) == 0 ||
	    errno != ECONNREFUSED)
		return error_set(err, EADDRINUSE, "%s: another process is listening there", path);
	if (unlink(path) < 0)
		return error_sys(err, errno, "%s", path);
	return 0;
}

static int listen_at(const char *path, int *ret, struct error *err)
{
	cleanup(control_address_release) struct control_address *address = NULL;
	cleanup_close int fd = control_socket(path, err);
	int r = fd < 0 ? fd : control_address_of(path, &address, err);

	if (r == 0)
		r = remove_stale(path, address, err);
	if (r < 0)
		return r;
	/* Linux gives the file the mode of the socket when it is bound: no gap to connect in. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address->un, address->len) < 0 ||
	    listen(fd, CONTROL_MAX_CLIENTS) < 0)
		return error_sys(err, errno, "%s", path);
	*ret = take_fd(&fd);
	return 0;
}

static void control_free(struct control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	if (control->stop >= 0)
		close(control->stop);
	pthread_mutex_destroy(&control->lock);
	free(control->path);
	free(control);
}
DEFINE_CLEANUP(struct control *, control_free);

int control_serve(const char *path, control_handler handler, void *arg, struct control **ret,
                  struct error *err)
{
	cleanup(control_free) struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_sys(err, ENOMEM, "%s", path);
	pthread_mutex_init(&control->lock, NULL);
	control->fd = -1;
	control->handler = handler;
	control->arg = arg;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		control->clients[i].control = control;
		control->clients[i].fd = -1;
	}
	control->stop = eventfd(0, EFD_CLOEXEC);
	control->path = strdup(path);
	if (control->stop < 0 || !control->path)
		return error_sys(err, control->path ? errno : ENOMEM, "%s", path);
	r = listen_at(path, &control->fd, err);
	if (r < 0)
		return r;
	r = pthread_create(&control->thread, NULL, accept_thread, control);
	if (r != 0) {
		unlink(path);
		return error_sys(err, r, "%s", path);
	}
	*ret = take_ptr(control);
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	eventfd_write(control->stop, 1);
	pthread_join(control->thread, NULL);
	unlink(control->path);
	control_free(control);
}
