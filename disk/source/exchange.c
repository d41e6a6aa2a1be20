// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/exchange.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/curl-common.h"
#include "util/clock.h"

#define HEADERS_MAX   (64 * KIB)
#define DISCARDED_MAX (64 * KIB) /* of a body nobody wants, so that the connection can be kept */

struct exchange {
	CURLM *multi;
	char *ca_file;
	bool cancelled; /* with __atomic */
};

/* One request under way. */
struct transfer {
	const struct exchange_request *request;
	struct exchange_answer *answer;
	uint64_t bytes; /* that came */
	int result;     /* -errno: the transfer was ended here, and *err says why */
	struct error *err;
};

int exchange_new(const char *ca_file, struct exchange **ret, struct error *err)
{
	cleanup(exchange_free) struct exchange *exchange = calloc(1, sizeof(*exchange));

	curl_common_init();
	if (exchange) {
		exchange->multi = curl_multi_init();
		exchange->ca_file = ca_file ? strdup(ca_file) : NULL;
	}
	if (!exchange || !exchange->multi || (ca_file && !exchange->ca_file))
		return error_sys(err, ENOMEM, "HTTP");
	*ret = take_ptr(exchange);
	return 0;
}

void exchange_free(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->multi)
		curl_multi_cleanup(exchange->multi);
	free(exchange->ca_file);
	free(exchange);
}

void exchange_answer_free(struct exchange_answer *answer)
{
	free(answer->headers);
	if (answer->body)
		explicit_bzero(answer->body, answer->len);
	free(answer->body);
	free(answer->location);
	*answer = (struct exchange_answer){ 0 };
}

static size_t end_with(struct transfer *t, int result)
{
	t->result = result;
	return 0;
}

/* Append to a text that grows by doubling; 0 or -ENOMEM. */
static int append(char **text, size_t *len, const void *data, size_t more)
{
	size_t room = *len ? (size_t)1 << (64 - __builtin_clzl(*len)) : 0;
	size_t want = *len + more + 1;

	if (want > room) {
		size_t next = (size_t)1 << (64 - __builtin_clzl(want));
		char *moved = malloc(next);

		/* Not realloc(): what is left behind may be a secret. */
		if (!moved)
			return -ENOMEM;
		if (*text) {
			memcpy(moved, *text, *len);
			explicit_bzero(*text, *len);
		}
		free(*text);
		*text = moved;
	}
	memcpy(*text + *len, data, more);
	*len += more;
	(*text)[*len] = '\0';
	return 0;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	struct exchange_answer *answer = t->answer;

	(void)one;
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		const char *space = memchr(line, ' ', len);

		answer->headers_len = 0;
		answer->status = 0;
		for (const char *p = space; p && p + 1 < line + len && p < space + 3; p++)
			if (p[1] >= '0' && p[1] <= '9')
				answer->status = answer->status * 10 + (p[1] - '0');
		return len;
	}
	if (answer->headers_len + len > HEADERS_MAX)
		return end_with(t, error_set(t->err, EBADMSG, "answers with too many headers"));
	if (append(&answer->headers, &answer->headers_len, line, len) < 0)
		return end_with(t, error_sys(t->err, ENOMEM, "HTTP"));
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	const struct exchange_request *request = t->request;
	struct exchange_answer *answer = t->answer;
	bool wanted = answer->status == 200 || answer->status == 206;
	int r;

	(void)one;
	t->bytes += len;
	if (request->sink && wanted) {
		r = request->sink(request->arg, answer, data, len, t->err);
		return r == 0 ? len : end_with(t, r);
	}
	if (len > request->max_body - answer->len) {
		/* What a refusal says is cut where it is too long. */
		if (!wanted)
			return t->bytes <= DISCARDED_MAX ? len : end_with(t, 1);
		return end_with(t, error_set(t->err, EFBIG, "answers with more than %zu bytes",
		                             request->max_body));
	}
	if (append(&answer->body, &answer->len, data, len) < 0)
		return end_with(t, error_sys(t->err, ENOMEM, "HTTP"));
	return len;
}

static int set_headers(const struct exchange_request *request, struct curl_slist **ret)
{
	/* No 100-continue: who refuses a body says so soon enough. */
	static const char *const always[] = { "Accept-Encoding: identity", "Expect:", NULL };
	const char *const *lists[] = { always, request->headers };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		for (const char *const *line = lists[i]; line && *line; line++) {
			struct curl_slist *more = curl_slist_append(*ret, *line);

			if (!more)
				return -ENOMEM;
			*ret = more;
		}
	}
	return 0;
}

static void set_method(CURL *easy, const struct exchange_request *request)
{
	const char *method = request->method;

	if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	} else {
		if (strcmp(method, "DELETE") != 0) {
			curl_easy_setopt(easy, CURLOPT_POST, 1L);
			curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
			                 request->body ? request->body : "");
			curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			                 (curl_off_t)request->body_len);
		}
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	}
}

static void on_wake(void *arg, bool fired)
{
	struct exchange *exchange = arg;

	if (!fired)
		return;
	__atomic_store_n(&exchange->cancelled, true, __ATOMIC_RELAXED);
	curl_multi_wakeup(exchange->multi);
}

/* Bytes that went in either direction, to see whether there is life. */
static uint64_t moved(CURL *easy, const struct transfer *t)
{
	curl_off_t sent = 0;

	curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	return t->bytes + t->answer->headers_len + (uint64_t)sent;
}

