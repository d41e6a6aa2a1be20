// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shaper RATE DELAY PORT COUNTS: a link between this host and itself, for measurements.
 *
 * Listens on a free port of 127.0.0.1, prints it, and relays each TCP connection to 127.0.0.1:PORT
 * over a link of RATE Mbit/s in each direction, which all connections share, and DELAY milliseconds
 * one way.  On SIGUSR1 it writes the bytes that have gone up and down to the file COUNTS, replaced
 * as a whole; SIGTERM ends it.  Kernel queues that delay packets need a module that is not
 * everywhere; this needs nothing.
 *
 * How: each direction of a connection has a reader and a writer.  The reader takes a piece, asks
 * the link when its last byte has left (the link is one clock, moved on by each piece under its
 * lock; up to BURST behind, so that late wake-ups cost no rate), waits for that, and queues the
 * piece with the time of its arrival.  The writer waits for that time.  A new connection waits one
 * round trip first, as its handshake would.  TCP's slow start is not there, for nobody.
 *
 * Only measurements talk to it: a failure ends the connection or the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define PIECE     8192u
#define MAX_QUEUE 512u /* pieces on their way in one direction of one connection */
#define BURST     (5 * NS_PER_MS)

struct link {
	pthread_mutex_t lock; /* guards the two below */
	uint64_t free_at;     /* when the last byte so far has left */
	uint64_t bytes;
};

struct piece {
	struct piece *next;
	uint64_t arrives;
	size_t len; /* 0: the sender has ended */
	char bytes[PIECE];
};

struct direction {
	int from, to;
	struct link *link;
	uint64_t starts;
	struct connection *connection;
	pthread_mutex_t lock; /* guards the queue */
	pthread_cond_t changed;
	struct piece *first, **last;
	unsigned int queued;
	bool broken; /* nobody writes any more */
};

struct connection {
	struct direction up, down;
	pthread_mutex_t lock; /* guards `ends` */
	int ends;             /* threads that go on */
};

static double ns_per_byte;
static uint64_t delay;
static uint16_t target;
static struct link links[2] = { { .lock = PTHREAD_MUTEX_INITIALIZER },
	                        { .lock = PTHREAD_MUTEX_INITIALIZER } };

