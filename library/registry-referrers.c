// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What refers to a manifest: signatures.  By the referrers API, or, where a registry has none, by an
 * index under the tag "sha256-…" which clients keep themselves (OCI distribution specification 1.1,
 * "Referrers Tag Schema").
 *
 * Such an index has no lock: two who add to it at once may lose one, who finds out when he looks.
 * So it is read again after it was written, and written again when ours is missing.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/bits.h"
#include "library/reference.h"
#include "library/registry-answer.h"
#include "library/registry.h"

#define INDEX      "application/vnd.oci.image.index.v1+json"
#define WRITES_MAX 5u
#define PAGES_MAX  1000u

static void json_at(json_t **at)
{
	json_decref(*at);
}

/* "sha256:abc" as a tag: "sha256-abc". */
static void fallback_tag(const char *digest, char ret[STORE_DIGEST_ROOM])
{
	snprintf(ret, STORE_DIGEST_ROOM, "%s", digest);
	ret[strcspn(ret, ":")] = '-';
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Tell the digests of an index that have the type. */
static int tell(const char *text, size_t len, const char *artifact_type, store_item *item,
                void *arg, struct error *err)
{
	cleanup(json) json_t *root = json_loadb(text, len, 0, NULL);
	const json_t *list = json_object_get(root, "manifests");
	int r = 0;

	if (!json_is_array(list))
		return error_set(err, EBADMSG, "answers with no list of what refers to it");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *digest = text_of(one, "digest"), *type = text_of(one, "artifactType");

		/* Whoever asks verifies what he gets by that digest. */
		if (!digest || !reference_digest_valid(digest))
			continue;
		if (!artifact_type || (type && strcmp(type, artifact_type) == 0))
			r = item(arg, digest, err);
	}
	return r;
}

/* The index under the tag; -ENOENT without one. */
static int get_fallback(struct registry *registry, const char *name, const char *digest,
                        struct store_manifest *ret, struct error *err)
{
	char tag[STORE_DIGEST_ROOM];

	fallback_tag(digest, tag);
	return registry_get_manifest(&registry->store, name, tag, ret, err);
}

static int by_tag(struct registry *registry, const char *name, const char *digest,
                  const char *artifact_type, store_item *item, void *arg, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest index = { 0 };
	struct error why = { 0 };
	int r = get_fallback(registry, name, digest, &index, &why);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = tell(index.bytes, index.len, artifact_type, item, arg, &why);
	if (r < 0 && err)
		*err = why;
	return r;
}

/* The next page beneath the registry; only a path of its own is followed. */
static int take_next(const struct exchange_answer *answer, char **url)
{
	char header[4096], target[2048];
	const char *path;

	free(take_ptr(*url));
	if (!exchange_header(answer, "Link", header, sizeof(header)) ||
	    !registry_next_link(header, target, sizeof(target)))
		return 0;
	path = strstr(target, "://") ? strchr(strstr(target, "://") + 3, '/') : target;
	if (!path || *path != '/')
		return 0;
	*url = strdup(path);
	return *url ? 0 : -ENOMEM;
}

static int escaped_query(const char *name, const char *digest, const char *artifact_type,
                         char **ret)
{
	char *escaped = artifact_type ? curl_easy_escape(NULL, artifact_type, 0) : NULL;
	int r = asprintf(ret, "/v2/%s/referrers/%s%s%s", name, digest,
	                 escaped ? "?artifactType=" : "", escaped ? escaped : "");

	curl_free(escaped);
	return r < 0 || (artifact_type && !escaped) ? -ENOMEM : 0;
}

