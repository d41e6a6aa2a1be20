// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The I/O thread of an HTTP source: queue, admission, transfers, deadlines.
 *
 * Readers' requests wait in one queue for each priority.  Demand is admitted as long as there is a
 * connection (or a stream, with HTTP/2); trace and background only as far as their bytes under way
 * fit the window (http-window.c) and two connections stay free, so that a demand request finds
 * neither a full link nor a full table.  Redirects are followed here, not by curl, because each hop
 * has credentials of its own.
 *
 * An admitted request ends in one of these ways: curl says that the transfer is over; a callback
 * has refused the answer, which makes curl say so; its deadline passes, no byte comes for the stall
 * time, or its reader cancels it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "disk/source/curl-common.h"
#include "disk/source/http.h"
#include "util/clock.h"

#define STREAMS      64         /* requests at once where they share a connection (HTTP/2) */
#define REFUSED_BODY (16 * KIB) /* read to its end, so that the connection can be kept */
#define BUFFER       (256L * 1024)

static struct http_request *request_of(struct queue_item *item)
{
	return container_of(item, struct http_request, item);
}

static bool is_low(const struct http_request *req)
{
	return req->item.priority != SOURCE_DEMAND;
}

/* Take the transfer away from curl; the request stays in no list. */
static void detach(struct http_request *req)
{
	struct http *http = req->http;

	if (!req->easy)
		return;
	curl_multi_remove_handle(http->multi, req->easy);
	curl_easy_cleanup(req->easy);
	curl_slist_free_all(req->headers);
	free(req->url);
	req->easy = NULL;
	req->headers = NULL;
	req->url = NULL;
	list_remove(&req->item.link);
	http->n_active--;
	if (is_low(req)) {
		http->n_low--;
		http->low_bytes -= req->len - req->received;
	}
}

/* Give the request back to its reader, whose stack it is on: not to be touched afterwards. */
static void finish(struct http_request *req, int result)
{
	detach(req);
	queue_finish(&req->item, result);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct http_request *req = arg;
	bool last = len <= 2;

	(void)one;
	req->progress_ns = now_ns();
	http_answer_line(&req->answer, line, len);
	if (!last || req->answer.status < 200 || req->verdict != HTTP_UNJUDGED)
		return len; /* 1xx precedes the answer, trailers follow it */
	http_window_answered(&req->http->window, req->progress_ns - req->started_ns);
	http_judge(req);
	/* A short page of a refusal is read to its end; neither a whole file, nor nonsense. */
	if (req->verdict == HTTP_REFUSED &&
	    !(req->answer.has_length && req->answer.length <= REFUSED_BODY &&
	      req->refusal != -EPROTO))
		return 0;
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct http_request *req = arg;
	struct http *http = req->http;

	(void)one;
	req->progress_ns = now_ns();
	http_window_arrived(&http->window, req->progress_ns, len, http->n_active > 1);
	if (req->verdict != HTTP_CONTENT)
		return req->verdict == HTTP_UNJUDGED ? 0 : len;
	if (len > req->len - req->received) {
		error_set(&req->item.err, EPROTO,
		          "%s: sends more than the %zu bytes it was asked for "
		          "(long body)",
		          http->src.name, req->len);
		req->verdict = HTTP_REFUSED;
		req->refusal = -EPROTO;
		return 0;
	}
	memcpy((char *)req->buf + req->received, data, len);
	req->received += len;
	if (is_low(req))
		http->low_bytes -= len;
	__atomic_add_fetch(&http->src.bytes_fetched, len, __ATOMIC_RELAXED);
	if (req->arrived && len > 0)
		req->arrived(req->arg, req->received);
	return len;
}

/* A peer that has gone without a word must not hold a connection for the kernel's quarter hour. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct http *http = arg;
	unsigned int ms = http->stall_ms;

	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

/* Show the pass that there is for this hop. */
static int set_credentials(struct http_request *req)
{
	cleanup(access_pass_free) struct access_pass pass = { 0 };
	int r = access_pass(req->http->access, req->url, "", &pass);

	if (r == 0 && pass.shown.any)
		curl_common_credential(req->easy, &pass.credential);
	req->shown = pass.shown;
	return r;
}

static int add_header(struct http_request *req, const char *text)
{
	struct curl_slist *more = curl_slist_append(req->headers, text);

	if (!more)
		return -ENOMEM;
	req->headers = more;
	return 0;
}

