// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "library/reference.h"
#include "library/trust.h"
#include "util/base64.h"
#include "util/utc.h"

#define KIND  "sill image signature"
#define EMPTY "{}"

/* The one way in which a claim is written; NULL for lack of memory. */
static char *claim_text(const struct signature_claim *claim)
{
	char created[UTC_BYTES], expires[UTC_BYTES];
	json_t *root =
		json_pack("{ss si s{ss ss sI} sI ss}", "sill", "image signature", "version", 1,
	                  "manifest", "mediaType", claim->media_type, "digest", claim->digest,
	                  "size", (json_int_t)claim->size, "release", (json_int_t)claim->release,
	                  "created", format_utc(claim->created, created));
	char *text = NULL;

	if (claim->expires &&
	    json_object_set_new(root, "expires", json_string(format_utc(claim->expires, expires))) <
	            0)
		goto out;
	if (json_object_set_new(root, "key", json_string(claim->key)) == 0)
		text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
out:
	json_decref(root);
	return text;
}

static int get_number(const json_t *object, const char *member, uint64_t *ret, struct error *err)
{
	const json_t *value = json_object_get(object, member);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n > TRUST_MAX_RELEASE)
		return error_set(err, EINVAL, "\"%s\" is not a number from 0 to 2^53 - 1", member);
	*ret = (uint64_t)n;
	return 0;
}

static int get_time(const json_t *object, const char *member, int64_t *ret, struct error *err)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (!text)
		return error_set(err, EINVAL, "\"%s\" is missing", member);
	return parse_utc(text, ret, err);
}

static int get_text(const json_t *object, const char *member, char *ret, size_t room,
                    struct error *err)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (!text || strlen(text) >= room)
		return error_set(err, EINVAL, "\"%s\" is missing or too long", member);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int take_claim(const json_t *root, struct signature_claim *ret, struct error *err)
{
	const json_t *image = json_object_get(root, "manifest");
	int r = get_text(image, "mediaType", ret->media_type, sizeof(ret->media_type), err);

	if (r == 0)
		r = get_text(image, "digest", ret->digest, sizeof(ret->digest), err);
	if (r == 0 && !reference_digest_valid(ret->digest))
		r = error_set(err, EINVAL, "\"digest\" is not a SHA-256");
	if (r == 0)
		r = get_number(image, "size", &ret->size, err);
	if (r == 0)
		r = get_number(root, "release", &ret->release, err);
	if (r == 0)
		r = get_time(root, "created", &ret->created, err);
	if (r == 0 && json_object_get(root, "expires"))
		r = get_time(root, "expires", &ret->expires, err);
	if (r == 0 && ret->expires && ret->expires <= ret->created)
		r = error_set(err, EINVAL, "it expires before it was made");
	if (r == 0)
		r = get_text(root, "key", ret->key, sizeof(ret->key), err);
	return r;
}

/* What is not exactly what we would have written says something that we do not know. */
static int parse_claim(const char *text, size_t len, struct signature_claim *ret, struct error *err)
{
	struct signature_claim claim = { .size = 0 };
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	cleanup_free char *again = NULL;
	int r;

	if (!root)
		return error_set(err, EINVAL, "what was signed is not JSON");
	r = take_claim(root, &claim, err);
	json_decref(root);
	if (r < 0)
		return r;
	again = claim_text(&claim);
	if (!again)
		return error_sys(err, ENOMEM, "signature");
	if (strlen(again) != len || memcmp(again, text, len) != 0)
		return error_set(err, EINVAL,
		                 "what was signed is not a signature of version 1, or is not "
		                 "written as one");
	*ret = claim;
	return 0;
}

/* Context and payload in one piece; NULL for lack of memory. */
static char *signed_bytes(const char *payload, size_t len)
{
	char *bytes = malloc(sizeof(SIGNATURE_CONTEXT) + len);

	if (bytes) {
		memcpy(bytes, SIGNATURE_CONTEXT, sizeof(SIGNATURE_CONTEXT));
		memcpy(bytes + sizeof(SIGNATURE_CONTEXT), payload, len);
	}
	return bytes;
}

