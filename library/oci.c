// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Manifests and indexes as JSON.  Pure; any thread.
 *
 * A document that could be read as a manifest and as an index is neither: who signed the one would
 * have signed the other.
 */
#include "library/oci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/bits.h"
#include "library/reference.h"

#define MAX_SIZE             (INT64_C(1) << 53)
#define MAX_ANNOTATIONS      64u
#define MAX_ANNOTATION_BYTES 4096u
#define DOCKER_MANIFEST      "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_INDEX         "application/vnd.docker.distribution.manifest.list.v2+json"

void oci_digest_text(const uint8_t raw[32], char ret[STORE_DIGEST_ROOM])
{
	size_t used = (size_t)snprintf(ret, STORE_DIGEST_ROOM, "sha256:");

	for (size_t i = 0; i < 32; i++)
		used += (size_t)snprintf(ret + used, STORE_DIGEST_ROOM - used, "%02x", raw[i]);
}

void oci_digest(const void *data, size_t len, char ret[STORE_DIGEST_ROOM])
{
	uint8_t raw[32];

	if (EVP_Digest(data, len, raw, NULL, EVP_sha256(), NULL) != 1)
		abort();
	oci_digest_text(raw, ret);
}

bool oci_is_manifest(const char *media_type)
{
	return strcmp(media_type, OCI_MANIFEST) == 0 || strcmp(media_type, DOCKER_MANIFEST) == 0;
}

bool oci_is_index(const char *media_type)
{
	return strcmp(media_type, OCI_INDEX) == 0 || strcmp(media_type, DOCKER_INDEX) == 0;
}

const char *oci_annotation(const json_t *annotations, const char *key)
{
	return json_string_value(json_object_get(annotations, key));
}

static int take_media_type(const json_t *object, const char *key, bool optional,
                           char ret[STORE_MEDIA_ROOM], struct error *err)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	size_t len = text ? strlen(text) : 0;

	ret[0] = '\0';
	if (!value && optional)
		return 0;
	if (!text || (len == 0 && !optional))
		return error_set(err, EBADMSG, "\"%s\" is missing or no text", key);
	if (len >= STORE_MEDIA_ROOM)
		return error_set(err, EBADMSG, "\"%s\" has more than %u bytes", key,
		                 STORE_MEDIA_ROOM - 1);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return error_set(err, EBADMSG, "\"%s\" is no media type", key);
	memcpy(ret, text, len + 1);
	return 0;
}

static int take_annotations(const json_t *object, json_t **ret, struct error *err)
{
	json_t *annotations = json_object_get(object, "annotations"), *value;
	const char *key;

	*ret = NULL;
	if (!annotations || json_is_null(annotations))
		return 0;
	if (!json_is_object(annotations))
		return error_set(err, EBADMSG, "\"annotations\" is no object");
	if (json_object_size(annotations) > MAX_ANNOTATIONS)
		return error_set(err, EBADMSG, "\"annotations\" has more than %u members",
		                 MAX_ANNOTATIONS);
	json_object_foreach (annotations, key, value) {
		if (!json_is_string(value))
			return error_set(err, EBADMSG, "annotation \"%.80s\" is no text", key);
		if (strlen(key) + json_string_length(value) > MAX_ANNOTATION_BYTES)
			return error_set(err, EBADMSG,
			                 "annotation \"%.80s\" has more than %u bytes", key,
			                 MAX_ANNOTATION_BYTES);
	}
	*ret = json_incref(annotations);
	return 0;
}

int oci_descriptor_parse(const json_t *object, struct oci_descriptor *ret, struct error *err)
{
	struct oci_descriptor descriptor = { 0 };
	const char *digest = json_string_value(json_object_get(object, "digest"));
	const json_t *size = json_object_get(object, "size");
	int r;

	if (!json_is_object(object))
		return error_set(err, EBADMSG, "is missing or no object");
	r = take_media_type(object, "mediaType", false, descriptor.media_type, err);
	if (r == 0)
		r = take_media_type(object, "artifactType", true, descriptor.artifact_type, err);
	if (r < 0)
		return r;
	if (!digest || !reference_digest_valid(digest))
		return error_set(err, EBADMSG, "\"digest\" is no SHA-256 in small letters");
	memcpy(descriptor.digest, digest, strlen(digest) + 1);
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    json_integer_value(size) > MAX_SIZE)
		return error_set(err, EBADMSG, "\"size\" is no number from 0 to 2^53");
	descriptor.size = (uint64_t)json_integer_value(size);
	r = take_annotations(object, &descriptor.annotations, err);
	if (r == 0)
		*ret = descriptor;
	return r;
}

