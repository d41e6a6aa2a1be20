/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders that are libraries, and images to put into stores.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/machine-image.h"
#include "util/io.h"

struct place {
	char path[64];
};

static inline struct place place_new(void)
{
	struct place place = { .path = "/tmp/sill-store-XXXXXX" };

	assert_non_null(mkdtemp(place.path));
	return place;
}

static inline void place_remove(struct place *place)
{
	assert_int_equal(nftw(place->path, scratch_drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The call went well, or this is why not. */
#define ok(call)                                  \
	do {                                      \
		struct error err = { 0 };         \
		if ((call) < 0)                   \
			fail_msg("%s", err.text); \
	} while (0)

/* It fails with that number, in a sentence that has these words. */
#define fails(call, number, words)                                                \
	do {                                                                      \
		struct error err = { 0 };                                         \
		assert_int_equal((call), -(number));                              \
		assert_int_equal(err.code, (number));                             \
		if (!strstr(err.text, (words)))                                   \
			fail_msg("'%s' says nothing of '%s'", err.text, (words)); \
	} while (0)

static inline struct store *new_folder(const struct place *place)
{
	struct store *store = NULL;

	ok(folder_create(place->path, &err));
	ok(folder_open(place->path, &store, &err));
	return store;
}

static inline void place_path(const struct place *place, const char *name, char ret[320])
{
	snprintf(ret, 320, "%s/%s", place->path, name);
}

static inline void blob_path(const struct place *place, const char *digest, char ret[320])
{
	snprintf(ret, 320, "%s/blobs/sha256/%.64s", place->path, digest + 7);
}

static inline void write_text(const struct place *place, const char *name, const char *text)
{
	char path[320];
	FILE *file;

	place_path(place, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

static inline int try_blob(struct store *store, const void *data, size_t len, const char *digest,
                           struct error *err)
{
	struct store_upload *upload;
	uint64_t off;
	int r = store->ops->begin_upload(store, "any", digest, len, &upload, &off, err);

	if (r < 0 || !upload)
		return r;
	r = store->ops->write_upload(upload, (const char *)data + off, len - (size_t)off, err);
	if (r == 0)
		r = store->ops->finish_upload(upload, err);
	store->ops->end_upload(upload);
	return r;
}

static inline struct oci_descriptor put_blob(struct store *store, const char *media_type,
                                             const void *data, size_t len)
{
	struct oci_descriptor blob = { .size = len };

	snprintf(blob.media_type, sizeof(blob.media_type), "%s", media_type);
	oci_digest(data, len, blob.digest);
	ok(try_blob(store, data, len, blob.digest, &err));
	return blob;
}

/* A manifest of one layer with that text, its configuration empty; of `subject`, when that is one. */
static inline struct store_manifest small_manifest(struct store *store, const char *text,
                                                   const struct store_manifest *subject)
{
	struct oci_descriptor layer = put_blob(store, "text/plain", text, strlen(text));
	struct oci_manifest manifest = {
		.artifact_type = "application/x.small",
		.config = put_blob(store, OCI_EMPTY, "{}", 2),
		.layers = &layer,
		.n_layers = 1,
		.has_subject = subject != NULL,
	};
	struct store_manifest out;

	if (subject) {
		snprintf(manifest.artifact_type, sizeof(manifest.artifact_type),
		         "application/x.on");
		memcpy(manifest.subject.digest, subject->digest, STORE_DIGEST_ROOM);
		memcpy(manifest.subject.media_type, subject->media_type, STORE_MEDIA_ROOM);
		manifest.subject.size = subject->len;
	}
	ok(oci_manifest_write(&manifest, &out, &err));
	return out;
}

/* A listing as one text, "a b c ". */
struct listed {
	char text[4096];
};

static inline int list_item(void *arg, const char *text, struct error *err)
{
	struct listed *listed = arg;
	size_t used = strlen(listed->text);

	(void)err;
	snprintf(listed->text + used, sizeof(listed->text) - used, "%s ", text);
	return 0;
}

static inline struct listed names_of(struct store *store)
{
	struct listed listed = { 0 };

	ok(store->ops->names(store, list_item, &listed, &err));
	return listed;
}

static inline struct listed tags_of(struct store *store, const char *name)
{
	struct listed listed = { 0 };

	ok(store->ops->tags(store, name, list_item, &listed, &err));
	return listed;
}

static inline struct listed referrers_of(struct store *store, const char *name, const char *digest,
                                         const char *type)
{
	struct listed listed = { 0 };

	ok(store->ops->referrers(store, name, digest, type, list_item, &listed, &err));
	return listed;
}

static inline bool has_blob(struct store *store, const char *digest)
{
	uint64_t size;
	struct error err;
	int r = store->ops->find_blob(store, "any", digest, &size, &err);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0;
}

/* Whatever a store names is there and right: manifests, and what they name. */
static inline void expect_whole(struct store *store, const char *name, const char *which)
{
	cleanup(store_manifest_free) struct store_manifest bytes = { 0 };
	struct oci_manifest *manifest = NULL;

	ok(store_get_manifest(store, name, which, &bytes, &err));
	ok(oci_manifest_parse(bytes.bytes, bytes.len, &manifest, &err));
	for (size_t i = 0; i <= manifest->n_layers; i++) {
		const struct oci_descriptor *blob =
			i ? &manifest->layers[i - 1] : &manifest->config;
		char *content;
		size_t len;

		ok(store_get_blob(store, name, blob->digest, (size_t)blob->size, &content, &len,
		                  &err));
		assert_int_equal(len, blob->size);
		free(content);
	}
	oci_manifest_free(manifest);
}

#endif
