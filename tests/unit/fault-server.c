// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread accepts, one thread for each connection answers.  Everything is under one lock but the
 * sending of bytes.  Who is held waits for the release or for the end of the server, never for
 * time.
 */
#include "tests/unit/fault-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "tests/unit/unit.h"
#include "util/cleanup.h"

#define HEAD_MAX     8192
#define RECORDS_MAX  8192
#define CLIENTS_MAX  512
#define DEFAULT_ETAG "\"one\""
#define DEFAULT_DATE "Sat, 01 Aug 2026 10:00:00 GMT"

struct client {
	struct fault_server *server;
	pthread_t thread;
	int fd;
	bool used, gone;
};

struct fault_server {
	pthread_t thread;
	unsigned int port;
	char url[64];
	int wake[2];

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	int listener; /* -1 while it is down */
	const uint8_t *data;
	size_t len;
	const char *etag, *last_modified;
	struct fault fault;
	unsigned int seen; /* requests since the fault was set */
	unsigned int released;
	bool stopping;
	struct client clients[CLIENTS_MAX];
	char *records[RECORDS_MAX];
	unsigned int n_records, n_requests, n_busy, most;
	uint64_t bytes;
};

struct request {
	bool ranged;
	size_t first, last;
	struct fault fault;
	const uint8_t *data;
	size_t len;
	unsigned int released; /* when the request came */
	char version[256];     /* header lines */
};

static bool send_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Counted first: who has received the last byte may ask at once. */
static bool send_body(struct client *client, const void *data, size_t len)
{
	pthread_mutex_lock(&client->server->lock);
	client->server->bytes += len;
	pthread_mutex_unlock(&client->server->lock);
	return send_all(client->fd, data, len);
}

/* Until the fault is healed; false when the connection should end instead. */
static bool hold(struct fault_server *server, const struct request *req)
{
	bool go_on;

	pthread_mutex_lock(&server->lock);
	while (req->released == server->released && !server->stopping)
		pthread_cond_wait(&server->changed, &server->lock);
	go_on = !server->stopping;
	pthread_mutex_unlock(&server->lock);
	return go_on;
}

/* Read one head; false when the peer has gone. */
static bool read_head(int fd, char *head)
{
	size_t used = 0;

	while (used + 1 < HEAD_MAX) {
		ssize_t n = recv(fd, head + used, HEAD_MAX - 1 - used, 0);

		if (n <= 0)
			return false;
		used += (size_t)n;
		head[used] = '\0';
		if (strstr(head, "\r\n\r\n"))
			return true;
	}
	return false;
}