static int sign(const struct key *key, const char *payload, size_t len,
                char ret[BASE64_ROOM(KEY_SIGNATURE_BYTES)], struct error *err)
{
	cleanup_free char *bytes = signed_bytes(payload, len);
	uint8_t signature[KEY_SIGNATURE_BYTES];
	int r;

	if (!bytes)
		return error_sys(err, ENOMEM, "signature");
	r = key_sign(key, bytes, sizeof(SIGNATURE_CONTEXT) + len, signature, err);
	if (r == 0)
		base64_encode(signature, sizeof(signature), ret);
	return r;
}

/* The manifest around what was signed. */
static int make_manifest(const struct key *key, const struct oci_descriptor *image,
                         struct signature *made, struct error *err)
{
	char signature[BASE64_ROOM(KEY_SIGNATURE_BYTES)], public[BASE64_ROOM(KEY_BYTES)];
	struct oci_descriptor layer = { .media_type = SIGNATURE_PAYLOAD_TYPE,
		                        .size = made->payload_len };
	struct oci_manifest manifest = { .artifact_type = SIGNATURE_TYPE,
		                         .config = { .media_type = OCI_EMPTY,
		                                     .size = strlen(EMPTY) },
		                         .layers = &layer,
		                         .n_layers = 1,
		                         .has_subject = true,
		                         .subject = *image };
	uint8_t bytes[KEY_BYTES];
	int r = sign(key, made->payload, made->payload_len, signature, err);

	if (r < 0)
		return r;
	key_public(key, bytes);
	base64_encode(bytes, sizeof(bytes), public);
	memcpy(layer.digest, made->payload_digest, sizeof(layer.digest));
	oci_digest(EMPTY, strlen(EMPTY), manifest.config.digest);
	layer.annotations =
		json_pack("{ss ss}", SIGNATURE_ANNOTATION, signature, SIGNATURE_KEY, public);
	/* Its own annotations and kind are not what is signed. */
	manifest.subject.annotations = NULL;
	manifest.subject.artifact_type[0] = '\0';
	r = layer.annotations ? oci_manifest_write(&manifest, &made->manifest, err)
	                      : error_sys(err, ENOMEM, "signature");
	json_decref(layer.annotations);
	return r;
}

int signature_make(const struct key *key, const struct oci_descriptor *image,
                   const struct signature_claim *claim, struct signature *ret, struct error *err)
{
	cleanup(signature_free) struct signature made = { .payload = NULL };
	struct signature_claim full = { .size = image->size,
		                        .release = claim->release,
		                        .created = claim->created,
		                        .expires = claim->expires },
			       again;
	uint8_t public[KEY_BYTES];
	int r;

	memcpy(full.media_type, image->media_type, sizeof(full.media_type));
	memcpy(full.digest, image->digest, sizeof(full.digest));
	key_public(key, public);
	key_id(public, full.key);
	made.payload = claim_text(&full);
	if (!made.payload)
		return error_sys(err, ENOMEM, "signature");
	made.payload_len = strlen(made.payload);
	oci_digest(made.payload, made.payload_len, made.payload_digest);
	/* What others would refuse is not made. */
	r = parse_claim(made.payload, made.payload_len, &again, err);
	if (r == 0)
		r = make_manifest(key, image, &made, err);
	if (r < 0)
		return r;
	*ret = made;
	made = (struct signature){ .payload = NULL };
	return 0;
}

void signature_free(struct signature *signature)
{
	free(signature->payload);
	store_manifest_free(&signature->manifest);
	*signature = (struct signature){ .payload = NULL };
}

