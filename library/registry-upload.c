// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sending blobs to a registry: POST gives a session's address, PATCH adds a piece to it and gives
 * the next address, PUT with the digest ends it.  What is no longer than a piece goes along with the
 * PUT.  Facts: OCI distribution specification 1.1, "Pushing blobs".
 *
 * A PATCH that breaks off may have arrived in part: the session is asked how far it is (GET), and
 * the rest of the piece is sent.  The session's address is kept in a file of `uploads_dir` while the
 * blob is not whole, so that another process goes on with it; a registry forgets it after some days.
 *
 * Threads: an upload is one thread's at a time.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/http-headers.h"
#include "library/registry-answer.h"
#include "library/registry.h"
#include "util/io.h"

#define BREAKS_MAX  4u /* in a row, without a byte that arrived between */
#define CHUNK_MAX   (64 * MIB)
#define ADDRESS_MAX 8192u

struct registry_upload {
	struct store_upload upload;
	char name[256];
	char digest[STORE_DIGEST_ROOM];
	char scope[REGISTRY_SCOPE_ROOM];
	char *url;   /* where the next piece goes */
	char *note;  /* the file that remembers it; NULL: none */
	uint64_t at; /* bytes that are there */
	uint64_t size;
	uint8_t *piece;
	size_t used, room;
};

static struct registry_upload *upload_of(struct store_upload *upload)
{
	return (struct registry_upload *)upload;
}

static struct registry *registry_behind(const struct registry_upload *up)
{
	return registry_of(up->upload.store);
}

int registry_mount_blob(struct store *store, const char *name, const char *digest, const char *from,
                        struct error *err)
{
	struct registry *registry = registry_of(store);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "POST", .scope = scope };
	int r;

	registry_scope(scope, name, "pull,push", from);
	if (asprintf(&url, "/v2/%s/blobs/uploads/?mount=%s&from=%s", name, digest, from) < 0) {
		url = NULL;
		return error_sys(err, ENOMEM, "%s", name);
	}
	call.url = url;
	r = registry_call(registry, name, digest, &call, &answer, err);
	if (r < 0 || answer.status == 201)
		return r;
	if (answer.status != 202)
		return registry_refuse(registry, name, digest, "blob", &answer, err);
	/* It has begun an upload instead, which nobody wants. */
	if (answer.location) {
		cleanup(exchange_answer_free) struct exchange_answer ended = { 0 };
		const struct http_call end = { .method = "DELETE",
			                       .url = answer.location,
			                       .scope = scope };

		http_call(registry->client, &end, &ended, NULL);
	}
	error_set(err, ENOENT, "%s does not have it for others", from);
	registry_prefix(registry, name, digest, err);
	return -ENOENT;
}

/* The file that remembers this upload: named after registry, name and digest. */
static int note_path(const struct registry_upload *up, char **ret)
{
	const struct registry *registry = registry_behind(up);
	unsigned char sum[32];
	char text[1024], hex[65];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s", registry->store.name, up->name,
	                 up->digest);

	*ret = NULL;
	if (!registry->uploads_dir)
		return 0;
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    EVP_Digest(text, (size_t)n, sum, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return asprintf(ret, "%s/%s", registry->uploads_dir, hex) < 0 ? -ENOMEM : 0;
}

/* Remember where it goes on.  The address may hold a signature: it is nobody else's. */
static int note_down(const struct registry_upload *up, struct error *err)
{
	int r;

	if (!up->note)
		return 0;
	r = make_dirs(registry_behind(up)->uploads_dir, 0700, err);
	return r < 0 ? r : replace_file(AT_FDCWD, up->note, up->url, strlen(up->url), 0600, err);
}

static void note_away(const struct registry_upload *up)
{
	if (up->note)
		unlink(up->note);
}

/* Take the next address out of an answer. */
static int move_on(struct registry_upload *up, struct exchange_answer *answer, struct error *err)
{
	const char *next = answer->location;

	if (!next || (strncmp(next, "https://", 8) != 0 && strncmp(next, "http://", 7) != 0) ||
	    strlen(next) > ADDRESS_MAX) {
		error_set(err, EBADMSG, "the registry does not say where an upload goes on");
		registry_prefix(registry_behind(up), up->name, up->digest, err);
		return -EBADMSG;
	}
	if (up->url && strncmp(up->url, "https:", 6) == 0 && strncmp(next, "https:", 6) != 0) {
		error_set(err, EBADMSG, "the registry sends an upload from https to http");
		registry_prefix(registry_behind(up), up->name, up->digest, err);
		return -EBADMSG;
	}
	free(up->url);
	up->url = take_ptr(answer->location);
	return 0;
}