/* Record the request, and take what it needs to be answered. */
static void note(struct fault_server *server, const char *head, struct request *ret)
{
	const char *range = strcasestr(head, "\r\nRange: bytes=");

	*ret = (struct request){ 0 };
	pthread_mutex_lock(&server->lock);
	ret->released = server->released;
	ret->data = server->data;
	ret->len = server->len;
	if (range) {
		char *end;

		ret->first = strtoull(range + 15, &end, 10);
		ret->ranged = *end == '-';
		ret->last = ret->ranged ? strtoull(end + 1, NULL, 10) : 0;
	}
	if (ret->ranged && server->len > 0 && ret->last >= server->len)
		ret->last = server->len - 1;
	snprintf(ret->version, sizeof(ret->version), "%s%s%s%s%s%s", server->etag ? "ETag: " : "",
	         server->etag ? server->etag : "", server->etag ? "\r\n" : "",
	         server->last_modified ? "Last-Modified: " : "",
	         server->last_modified ? server->last_modified : "",
	         server->last_modified ? "\r\n" : "");
	if (server->seen >= server->fault.after &&
	    (!server->fault.times || server->seen < server->fault.after + server->fault.times))
		ret->fault = server->fault;
	server->seen++;
	server->n_busy++;
	if (server->n_busy > server->most)
		server->most = server->n_busy;
	server->n_requests++;
	if (server->n_records < RECORDS_MAX)
		server->records[server->n_records++] = strdup(head);
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static bool send_head(struct client *client, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool send_head(struct client *client, int status, const char *fmt, ...)
{
	char text[2048];
	va_list args;
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %d Said\r\n", status);

	va_start(args, fmt);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
	va_end(args);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
	return send_all(client->fd, text, (size_t)n);
}

/* A body one chunk too long. */
static bool answer_long(struct client *client, const struct request *req, size_t len)
{
	char chunk[32];
	cleanup_free char *more = calloc(1, req->fault.bytes);

	if (!send_head(client, 206,
	               "%sContent-Range: bytes %zu-%zu/%zu\r\nTransfer-Encoding: chunked\r\n",
	               req->version, req->first, req->last, req->len))
		return false;
	snprintf(chunk, sizeof(chunk), "%zx\r\n", len);
	if (!send_all(client->fd, chunk, strlen(chunk)) ||
	    !send_body(client, req->data + req->first, len))
		return false;
	snprintf(chunk, sizeof(chunk), "\r\n%zx\r\n", req->fault.bytes);
	return send_all(client->fd, chunk, strlen(chunk)) &&
	       send_body(client, more, req->fault.bytes) &&
	       send_all(client->fd, "\r\n0\r\n\r\n", 7);
}

static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* False when the connection ends here. */
static bool answer(struct client *client, const struct request *req)
{
	const struct fault *fault = &req->fault;
	size_t len = req->last - req->first + 1, good = len;

	if (fault->kind == FAULT_STATUS)
		return send_head(client, fault->status, "Content-Length: 0\r\n%s",
		                 fault->headers ? fault->headers : "");
	if (fault->kind == FAULT_MUTE ||
	    (fault->kind == FAULT_HOLD && fault->bytes == 0 && !hold(client->server, req)))
		return false;
	if (fault->kind == FAULT_IGNORE_RANGE || !req->ranged)
		return send_head(client, 200, "%sContent-Length: %zu\r\n", req->version,
		                 req->len) &&
		       send_body(client, req->data, req->len);
	if (req->first >= req->len)
		return send_head(client, 416, "Content-Length: 0\r\nContent-Range: bytes */%zu\r\n",
		                 req->len);
	if (fault->kind == FAULT_LONG)
		return answer_long(client, req, len);
	if (!send_head(client, 206, "%sContent-Length: %zu\r\n%.*s%zu-%zu/%zu\r\n%s",
	               fault->kind == FAULT_NO_VERSION ? "" : req->version,
	               fault->kind == FAULT_SHORT_LENGTH ? len - 1 : len, 21,
	               fault->kind == FAULT_NO_RANGE ? "X-Instead-Of: bytes  "
	                                             : "Content-Range: bytes ",
	               req->first + (fault->kind == FAULT_WRONG_RANGE),
	               req->last + (fault->kind == FAULT_WRONG_RANGE), req->len,
	               fault->kind == FAULT_PARTS
	                       ? "Content-Type: multipart/byteranges; boundary=x\r\n"
	                       : ""))
		return false;
	if (fault->kind == FAULT_HOLD || fault->kind == FAULT_RESET || fault->kind == FAULT_SHORT)
		good = fault->bytes < len ? fault->bytes : len;
	if (!send_body(client, req->data + req->first, good))
		return false;
	if (fault->kind == FAULT_RESET)
		reset(client->fd);
	if (fault->kind == FAULT_RESET || fault->kind == FAULT_SHORT)
		return false;
	if (fault->kind == FAULT_HOLD && fault->bytes > 0 && !hold(client->server, req))
		return false;
	return send_body(client, req->data + req->first + good, len - good);
}

static void *serve(void *arg)
{
	struct client *client = arg;
	struct fault_server *server = client->server;
	char head[HEAD_MAX];
	struct request req;
	bool more = true;

	while (more && read_head(client->fd, head)) {
		note(server, head, &req);
		more = answer(client, &req);
		pthread_mutex_lock(&server->lock);
		server->n_busy--;
		pthread_mutex_unlock(&server->lock);
	}
	pthread_mutex_lock(&server->lock);
	close(client->fd);
	client->gone = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* With the lock held: give the connection to a thread. */
static void add_client(struct fault_server *server, int fd)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];

		if (client->used && !client->gone)
			continue;
		if (client->used)
			pthread_join(client->thread, NULL);
		*client = (struct client){ .server = server, .fd = fd, .used = true };
		if (pthread_create(&client->thread, NULL, serve, client) == 0)
			return;
		client->used = false;
		break;
	}
	close(fd);
}

static void *accept_all(void *arg)
{
	struct fault_server *server = arg;

	for (;;) {
		struct pollfd fds[2] = { { .fd = server->wake[0], .events = POLLIN } };
		char byte;

		pthread_mutex_lock(&server->lock);
		fds[1] = (struct pollfd){ .fd = server->listener, .events = POLLIN };
		if (server->stopping) {
			pthread_mutex_unlock(&server->lock);
			return NULL;
		}
		pthread_mutex_unlock(&server->lock);
		poll(fds, 2, -1);
		if (fds[0].revents)
			assert_int_equal(read(server->wake[0], &byte, 1), 1);
		pthread_mutex_lock(&server->lock);
		if (fds[1].revents && fds[1].fd == server->listener) {
			int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

			if (fd >= 0) {
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
				add_client(server, fd);
			}
		}
		pthread_mutex_unlock(&server->lock);
	}
}