static void die(const char *what)
{
	fprintf(stderr, "shaper: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void wait_until(uint64_t when)
{
	struct timespec at = timespec_of(when);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		continue;
}

/* When the last of these bytes has left. */
static uint64_t link_send(struct link *link, size_t len)
{
	uint64_t now = now_ns(), at;

	pthread_mutex_lock(&link->lock);
	if (link->free_at + BURST < now)
		link->free_at = now - BURST;
	link->free_at += (uint64_t)((double)len * ns_per_byte);
	link->bytes += len;
	at = link->free_at;
	pthread_mutex_unlock(&link->lock);
	return at;
}

static void leave(struct connection *c)
{
	bool last;

	pthread_mutex_lock(&c->lock);
	last = --c->ends == 0;
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	close(c->up.from);
	close(c->up.to);
	free(c);
}

static bool put(struct direction *d, struct piece *piece)
{
	bool broken;

	pthread_mutex_lock(&d->lock);
	while (d->queued >= MAX_QUEUE && !d->broken)
		pthread_cond_wait(&d->changed, &d->lock);
	broken = d->broken;
	if (!broken) {
		*d->last = piece;
		d->last = &piece->next;
		d->queued++;
		pthread_cond_signal(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	return !broken;
}

static void *read_all(void *arg)
{
	struct direction *d = arg;
	bool on = true;

	wait_until(d->starts);
	while (on) {
		struct piece *piece = calloc(1, sizeof(*piece));
		ssize_t n;

		if (!piece)
			die("memory");
		n = recv(d->from, piece->bytes, PIECE, 0);
		if (n > 0) {
			piece->len = (size_t)n;
			wait_until(link_send(d->link, piece->len));
		}
		piece->arrives = now_ns() + delay;
		on = n > 0;
		if (!put(d, piece)) {
			free(piece);
			break;
		}
	}
	leave(d->connection);
	return NULL;
}

static struct piece *take(struct direction *d)
{
	struct piece *piece;

	pthread_mutex_lock(&d->lock);
	while (!d->first)
		pthread_cond_wait(&d->changed, &d->lock);
	piece = d->first;
	d->first = piece->next;
	if (!d->first)
		d->last = &d->first;
	d->queued--;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return piece;
}

static bool deliver(int fd, const struct piece *piece)
{
	for (size_t done = 0; done < piece->len;) {
		ssize_t n = send(fd, piece->bytes + done, piece->len - done, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void *write_all(void *arg)
{
	struct direction *d = arg;
	bool on = true;

	while (on) {
		struct piece *piece = take(d);

		wait_until(piece->arrives);
		on = piece->len > 0 && deliver(d->to, piece);
		free(piece);
	}
	shutdown(d->to, SHUT_WR);
	shutdown(d->from, SHUT_RD);
	pthread_mutex_lock(&d->lock);
	d->broken = true;
	while (d->first) {
		struct piece *piece = d->first;

		d->first = piece->next;
		free(piece);
	}
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	leave(d->connection);
	return NULL;
}

static void start(void *(*run)(void *), void *arg)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	errno = pthread_create(&thread, &small, run, arg);
	if (errno)
		die("thread");
	pthread_attr_destroy(&small);
}

static void direction_init(struct direction *d, struct connection *c, int from, int to,
                           struct link *link)
{
	*d = (struct direction){ .from = from,
		                 .to = to,
		                 .link = link,
		                 .starts = now_ns() + 2 * delay,
		                 .connection = c,
		                 .last = &d->first };
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
}

static void relay(int client)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(target) };
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || server < 0)
		die("connection");
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(server, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(server);
		close(client);
		free(c);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_mutex_init(&c->lock, NULL);
	c->ends = 4;
	direction_init(&c->up, c, client, server, &links[0]);
	direction_init(&c->down, c, server, client, &links[1]);
	start(read_all, &c->up);
	start(write_all, &c->up);
	start(read_all, &c->down);
	start(write_all, &c->down);
}

static void *accept_all(void *arg)
{
	const int *listener = arg;

	for (;;) {
		int client = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			die("accept");
		relay(client);
	}
	return NULL;
}

static void write_counts(const char *path)
{
	uint64_t bytes[2];
	char next[4096];
	FILE *file;

	for (int i = 0; i < 2; i++) {
		pthread_mutex_lock(&links[i].lock);
		bytes[i] = links[i].bytes;
		pthread_mutex_unlock(&links[i].lock);
	}
	snprintf(next, sizeof(next), "%s.next", path);
	file = fopen(next, "we");
	if (!file)
		die(next);
	fprintf(file, "%llu %llu\n", (unsigned long long)bytes[0], (unsigned long long)bytes[1]);
	if (fclose(file) != 0 || rename(next, path) < 0)
		die(path);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t len = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), signal;
	sigset_t wanted;

	if (argc != 5) {
		fputs("usage: shaper MBIT_PER_S DELAY_MS PORT COUNTS\n", stderr);
		return 2;
	}
	ns_per_byte = 8000 / strtod(argv[1], NULL);
	delay = (uint64_t)(strtod(argv[2], NULL) * (double)NS_PER_MS);
	target = (uint16_t)strtoul(argv[3], NULL, 10);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 128) < 0 || getsockname(listener, (struct sockaddr *)&here, &len) < 0)
		die("listening");
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGUSR1);
	sigaddset(&wanted, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &wanted, NULL);
	start(accept_all, &listener);
	printf("%u\n", (unsigned int)ntohs(here.sin_port));
	fflush(stdout);
	while (sigwait(&wanted, &signal) == 0 && signal == SIGUSR1)
		write_counts(argv[4]);
	return 0;
}
