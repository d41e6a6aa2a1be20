/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request to an HTTP server and its answer, for those who can wait for it: tokens, the registry
 * client.  (Reads of a disk have a thread and a queue of their own: http-loop.c.)
 *
 * Nothing is followed, tried again or decided here; connections are kept for the next request.
 *
 * Trust: the answer is the server's.  Its headers are at most 64 KiB, its body at most what the
 * caller wants or what his sink takes.
 *
 * Threads: one at a time.
 */
#ifndef DISK_SOURCE_EXCHANGE_H
#define DISK_SOURCE_EXCHANGE_H

#include "disk/source/credentials.h"
#include "disk/source/source.h"

struct exchange;
struct exchange_answer;

struct exchange_request {
	const char *method; /* GET, HEAD, POST, PUT, PATCH, DELETE */
	const char *url;
	const char *const *headers; /* "Name: value"; ends with NULL; NULL: none */
	const struct credential *who;
	const void *body; /* NULL: none; POST, PUT and PATCH have an empty one then */
	size_t body_len;
	/*
	 * Where the body of an answer with status 200 or 206 goes, whose head is complete then:
	 * anything but 0 ends the exchange with that.  NULL: into the answer.
	 */
	int (*sink)(void *arg, const struct exchange_answer *answer, const void *data, size_t len,
	            struct error *err);
	void *arg;
	size_t max_body;      /* of a body that goes into the answer; past it -EFBIG */
	uint32_t stall_ms;    /* no byte in either direction for so long is -ETIMEDOUT */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	struct source_cancel *cancel;
};

struct exchange_answer {
	long status;
	char *headers; /* lines, each with its CR LF */
	size_t headers_len;
	char *body; /* ends in a NUL; NULL: none came */
	size_t len;
	char *location; /* where a redirect or an upload goes on, made absolute; NULL: nowhere */
};

int exchange_new(const char *ca_file, struct exchange **ret, struct error *err);
void exchange_free(struct exchange *exchange);
DEFINE_CLEANUP(struct exchange *, exchange_free);

/*
 * 0 when there is an answer, whatever its status.  Sentences do not name the server: the caller
 * does.  *ret is to be freed after an error, too.
 */
int exchange_do(struct exchange *exchange, const struct exchange_request *request,
                struct exchange_answer *ret, struct error *err);
void exchange_answer_free(struct exchange_answer *answer);
static inline void exchange_answer_free_at(struct exchange_answer *at)
{
	exchange_answer_free(at);
}

/*
 * A header's value into `out`, several ones of that name with ", " between them; "" when there is
 * none or what there is does not fit.  False for "".
 */
bool exchange_header(const struct exchange_answer *answer, const char *name, char *out,
                     size_t room);

#endif
