/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP/1.1 server that fails as it is told to, in threads of the test program.
 *
 * It serves one file under every path, by ranges, and remembers every request.  A proxy's requests
 * (an absolute URL in the first line) are answered as its own.
 */
#ifndef TESTS_UNIT_FAULT_SERVER_H
#define TESTS_UNIT_FAULT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_STATUS,       /* answer `status` with the lines in `headers` */
	FAULT_HOLD,         /* after `bytes` bytes of the body say nothing until released */
	FAULT_RESET,        /* after `bytes` bytes of the body reset the connection */
	FAULT_SHORT,        /* after `bytes` bytes close the connection properly */
	FAULT_LONG,         /* send `bytes` bytes more than asked for, chunked */
	FAULT_MUTE,         /* close the connection instead of answering */
	FAULT_IGNORE_RANGE, /* 200 and the whole file */
	FAULT_WRONG_RANGE,  /* the right number of bytes, from another place */
	FAULT_NO_RANGE,     /* 206 without Content-Range */
	FAULT_PARTS,        /* multipart/byteranges */
	FAULT_SHORT_LENGTH, /* a Content-Length one less than the range */
	FAULT_NO_VERSION,   /* without ETag and Last-Modified */
};

struct fault {
	enum fault_kind kind;
	int status;
	size_t bytes;
	const char *headers; /* lines that end in CR LF; kept by the caller */
	unsigned int after;  /* requests that are served well before */
	unsigned int times;  /* requests that fail; 0: all from then on */
};

struct fault_server;

/* `data` stays the caller's.  Fails the test when it cannot start. */
struct fault_server *fault_server_start(const void *data, size_t len);
void fault_server_stop(struct fault_server *server);

/* "http://127.0.0.1:PORT/disk.raw"; the server's own memory. */
const char *fault_server_url(struct fault_server *server);
unsigned int fault_server_port(struct fault_server *server);

/* What happens to the next requests; the counts begin anew. */
void fault_server_fail(struct fault_server *server, struct fault fault);
/* No more faults, and those who are held get the rest. */
void fault_server_heal(struct fault_server *server);
/* Refuse connections, and drop those there are; and the way back, on the same port. */
void fault_server_down(struct fault_server *server);
void fault_server_up(struct fault_server *server);

/* From now on another file; NULL for a header that is left out. */
void fault_server_serve(struct fault_server *server, const void *data, size_t len, const char *etag,
                        const char *last_modified);

/* Requests so far, those for a single byte (that connecting takes) among them; body bytes sent. */
unsigned int fault_server_requests(struct fault_server *server);
uint64_t fault_server_bytes(struct fault_server *server);
/* Wait until that many have come. */
void fault_server_wait(struct fault_server *server, unsigned int requests);
/* Most requests that were being answered at the same time. */
unsigned int fault_server_most(struct fault_server *server);
/* Did request number `i` (from 0) contain `text`?  -1 for the last one. */
bool fault_server_saw(struct fault_server *server, int i, const char *text);

#endif
