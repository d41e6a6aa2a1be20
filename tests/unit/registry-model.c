// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/registry-model.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

void model_digest(const void *data, size_t len, char ret[72])
{
	unsigned char sum[32];

	assert_int_equal(EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL), 1);
	memcpy(ret, "sha256:", 8);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(ret + 7 + 2 * i, 3, "%02x", sum[i]);
}

static struct model_item *find(struct model_item *items, size_t n, const char *name,
                               const char *which)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].data && strcmp(items[i].which, which) == 0 &&
		    (!name || strcmp(items[i].name, name) == 0))
			return &items[i];
	return NULL;
}

static struct model_item *add(struct model_item *items, size_t *n, const char *name,
                              const char *which, const void *data, size_t len)
{
	struct model_item *item = find(items, *n, name, which);

	if (!item) {
		assert_true(*n < MODEL_ITEMS);
		item = &items[(*n)++];
	}
	free(item->data);
	*item = (struct model_item){ .data = malloc(len + 1), .len = len };
	assert_non_null(item->data);
	memcpy(item->data, data, len);
	item->data[len] = '\0';
	snprintf(item->name, sizeof(item->name), "%s", name ? name : "");
	snprintf(item->which, sizeof(item->which), "%s", which);
	return item;
}

void model_add_blob(struct registry_model *model, const void *data, size_t len)
{
	char digest[72];

	model_digest(data, len, digest);
	add(model->blobs, &model->n_blobs, NULL, digest, data, len);
}

void model_add_manifest(struct registry_model *model, const char *name, const char *which,
                        const char *type, const char *text)
{
	struct model_item *item =
		add(model->manifests, &model->n_manifests, name, which, text, strlen(text));

	snprintf(item->type, sizeof(item->type), "%s", type);
}

const struct model_item *model_blob(const struct registry_model *model, const char *digest)
{
	return find((struct model_item *)model->blobs, model->n_blobs, NULL, digest);
}

const struct model_item *model_manifest(const struct registry_model *model, const char *name,
                                        const char *which)
{
	return find((struct model_item *)model->manifests, model->n_manifests, name, which);
}

static void refuse(struct registry_model *model, struct web_reply *reply, int status,
                   const char *code, const char *message)
{
	reply->status = status;
	snprintf(model->scratch, sizeof(model->scratch),
	         "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}", code, message);
	reply->body = model->scratch;
	reply->len = strlen(model->scratch);
}

/* Where an upload goes on; how far it is. */
static void point_to(struct registry_model *model, const struct model_item *upload,
                     const char *name, struct web_reply *reply)
{
	web_add_header(reply, "Location: %s/v2/%s/blobs/uploads/%s?state=%zu\r\n",
	               model->relative ? "" : web_server_url(model->server), name, upload->which,
	               upload->len);
	web_add_header(reply, "Range: 0-%zu\r\n", upload->len ? upload->len - 1 : 0);
	if (model->least)
		web_add_header(reply, "OCI-Chunk-Min-Length: %s\r\n", model->least);
}

static void append(struct model_item *item, const void *data, size_t len)
{
	item->data = realloc(item->data, item->len + len + 1);
	assert_non_null(item->data);
	memcpy(item->data + item->len, data, len);
	item->len += len;
}

static void begin_upload(struct registry_model *model, const struct web_request *request,
                         const char *name, struct web_reply *reply)
{
	const char *mount = strstr(request->path, "?mount="),
		   *from = strstr(request->path, "&from=");
	struct model_item *upload;
	char digest[72], id[16];

	reply->status = 202;
	if (mount && from) {
		snprintf(digest, sizeof(digest), "%.71s", mount + 7);
		if (model->mountable && strcmp(from + 6, model->mountable) == 0 &&
		    model_blob(model, digest)) {
			reply->status = 201;
			return;
		}
	}
	snprintf(id, sizeof(id), "u%zu", model->n_uploads);
	upload = add(model->uploads, &model->n_uploads, NULL, id, "", 0);
	point_to(model, upload, name, reply);
}