static void wake_up(struct fault_server *server)
{
	assert_int_equal(write(server->wake[1], "", 1), 1);
}

static void listen_on(struct fault_server *server, unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(at);
	int one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(server->listener >= 0);
	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server->listener, 128), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &len), 0);
	server->port = ntohs(at.sin_port);
}

struct fault_server *fault_server_start(const void *data, size_t len)
{
	struct fault_server *server = calloc(1, sizeof(*server));

	assert_non_null(server);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	assert_int_equal(pipe(server->wake), 0);
	fault_server_serve(server, data, len, DEFAULT_ETAG, DEFAULT_DATE);
	listen_on(server, 0);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/disk.raw", server->port);
	assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server), 0);
	return server;
}

/* With the lock held: end every connection. */
static void drop_clients(struct fault_server *server)
{
	server->released++;
	pthread_cond_broadcast(&server->changed);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].used && !server->clients[i].gone)
			shutdown(server->clients[i].fd, SHUT_RDWR);
}

void fault_server_stop(struct fault_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	drop_clients(server);
	pthread_mutex_unlock(&server->lock);
	wake_up(server);
	pthread_join(server->thread, NULL);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].used)
			pthread_join(server->clients[i].thread, NULL);
	if (server->listener >= 0)
		close(server->listener);
	close(server->wake[0]);
	close(server->wake[1]);
	for (unsigned int i = 0; i < server->n_records; i++)
		free(server->records[i]);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

const char *fault_server_url(struct fault_server *server)
{
	return server->url;
}

unsigned int fault_server_port(struct fault_server *server)
{
	return server->port;
}

void fault_server_fail(struct fault_server *server, struct fault fault)
{
	pthread_mutex_lock(&server->lock);
	server->fault = fault;
	server->seen = 0;
	pthread_mutex_unlock(&server->lock);
}

void fault_server_heal(struct fault_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->fault = (struct fault){ 0 };
	server->released++;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void fault_server_down(struct fault_server *server)
{
	pthread_mutex_lock(&server->lock);
	/* The accepting thread may be in poll() with it, which would keep the port in use. */
	shutdown(server->listener, SHUT_RDWR);
	close(server->listener);
	server->listener = -1;
	drop_clients(server);
	pthread_mutex_unlock(&server->lock);
	wake_up(server);
}

void fault_server_up(struct fault_server *server)
{
	pthread_mutex_lock(&server->lock);
	listen_on(server, server->port);
	pthread_mutex_unlock(&server->lock);
	wake_up(server);
}

void fault_server_serve(struct fault_server *server, const void *data, size_t len, const char *etag,
                        const char *last_modified)
{
	pthread_mutex_lock(&server->lock);
	server->data = data;
	server->len = len;
	server->etag = etag;
	server->last_modified = last_modified;
	pthread_mutex_unlock(&server->lock);
}

unsigned int fault_server_requests(struct fault_server *server)
{
	unsigned int n;

	pthread_mutex_lock(&server->lock);
	n = server->n_requests;
	pthread_mutex_unlock(&server->lock);
	return n;
}

uint64_t fault_server_bytes(struct fault_server *server)
{
	uint64_t n;

	pthread_mutex_lock(&server->lock);
	n = server->bytes;
	pthread_mutex_unlock(&server->lock);
	return n;
}

unsigned int fault_server_most(struct fault_server *server)
{
	unsigned int n;

	pthread_mutex_lock(&server->lock);
	n = server->most;
	pthread_mutex_unlock(&server->lock);
	return n;
}

void fault_server_wait(struct fault_server *server, unsigned int requests)
{
	pthread_mutex_lock(&server->lock);
	while (server->n_requests < requests)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

bool fault_server_saw(struct fault_server *server, int i, const char *text)
{
	bool saw;

	pthread_mutex_lock(&server->lock);
	if (i < 0)
		i = (int)server->n_records - 1;
	saw = i >= 0 && (unsigned int)i < server->n_records &&
	      strcasestr(server->records[i], text) != NULL;
	pthread_mutex_unlock(&server->lock);
	return saw;
}
