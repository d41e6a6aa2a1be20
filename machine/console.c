// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "machine/unix-socket.h"
#include "util/io.h"

struct client {
	struct console *console;
	struct loop_watch watch; /* fd -1: the place is free */
	uint64_t at;             /* position in the stream of what comes next */
};

struct console {
	struct loop *loop;
	struct loop_watch guest, listener;
	char *socket_path, *log_path;
	int log;
	uint64_t log_size;
	uint64_t total; /* bytes the guest has printed; ring[total % CONSOLE_RING] comes next */
	struct client clients[CONSOLE_MAX_CLIENTS];
	char ring[CONSOLE_RING];
};

static void open_log(struct console *console)
{
	struct stat st;

	console->log = open(console->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	console->log_size =
		console->log >= 0 && fstat(console->log, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* A log that cannot be written (the file system is full) must not stop the machine. */
static void write_log(struct console *console, const char *bytes, size_t len)
{
	char old[PATH_MAX];

	if (console->log_size + len > CONSOLE_MAX_LOG) {
		snprintf(old, sizeof(old), "%s.1", console->log_path);
		(void)!rename(console->log_path, old);
		if (console->log >= 0)
			close(console->log);
		open_log(console);
	}
	if (console->log >= 0 && write_all(console->log, bytes, len) == 0)
		console->log_size += len;
}

static void drop_client(struct client *client)
{
	int fd = client->watch.fd;

	loop_unwatch(client->console->loop, &client->watch);
	close(fd);
}

/* Send what the client has not seen; ask to be called again when its socket is full. */
static void serve_client(struct client *client)
{
	struct console *console = client->console;

	if (console->total - client->at > CONSOLE_RING)
		client->at = console->total - CONSOLE_RING;
	while (client->at < console->total) {
		size_t start = client->at % CONSOLE_RING;
		size_t len = min_u64(console->total - client->at, CONSOLE_RING - start);
		ssize_t n = send(client->watch.fd, console->ring + start, len,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			drop_client(client);
			return;
		}
		if (n < 0)
			break;
		client->at += (uint64_t)n;
	}
	loop_want_write(console->loop, &client->watch, client->at < console->total);
}

/* Keys.  A guest that does not read its serial port loses them, as on a real line. */
static void client_ready(void *arg)
{
	struct client *client = arg;
	char keys[512];
	ssize_t n = recv(client->watch.fd, keys, sizeof(keys), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		drop_client(client);
		return;
	}
	if (n > 0 && client->console->guest.fd >= 0)
		(void)!send(client->console->guest.fd, keys, (size_t)n,
		            MSG_NOSIGNAL | MSG_DONTWAIT);
	serve_client(client);
}

static void accept_client(void *arg)
{
	struct console *console = arg;
	int fd = accept4(console->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = NULL;
	struct error err;

	if (fd < 0)
		return;
	for (size_t i = 0; i < CONSOLE_MAX_CLIENTS && !client; i++)
		client = console->clients[i].watch.fd < 0 ? &console->clients[i] : NULL;
	if (!client || loop_watch(console->loop, &client->watch, fd, client_ready, client, &err)) {
		close(fd);
		return;
	}
	client->at = console->total - min_u64(console->total, CONSOLE_REPLAY);
	serve_client(client);
}

static void guest_ready(void *arg)
{
	struct console *console = arg;
	size_t start = console->total % CONSOLE_RING;
	ssize_t n = recv(console->guest.fd, console->ring + start,
	                 min_u64(CONSOLE_RING - start, 16384), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		int fd = console->guest.fd;

		loop_unwatch(console->loop, &console->guest);
		close(fd);
		return;
	}
	write_log(console, console->ring + start, (size_t)n);
	console->total += (uint64_t)n;
	for (size_t i = 0; i < CONSOLE_MAX_CLIENTS; i++) {
		if (console->clients[i].watch.fd >= 0)
			serve_client(&console->clients[i]);
	}
}

int console_open(struct loop *loop, int guest_fd, const char *socket_path, const char *log_path,
                 struct console **ret, struct error *err)
{
	cleanup_close int guest = guest_fd, listener = -1;
	struct console *console = calloc(1, sizeof(*console));
	int r;

	if (!console)
		return error_sys(err, ENOMEM, "console");
	console->loop = loop;
	console->guest.fd = console->listener.fd = console->log = -1;
	for (size_t i = 0; i < CONSOLE_MAX_CLIENTS; i++) {
		console->clients[i].console = console;
		console->clients[i].watch.fd = -1;
	}
	console->socket_path = strdup(socket_path);
	console->log_path = strdup(log_path);
	r = console->socket_path && console->log_path ? 0 : error_sys(err, ENOMEM, "console");
	if (r == 0)
		r = listener = unix_listen(socket_path, SOCK_NONBLOCK, err);
	if (r >= 0)
		r = loop_watch(loop, &console->guest, guest, guest_ready, console, err);
	if (r >= 0)
		take_fd(&guest);
	if (r >= 0)
		r = loop_watch(loop, &console->listener, listener, accept_client, console, err);
	if (r < 0) {
		console_close(console);
		return r;
	}
	take_fd(&listener);
	open_log(console);
	*ret = console;
	return 0;
}

static void close_watch(struct loop *loop, struct loop_watch *watch)
{
	int fd = watch->fd;

	loop_unwatch(loop, watch);
	if (fd >= 0)
		close(fd);
}

void console_close(struct console *console)
{
	if (!console)
		return;
	/* The last words of a machine are often the ones that matter. */
	for (uint64_t before = ~console->total;
	     console->guest.fd >= 0 && before != console->total;) {
		before = console->total;
		guest_ready(console);
	}
	for (size_t i = 0; i < CONSOLE_MAX_CLIENTS; i++)
		close_watch(console->loop, &console->clients[i].watch);
	close_watch(console->loop, &console->guest);
	if (console->listener.fd >= 0)
		unlink(console->socket_path);
	close_watch(console->loop, &console->listener);
	if (console->log >= 0)
		close(console->log);
	free(console->socket_path);
	free(console->log_path);
	free(console);
}