static void go_on_uploading(struct registry_model *model, const struct web_request *request,
                            const char *name, const char *id, struct web_reply *reply)
{
	struct model_item *upload = find(model->uploads, model->n_uploads, NULL, id);
	const char *range = strcasestr(request->head, "\r\nContent-Range: "),
		   *digest = strstr(request->path, "digest=");
	char actual[72];

	if (!upload) {
		refuse(model, reply, 404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
		return;
	}
	if (strcmp(request->method, "GET") == 0) {
		reply->status = 204;
		point_to(model, upload, name, reply);
	} else if (strcmp(request->method, "DELETE") == 0) {
		reply->status = 204;
		free(upload->data);
		upload->data = NULL;
	} else if (strcmp(request->method, "PATCH") == 0) {
		if (!range || strtoull(range + 17, NULL, 10) != upload->len) {
			refuse(model, reply, 416, "BLOB_UPLOAD_INVALID", "out of order");
			return;
		}
		append(upload, request->body, request->len);
		reply->status = 202;
		point_to(model, upload, name, reply);
	} else if (digest) {
		append(upload, request->body, request->len);
		model_digest(upload->data, upload->len, actual);
		if (strncmp(digest + 7, actual, 71) != 0) {
			refuse(model, reply, 400, "DIGEST_INVALID", "another digest");
			return;
		}
		model_add_blob(model, upload->data, upload->len);
		free(upload->data);
		upload->data = NULL;
		reply->status = 201;
	}
}

static void give_blob(struct registry_model *model, const struct web_request *request,
                      const char *digest, struct web_reply *reply)
{
	const struct model_item *blob = model_blob(model, digest);
	const char *range = strcasestr(request->head, "\r\nRange: bytes=");
	size_t first = range ? strtoull(range + 15, NULL, 10) : 0, last;

	if (!blob) {
		refuse(model, reply, 404, "BLOB_UNKNOWN", "no such blob");
		return;
	}
	if (model->storage) {
		reply->status = 307;
		web_add_header(reply, "Location: %s/v2/x/blobs/%s\r\n", model->storage, digest);
		return;
	}
	reply->status = 200;
	reply->body = blob->data;
	reply->len = blob->len;
	if (!range || model->ignores_range)
		return;
	last = blob->len - 1;
	if (strncmp(range + 15, "0-0\r", 4) == 0)
		last = 0;
	if (first > last) {
		reply->status = 416;
		reply->len = 0;
		return;
	}
	reply->status = 206;
	web_add_header(reply, "Content-Range: bytes %zu-%zu/%zu\r\n", first, last, blob->len);
	reply->body = blob->data + first;
	reply->len = last - first + 1;
}

static void put_manifest(struct registry_model *model, const struct web_request *request,
                         const char *name, const char *which, struct web_reply *reply)
{
	const char *type = strcasestr(request->head, "\r\nContent-Type: "),
		   *text = (const char *)request->body;
	char digest[72], kind[128] = "", copy[8192];

	snprintf(copy, sizeof(copy), "%.*s", (int)request->len, text);
	if (type)
		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(type + 16, "\r\n"), type + 16);
	model_digest(request->body, request->len, digest);
	model_add_manifest(model, name, digest, kind, copy);
	if (!strchr(which, ':'))
		model_add_manifest(model, name, which, kind, copy);
	if (model->has_referrers && strstr(copy, "\"subject\""))
		web_add_header(reply, "OCI-Subject: sha256:x\r\n");
	reply->status = 201;
}

static void delete_manifest(struct registry_model *model, const char *name, const char *which,
                            struct web_reply *reply)
{
	if (!strchr(which, ':') && model->no_deletes_of_tags) {
		refuse(model, reply, 405, "UNSUPPORTED", "The operation is unsupported.");
		return;
	}
	for (size_t i = 0; i < model->n_manifests; i++) {
		struct model_item *item = &model->manifests[i];
		char digest[72];

		if (!item->data || strcmp(item->name, name) != 0)
			continue;
		model_digest(item->data, item->len, digest);
		if (strcmp(item->which, which) == 0 || strcmp(digest, which) == 0) {
			free(item->data);
			item->data = NULL;
		}
	}
	reply->status = 202;
}

static void manifests(struct registry_model *model, const struct web_request *request,
                      const char *name, const char *which, struct web_reply *reply)
{
	const struct model_item *item = model_manifest(model, name, which);

	if (strcmp(request->method, "PUT") == 0) {
		put_manifest(model, request, name, which, reply);
		return;
	}
	if (!item) {
		refuse(model, reply, 404, "MANIFEST_UNKNOWN", "manifest unknown");
		return;
	}
	if (strcmp(request->method, "DELETE") == 0) {
		delete_manifest(model, name, which, reply);
		return;
	}
	reply->status = 200;
	web_add_header(reply, "Content-Type: %s\r\n", item->type);
	reply->body = item->data;
	reply->len = item->len;
}

/* Texts behind `last`, as many as are asked for or given at once. */
static void list(struct registry_model *model, const struct web_request *request,
                 const char *member, const char *const *texts, struct web_reply *reply)
{
	const char *last = strstr(request->path, "last="), *n = strstr(request->path, "n=");
	size_t most = n ? strtoull(n + 2, NULL, 10) : 1000, used, given = 0;
	char behind[128] = "";
	const char *path_end = strchr(request->path, '?');
	int path_len = path_end ? (int)(path_end - request->path) : (int)strlen(request->path);

	if (model->page && model->page < most)
		most = model->page;
	if (last)
		snprintf(behind, sizeof(behind), "%.*s", (int)strcspn(last + 5, "&"), last + 5);
	used = (size_t)snprintf(model->scratch, sizeof(model->scratch), "{\"%s\":[", member);
	for (; *texts; texts++) {
		if (strcmp(*texts, behind) <= 0)
			continue;
		if (given == most) {
			if (!model->no_links)
				web_add_header(reply,
				               "Link: <%.*s?n=%zu&last=%s>; rel=\"next\"\r\n",
				               path_len, request->path, most, texts[-1]);
			break;
		}
		used += (size_t)snprintf(model->scratch + used, sizeof(model->scratch) - used,
		                         "%s\"%s\"", given++ ? "," : "", *texts);
	}
	snprintf(model->scratch + used, sizeof(model->scratch) - used, "]}");
	reply->status = 200;
	reply->body = model->scratch;
	reply->len = strlen(model->scratch);
}

