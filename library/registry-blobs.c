// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blobs of a registry, found and read; a read that breaks off goes on where it was.
 */
#include "library/registry.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/http-headers.h"
#include "library/registry-answer.h"

#define READ_ENDS 4u /* a read that breaks off so often without a byte between has failed */

static int blob_url(const char *name, const char *digest, char **ret, struct error *err)
{
	return asprintf(ret, "/v2/%s/blobs/%s", name, digest) < 0
	               ? error_sys(err, ENOMEM, "%s", name)
	               : 0;
}

/* The size, out of the answer to a HEAD or to a GET of the first byte. */
static int take_size(const struct exchange_answer *answer, uint64_t *ret)
{
	struct http_content_range range;
	char text[128];

	if (answer->status == 206)
		return exchange_header(answer, "Content-Range", text, sizeof(text)) &&
		                       http_parse_content_range(text, &range) == 0 &&
		                       range.total != HTTP_TOTAL_UNKNOWN
		               ? (*ret = range.total, 0)
		               : -EBADMSG;
	if (!exchange_header(answer, "Content-Length", text, sizeof(text)))
		return -EBADMSG;
	return http_parse_length(text, ret) < 0 ? -EBADMSG : 0;
}

int registry_find_blob(struct store *store, const char *name, const char *digest,
                       uint64_t *ret_size, struct error *err)
{
	static const char *const first_byte[] = { "Range: bytes=0-0", NULL };
	struct registry *registry = registry_of(store);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "HEAD", .scope = scope };
	int r = blob_url(name, digest, &url, err);

	if (r < 0)
		return r;
	registry_scope(scope, name, "pull", NULL);
	call.url = url;
	r = registry_call(registry, name, digest, &call, &answer, err);
	if (r < 0)
		return r;
	/* Places of storage that are signed for GET only. */
	if (answer.status == 403 || answer.status == 405) {
		call.method = "GET";
		call.headers = first_byte;
		exchange_answer_free(&answer);
		r = registry_call(registry, name, digest, &call, &answer, err);
		if (r < 0)
			return r;
	}
	if (answer.status != 200 && answer.status != 206)
		return registry_refuse(registry, name, digest, "blob", &answer, err);
	if (take_size(&answer, ret_size) < 0) {
		error_set(err, EBADMSG, "the registry does not say how large it is");
		registry_prefix(registry, name, digest, err);
		return -EBADMSG;
	}
	return 0;
}

/* A blob on its way to a sink, which may take more than one answer. */
struct read {
	const struct store_sink *sink;
	uint64_t at;   /* where the sink is */
	uint64_t skip; /* bytes of this answer that it has already */
	bool begun;    /* this answer's head was looked at */
	bool ended;    /* by the sink, or for good */
};

static int on_bytes(void *arg, const struct exchange_answer *answer, const void *data, size_t len,
                    struct error *err)
{
	struct read *read = arg;
	struct http_content_range range;
	char text[128];
	size_t skip;
	int r;

	if (!read->begun) {
		read->begun = true;
		read->skip = answer->status == 200 ? read->at : 0;
		if (answer->status == 206 &&
		    (!exchange_header(answer, "Content-Range", text, sizeof(text)) ||
		     http_parse_content_range(text, &range) < 0 || range.unsatisfied ||
		     range.first != read->at)) {
			read->ended = true;
			return error_set(err, EBADMSG,
			                 "answers with another range than was asked "
			                 "for");
		}
	}
	skip = (size_t)min_u64(read->skip, len);
	read->skip -= skip;
	if (skip == len)
		return 0;
	r = read->sink->write(read->sink->arg, (const char *)data + skip, len - skip, err);
	if (r == 0)
		read->at += len - skip;
	else
		read->ended = true;
	return r;
}

int registry_read_blob(struct store *store, const char *name, const char *digest, uint64_t off,
                       const struct store_sink *sink, struct error *err)
{
	struct registry *registry = registry_of(store);
	struct read read = { .sink = sink, .at = off };
	char scope[REGISTRY_SCOPE_ROOM], range[64];
	const char *const headers[] = { range, NULL };
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "GET", .scope = scope, .sink = on_bytes, .arg = &read };
	int r = blob_url(name, digest, &url, err);

	registry_scope(scope, name, "pull", NULL);
	call.url = url;
	for (unsigned int ends = 0; r == 0;) {
		cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
		uint64_t before = read.at;

		snprintf(range, sizeof(range), "Range: bytes=%llu-", (unsigned long long)read.at);
		call.headers = read.at > 0 ? headers : NULL;
		read.begun = false;
		r = registry_call(registry, name, digest, &call, &answer, err);
		if (r == 0) {
			if (answer.status == 200 || answer.status == 206)
				return 0;
			/* Nothing is behind the last byte. */
			return registry_refuse(registry, name, digest, "blob", &answer, err);
		}
		if (read.ended || !read.begun)
			return r;
		ends = read.at > before ? 0 : ends + 1;
		if (ends < READ_ENDS)
			r = 0;
	}
	return r;
}

int registry_blob_place(struct store *store, const char *name, const char *digest, char **ret,
                        struct error *err)
{
	cleanup_free char *base = NULL;
	int r = http_client_base(registry_of(store)->client, &base, err);

	if (r < 0) {
		registry_prefix(registry_of(store), NULL, NULL, err);
		return r;
	}
	return asprintf(ret, "%s/v2/%s/blobs/%s", base, name, digest) < 0
	               ? error_sys(err, ENOMEM, "%s", name)
	               : 0;
}