int registry_referrers(struct store *store, const char *name, const char *digest,
                       const char *artifact_type, store_item *item, void *arg, struct error *err)
{
	struct registry *registry = registry_of(store);
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *url = NULL;
	int r = 0;

	registry_scope(scope, name, "pull", NULL);
	if (__atomic_load_n(&registry->no_referrers, __ATOMIC_RELAXED))
		return by_tag(registry, name, digest, artifact_type, item, arg, err);
	if (escaped_query(name, digest, artifact_type, &url) < 0)
		return error_sys(err, ENOMEM, "%s", name);
	for (unsigned int pages = 0; r == 0 && url && pages < PAGES_MAX; pages++) {
		cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
		const struct http_call call = {
			.method = "GET", .url = url, .scope = scope, .max_body = STORE_MAX_MANIFEST
		};

		r = registry_call(registry, name, digest, &call, &answer, err);
		if (r < 0)
			return r;
		/* A registry with the API has an empty list for what it does not know. */
		if (pages == 0 && (answer.status == 404 || answer.status == 405)) {
			__atomic_store_n(&registry->no_referrers, true, __ATOMIC_RELAXED);
			return by_tag(registry, name, digest, artifact_type, item, arg, err);
		}
		if (answer.status != 200)
			return registry_refuse(registry, name, digest, "manifest", &answer, err);
		r = tell(answer.body ? answer.body : "", answer.len, artifact_type, item, arg, err);
		if (r == -EBADMSG)
			registry_prefix(registry, name, digest, err);
		if (r == 0 && take_next(&answer, &url) < 0)
			r = error_sys(err, ENOMEM, "%s", name);
	}
	return r;
}

/* The index with the manifest in it, or without; *ret_changed when it was not so before. */
static int change(json_t *root, const struct store_manifest *manifest, const json_t *content,
                  bool add, bool *ret_changed)
{
	json_t *list = json_object_get(root, "manifests"), *one;
	const char *type = text_of(content, "artifactType");
	bool there = false;

	for (size_t i = 0; i < json_array_size(list);) {
		const char *digest = text_of(json_array_get(list, i), "digest");
		bool is = digest && strcmp(digest, manifest->digest) == 0;

		there |= is;
		if (is && !add)
			json_array_remove(list, i);
		else
			i++;
	}
	*ret_changed = there != add;
	if (there || !add)
		return 0;
	/* Before artifactType there was the config's media type (image specification, 1.1). */
	if (!type || !*type)
		type = text_of(json_object_get(content, "config"), "mediaType");
	one = json_pack("{ss ss sI ss*}", "mediaType", manifest->media_type, "digest",
	                manifest->digest, "size", (json_int_t)manifest->len, "artifactType", type);
	if (one && json_object_get(content, "annotations"))
		json_object_set(one, "annotations", json_object_get(content, "annotations"));
	return json_array_append_new(list, one) < 0 ? -ENOMEM : 0;
}

/* One reading, and one writing when it is needed. */
static int change_once(struct registry *registry, const char *name,
                       const struct store_manifest *manifest, const json_t *content,
                       const char *subject, bool add, bool *ret_changed, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest index = { 0 }, fresh = { 0 };
	cleanup(json) json_t *root = NULL;
	char tag[STORE_DIGEST_ROOM];
	struct error why = { 0 };
	bool ignored;
	int r = get_fallback(registry, name, subject, &index, &why);

	fallback_tag(subject, tag);
	if (r == -ENOENT)
		root = json_pack("{si ss s[]}", "schemaVersion", 2, "mediaType", INDEX,
		                 "manifests");
	else if (r == 0)
		root = json_loadb(index.bytes, index.len, 0, NULL);
	if (r < 0 && r != -ENOENT) {
		if (err)
			*err = why;
		return r;
	}
	if (!json_is_array(json_object_get(root, "manifests"))) {
		error_set(err, EBADMSG, "is not a list of what refers to %s", subject);
		registry_prefix(registry, name, tag, err);
		return -EBADMSG;
	}
	if (change(root, manifest, content, add, ret_changed) < 0)
		return error_sys(err, ENOMEM, "%s", name);
	if (!*ret_changed)
		return 0;
	memcpy(fresh.media_type, INDEX, sizeof(INDEX));
	fresh.bytes = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!fresh.bytes)
		return error_sys(err, ENOMEM, "%s", name);
	fresh.len = strlen(fresh.bytes);
	return registry_send_manifest(registry, name, tag, &fresh, &ignored, err);
}

int registry_list_referrer(struct registry *registry, const char *name,
                           const struct store_manifest *manifest, bool add, struct error *err)
{
	cleanup(json) json_t *content = json_loadb(manifest->bytes, manifest->len, 0, NULL);
	const char *subject = text_of(json_object_get(content, "subject"), "digest");
	bool changed = true;
	int r = 0;

	if (!subject || !reference_digest_valid(subject))
		return error_set(err, EINVAL, "the manifest's subject has no digest");
	/* Written, and then looked at, until what was read is as it should be. */
	for (unsigned int i = 0; r == 0 && changed && i < WRITES_MAX; i++)
		r = change_once(registry, name, manifest, content, subject, add, &changed, err);
	return r;
}
