/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP/1.1 server in threads of the test program, which answers as a function of the test says.
 * (fault-server.h serves one file and breaks it.)
 */
#ifndef TESTS_UNIT_WEB_SERVER_H
#define TESTS_UNIT_WEB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct web_request {
	const char *method;
	const char *path; /* with its query */
	const char *head; /* all of it */
	const uint8_t *body;
	size_t len;
	bool broken; /* the connection was reset in the middle of the body; nothing is answered */
};

struct web_reply {
	int status;         /* 0: nothing is answered, and the connection stays */
	char headers[4096]; /* lines that end in CR LF */
	const void *body;   /* kept until the next request of any connection is answered */
	size_t len;
	size_t cut; /* not 0: send so many bytes of the body, and reset the connection */
};

/* One call at a time, whatever the connection. */
typedef void web_handler(void *arg, const struct web_request *request, struct web_reply *reply);

struct web_server;

struct web_server *web_server_start(web_handler *handler, void *arg);
void web_server_stop(struct web_server *server);

/* "http://127.0.0.1:PORT", and "127.0.0.1:PORT". */
const char *web_server_url(struct web_server *server);
const char *web_server_host(struct web_server *server);

/* Of the bodies to come, reset the connection after so many bytes of the first that has more. */
void web_server_break_body(struct web_server *server, size_t bytes);

unsigned int web_server_requests(struct web_server *server);
/* How many requests had `text` in their head? */
unsigned int web_server_count(struct web_server *server, const char *text);
/* Did request number `i` (from 0) contain `text`?  -1 for the last one. */
bool web_server_saw(struct web_server *server, int i, const char *text);

/* Does the request have that header line's value?  Without regard to case. */
bool web_has(const struct web_request *request, const char *text);
void web_add_header(struct web_reply *reply, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
