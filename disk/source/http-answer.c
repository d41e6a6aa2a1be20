// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a server's answer means: its headers, its status, and curl's ways of saying that there was
 * no answer, each as one sentence.
 *
 * The version of the file is pinned by the first answer.  Every later one must say the same ETag
 * (or Last-Modified, where there is no strong ETag) and the same size, or the source is stale.
 * Requests also carry If-Match or If-Unmodified-Since, so that a server that knows them answers 412
 * instead of sending bytes nobody can use.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "disk/source/curl-common.h"
#include "disk/source/http.h"
#include "util/clock.h"

/* The value of a header line, when its name is `name`: trimmed, ended by a NUL.  Cut at `room`. */
static bool header_is(const char *line, size_t len, const char *name, char *out, size_t room)
{
	size_t n = strlen(name), used;

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' ' ||
	                   line[len - 1] == '\t'))
		len--;
	/* What does not fit is no value that anything here could use. */
	used = len < room ? len : 0;
	memcpy(out, line, used);
	out[used] = '\0';
	return true;
}

/* Each line is a list, and all of them are one. */
static void add_challenge(struct http_answer *answer, const char *value)
{
	size_t used = strlen(answer->challenge), room = sizeof(answer->challenge) - used;
	int n = snprintf(answer->challenge + used, room, "%s%s", used ? ", " : "", value);

	if (n < 0 || (size_t)n >= room)
		answer->challenge[used] = '\0';
}

void http_answer_line(struct http_answer *answer, const char *line, size_t len)
{
	char value[HTTP_MAX_LOCATION];

	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		const char *space = memchr(line, ' ', len);

		*answer = (struct http_answer){ 0 };
		for (const char *p = space; p && p + 1 < line + len && p < space + 3; p++)
			if (p[1] >= '0' && p[1] <= '9')
				answer->status = answer->status * 10 + (p[1] - '0');
	} else if (header_is(line, len, "Content-Range", value, sizeof(value))) {
		answer->bad_range |=
			answer->has_range || http_parse_content_range(value, &answer->range) < 0;
		answer->has_range = true;
	} else if (header_is(line, len, "Content-Length", value, sizeof(value))) {
		answer->has_length = http_parse_length(value, &answer->length) == 0;
	} else if (header_is(line, len, "ETag", value, sizeof(value))) {
		if (http_parse_etag(value, answer->etag, sizeof(answer->etag)) < 0)
			answer->etag[0] = '\0';
	} else if (header_is(line, len, "Last-Modified", value, sizeof(value))) {
		if (http_parse_date(value, &answer->last_modified) < 0)
			answer->last_modified = 0;
	} else if (header_is(line, len, "Retry-After", value, sizeof(value))) {
		answer->has_retry_after =
			http_parse_retry_after(value, time(NULL), &answer->retry_after) == 0;
	} else if (header_is(line, len, "Content-Encoding", value, sizeof(value))) {
		answer->encoded = strcasecmp(value, "identity") != 0;
	} else if (header_is(line, len, "Location", value, sizeof(value))) {
		memcpy(answer->location, value, strlen(value) + 1);
	} else if (header_is(line, len, "WWW-Authenticate", value, sizeof(value))) {
		add_challenge(answer, value);
	} else if (header_is(line, len, "Content-Type", answer->content_type,
	                     sizeof(answer->content_type))) {
		return;
	}
}

