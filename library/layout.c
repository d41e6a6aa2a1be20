// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define LAYOUT_VERSION "1.0.0"

int layout_check_mark(const char *text, size_t len, struct error *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *version = json_string_value(json_object_get(root, "imageLayoutVersion"));
	int r = 0;

	if (!version)
		r = error_set(err, EINVAL, "its \"imageLayoutVersion\" is missing");
	else if (strcmp(version, LAYOUT_VERSION) != 0)
		r = error_set(err, EINVAL, "is an image layout of version %.20s; Sill reads %s",
		              version, LAYOUT_VERSION);
	json_decref(root);
	return r;
}

/* "NAME:TAG" or "NAME"; other texts leave both empty. */
static void take_ref_name(const char *text, struct layout_entry *entry)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const char *tag = colon ? colon + 1 : "latest";
	char name[REFERENCE_NAME_MAX + 1];

	if (len > REFERENCE_NAME_MAX)
		return;
	memcpy(name, text, len);
	name[len] = '\0';
	if (!reference_name_valid(name) || !reference_tag_valid(tag))
		return;
	memcpy(entry->name, name, len + 1);
	memcpy(entry->tag, tag, strlen(tag) + 1);
}

static void free_entries(struct layout *layout)
{
	for (size_t i = 0; i < layout->n; i++)
		oci_descriptor_free(&layout->entries[i].manifest);
	free(layout->entries);
	layout->entries = NULL;
	layout->n = 0;
}

static int take_entries(struct layout *layout, struct error *err)
{
	const json_t *manifests = json_object_get(layout->root, "manifests"), *value;
	size_t i = 0;

	free_entries(layout);
	layout->entries = calloc(json_array_size(manifests) + 1, sizeof(*layout->entries));
	if (!layout->entries)
		return error_sys(err, ENOMEM, "\"manifests\"");
	json_array_foreach (manifests, i, value) {
		struct layout_entry *entry = &layout->entries[i];
		int r = oci_descriptor_parse(value, &entry->manifest, err);
		const char *ref;

		if (r < 0) {
			error_prefix(err, "\"manifests\", entry %zu", i + 1);
			return r;
		}
		layout->n++;
		ref = oci_annotation(entry->manifest.annotations, LAYOUT_REF_NAME);
		entry->untagged = !ref;
		if (ref)
			take_ref_name(ref, entry);
	}
	return 0;
}

int layout_parse(const char *text, size_t len, struct layout *ret, struct error *err)
{
	struct layout layout = { 0 };
	int r = oci_index_load(text, len, &layout.root, err);

	if (r == 0)
		r = take_entries(&layout, err);
	if (r < 0)
		layout_free(&layout);
	else
		*ret = layout;
	return r;
}

void layout_free(struct layout *layout)
{
	free_entries(layout);
	json_decref(layout->root);
	layout->root = NULL;
}

