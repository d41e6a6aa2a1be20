/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the three files of the HTTP source share: http.c (the source), http-loop.c (its I/O thread),
 * http-answer.c (judging what a server says).
 *
 * One I/O thread a source owns everything of libcurl.  A reader puts its request into a queue,
 * wakes the thread and waits; the thread writes into the reader's buffer and says when it is done.
 * So a request lives on its reader's stack, and only the I/O thread touches it in between.
 */
#ifndef DISK_SOURCE_HTTP_H
#define DISK_SOURCE_HTTP_H

#include <curl/curl.h>
#include <pthread.h>

#include "disk/source/access.h"
#include "disk/source/challenge.h"
#include "disk/source/http-headers.h"
#include "disk/source/kinds.h"
#include "disk/source/queue.h"

#define HTTP_MAX_REDIRECTS 10
#define HTTP_MAX_LOCATION  8192

/* The headers of one answer. */
struct http_answer {
	long status;
	bool has_range, bad_range;
	struct http_content_range range;
	bool has_length;
	uint64_t length;
	char etag[256];
	int64_t last_modified;
	bool has_retry_after;
	uint32_t retry_after;
	bool encoded;
	char location[HTTP_MAX_LOCATION];
	char content_type[64];
	char challenge[CHALLENGE_MAX]; /* all of WWW-Authenticate; "" when it does not fit */
};

enum http_verdict {
	HTTP_UNJUDGED,
	HTTP_CONTENT,  /* the bytes that were asked for follow */
	HTTP_REDIRECT, /* what follows is of no interest */
	HTTP_REFUSED,  /* likewise; the error is set */
};

struct http_request {
	struct queue_item item; /* its link is in http.active once started */
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	char *url;       /* of this hop */
	bool pinned_url; /* `url` is a remembered end of redirects */
	char curl_text[CURL_ERROR_SIZE];

	void *buf;
	size_t len;
	uint64_t off;
	void (*arrived)(void *arg, size_t prefix);
	void *arg;
	bool connecting; /* the first request, which learns the identity */

	size_t received;
	unsigned int redirects;
	uint64_t started_ns, progress_ns;
	struct http_answer answer;
	enum http_verdict verdict;
	int refusal; /* -errno of HTTP_REFUSED; the sentence is item.err */
	struct access_shown shown;
	char *challenged_url; /* who answered 401, for the reader, who frees it */
};

/* How much of the link earlier answers had: see http-window.c. */
struct http_window {
	uint64_t bytes_per_s;   /* best lately */
	uint64_t first_byte_ns; /* least time from request to answer */
	uint64_t since_ns, bytes;
};

struct http {
	struct source src;
	char *url;
	char *ca_file;
	struct access *access;
	unsigned int connections;
	uint32_t stall_ms;
	CURLM *multi;
	pthread_t thread;
	bool has_thread;

	struct source_queue queue;

	/* The I/O thread's own. */
	struct list active;
	unsigned int n_active, n_low; /* requests; those of them that are not demand */
	uint64_t low_bytes;           /* that the latter still lack */
	bool multiplexed;             /* the server speaks HTTP/2 */
	char *pinned_url;             /* where redirects ended last time */
	struct http_window window;
};

/* http-loop.c */
int http_loop_start(struct http *http, struct error *err);
void http_loop_stop(struct http *http);
void http_loop_wake(struct source_queue *queue);

/* http-answer.c: called by the I/O thread. */
/* One header line, CR LF and all. */
void http_answer_line(struct http_answer *answer, const char *line, size_t len);
/* All headers are there: sets the verdict, and the error when it is HTTP_REFUSED. */
void http_judge(struct http_request *req);
/* The transfer has ended without a verdict that says how; `code` is curl's. */
int http_explain(struct http_request *req, CURLcode code);

/* http-window.c: the I/O thread's own. */
void http_window_arrived(struct http_window *window, uint64_t now, size_t bytes, bool busy);
void http_window_answered(struct http_window *window, uint64_t delay_ns);
/* Bytes that requests nobody waits for may have under way. */
uint64_t http_window_bytes(const struct http_window *window);

#endif