static int refuse(struct http_request *req, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The sentence begins with the name of the source, and with where it was sent on to. */
static int refuse(struct http_request *req, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_vset(&req->item.err, code, fmt, args);
	va_end(args);
	if (req->redirects > 0)
		error_prefix(&req->item.err, "sent on to %.*s", (int)strcspn(req->url, "?#"),
		             req->url);
	error_prefix(&req->item.err, "%s", req->http->src.name);
	req->verdict = HTTP_REFUSED;
	req->refusal = -code;
	return -code;
}

/* Does the answer come from another version than the pinned one?  Says so. */
static bool is_stale(struct http_request *req)
{
	const struct source_identity *id = &req->http->src.identity;
	const struct http_answer *answer = &req->answer;

	if (req->connecting)
		return false;
	if (answer->has_range && !answer->bad_range && answer->range.total != HTTP_TOTAL_UNKNOWN &&
	    answer->range.total != id->size)
		refuse(req, ESTALE,
		       "the file was changed on the server: it had %llu bytes and has %llu",
		       (unsigned long long)id->size, (unsigned long long)answer->range.total);
	else if (id->etag[0] && answer->etag[0] && strcmp(id->etag, answer->etag) != 0)
		refuse(req, ESTALE,
		       "the file was changed on the server: its ETag was %.80s and is %.80s",
		       id->etag, answer->etag);
	else if (id->last_modified && answer->last_modified &&
	         id->last_modified != answer->last_modified)
		refuse(req, ESTALE, "the file was changed on the server: its date is another one");
	else
		return false;
	return true;
}

/* A 206 has to be exactly what was asked for, of the pinned version. */
static int judge_content(struct http_request *req)
{
	const struct source_identity *id = &req->http->src.identity;
	const struct http_answer *answer = &req->answer;
	uint64_t last = req->off + req->len - 1;

	if (strncasecmp(answer->content_type, "multipart/", 10) == 0)
		return refuse(req, EPROTO, "answers one range with several parts");
	if (answer->encoded)
		return refuse(req, EPROTO,
		              "encodes what it sends (Content-Encoding) though asked "
		              "not to");
	if (!answer->has_range || answer->bad_range)
		return refuse(req, EPROTO, "answers a range %s Content-Range",
		              answer->has_range ? "with a malformed" : "without");
	if (is_stale(req))
		return -ESTALE;
	if (answer->range.unsatisfied || answer->range.first != req->off ||
	    answer->range.last != last)
		return refuse(req, EPROTO,
		              "was asked for bytes %llu-%llu and answers with %llu-%llu (wrong "
		              "Content-Range)",
		              (unsigned long long)req->off, (unsigned long long)last,
		              (unsigned long long)answer->range.first,
		              (unsigned long long)answer->range.last);
	if (answer->has_length && answer->length != req->len)
		return refuse(req, EPROTO,
		              "sends a body of %llu bytes for a range of %zu (%s body)",
		              (unsigned long long)answer->length, req->len,
		              answer->length < req->len ? "short" : "long");
	/* What both have was equal, or the answer would be stale: one of the pinned is needed. */
	if (!req->connecting && (id->etag[0] || id->last_modified) &&
	    !(id->etag[0] && answer->etag[0]) && !(id->last_modified && answer->last_modified))
		return refuse(req, EPROTO,
		              "no longer says the version of the file (ETag, Last-Modified), so "
		              "that a change could not be noticed");
	req->verdict = HTTP_CONTENT;
	return 0;
}

/* 200: the whole file. */
static void judge_whole(struct http_request *req)
{
	const struct http_answer *answer = &req->answer;
	uint64_t size = req->http->src.identity.size;

	if (is_stale(req))
		return;
	if (!req->connecting && answer->has_length && answer->length != size)
		refuse(req, ESTALE,
		       "the file was changed on the server: it had %llu bytes and has %llu",
		       (unsigned long long)size, (unsigned long long)answer->length);
	else if (!req->connecting && !answer->encoded && req->off == 0 && req->len == size)
		req->verdict = HTTP_CONTENT;
	else
		refuse(req, ENOTSUP,
		       "ignores Range and sends the whole file, so it cannot be streamed; use "
		       "another "
		       "server, or download it");
}

/* 416: there is nothing at that place.  The way to learn that a file is empty, too. */
static void judge_unsatisfied(struct http_request *req)
{
	const struct http_answer *answer = &req->answer;
	bool says_size = answer->has_range && !answer->bad_range && answer->range.unsatisfied;

	if (req->connecting && says_size && answer->range.total == 0)
		refuse(req, ENODATA, "the file is empty");
	else if (!is_stale(req))
		refuse(req, EIO, "says that bytes %llu-%llu are not in the file (416)",
		       (unsigned long long)req->off, (unsigned long long)(req->off + req->len - 1));
}

static void judge_busy(struct http_request *req, const char *what)
{
	const struct http_answer *answer = &req->answer;

	if (answer->has_retry_after) {
		uint64_t until = now_ns() + answer->retry_after * NS_PER_SEC;

		__atomic_store_n(&req->http->src.not_before_ns, until, __ATOMIC_RELAXED);
		refuse(req, EBUSY, "%s (%ld) and asks to come back in %u s", what, answer->status,
		       answer->retry_after);
	} else {
		refuse(req, EBUSY, "%s (%ld)", what, answer->status);
	}
}

void http_judge(struct http_request *req)
{
	struct http_answer *answer = &req->answer;
	struct error why;

	switch (answer->status) {
	case 206:
		judge_content(req);
		break;
	case 200:
		judge_whole(req);
		break;
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		req->verdict = HTTP_REDIRECT;
		break;
	case 401:
		access_refused(req->http->access, req->shown.any, &why);
		refuse(req, EACCES, "%s", why.text);
		req->challenged_url = strdup(req->url);
		break;
	case 403:
		refuse(req, EACCES, "does not allow reading it (403)");
		break;
	case 404:
	case 410:
		refuse(req, ENOENT, "there is no such file on the server (%ld)", answer->status);
		break;
	case 407:
		refuse(req, EACCES, "the proxy wants credentials (407)");
		break;
	case 412:
		refuse(req, ESTALE, "the file was changed on the server (412)");
		break;
	case 416:
		judge_unsatisfied(req);
		break;
	case 429:
		judge_busy(req, "there are too many requests");
		break;
	case 503:
		judge_busy(req, "the server is busy");
		break;
	default:
		refuse(req, answer->status >= 500 ? EIO : EPROTO, "%s (%ld)",
		       answer->status >= 500 ? "the server failed"
		                             : "gives an answer that makes no sense",
		       answer->status);
	}
}

int http_explain(struct http_request *req, CURLcode code)
{
	struct error why = { 0 };

	switch (code) {
	case CURLE_OK:
	case CURLE_PARTIAL_FILE:
		return refuse(req, EIO, "ended after %zu of %zu bytes (short body)", req->received,
		              req->len);
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		if (req->received == 0)
			break;
		return refuse(req, ECONNRESET, "the connection was lost after %zu of %zu bytes: %s",
		              req->received, req->len, req->curl_text);
	default:
		break;
	}
	curl_common_error(req->easy, code, req->curl_text, req->http->ca_file, &why);
	return refuse(req, why.code, "%s", why.text);
}
