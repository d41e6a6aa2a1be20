// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread accepts, one for each connection reads requests; the handler and all that is
 * remembered are under one lock.
 */
#include "tests/unit/web-server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define HEAD_MAX    32768
#define CLIENTS_MAX 256
#define RECORDS_MAX 4096

struct client {
	struct web_server *server;
	pthread_t thread;
	int fd;
	bool used, gone;
};

struct web_server {
	web_handler *handler;
	void *arg;
	pthread_t thread;
	int listener;
	char url[64];

	pthread_mutex_t lock; /* guards what follows, and calls of the handler */
	bool stopping;
	size_t break_after;
	struct client clients[CLIENTS_MAX];
	char *records[RECORDS_MAX];
	unsigned int n_records;
};

bool web_has(const struct web_request *request, const char *text)
{
	return strcasestr(request->head, text) != NULL;
}

void web_add_header(struct web_reply *reply, const char *fmt, ...)
{
	size_t used = strlen(reply->headers);
	va_list args;

	va_start(args, fmt);
	vsnprintf(reply->headers + used, sizeof(reply->headers) - used, fmt, args);
	va_end(args);
}

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

static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* One head into `head`, and how much of what came lies behind it; false when the peer has gone. */
static bool read_head(int fd, char *head, size_t *used, size_t *ret_len)
{
	for (;;) {
		char *end;
		ssize_t n;

		head[*used] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end) {
			*ret_len = (size_t)(end - head) + 4;
			return true;
		}
		/* What is no text is TLS, which is not spoken here. */
		if (*used + 1 >= HEAD_MAX || (*used > 0 && head[0] < 'A'))
			return false;
		n = recv(fd, head + *used, HEAD_MAX - 1 - *used, 0);
		if (n <= 0)
			return false;
		*used += (size_t)n;
	}
}

/* The rest of a body of which `have` bytes are there; how many there are in the end. */
static size_t read_body(int fd, uint8_t *body, size_t have, size_t len)
{
	while (have < len) {
		ssize_t n = recv(fd, body + have, len - have, 0);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

/* With the lock.  False when the connection ends here. */
static bool respond(struct client *client, struct web_request *request)
{
	struct web_server *server = client->server;
	struct web_reply reply = { .status = 404 };
	bool head_only = strcmp(request->method, "HEAD") == 0;
	char text[8192];
	int n;

	if (server->n_records < RECORDS_MAX)
		server->records[server->n_records++] = strdup(request->head);
	server->handler(server->arg, request, &reply);
	if (request->broken) {
		reset(client->fd);
		return false;
	}
	if (!reply.status)
		return true;
	n = snprintf(text, sizeof(text), "HTTP/1.1 %d Said\r\n%s%s", reply.status, reply.headers,
	             strcasestr(reply.headers, "content-length:") ? "\r\n" : "");
	if (!strcasestr(reply.headers, "content-length:"))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "Content-Length: %zu\r\n\r\n",
		              reply.len);
	if (!send_all(client->fd, text, (size_t)n))
		return false;
	if (head_only || !reply.len)
		return true;
	if (reply.cut) {
		send_all(client->fd, reply.body, reply.cut);
		reset(client->fd);
		return false;
	}
	return send_all(client->fd, reply.body, reply.len);
}

/* One request: false when the connection ends. */
static bool serve_one(struct client *client, char *buf, size_t *used)
{
	struct web_server *server = client->server;
	struct web_request request = { 0 };
	size_t head_len, want, len = 0, have;
	char method[16], path[8192], *head;
	const char *length;
	uint8_t *body;
	bool more;

	if (!read_head(client->fd, buf, used, &head_len))
		return false;
	head = strndup(buf, head_len);
	if (sscanf(head, "%15s %8191s", method, path) != 2) {
		free(head);
		return false;
	}
	length = strcasestr(head, "\r\nContent-Length: ");
	if (length)
		len = strtoull(length + 18, NULL, 10);
	have = *used - head_len < len ? *used - head_len : len;
	body = malloc(len + 1);
	assert_non_null(body);
	memcpy(body, buf + head_len, have);
	memmove(buf, buf + head_len + have, *used - head_len - have);
	*used -= head_len + have;
	pthread_mutex_lock(&server->lock);
	want = server->break_after && len > server->break_after ? server->break_after : len;
	if (want < len)
		server->break_after = 0;
	pthread_mutex_unlock(&server->lock);
	have = read_body(client->fd, body, have < want ? have : want, want);
	request = (struct web_request){ .method = method,
		                        .path = path,
		                        .head = head,
		                        .body = body,
		                        .len = have,
		                        .broken = have < len };
	pthread_mutex_lock(&server->lock);
	more = respond(client, &request);
	pthread_mutex_unlock(&server->lock);
	free(head);
	free(body);
	return more;
}

static void *serve(void *arg)
{
	struct client *client = arg;
	char *buf = malloc(HEAD_MAX);
	size_t used = 0;

	while (serve_one(client, buf, &used))
		;
	free(buf);
	pthread_mutex_lock(&client->server->lock);
	close(client->fd);
	client->gone = true;
	pthread_mutex_unlock(&client->server->lock);
	return NULL;
}

/* With the lock. */
static void add_client(struct web_server *server, int fd)
{
	for (size_t i = 0; i < CLIENTS_MAX && !server->stopping; i++) {
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
	struct web_server *server = arg;
	int fd, one = 1;

	/* shutdown() of the listener ends it. */
	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		pthread_mutex_lock(&server->lock);
		add_client(server, fd);
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

struct web_server *web_server_start(web_handler *handler, void *arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct web_server *server = calloc(1, sizeof(*server));
	socklen_t len = sizeof(at);

	assert_non_null(server);
	server->handler = handler;
	server->arg = arg;
	pthread_mutex_init(&server->lock, NULL);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->listener >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server->listener, 128), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &len), 0);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server), 0);
	return server;
}

void web_server_stop(struct web_server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].used && !server->clients[i].gone)
			shutdown(server->clients[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].used)
			pthread_join(server->clients[i].thread, NULL);
	for (unsigned int i = 0; i < server->n_records; i++)
		free(server->records[i]);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

const char *web_server_url(struct web_server *server)
{
	return server->url;
}

const char *web_server_host(struct web_server *server)
{
	return server->url + strlen("http://");
}

void web_server_break_body(struct web_server *server, size_t bytes)
{
	pthread_mutex_lock(&server->lock);
	server->break_after = bytes;
	pthread_mutex_unlock(&server->lock);
}

unsigned int web_server_requests(struct web_server *server)
{
	unsigned int n;

	pthread_mutex_lock(&server->lock);
	n = server->n_records;
	pthread_mutex_unlock(&server->lock);
	return n;
}

unsigned int web_server_count(struct web_server *server, const char *text)
{
	unsigned int n = 0;

	pthread_mutex_lock(&server->lock);
	for (unsigned int i = 0; i < server->n_records; i++)
		n += strcasestr(server->records[i], text) != NULL;
	pthread_mutex_unlock(&server->lock);
	return n;
}

bool web_server_saw(struct web_server *server, int i, const char *text)
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
