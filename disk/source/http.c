// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A source over a file on an HTTP server, read by ranges.
 *
 * Connecting is a request for the first byte: its answer tells the size, the version (a strong
 * ETag, Last-Modified), and whether the server knows ranges at all, all at once and from the same
 * kind of answer that will be compared with it later.  HEAD would tell less, and links that are
 * signed for GET refuse it.
 */
#include "disk/source/http.h"

#include <errno.h>
#include <string.h>

#include "disk/source/curl-common.h"
#include "util/clock.h"

static int submit(struct http *http, struct http_request *req, const struct source_read *how,
                  struct error *err)
{
	free(req->challenged_url);
	*req = (struct http_request){ .http = http,
		                      .buf = req->buf,
		                      .len = req->len,
		                      .off = req->off,
		                      .connecting = req->connecting,
		                      .arrived = how->arrived,
		                      .arg = how->arg };
	return queue_submit(&http->queue, &req->item, how, err);
}

/*
 * One request, start to end, for the reading thread, which also gets what a server that answers 401
 * wants to see.  Once: who is refused with what is new is refused.
 */
static int request(struct http *http, struct http_request *req, const struct source_read *how,
                   struct error *err)
{
	struct source_read with = how ? *how : (struct source_read){ .priority = SOURCE_DEMAND };
	struct access_wait wait = { .cancel = with.cancel };
	int r;

	if (!with.deadline_ns)
		with.deadline_ns = now_ns() + http->queue.deadline_ms * NS_PER_MS;
	wait.deadline_ns = with.deadline_ns;
	access_renew(http->access, http->url, "", &wait);
	r = submit(http, req, &with, err);
	if (r == -EACCES && req->challenged_url) {
		r = access_challenged(http->access, req->challenged_url, "", req->answer.challenge,
		                      &req->shown, &wait, err);
		if (r < 0)
			error_prefix(err, "%s", http->src.name);
		else
			r = submit(http, req, &with, err);
	}
	free(take_ptr(req->challenged_url));
	return r;
}

static int http_read(struct source *src, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	struct http *http = container_of(src, struct http, src);
	struct http_request req = { .buf = buf, .len = len, .off = off };

	return request(http, &req, how, err);
}

static int http_connect(struct source *src, const struct source_read *how, struct error *err)
{
	struct http *http = container_of(src, struct http, src);
	const struct source_read quiet = { .priority = how->priority,
		                           .deadline_ns = how->deadline_ns,
		                           .cancel = how->cancel };
	uint8_t first;
	struct http_request req = { .buf = &first, .len = 1, .connecting = true };
	struct source_identity id = { 0 };
	int r;

	if (!http->has_thread) {
		r = http_loop_start(http, err);
		if (r < 0)
			return r;
	}
	r = request(http, &req, &quiet, err);
	if (r < 0 && r != -ENODATA)
		return r;
	if (req.answer.range.total == HTTP_TOTAL_UNKNOWN)
		return error_set(err, EPROTO, "%s: the server does not say how long the file is",
		                 src->name);
	id.size = req.answer.range.total;
	id.last_modified = req.answer.last_modified;
	memcpy(id.etag, req.answer.etag, sizeof(id.etag));
	if (id.etag[0])
		source_url_origin(http->url, id.etag_from, sizeof(id.etag_from));
	src->identity = id;
	if (id.last_modified || id.etag[0])
		return 0;
	return source_identity_sample(src, &quiet, err);
}

static void http_close(struct source *src)
{
	struct http *http = container_of(src, struct http, src);

	if (http->has_thread)
		http_loop_stop(http);
	queue_destroy(&http->queue);
	access_free(http->access);
	free(http->pinned_url);
	free(http->ca_file);
	free(http->url);
	free(src->name);
	free(http);
}

static const struct source_ops http_ops = {
	.connect = http_connect,
	.read = http_read,
	.close = http_close,
};

int http_create(const struct source_url *url, const struct source_options *options,
                struct source **ret, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	const struct access_options access = { .ca_file = options->ca_file,
		                               .credentials_file = options->credentials_file,
		                               .stall_ms = options->stall_ms };
	struct http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return error_sys(err, ENOMEM, "%s", url->name);
	curl_common_init();
	queue_init(&http->queue, &http->src, options->deadline_ms, http_loop_wake);
	list_init(&http->active);
	src = &http->src;
	src->ops = &http_ops;
	src->name = strdup(url->name);
	http->url = strdup(url->target);
	http->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	http->connections = options->connections;
	http->stall_ms = options->stall_ms;
	if (!src->name || !http->url || (options->ca_file && !http->ca_file))
		return error_sys(err, ENOMEM, "%s", url->name);
	r = access_new(&access, &http->access, err);
	if (r == 0)
		*ret = take_ptr(src);
	return r;
}