static int parse_manifest(const char *text, size_t len, struct oci_manifest **ret,
                          struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	int r;

	if (len > SIGNATURE_MAX_BYTES)
		return error_set(err, EINVAL, "it has more than %u bytes", SIGNATURE_MAX_BYTES);
	r = oci_manifest_parse(text, len, &manifest, err);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (strcmp(manifest->artifact_type, SIGNATURE_TYPE) != 0)
		return error_set(err, EINVAL, "it is no signature but %s", manifest->artifact_type);
	if (manifest->n_layers != 1 ||
	    strcmp(manifest->layers[0].media_type, SIGNATURE_PAYLOAD_TYPE) != 0 ||
	    manifest->layers[0].size > SIGNATURE_MAX_BYTES || !manifest->has_subject)
		return error_set(err, EINVAL, "its manifest is not one of a signature");
	*ret = take_ptr(manifest);
	return 0;
}

int signature_payload(const char *manifest, size_t len, char ret_digest[STORE_DIGEST_ROOM],
                      uint64_t *ret_size, struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *parsed = NULL;
	int r = parse_manifest(manifest, len, &parsed, err);

	if (r < 0)
		return r;
	memcpy(ret_digest, parsed->layers[0].digest, STORE_DIGEST_ROOM);
	*ret_size = parsed->layers[0].size;
	return 0;
}

/* An annotation that is the base64 of so many bytes. */
static int get_bytes(const struct oci_descriptor *layer, const char *key, uint8_t *ret, size_t n,
                     struct error *err)
{
	const char *text = oci_annotation(layer->annotations, key);
	size_t len;

	if (!text || base64_decode(text, strlen(text), ret, n, &len) < 0 || len != n)
		return error_set(err, EINVAL, "its \"%s\" is not the base64 of %zu bytes", key, n);
	return 0;
}

/* Bytes, key and signature belong together. */
static int verify(const struct oci_descriptor *layer, const char *payload, size_t len,
                  const char *claimed, struct error *err)
{
	uint8_t public[KEY_BYTES], signature[KEY_SIGNATURE_BYTES];
	cleanup_free char *bytes = NULL;
	char id[KEY_ID_ROOM];
	int r = get_bytes(layer, SIGNATURE_KEY, public, sizeof(public), err);

	if (r == 0)
		r = get_bytes(layer, SIGNATURE_ANNOTATION, signature, sizeof(signature), err);
	if (r < 0)
		return r;
	key_id(public, id);
	if (strcmp(id, claimed) != 0)
		return error_set(err, EBADMSG, "it is said to be of %s, and comes with %s", claimed,
		                 id);
	bytes = signed_bytes(payload, len);
	if (!bytes)
		return error_sys(err, ENOMEM, "signature");
	r = public_key_verify(public, bytes, sizeof(SIGNATURE_CONTEXT) + len, signature);
	if (r == -ENOMEM)
		return error_sys(err, ENOMEM, "signature");
	return r < 0 ? error_set(err, EBADMSG, "it was not made by %s, or was changed since", id)
	             : 0;
}

static bool same(const struct signature_claim *claim, const struct oci_descriptor *image)
{
	return strcmp(claim->media_type, image->media_type) == 0 &&
	       strcmp(claim->digest, image->digest) == 0 && claim->size == image->size;
}

int signature_check(const char *manifest, size_t len, const char *payload, size_t payload_len,
                    const struct oci_descriptor *image, struct signature_claim *ret,
                    struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *parsed = NULL;
	char digest[STORE_DIGEST_ROOM];
	struct signature_claim claim;
	int r = parse_manifest(manifest, len, &parsed, err);

	if (r < 0)
		return r;
	oci_digest(payload, payload_len, digest);
	if (parsed->layers[0].size != payload_len || strcmp(parsed->layers[0].digest, digest) != 0)
		return error_set(err, EINVAL, "what was signed is not what its manifest names");
	r = parse_claim(payload, payload_len, &claim, err);
	if (r == 0)
		r = verify(&parsed->layers[0], payload, payload_len, claim.key, err);
	if (r < 0)
		return r;
	if (strcmp(parsed->subject.digest, image->digest) != 0 || !same(&claim, image))
		return error_set(err, EXDEV, "it is of another manifest: %s", claim.digest);
	*ret = claim;
	return 0;
}