/* Ask for the pinned version only; a server that does not know this is found out by its answer. */
static int set_headers(struct http_request *req)
{
	const struct source_identity *id = &req->http->src.identity;
	char text[320], date[64];
	time_t when = (time_t)id->last_modified;
	struct tm tm;
	int r = add_header(req, "Accept-Encoding: identity");

	if (req->connecting || r < 0)
		return r;
	if (id->etag[0]) {
		snprintf(text, sizeof(text), "If-Match: %s", id->etag);
		return add_header(req, text);
	}
	if (id->last_modified && gmtime_r(&when, &tm) &&
	    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0) {
		snprintf(text, sizeof(text), "If-Unmodified-Since: %s", date);
		return add_header(req, text);
	}
	return 0;
}

/* Hand the request to curl, for `url`. */
static int attach(struct http_request *req, const char *url)
{
	struct http *http = req->http;
	char range[48];
	CURL *easy = curl_easy_init();

	if (!easy)
		return -ENOMEM;
	req->easy = easy;
	req->url = strdup(url);
	req->answer = (struct http_answer){ 0 };
	free(take_ptr(req->challenged_url));
	req->verdict = HTTP_UNJUDGED;
	req->curl_text[0] = '\0';
	req->received = 0;
	req->started_ns = req->progress_ns = now_ns();
	list_append(&http->active, &req->item.link);
	http->n_active++;
	if (is_low(req)) {
		http->n_low++;
		http->low_bytes += req->len;
	}
	if (!req->url || set_headers(req) < 0 || set_credentials(req) < 0)
		return -ENOMEM;
	snprintf(range, sizeof(range), "%llu-%llu", (unsigned long long)req->off,
	         (unsigned long long)(req->off + req->len - 1));
	curl_easy_setopt(easy, CURLOPT_URL, req->url);
	curl_easy_setopt(easy, CURLOPT_RANGE, range);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, req->headers);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, req);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, req);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, req);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, req->curl_text);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, http);
	curl_common_options(easy, http->ca_file);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_STREAM_WEIGHT, is_low(req) ? 16L : 256L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->stall_ms);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER);
	__atomic_add_fetch(&http->src.requests, 1, __ATOMIC_RELAXED);
	return curl_multi_add_handle(http->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

static void start(struct http_request *req, const char *url)
{
	if (attach(req, url) < 0)
		finish(req, error_sys(&req->item.err, ENOMEM, "%s", req->http->src.name));
}

/* Go on where the answer points to. */
static void follow(struct http_request *req)
{
	const char *name = req->http->src.name;
	char *next = NULL;
	cleanup_free char *copy = NULL;

	curl_easy_getinfo(req->easy, CURLINFO_REDIRECT_URL, &next);
	if (!next ||
	    (strncasecmp(next, "http://", 7) != 0 && strncasecmp(next, "https://", 8) != 0)) {
		finish(req, error_set(&req->item.err, EPROTO, "%s: is sent on to no place (%ld)",
		                      name, req->answer.status));
		return;
	}
	if (req->redirects == HTTP_MAX_REDIRECTS) {
		finish(req, error_set(&req->item.err, ELOOP,
		                      "%s: is sent on more than %d times, at last to %.*s", name,
		                      HTTP_MAX_REDIRECTS, (int)strcspn(next, "?#"), next));
		return;
	}
	if (strncasecmp(req->url, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0) {
		finish(req, error_set(&req->item.err, EPROTO,
		                      "%s: is sent on from https to http, which anybody could read "
		                      "and change",
		                      name));
		return;
	}
	copy = strdup(next);
	if (!copy) {
		finish(req, error_sys(&req->item.err, ENOMEM, "%s", name));
		return;
	}
	detach(req);
	req->redirects++;
	start(req, copy);
}

/* Remember where redirects lead to, so that they cost one round trip only once. */
static void pin_url(struct http_request *req)
{
	struct http *http = req->http;
	char *url;

	if (req->redirects == 0 || req->pinned_url)
		return;
	url = strdup(req->url);
	if (!url)
		return;
	free(http->pinned_url);
	http->pinned_url = url;
}

/* Where a remembered place no longer serves, the way is asked for again.  Has it been? */
static bool ask_way_again(struct http_request *req)
{
	struct http *http = req->http;

	if (!req->pinned_url || req->received > 0)
		return false;
	free(take_ptr(http->pinned_url));
	detach(req);
	req->pinned_url = false;
	req->redirects = 0;
	start(req, http->url);
	return true;
}

/* curl is done with a transfer. */
static void complete(struct http_request *req, CURLcode code)
{
	struct http *http = req->http;
	long version = 0;

	curl_easy_getinfo(req->easy, CURLINFO_HTTP_VERSION, &version);
	if (version)
		http->multiplexed = version >= CURL_HTTP_VERSION_2_0;
	if (req->verdict == HTTP_REDIRECT) {
		follow(req);
	} else if (req->verdict == HTTP_CONTENT && req->received == req->len) {
		pin_url(req);
		finish(req, 0);
	} else if (!ask_way_again(req)) {
		finish(req, req->verdict == HTTP_REFUSED ? req->refusal : http_explain(req, code));
	}
}

static bool may_start(struct queue_item *item)
{
	const struct http_request *req = request_of(item);
	const struct http *http = req->http;
	unsigned int most = http->multiplexed ? STREAMS : http->connections;
	uint64_t room;

	if (http->n_active >= most)
		return false;
	if (!is_low(req))
		return true;
	if (http->n_low > 0 && http->n_low + 2 >= most)
		return false;
	/* While somebody waits the link is to be busy, but nothing is to stand in a queue. */
	room = http_window_bytes(&http->window) / (http->n_active > http->n_low ? 2 : 1);
	return http->low_bytes < room;
}

/* Move what may start from the queues to curl. */
static void admit(struct http *http)
{
	struct queue_item *item;

	while ((item = queue_take(&http->queue, may_start)) != NULL) {
		struct http_request *req = request_of(item);

		req->pinned_url = http->pinned_url != NULL;
		req->redirects = req->pinned_url ? 1 : 0;
		start(req, req->pinned_url ? http->pinned_url : http->url);
	}
}

/* End what must end; the time until the next one must, in ms. */
static int expire(struct http *http)
{
	uint64_t now = now_ns(), stall_ns = http->stall_ms * NS_PER_MS;
	uint64_t next = min_u64(queue_expire(&http->queue, now), now + 3600 * NS_PER_SEC);
	bool stopping = queue_stopping(&http->queue);

	list_for_each_safe (it, tmp, &http->active) {
		struct http_request *req = request_of(container_of(it, struct queue_item, link));
		int r;

		if (stopping)
			__atomic_store_n(&req->item.cancelled, true, __ATOMIC_RELAXED);
		r = queue_expired(&req->item, now);
		if (r == 0 && now >= req->progress_ns + stall_ns)
			r = error_set(&req->item.err, ETIMEDOUT,
			              "%s: no byte for %g s, after %zu of %zu (stalled)",
			              http->src.name, http->stall_ms / 1000.0, req->received,
			              req->len);
		if (r < 0)
			finish(req, r);
		else
			next = min_u64(next,
			               min_u64(req->item.deadline_ns, req->progress_ns + stall_ns));
	}
	return (int)((next - now) / NS_PER_MS) + 1;
}

static void *loop(void *arg)
{
	struct http *http = arg;
	sigset_t pipe_signal;
	CURLMsg *msg;
	int running, left;

	pthread_setname_np(pthread_self(), "source-http");
	/* TLS libraries write to sockets without MSG_NOSIGNAL. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	for (;;) {
		int wait_ms = expire(http);
		bool ended = false;

		admit(http);
		if (queue_stopping(&http->queue) && list_empty(&http->active))
			return NULL;
		curl_multi_perform(http->multi, &running);
		while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
			struct http_request *req;
			CURLcode code = msg->data.result;

			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&req);
			complete(req, code);
			ended = true;
		}
		/* What has ended makes room for what waits. */
		if (!ended)
			curl_multi_poll(http->multi, NULL, 0, wait_ms, NULL);
	}
}

int http_loop_start(struct http *http, struct error *err)
{
	int r;

	http->multi = curl_multi_init();
	if (!http->multi)
		return error_sys(err, ENOMEM, "%s", http->src.name);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->connections);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)http->connections);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->connections);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS);
	r = pthread_create(&http->thread, NULL, loop, http);
	if (r != 0) {
		curl_multi_cleanup(http->multi);
		http->multi = NULL;
		return error_sys(err, r, "%s: no thread", http->src.name);
	}
	http->has_thread = true;
	return 0;
}

void http_loop_stop(struct http *http)
{
	queue_stop(&http->queue);
	pthread_join(http->thread, NULL);
	curl_multi_cleanup(http->multi);
}

void http_loop_wake(struct source_queue *queue)
{
	curl_multi_wakeup(container_of(queue, struct http, queue)->multi);
}