/* How far is it, as the registry sees it?  -ENOENT when it has forgotten. */
static int ask_state(struct registry_upload *up, struct error *err)
{
	struct registry *registry = registry_behind(up);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	const struct http_call call = { .method = "GET", .url = up->url, .scope = up->scope };
	char range[128];
	uint64_t there;
	int r = registry_call(registry, up->name, up->digest, &call, &answer, err);

	if (r < 0)
		return r;
	if (answer.status != 204 && answer.status != 200)
		return registry_refuse(registry, up->name, up->digest, "upload", &answer, err);
	if (!exchange_header(&answer, "Range", range, sizeof(range)))
		there = 0;
	else if (registry_upload_range(range, &there) < 0 || there > up->size)
		there = UINT64_MAX;
	if (there == UINT64_MAX) {
		error_set(err, EBADMSG, "the registry does not say how far an upload is");
		registry_prefix(registry, up->name, up->digest, err);
		return -EBADMSG;
	}
	if (answer.location)
		r = move_on(up, &answer, err);
	if (r == 0)
		up->at = there;
	return r;
}

/* An upload that another process began; anything that fails means to begin anew. */
static bool resume(struct registry_upload *up)
{
	size_t len;

	if (!up->note || read_file(AT_FDCWD, up->note, ADDRESS_MAX, &up->url, &len, NULL) < 0)
		return false;
	if (len == strlen(up->url) && ask_state(up, NULL) == 0 && up->at > 0)
		return true;
	free(take_ptr(up->url));
	note_away(up);
	up->at = 0;
	return false;
}

/* A piece is at least as long as the registry wants. */
static void take_least(struct registry_upload *up, const struct exchange_answer *answer)
{
	char text[64];
	uint64_t least;

	if (exchange_header(answer, "OCI-Chunk-Min-Length", text, sizeof(text)) &&
	    http_parse_length(text, &least) == 0 && least > up->room && least <= CHUNK_MAX)
		up->room = (size_t)least;
}

static int start(struct registry_upload *up, struct error *err)
{
	struct registry *registry = registry_behind(up);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "POST", .scope = up->scope };
	int r;

	if (asprintf(&url, "/v2/%s/blobs/uploads/", up->name) < 0) {
		url = NULL;
		return error_sys(err, ENOMEM, "%s", up->name);
	}
	call.url = url;
	r = registry_call(registry, up->name, NULL, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status != 202)
		return registry_refuse(registry, up->name, NULL, "name", &answer, err);
	take_least(up, &answer);
	return move_on(up, &answer, err);
}

void registry_end_upload(struct store_upload *upload)
{
	struct registry_upload *up = upload_of(upload);

	if (!up)
		return;
	free(up->piece);
	free(up->note);
	free(up->url);
	free(up);
}

int registry_begin_upload(struct store *store, const char *name, const char *digest, uint64_t size,
                          struct store_upload **ret, uint64_t *ret_off, struct error *err)
{
	struct registry_upload *up;
	struct error why = { 0 };
	uint64_t there;
	int r = registry_find_blob(store, name, digest, &there, &why);

	if (r == 0) {
		*ret = NULL;
		*ret_off = size;
		return 0;
	}
	if (r != -ENOENT) {
		if (err)
			*err = why;
		return r;
	}
	up = calloc(1, sizeof(*up));
	if (!up)
		return error_sys(err, ENOMEM, "%s", name);
	up->upload.store = store;
	up->size = size;
	up->room = registry_of(store)->chunk;
	snprintf(up->name, sizeof(up->name), "%s", name);
	snprintf(up->digest, sizeof(up->digest), "%s", digest);
	registry_scope(up->scope, name, "pull,push", NULL);
	r = note_path(up, &up->note);
	if (r < 0)
		r = error_sys(err, ENOMEM, "%s", name);
	else if (!resume(up))
		r = start(up, err);
	if (r == 0) {
		up->room = (size_t)min_u64(up->room, size ? size : 1);
		up->piece = malloc(up->room + 1);
		if (!up->piece)
			r = error_sys(err, ENOMEM, "%s", name);
	}
	if (r < 0) {
		registry_end_upload(&up->upload);
		return r;
	}
	*ret = &up->upload;
	*ret_off = up->at;
	return 0;
}