/* Until curl is done; 0 with its code, or -errno. */
static int run(struct exchange *exchange, CURL *easy, struct transfer *t, CURLcode *ret)
{
	const struct exchange_request *request = t->request;
	uint64_t progress_ns = now_ns(), last = 0;
	int running, left;

	for (;;) {
		uint64_t now, next, bytes;
		CURLMsg *msg;

		curl_multi_perform(exchange->multi, &running);
		while ((msg = curl_multi_info_read(exchange->multi, &left)) != NULL) {
			*ret = msg->data.result;
			return 0;
		}
		now = now_ns();
		bytes = moved(easy, t);
		if (bytes != last) {
			last = bytes;
			progress_ns = now;
		}
		if (__atomic_load_n(&exchange->cancelled, __ATOMIC_RELAXED))
			return error_set(t->err, ECANCELED, "no longer wanted");
		if (request->deadline_ns && now >= request->deadline_ns)
			return error_set(t->err, ETIMEDOUT, "not done before the deadline");
		next = progress_ns + request->stall_ms * NS_PER_MS;
		if (now >= next)
			return error_set(t->err, ETIMEDOUT, "no byte for %g s (stalled)",
			                 request->stall_ms / 1000.0);
		if (request->deadline_ns)
			next = min_u64(next, request->deadline_ns);
		curl_multi_poll(exchange->multi, NULL, 0,
		                (int)min_u64((next - now) / NS_PER_MS + 1, 60000), NULL);
	}
}

/* A relative Location is relative to what was asked for (RFC 9110, 10.2.2). */
static int find_location(const struct exchange_request *request, struct exchange_answer *answer)
{
	char text[8192], *whole = NULL;
	CURLU *parts;
	int r = 0;

	if (!exchange_header(answer, "Location", text, sizeof(text)))
		return 0;
	parts = curl_url();
	if (!parts)
		return -ENOMEM;
	if (curl_url_set(parts, CURLUPART_URL, request->url, CURLU_URLENCODE) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_URL, text, CURLU_URLENCODE) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
		answer->location = strdup(whole);
		r = answer->location ? 0 : -ENOMEM;
	}
	curl_free(whole);
	curl_url_cleanup(parts);
	return r;
}

static int transfer(struct exchange *exchange, CURL *easy, struct transfer *t)
{
	const struct exchange_request *request = t->request;
	char said[CURL_ERROR_SIZE] = "";
	CURLcode code = CURLE_OK;
	int r;

	curl_common_options(easy, exchange->ca_file);
	curl_common_credential(easy, request->who);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->stall_ms);
	set_method(easy, request);
	if (curl_multi_add_handle(exchange->multi, easy) != CURLM_OK)
		return error_sys(t->err, ENOMEM, "HTTP");
	r = run(exchange, easy, t, &code);
	/* Ended here because the rest of a refusal is of no interest: that is an answer. */
	if (r == 0 && t->result < 0)
		r = t->result;
	else if (r == 0 && code != CURLE_OK && !t->result)
		r = curl_common_error(easy, code, said, exchange->ca_file, t->err);
	curl_multi_remove_handle(exchange->multi, easy);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	return r;
}

int exchange_do(struct exchange *exchange, const struct exchange_request *request,
                struct exchange_answer *ret, struct error *err)
{
	struct error ignored = { 0 };
	struct transfer t = { .request = request, .answer = ret, .err = err ? err : &ignored };
	struct curl_slist *headers = NULL;
	sigset_t pipe_signal, before;
	CURL *easy;
	int r;

	*ret = (struct exchange_answer){ 0 };
	exchange->cancelled = false;
	if (request->cancel && !source_cancel_arm(request->cancel, on_wake, exchange))
		return error_set(err, ECANCELED, "no longer wanted");
	/* TLS libraries write to sockets without MSG_NOSIGNAL. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	easy = curl_easy_init();
	if (easy && set_headers(request, &headers) == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		r = transfer(exchange, easy, &t);
	} else {
		r = error_sys(err, ENOMEM, "HTTP");
	}
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	/* Otherwise one that was held back would be delivered now. */
	if (!sigismember(&before, SIGPIPE))
		while (sigtimedwait(&pipe_signal, NULL, &(struct timespec){ 0 }) == SIGPIPE)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (request->cancel)
		source_cancel_disarm(request->cancel);
	if (r == 0 && find_location(request, ret) < 0)
		r = error_sys(err, ENOMEM, "HTTP");
	return r;
}

bool exchange_header(const struct exchange_answer *answer, const char *name, char *out, size_t room)
{
	size_t n = strlen(name), used = 0;
	const char *end;

	out[0] = '\0';
	if (!answer->headers)
		return false;
	end = answer->headers + answer->headers_len;
	for (const char *line = answer->headers, *next; line < end; line = next) {
		const char *eol = memchr(line, '\n', (size_t)(end - line)), *value;
		size_t len;

		next = eol ? eol + 1 : end;
		if ((size_t)(next - line) <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		value = line + n + 1;
		len = (size_t)(next - value);
		while (len > 0 && strchr(" \t\r\n", value[len - 1]))
			len--;
		while (len > 0 && (*value == ' ' || *value == '\t')) {
			value++;
			len--;
		}
		if (len + 3 > room - used || memchr(value, '\0', len)) {
			out[0] = '\0';
			return false;
		}
		used += (size_t)snprintf(out + used, room - used, "%s%.*s", used ? ", " : "",
		                         (int)len, value);
	}
	return out[0] != '\0';
}