void oci_descriptor_free(struct oci_descriptor *descriptor)
{
	json_decref(descriptor->annotations);
	*descriptor = (struct oci_descriptor){ 0 };
}

/* A document of schema version 2; the caller drops it. */
static int load(const char *text, size_t len, json_t **ret, struct error *err)
{
	json_error_t wrong;
	json_t *root;

	if (len > STORE_MAX_MANIFEST)
		return error_set(err, EBADMSG, "has %zu bytes, more than 4 MiB", len);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
	if (!root)
		return error_set(err, EBADMSG, "is no JSON: line %d: %s", wrong.line, wrong.text);
	if (json_is_object(root) &&
	    json_integer_value(json_object_get(root, "schemaVersion")) == 2) {
		*ret = root;
		return 0;
	}
	json_decref(root);
	return error_set(err, EBADMSG, "\"schemaVersion\" is not 2");
}

static int refuse_member(const json_t *root, const char *key, const char *of, struct error *err)
{
	if (!json_object_get(root, key))
		return 0;
	return error_set(err, EBADMSG, "has \"%s\", which %s has not", key, of);
}

static int take_layers(const json_t *root, struct oci_manifest *manifest, struct error *err)
{
	const json_t *layers = json_object_get(root, "layers");
	size_t n = json_array_size(layers);

	if (!json_is_array(layers))
		return error_set(err, EBADMSG, "\"layers\" is missing or no list");
	if (n > OCI_MAX_DESCRIPTORS)
		return error_set(err, EBADMSG, "\"layers\" has %zu entries, more than %u", n,
		                 OCI_MAX_DESCRIPTORS);
	manifest->layers = calloc(n + 1, sizeof(*manifest->layers));
	if (!manifest->layers)
		return error_sys(err, ENOMEM, "\"layers\"");
	for (size_t i = 0; i < n; i++) {
		int r = oci_descriptor_parse(json_array_get(layers, i), &manifest->layers[i], err);

		if (r < 0) {
			error_prefix(err, "\"layers\", entry %zu", i + 1);
			return r;
		}
		manifest->n_layers++;
	}
	return 0;
}

static int take_manifest(const json_t *root, struct oci_manifest *manifest, struct error *err)
{
	char media_type[STORE_MEDIA_ROOM];
	const json_t *subject = json_object_get(root, "subject");
	int r = refuse_member(root, "manifests", "a manifest", err);

	if (r == 0)
		r = take_media_type(root, "mediaType", true, media_type, err);
	if (r == 0 && media_type[0] && !oci_is_manifest(media_type))
		r = error_set(err, EBADMSG, "is no manifest but %s", media_type);
	if (r == 0)
		r = take_media_type(root, "artifactType", true, manifest->artifact_type, err);
	if (r < 0)
		return r;
	r = oci_descriptor_parse(json_object_get(root, "config"), &manifest->config, err);
	if (r < 0) {
		error_prefix(err, "\"config\"");
		return r;
	}
	if (!manifest->artifact_type[0])
		memcpy(manifest->artifact_type, manifest->config.media_type, STORE_MEDIA_ROOM);
	r = take_layers(root, manifest, err);
	if (r == 0)
		r = take_annotations(root, &manifest->annotations, err);
	if (r < 0 || !subject || json_is_null(subject))
		return r;
	r = oci_descriptor_parse(subject, &manifest->subject, err);
	if (r < 0) {
		error_prefix(err, "\"subject\"");
		return r;
	}
	manifest->has_subject = true;
	return 0;
}

int oci_manifest_parse(const char *text, size_t len, struct oci_manifest **ret, struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = calloc(1, sizeof(*manifest));
	json_t *root;
	int r;

	if (!manifest)
		return error_sys(err, ENOMEM, "a manifest");
	r = load(text, len, &root, err);
	if (r < 0)
		return r;
	r = take_manifest(root, manifest, err);
	json_decref(root);
	if (r == 0)
		*ret = take_ptr(manifest);
	return r;
}

void oci_manifest_free(struct oci_manifest *manifest)
{
	if (!manifest)
		return;
	for (size_t i = 0; i < manifest->n_layers; i++)
		oci_descriptor_free(&manifest->layers[i]);
	free(manifest->layers);
	oci_descriptor_free(&manifest->config);
	oci_descriptor_free(&manifest->subject);
	json_decref(manifest->annotations);
	free(manifest);
}

const struct oci_descriptor *oci_find_layer(const struct oci_manifest *manifest, const char *digest)
{
	for (size_t i = 0; i < manifest->n_layers; i++)
		if (strcmp(manifest->layers[i].digest, digest) == 0)
			return &manifest->layers[i];
	return NULL;
}

