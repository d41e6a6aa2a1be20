/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCI 1.1 manifests and indexes as JSON: taking apart what strangers sent, and writing our own.
 * Source of the facts: OCI image specification 1.1, image-manifest and image-index.
 *
 * Trust: hostile.  At most STORE_MAX_MANIFEST bytes, 16,384 descriptors, 64 annotations each of at
 * most 4096 bytes; sizes are from 0 to 2^53; digests are SHA-256 only.
 */
#ifndef LIBRARY_OCI_H
#define LIBRARY_OCI_H

#include <jansson.h>

#include "library/store.h"

#define OCI_MANIFEST        "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX           "application/vnd.oci.image.index.v1+json"
#define OCI_EMPTY           "application/vnd.oci.empty.v1+json" /* content: {} */

#define OCI_MAX_DESCRIPTORS 16384u

/* OCI's and docker's media types. */
bool oci_is_manifest(const char *media_type);
bool oci_is_index(const char *media_type);

struct oci_descriptor {
	char media_type[STORE_MEDIA_ROOM];
	char artifact_type[STORE_MEDIA_ROOM]; /* "" when none */
	char digest[STORE_DIGEST_ROOM];
	uint64_t size;       /* bytes */
	json_t *annotations; /* text to text; NULL: none */
};

/* -EBADMSG without the object's name. */
int oci_descriptor_parse(const json_t *object, struct oci_descriptor *ret, struct error *err);
void oci_descriptor_free(struct oci_descriptor *descriptor);
/* NULL for lack of memory, or text that is not UTF-8. */
json_t *oci_descriptor_json(const struct oci_descriptor *descriptor);

struct oci_manifest {
	char artifact_type[STORE_MEDIA_ROOM]; /* of the manifest, or else the config's media type */
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	size_t n_layers;
	bool has_subject;
	struct oci_descriptor subject;
	json_t *annotations;
};

/* -EBADMSG with the member's name. */
int oci_manifest_parse(const char *text, size_t len, struct oci_manifest **ret, struct error *err);
void oci_manifest_free(struct oci_manifest *manifest);
DEFINE_CLEANUP(struct oci_manifest *, oci_manifest_free);
/* The first layer with that digest, or NULL. */
const struct oci_descriptor *oci_find_layer(const struct oci_manifest *manifest,
                                            const char *digest);
/* As bytes with media type and digest: members in a fixed order, the same input gives the same. */
int oci_manifest_write(const struct oci_manifest *manifest, struct store_manifest *ret,
                       struct error *err);

/* An image index as it stands, with a list "manifests" of at most 16,384 of anything. */
int oci_index_load(const char *text, size_t len, json_t **ret, struct error *err);
/* The descriptors of an image index (index.json, referrers); `each` may end it. */
int oci_index_each(const char *text, size_t len,
                   int (*each)(void *arg, const struct oci_descriptor *descriptor,
                               struct error *err),
                   void *arg, struct error *err);

/* An annotation's text, or NULL. */
const char *oci_annotation(const json_t *annotations, const char *key);

/* "sha256:…" of 32 bytes that are one, and of any bytes. */
void oci_digest_text(const uint8_t raw[32], char ret[STORE_DIGEST_ROOM]);
void oci_digest(const void *data, size_t len, char ret[STORE_DIGEST_ROOM]);

#endif