int layout_write(const struct layout *layout, char **ret, size_t *ret_len, struct error *err)
{
	char *text = json_dumps(layout->root, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		return error_sys(err, ENOMEM, "index.json");
	*ret_len = strlen(text);
	if (*ret_len > STORE_MAX_MANIFEST || layout->n > OCI_MAX_DESCRIPTORS) {
		free(text);
		return error_set(err, EFBIG,
		                 "index.json has no room for more than 4 MiB or %u "
		                 "manifests",
		                 OCI_MAX_DESCRIPTORS);
	}
	*ret = text;
	return 0;
}

static bool has_tag(const struct layout_entry *entry, const char *name, const char *tag)
{
	return strcmp(entry->name, name) == 0 && strcmp(entry->tag, tag) == 0;
}

static bool has_digest(const struct layout_entry *entry, const char *digest)
{
	return strcmp(entry->manifest.digest, digest) == 0;
}

const struct layout_entry *layout_find(const struct layout *layout, const char *name,
                                       const char *which)
{
	bool digest = reference_digest_valid(which);

	for (size_t i = 0; i < layout->n; i++) {
		const struct layout_entry *entry = &layout->entries[i];

		if (digest ? has_digest(entry, which) : has_tag(entry, name, which))
			return entry;
	}
	return NULL;
}

/* Entry `i` loses its name, or goes when its manifest has another entry. */
static int drop_tag(struct layout *layout, size_t i)
{
	json_t *manifests = json_object_get(layout->root, "manifests");
	json_t *object = json_array_get(manifests, i);
	const struct layout_entry *entry = &layout->entries[i];
	json_t *annotations = json_copy(json_object_get(object, "annotations"));

	for (size_t k = 0; k < layout->n; k++) {
		if (k == i || !has_digest(&layout->entries[k], entry->manifest.digest))
			continue;
		json_decref(annotations);
		return json_array_remove(manifests, i) < 0 ? -ENOMEM : 0;
	}
	if (!annotations)
		return -ENOMEM;
	json_object_del(annotations, LAYOUT_REF_NAME);
	if (json_object_size(annotations) > 0)
		return json_object_set_new(object, "annotations", annotations) < 0 ? -ENOMEM : 0;
	json_decref(annotations);
	return json_object_del(object, "annotations") < 0 ? -ENOMEM : 0;
}

/* Taken apart anew after each change: changes are rare, and places of entries move. */
static int changed(struct layout *layout, int r, struct error *err)
{
	if (r < 0)
		return error_sys(err, ENOMEM, "index.json");
	return take_entries(layout, err);
}

static int append(struct layout *layout, const char *name, const char *tag,
                  const struct oci_descriptor *manifest, struct error *err)
{
	char ref[REFERENCE_NAME_MAX + REFERENCE_TAG_MAX + 2];
	struct oci_descriptor named = *manifest;
	int r;

	snprintf(ref, sizeof(ref), "%s:%s", name, tag ? tag : "");
	named.annotations = tag ? json_pack("{s:s}", LAYOUT_REF_NAME, ref) : NULL;
	if (tag && !named.annotations)
		return error_sys(err, ENOMEM, "index.json");
	r = json_array_append_new(json_object_get(layout->root, "manifests"),
	                          oci_descriptor_json(&named));
	json_decref(named.annotations);
	return changed(layout, r, err);
}

/* Has the tag, in all spellings, that manifest and no other?  Without a tag: is it there? */
static bool is_put(const struct layout *layout, const char *name, const char *tag,
                   const char *digest)
{
	size_t right = 0, wrong = 0;

	for (size_t i = 0; i < layout->n; i++) {
		const struct layout_entry *entry = &layout->entries[i];

		if (tag && !has_tag(entry, name, tag))
			continue;
		if (has_digest(entry, digest))
			right++;
		else
			wrong++;
	}
	return right > 0 && (!tag || wrong == 0);
}

int layout_put(struct layout *layout, const char *name, const char *tag,
               const struct oci_descriptor *manifest, bool *ret_changed, struct error *err)
{
	json_t *manifests = json_object_get(layout->root, "manifests");
	const struct layout_entry *known;
	int r;

	*ret_changed = !is_put(layout, name, tag, manifest->digest);
	if (!*ret_changed)
		return 0;
	/* Whatever has the tag, in whichever spelling, has it no more. */
	while (tag && (known = layout_find(layout, name, tag)) != NULL) {
		r = changed(layout, drop_tag(layout, (size_t)(known - layout->entries)), err);
		if (r < 0)
			return r;
	}
	/* It needs no entry without a name beside the one with it. */
	for (size_t i = 0; i < layout->n; i++) {
		if (!layout->entries[i].untagged ||
		    !has_digest(&layout->entries[i], manifest->digest))
			continue;
		r = changed(layout, json_array_remove(manifests, i), err);
		if (r < 0)
			return r;
		break;
	}
	return append(layout, name, tag, manifest, err);
}

/* Is entry `i` gone when `name` lets go of the digest? */
static bool goes(const struct layout *layout, size_t i, const char *name, const char *digest,
                 bool others)
{
	const struct layout_entry *entry = &layout->entries[i];

	if (!has_digest(entry, digest))
		return false;
	return strcmp(entry->name, name) == 0 || (entry->untagged && !others);
}

int layout_remove(struct layout *layout, const char *name, const char *which, struct error *err)
{
	json_t *manifests = json_object_get(layout->root, "manifests");
	const struct layout_entry *entry = layout_find(layout, name, which);
	bool others = false;
	size_t removed = 0;

	if (!entry)
		return -ENOENT;
	if (!reference_digest_valid(which))
		return changed(layout, drop_tag(layout, (size_t)(entry - layout->entries)), err);
	for (size_t i = 0; i < layout->n; i++)
		others |= has_digest(&layout->entries[i], which) && !layout->entries[i].untagged &&
		          strcmp(layout->entries[i].name, name) != 0;
	for (size_t i = layout->n; i-- > 0;)
		if (goes(layout, i, name, which, others))
			removed += json_array_remove(manifests, i) == 0;
	return removed > 0 ? changed(layout, 0, err) : -ENOENT;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int tell_sorted(const char **texts, size_t n, store_item *item, void *arg, struct error *err)
{
	qsort(texts, n, sizeof(*texts), by_text);
	for (size_t i = 0; i < n; i++) {
		int r;

		if (i > 0 && strcmp(texts[i], texts[i - 1]) == 0)
			continue;
		r = item(arg, texts[i], err);
		if (r != 0)
			return r;
	}
	return 0;
}

int layout_names(const struct layout *layout, store_item *item, void *arg, struct error *err)
{
	cleanup_free const char **names = calloc(layout->n + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return error_sys(err, ENOMEM, "index.json");
	for (size_t i = 0; i < layout->n; i++)
		if (layout->entries[i].name[0])
			names[n++] = layout->entries[i].name;
	return tell_sorted(names, n, item, arg, err);
}

int layout_tags(const struct layout *layout, const char *name, store_item *item, void *arg,
                struct error *err)
{
	cleanup_free const char **tags = calloc(layout->n + 1, sizeof(*tags));
	size_t n = 0;

	if (!tags)
		return error_sys(err, ENOMEM, "index.json");
	for (size_t i = 0; i < layout->n; i++)
		if (strcmp(layout->entries[i].name, name) == 0)
			tags[n++] = layout->entries[i].tag;
	return tell_sorted(tags, n, item, arg, err);
}

/* 1 when that manifest refers to `digest`; one that cannot be one refers to nothing. */
static int refers(struct store *store, const char *name, const struct layout_entry *entry,
                  const char *digest, const char *artifact_type, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest bytes = { 0 };
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	const char *said = entry->manifest.artifact_type;
	int r;

	if (!oci_is_manifest(entry->manifest.media_type) ||
	    (said[0] && artifact_type && artifact_type[0] && strcmp(said, artifact_type) != 0))
		return 0;
	r = store_get_manifest(store, name, entry->manifest.digest, &bytes, err);
	if (r == 0)
		r = oci_manifest_parse(bytes.bytes, bytes.len, &manifest, err);
	if (r < 0 || !manifest)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	return manifest->has_subject && strcmp(manifest->subject.digest, digest) == 0 &&
	       (!artifact_type || !artifact_type[0] ||
	        strcmp(manifest->artifact_type, artifact_type) == 0);
}

int layout_referrers(const struct layout *layout, struct store *store, const char *name,
                     const char *digest, const char *artifact_type, store_item *item, void *arg,
                     struct error *err)
{
	for (size_t i = 0; i < layout->n; i++) {
		const struct layout_entry *entry = &layout->entries[i];
		int r = refers(store, name, entry, digest, artifact_type, err);

		if (r > 0)
			r = item(arg, entry->manifest.digest, err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* What an entry of index.json did not say: the manifest itself may. */
static void guess_media_type(struct store_manifest *manifest)
{
	json_t *root = json_loadb(manifest->bytes, manifest->len, 0, NULL);
	const char *said = json_string_value(json_object_get(root, "mediaType"));

	if (!said)
		said = json_object_get(root, "manifests") ? OCI_INDEX : OCI_MANIFEST;
	snprintf(manifest->media_type, sizeof(manifest->media_type), "%s", said);
	json_decref(root);
}

int layout_get_manifest(const struct layout *layout, struct store *store, const char *name,
                        const char *which, struct store_manifest *ret, struct error *err)
{
	const struct layout_entry *entry = layout_find(layout, name, which);
	struct store_manifest manifest = { 0 };
	int r;

	if (!entry && !reference_digest_valid(which))
		return error_set(err, ENOENT, "%s: has no image %s:%s", store->name, name, which);
	snprintf(manifest.digest, sizeof(manifest.digest), "%s",
	         entry ? entry->manifest.digest : which);
	r = store_get_blob(store, name, manifest.digest, STORE_MAX_MANIFEST, &manifest.bytes,
	                   &manifest.len, err);
	if (r < 0)
		return r;
	if (entry)
		memcpy(manifest.media_type, entry->manifest.media_type, STORE_MEDIA_ROOM);
	else
		guess_media_type(&manifest);
	*ret = manifest;
	return 0;
}
