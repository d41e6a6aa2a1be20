// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A store that is an OCI registry: opening it, and manifests.  Facts: OCI distribution specification 1.1.
 */
#include "library/registry.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/bits.h"
#include "library/registry-answer.h"
#include "library/registry-login.h"

#define CHUNK (8 * MIB)
#define PAGE  1000u

void registry_prefix(const struct registry *registry, const char *name, const char *which,
                     struct error *err)
{
	const char *sign = which && strchr(which, ':') ? "@" : ":";

	error_prefix(err, "%s%s%s%s%s", registry->store.name, name ? "/" : "", name ? name : "",
	             which ? sign : "", which ? which : "");
}

void registry_scope(char out[REGISTRY_SCOPE_ROOM], const char *name, const char *actions,
                    const char *from)
{
	snprintf(out, REGISTRY_SCOPE_ROOM, "repository:%s:%s%s%s%s", name, actions,
	         from ? " repository:" : "", from ? from : "", from ? ":pull" : "");
}

int registry_call(struct registry *registry, const char *name, const char *which,
                  const struct http_call *call, struct exchange_answer *ret, struct error *err)
{
	struct error why = { 0 };
	int r = http_call(registry->client, call, ret, &why);

	if (r < 0) {
		registry_prefix(registry, name, which, &why);
		if (err)
			*err = why;
	}
	return r;
}

int registry_refuse(struct registry *registry, const char *name, const char *which,
                    const char *what, const struct exchange_answer *answer, struct error *err)
{
	struct registry_error said;
	char detail[280], number[16];
	int code;

	registry_error_parse(answer->body ? answer->body : "", answer->body ? answer->len : 0,
	                     &said);
	snprintf(number, sizeof(number), "%ld", answer->status);
	snprintf(detail, sizeof(detail), "%s%s%s", said.message, said.message[0] ? ", " : "",
	         said.code[0] ? said.code : number);
	switch (answer->status) {
	case 404:
	case 410:
		code = error_set(err, ENOENT, "there is no such %s (%s)", what,
		                 said.code[0] ? said.code : number);
		break;
	case 401:
	case 403:
		code = error_set(err, EACCES, "that is not allowed (%s)", detail);
		break;
	case 405:
		code = error_set(err, ENOTSUP, "the registry does not do that (%s)", detail);
		break;
	case 413:
		code = error_set(err, EFBIG, "the registry takes nothing so large (%s)", detail);
		break;
	default:
		code = error_set(err, answer->status >= 500 ? EIO : EBADMSG,
		                 "the registry refuses it (%s)", detail);
	}
	registry_prefix(registry, name, which, err);
	return code;
}

int registry_ping(struct store *store, struct error *err)
{
	struct registry *registry = registry_of(store);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	const struct http_call call = { .method = "GET", .url = "/v2/" };
	int r = registry_call(registry, NULL, NULL, &call, &answer, err);

	if (r < 0 || answer.status == 200)
		return r;
	if (answer.status == 404)
		return error_set(err, EINVAL, "%s: is not a registry (404)", store->name);
	return registry_refuse(registry, NULL, NULL, "registry", &answer, err);
}

/* A media type without its parameters; "" when it does not fit. */
static void take_media_type(const struct exchange_answer *answer, char ret[STORE_MEDIA_ROOM])
{
	char text[512];
	size_t n;

	exchange_header(answer, "Content-Type", text, sizeof(text));
	n = strcspn(text, "; \t");
	if (n >= STORE_MEDIA_ROOM)
		n = 0;
	memcpy(ret, text, n);
	ret[n] = '\0';
}

static int manifest_url(const char *name, const char *which, char **ret, struct error *err)
{
	return asprintf(ret, "/v2/%s/manifests/%s", name, which) < 0
	               ? error_sys(err, ENOMEM, "%s", name)
	               : 0;
}

int registry_get_manifest(struct store *store, const char *name, const char *which,
                          struct store_manifest *ret, struct error *err)
{
	static const char *const headers[] = {
		"Accept: application/vnd.oci.image.manifest.v1+json, "
		"application/vnd.oci.image.index.v1+json, "
		"application/vnd.docker.distribution.manifest.v2+json, "
		"application/vnd.docker.distribution.manifest.list.v2+json",
		NULL,
	};
	struct registry *registry = registry_of(store);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *url = NULL;
	struct http_call call = {
		.method = "GET", .scope = scope, .headers = headers, .max_body = STORE_MAX_MANIFEST
	};
	int r = manifest_url(name, which, &url, err);

	if (r < 0)
		return r;
	registry_scope(scope, name, "pull", NULL);
	call.url = url;
	r = registry_call(registry, name, which, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status != 200)
		return registry_refuse(registry, name, which, "manifest", &answer, err);
	*ret = (struct store_manifest){ 0 };
	take_media_type(&answer, ret->media_type);
	ret->len = answer.len;
	ret->bytes = answer.body ? take_ptr(answer.body) : strdup("");
	return ret->bytes ? 0 : error_sys(err, ENOMEM, "%s", name);
}

int registry_send_manifest(struct registry *registry, const char *name, const char *which,
                           const struct store_manifest *manifest, bool *ret_subject,
                           struct error *err)
{
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	char scope[REGISTRY_SCOPE_ROOM], type[STORE_MEDIA_ROOM + 32], subject[128];
	const char *const headers[] = { type, NULL };
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "PUT",
		                  .scope = scope,
		                  .headers = headers,
		                  .body = manifest->bytes,
		                  .body_len = manifest->len };
	int r = manifest_url(name, which, &url, err);

	if (r < 0)
		return r;
	registry_scope(scope, name, "pull,push", NULL);
	snprintf(type, sizeof(type), "Content-Type: %s", manifest->media_type);
	call.url = url;
	r = registry_call(registry, name, which, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status < 200 || answer.status > 299)
		return registry_refuse(registry, name, which, "name", &answer, err);
	*ret_subject = exchange_header(&answer, "OCI-Subject", subject, sizeof(subject));
	return 0;
}