int oci_index_load(const char *text, size_t len, json_t **ret, struct error *err)
{
	char media_type[STORE_MEDIA_ROOM];
	const json_t *manifests;
	json_t *root;
	int r = load(text, len, &root, err);

	if (r < 0)
		return r;
	manifests = json_object_get(root, "manifests");
	r = refuse_member(root, "layers", "an index", err);
	if (r == 0)
		r = refuse_member(root, "config", "an index", err);
	if (r == 0)
		r = take_media_type(root, "mediaType", true, media_type, err);
	if (r == 0 && media_type[0] && !oci_is_index(media_type))
		r = error_set(err, EBADMSG, "is no index but %s", media_type);
	if (r == 0 && !json_is_array(manifests))
		r = error_set(err, EBADMSG, "\"manifests\" is missing or no list");
	if (r == 0 && json_array_size(manifests) > OCI_MAX_DESCRIPTORS)
		r = error_set(err, EBADMSG, "\"manifests\" has %zu entries, more than %u",
		              json_array_size(manifests), OCI_MAX_DESCRIPTORS);
	if (r < 0)
		json_decref(root);
	else
		*ret = root;
	return r;
}

int oci_index_each(const char *text, size_t len,
                   int (*each)(void *arg, const struct oci_descriptor *descriptor,
                               struct error *err),
                   void *arg, struct error *err)
{
	const json_t *entry;
	json_t *root;
	size_t i = 0;
	int r = oci_index_load(text, len, &root, err);

	if (r < 0)
		return r;
	json_array_foreach (json_object_get(root, "manifests"), i, entry) {
		struct oci_descriptor descriptor = { 0 };

		r = oci_descriptor_parse(entry, &descriptor, err);
		if (r < 0)
			error_prefix(err, "\"manifests\", entry %zu", i + 1);
		else
			r = each(arg, &descriptor, err);
		oci_descriptor_free(&descriptor);
		if (r < 0)
			break;
	}
	json_decref(root);
	return r;
}

json_t *oci_descriptor_json(const struct oci_descriptor *descriptor)
{
	json_t *object = json_pack("{s:s, s:s, s:I}", "mediaType", descriptor->media_type, "digest",
	                           descriptor->digest, "size", (json_int_t)descriptor->size);
	bool bad = !object;

	if (!bad && descriptor->artifact_type[0])
		bad = json_object_set_new(object, "artifactType",
		                          json_string(descriptor->artifact_type)) < 0;
	if (!bad && descriptor->annotations)
		bad = json_object_set(object, "annotations", descriptor->annotations) < 0;
	if (!bad)
		return object;
	json_decref(object);
	return NULL;
}

/* NULL for lack of memory, or text that is not UTF-8. */
static json_t *manifest_json(const struct oci_manifest *manifest)
{
	json_t *layers = json_array();
	json_t *root =
		json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", OCI_MANIFEST,
	                  "config", oci_descriptor_json(&manifest->config), "layers", layers);
	bool bad = !root;

	for (size_t i = 0; !bad && i < manifest->n_layers; i++)
		bad = json_array_append_new(layers, oci_descriptor_json(&manifest->layers[i])) < 0;
	if (!bad && manifest->artifact_type[0])
		bad = json_object_set_new(root, "artifactType",
		                          json_string(manifest->artifact_type)) < 0;
	if (!bad && manifest->has_subject)
		bad = json_object_set_new(root, "subject",
		                          oci_descriptor_json(&manifest->subject)) < 0;
	if (!bad && manifest->annotations)
		bad = json_object_set(root, "annotations", manifest->annotations) < 0;
	if (!bad)
		return root;
	json_decref(root);
	return NULL;
}

int oci_manifest_write(const struct oci_manifest *manifest, struct store_manifest *ret,
                       struct error *err)
{
	struct store_manifest out = { .media_type = OCI_MANIFEST };
	cleanup(oci_manifest_free) struct oci_manifest *again = NULL;
	json_t *root = manifest_json(manifest);
	int r;

	/* The order of members is that of their names, so it does not depend on who made them. */
	out.bytes = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	if (!out.bytes)
		return error_set(err, EINVAL,
		                 "a manifest cannot be written: no memory, or text "
		                 "that is not UTF-8");
	out.len = strlen(out.bytes);
	oci_digest(out.bytes, out.len, out.digest);
	/* What others would refuse is not made. */
	r = oci_manifest_parse(out.bytes, out.len, &again, err);
	if (r < 0) {
		store_manifest_free(&out);
		error_prefix(err, "the manifest to be written");
		return r;
	}
	*ret = out;
	return 0;
}