static void list_tags(struct registry_model *model, const struct web_request *request,
                      const char *name, struct web_reply *reply)
{
	const char *texts[MODEL_ITEMS + 1] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < model->n_manifests; i++)
		if (model->manifests[i].data && strcmp(model->manifests[i].name, name) == 0 &&
		    !strchr(model->manifests[i].which, ':'))
			texts[n++] = model->manifests[i].which;
	if (n == 0)
		refuse(model, reply, 404, "NAME_UNKNOWN", "no such repository");
	else
		list(model, request, "tags", texts, reply);
}

static void list_referrers(struct registry_model *model, const char *name, const char *digest,
                           struct web_reply *reply)
{
	size_t used = (size_t)snprintf(model->scratch, sizeof(model->scratch),
	                               "{\"schemaVersion\":2,\"manifests\":["),
	       n = 0;

	for (size_t i = 0; i < model->n_manifests; i++) {
		const struct model_item *item = &model->manifests[i];
		const char *subject = item->data ? strstr((char *)item->data, "\"subject\"") : NULL,
			   *type = item->data ? strstr((char *)item->data, "\"artifactType\":\"")
		                              : NULL;

		if (!subject || !strstr(subject, digest) || !strchr(item->which, ':') ||
		    strcmp(item->name, name) != 0)
			continue;
		used += (size_t)snprintf(model->scratch + used, sizeof(model->scratch) - used,
		                         "%s{\"digest\":\"%s\",\"artifactType\":\"%.*s\"}",
		                         n++ ? "," : "", item->which,
		                         type ? (int)strcspn(type + 16, "\"") : 0,
		                         type ? type + 16 : "");
	}
	snprintf(model->scratch + used, sizeof(model->scratch) - used, "]}");
	reply->status = 200;
	reply->body = model->scratch;
	reply->len = strlen(model->scratch);
}

/* "/v2/NAME/KIND/REST": true with the parts. */
static bool split(const char *path, const char *kind, char name[128], char rest[256])
{
	const char *at = strncmp(path, "/v2/", 4) == 0 ? strstr(path + 4, kind) : NULL;

	if (!at)
		return false;
	snprintf(name, 128, "%.*s", (int)(at - path - 4), path + 4);
	snprintf(rest, 256, "%.*s", (int)strcspn(at + strlen(kind), "?"), at + strlen(kind));
	return true;
}

static void answer(struct registry_model *model, const struct web_request *request,
                   struct web_reply *reply)
{
	char name[128], rest[256];

	if (strcmp(request->path, "/v2/") == 0)
		reply->status = 200;
	else if (strncmp(request->path, "/v2/_catalog", 12) == 0)
		list(model, request, "repositories", model->names, reply);
	else if (split(request->path, "/blobs/uploads/", name, rest) && !rest[0])
		begin_upload(model, request, name, reply);
	else if (split(request->path, "/blobs/uploads/", name, rest))
		go_on_uploading(model, request, name, rest, reply);
	else if (split(request->path, "/blobs/", name, rest))
		give_blob(model, request, rest, reply);
	else if (split(request->path, "/manifests/", name, rest))
		manifests(model, request, name, rest, reply);
	else if (split(request->path, "/tags/list", name, rest))
		list_tags(model, request, name, reply);
	else if (model->has_referrers && split(request->path, "/referrers/", name, rest))
		list_referrers(model, name, rest, reply);
}

static void handle(void *arg, const struct web_request *request, struct web_reply *reply)
{
	struct registry_model *model = arg;
	const struct model_fault *fault = &model->fault;

	if (fault->method && strcmp(fault->method, request->method) == 0 &&
	    strstr(request->path, fault->path)) {
		unsigned int n = model->matched++;

		if (n >= fault->after && (!fault->times || n < fault->after + fault->times)) {
			if (fault->cut) {
				answer(model, request, reply);
				reply->cut = fault->cut;
				return;
			}
			reply->status = fault->status;
			if (fault->headers)
				web_add_header(reply, "%s", fault->headers);
			reply->body = fault->body;
			reply->len = fault->body ? strlen(fault->body) : 0;
			return;
		}
	}
	answer(model, request, reply);
}

void registry_model_start(struct registry_model *model)
{
	model->server = web_server_start(handle, model);
}

static void drop(struct model_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(items[i].data);
}

void registry_model_stop(struct registry_model *model)
{
	web_server_stop(model->server);
	drop(model->manifests, model->n_manifests);
	drop(model->blobs, model->n_blobs);
	drop(model->uploads, model->n_uploads);
}