/* One PATCH of what of the piece is not there. */
static int patch(struct registry_upload *up, const uint8_t *data, size_t len, struct error *err)
{
	struct registry *registry = registry_behind(up);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	char range[80], said[128];
	const char *const headers[] = { "Content-Type: application/octet-stream", range, NULL };
	const struct http_call call = { .method = "PATCH",
		                        .url = up->url,
		                        .scope = up->scope,
		                        .headers = headers,
		                        .body = data,
		                        .body_len = len,
		                        .once = true };
	uint64_t there = up->at + len, told;
	int r;

	snprintf(range, sizeof(range), "Content-Range: %llu-%llu", (unsigned long long)up->at,
	         (unsigned long long)(there - 1));
	r = registry_call(registry, up->name, up->digest, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status == 416) {
		/* A piece that came twice: libcurl itself repeats what breaks on a connection that
		 * was used before. */
		error_set(err, EBUSY, "the registry has another part of the upload (416)");
		registry_prefix(registry, up->name, up->digest, err);
		return -EBUSY;
	}
	if (answer.status < 200 || answer.status > 299) {
		/* The session is of no use any more: neither here nor to another process. */
		note_away(up);
		return registry_refuse(registry, up->name, up->digest, "upload", &answer, err);
	}
	if (exchange_header(&answer, "Range", said, sizeof(said)) &&
	    (registry_upload_range(said, &told) < 0 || (told != there && there != 1))) {
		note_away(up);
		error_set(err, EBADMSG, "the registry has another part of an upload than was sent");
		registry_prefix(registry, up->name, up->digest, err);
		return -EBADMSG;
	}
	up->at = there;
	return move_on(up, &answer, err);
}

static bool is_break(int r)
{
	return r == -ECONNRESET || r == -ETIMEDOUT || r == -EIO || r == -EBUSY;
}

/* Send the piece, mending connections that break. */
static int send_piece(struct registry_upload *up, struct error *err)
{
	uint64_t begin = up->at;
	int r = 0;

	for (unsigned int breaks = 0; r == 0 && up->at < begin + up->used;) {
		uint64_t before = up->at;
		size_t done = (size_t)(up->at - begin);

		r = patch(up, up->piece + done, up->used - done, err);
		if (r == 0 || !is_break(r))
			continue;
		breaks++;
		if (breaks >= BREAKS_MAX || ask_state(up, NULL) < 0)
			return r;
		if (up->at < before || up->at > begin + up->used) {
			error_set(err, EBADMSG, "the registry has lost a part of an upload");
			registry_prefix(registry_behind(up), up->name, up->digest, err);
			return -EBADMSG;
		}
		if (up->at > before)
			breaks = 0;
		r = 0;
	}
	if (r == 0) {
		up->used = 0;
		r = note_down(up, err);
	}
	return r;
}

int registry_write_upload(struct store_upload *upload, const void *buf, size_t len,
                          struct error *err)
{
	struct registry_upload *up = upload_of(upload);

	if (len > up->size - up->at - up->used)
		return error_set(err, EINVAL, "%s: more than the %llu bytes that were said",
		                 up->digest, (unsigned long long)up->size);
	for (const uint8_t *data = buf; len > 0;) {
		size_t n = (size_t)min_u64(len, up->room - up->used);

		memcpy(up->piece + up->used, data, n);
		up->used += n;
		data += n;
		len -= n;
		/* The last piece goes when it is known to be the last. */
		if (up->used == up->room && up->at + up->used < up->size) {
			int r = send_piece(up, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* The PUT that makes a blob of it, with all of its bytes when none were sent. */
static int put(struct registry_upload *up, struct error *err)
{
	struct registry *registry = registry_behind(up);
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "PUT",
		                  .scope = up->scope,
		                  .headers = headers,
		                  .body = up->used ? up->piece : NULL,
		                  .body_len = up->used };
	uint64_t there;
	int r;

	if (asprintf(&url, "%s%cdigest=%s", up->url, strchr(up->url, '?') ? '&' : '?', up->digest) <
	    0) {
		url = NULL;
		return error_sys(err, ENOMEM, "%s", up->digest);
	}
	call.url = url;
	r = registry_call(registry, up->name, up->digest, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status >= 200 && answer.status <= 299)
		return 0;
	/* A first try may have come through, whose answer did not. */
	if (answer.status == 404 &&
	    registry_find_blob(&registry->store, up->name, up->digest, &there, NULL) == 0)
		return 0;
	note_away(up);
	return registry_refuse(registry, up->name, up->digest, "upload", &answer, err);
}

int registry_finish_upload(struct store_upload *upload, struct error *err)
{
	struct registry_upload *up = upload_of(upload);
	int r = 0;

	if (up->at + up->used != up->size)
		return error_set(err, EINVAL, "%s: %llu bytes of %llu were written", up->digest,
		                 (unsigned long long)(up->at + up->used),
		                 (unsigned long long)up->size);
	/* Registries differ in whether they take a last piece along once there were others. */
	if (up->at > 0 && up->used > 0)
		r = send_piece(up, err);
	if (r == 0)
		r = put(up, err);
	if (r == 0)
		note_away(up);
	return r;
}