/* Does the manifest refer to another one? */
static bool has_subject(const struct store_manifest *manifest)
{
	json_t *root = json_loadb(manifest->bytes, manifest->len, 0, NULL);
	bool has = json_is_object(json_object_get(root, "subject"));

	json_decref(root);
	return has;
}

static int put_manifest(struct store *store, const char *name, const char *tag,
                        const struct store_manifest *manifest, struct error *err)
{
	struct registry *registry = registry_of(store);
	bool listed = false;
	int r = registry_send_manifest(registry, name, tag ? tag : manifest->digest, manifest,
	                               &listed, err);

	if (r < 0 || listed || !has_subject(manifest))
		return r;
	return registry_list_referrer(registry, name, manifest, true, err);
}

static int delete_manifest(struct store *store, const char *name, const char *which,
                           struct error *err)
{
	struct registry *registry = registry_of(store);
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	cleanup(store_manifest_free) struct store_manifest manifest = { 0 };
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *url = NULL;
	struct http_call call = { .method = "DELETE", .scope = scope };
	bool whole = strchr(which, ':') != NULL;
	int r = manifest_url(name, which, &url, err);

	if (r == 0 && whole) {
		/* What it refers to is known as long as it is there. */
		r = registry_get_manifest(store, name, which, &manifest, err);
		memcpy(manifest.digest, which, strnlen(which, STORE_DIGEST_ROOM - 1));
	}
	if (r < 0)
		return r;
	registry_scope(scope, name, "delete", NULL);
	call.url = url;
	r = registry_call(registry, name, which, &call, &answer, err);
	if (r < 0)
		return r;
	if (answer.status < 200 || answer.status > 299)
		return registry_refuse(registry, name, which, "manifest", &answer, err);
	/* A registry with the API has done this itself. */
	if (whole && has_subject(&manifest) &&
	    __atomic_load_n(&registry->no_referrers, __ATOMIC_RELAXED))
		r = registry_list_referrer(registry, name, &manifest, false, err);
	return r;
}

static void registry_close(struct store *store)
{
	struct registry *registry = registry_of(store);

	http_client_free(registry->client);
	free(registry->uploads_dir);
	free(store->name);
	free(registry);
}

static const struct store_ops registry_ops = {
	.get_manifest = registry_get_manifest,
	.put_manifest = put_manifest,
	.delete_manifest = delete_manifest,
	.names = registry_names,
	.tags = registry_tags,
	.referrers = registry_referrers,
	.find_blob = registry_find_blob,
	.read_blob = registry_read_blob,
	.blob_place = registry_blob_place,
	.mount_blob = registry_mount_blob,
	.begin_upload = registry_begin_upload,
	.write_upload = registry_write_upload,
	.finish_upload = registry_finish_upload,
	.end_upload = registry_end_upload,
	.close = registry_close,
};

void registry_tune(struct store *store, size_t chunk, size_t page,
                   void (*pause)(void *arg, uint32_t ms), void *arg)
{
	struct registry *registry = registry_of(store);

	registry->chunk = chunk;
	registry->page = page;
	http_client_pause_with(registry->client, pause, arg);
}

/* Docker's own registry answers at another name than the one that people write. */
static const char *api_host(const char *host)
{
	bool hub = strcasecmp(host, "docker.io") == 0 || strcasecmp(host, "index.docker.io") == 0;

	return hub ? "registry-1.docker.io" : host;
}

static int open_with(const char *host, const struct http_client_options *http,
                     const char *uploads_dir, struct store **ret, struct error *err)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	struct error why = { 0 };
	int r;

	if (!registry) {
		credentials_free(http->given);
		return error_sys(err, ENOMEM, "%s", host);
	}
	registry->store.ops = &registry_ops;
	registry->store.name = strdup(host);
	registry->uploads_dir = uploads_dir ? strdup(uploads_dir) : NULL;
	registry->chunk = CHUNK;
	registry->page = PAGE;
	r = http_client_new(http, &registry->client, &why);
	if (r == 0 && (!registry->store.name || (uploads_dir && !registry->uploads_dir)))
		r = error_sys(&why, ENOMEM, "%s", host);
	if (r < 0) {
		if (err)
			*err = why;
		registry_close(&registry->store);
		return r;
	}
	*ret = &registry->store;
	return 0;
}

int registry_open(const char *host, const struct store_options *options, struct store **ret,
                  struct error *err)
{
	const struct http_client_options http = { .host = api_host(host),
		                                  .ca_file = options->ca_file,
		                                  .credentials_file = options->credentials_file,
		                                  .plain_http = options->plain_http };

	return open_with(host, &http, options->uploads_dir, ret, err);
}

int registry_check_login(const char *host, const char *ca_file, bool plain_http, const char *user,
                         const char *password, struct error *err)
{
	struct http_client_options http = { .host = api_host(host),
		                            .ca_file = ca_file,
		                            .plain_http = plain_http };
	struct store *store = NULL;
	char key[300];
	int r;

	snprintf(key, sizeof(key), "%s%s", plain_http ? "http://" : "", host);
	r = credentials_of(key, user, password, &http.given, err);
	if (r == 0)
		r = open_with(host, &http, NULL, &store, err);
	if (r < 0)
		return r;
	r = registry_ping(store, err);
	store->ops->close(store);
	return r;
}
