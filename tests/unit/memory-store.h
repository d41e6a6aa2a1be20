/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store in memory that breaks, lies and runs full when it is told to.
 */
#ifndef TESTS_UNIT_MEMORY_STORE_H
#define TESTS_UNIT_MEMORY_STORE_H

#include "tests/unit/store-fixture.h"

#include <pthread.h>

#define MEMORY_BLOBS 256

struct memory_blob {
	char digest[STORE_DIGEST_ROOM];
	char *bytes;
	uint64_t len, room; /* `len` of `room` bytes are there */
	bool whole;
	bool manifest;
	char media_type[STORE_MEDIA_ROOM];
	char subject[STORE_DIGEST_ROOM], artifact_type[STORE_MEDIA_ROOM];
};

struct memory_store {
	struct store store;
	pthread_mutex_t lock;
	struct memory_blob blobs[MEMORY_BLOBS];
	unsigned int n;
	struct {
		char name[64], tag[64], digest[STORE_DIGEST_ROOM];
	} tags[32];
	unsigned int n_tags;
	size_t n_order;
	char order[4096]; /* what was put, in order: "B" a blob, "M" a manifest, "T" a tag */

	/* Faults. */
	const char *spoil;     /* blob of which a byte is another one when it is read */
	const char *longer;    /* blob that has a byte more */
	const char *shorter;   /* blob that ends a byte early, without an error */
	uint64_t break_after;  /* bytes of one read, then the link breaks; 0: never */
	unsigned int breaks;   /* how often it does */
	uint64_t room;         /* bytes that can be written; 0: without limit */
	unsigned int deaf;     /* calls of begin_upload that are not answered */
	const char *says_less; /* find_blob() says one byte less of that one */
	bool takes_anything;   /* finish_upload() verifies nothing */

	/* Counts. */
	uint64_t read, written;
	unsigned int now, most; /* transfers at once */

	struct memory_store *elsewhere; /* where the name "elsewhere" has its blobs */
};

struct memory_upload {
	struct store_upload upload;
	struct memory_blob *blob;
};

/* One more in `order`, which stays a text. */
static inline void memory_note(struct memory_store *memory, char what)
{
	assert_true(memory->n_order + 1 < sizeof(memory->order));
	memory->order[memory->n_order++] = what;
	memory->order[memory->n_order] = '\0';
}

static inline struct memory_store *to_memory(struct store *store)
{
	return container_of(store, struct memory_store, store);
}

static inline struct memory_blob *memory_find(struct memory_store *memory, const char *digest,
                                              bool make)
{
	struct memory_blob *found = NULL;

	pthread_mutex_lock(&memory->lock);
	for (unsigned int i = 0; i < memory->n && !found; i++)
		if (strcmp(memory->blobs[i].digest, digest) == 0)
			found = &memory->blobs[i];
	if (!found && make) {
		assert_true(memory->n < MEMORY_BLOBS);
		found = &memory->blobs[memory->n++];
		snprintf(found->digest, sizeof(found->digest), "%s", digest);
	}
	pthread_mutex_unlock(&memory->lock);
	return found;
}

static inline bool memory_is(const char *fault, const char *digest)
{
	return fault && strcmp(fault, digest) == 0;
}

static inline int memory_get_manifest(struct store *store, const char *name, const char *which,
                                      struct store_manifest *ret, struct error *err)
{
	struct memory_store *memory = to_memory(store);
	struct memory_blob *blob;

	for (unsigned int i = 0; i < memory->n_tags; i++)
		if (!strcmp(memory->tags[i].name, name) && !strcmp(memory->tags[i].tag, which))
			which = memory->tags[i].digest;
	blob = memory_find(memory, which, false);
	if (!blob || !blob->manifest)
		return error_set(err, ENOENT, "memory: no %s:%s", name, which);
	*ret = (struct store_manifest){ .bytes = strndup(blob->bytes, blob->len),
		                        .len = blob->len };
	memcpy(ret->media_type, blob->media_type, STORE_MEDIA_ROOM);
	return 0;
}

static inline int memory_put_manifest(struct store *store, const char *name, const char *tag,
                                      const struct store_manifest *manifest, struct error *err)
{
	struct memory_store *memory = to_memory(store);
	struct memory_blob *blob = memory_find(memory, manifest->digest, true);
	struct oci_manifest *parsed = NULL;

	if (oci_manifest_parse(manifest->bytes, manifest->len, &parsed, err) == 0) {
		for (size_t i = 0; i < parsed->n_layers; i++) {
			struct memory_blob *layer =
				memory_find(memory, parsed->layers[i].digest, false);

			assert_true(layer && layer->whole);
		}
		memcpy(blob->artifact_type, parsed->artifact_type, STORE_MEDIA_ROOM);
		if (parsed->has_subject)
			memcpy(blob->subject, parsed->subject.digest, STORE_DIGEST_ROOM);
		oci_manifest_free(parsed);
	}
	free(blob->bytes);
	blob->bytes = strndup(manifest->bytes, manifest->len);
	blob->len = manifest->len;
	blob->manifest = blob->whole = true;
	memcpy(blob->media_type, manifest->media_type, STORE_MEDIA_ROOM);
	memory_note(memory, tag ? 'T' : 'M');
	if (tag) {
		snprintf(memory->tags[memory->n_tags].name, 64, "%s", name);
		snprintf(memory->tags[memory->n_tags].tag, 64, "%s", tag);
		memcpy(memory->tags[memory->n_tags++].digest, manifest->digest, STORE_DIGEST_ROOM);
	}
	return 0;
}

static inline int memory_referrers(struct store *store, const char *name, const char *digest,
                                   const char *artifact_type, store_item *item, void *arg,
                                   struct error *err)
{
	struct memory_store *memory = to_memory(store);
	int r = 0;

	(void)name;
	for (unsigned int i = 0; r == 0 && i < memory->n; i++)
		if (strcmp(memory->blobs[i].subject, digest) == 0 &&
		    (!artifact_type[0] || !strcmp(memory->blobs[i].artifact_type, artifact_type)))
			r = item(arg, memory->blobs[i].digest, err);
	return r;
}

static inline int memory_find_blob(struct store *store, const char *name, const char *digest,
                                   uint64_t *ret_size, struct error *err)
{
	struct memory_store *memory = to_memory(store);
	struct memory_blob *blob = memory_find(memory, digest, false);

	if (!blob || !blob->whole)
		return error_set(err, ENOENT, "memory: no %s in %s", digest, name);
	*ret_size = blob->len - memory_is(memory->says_less, digest);
	return 0;
}

/* How many bytes of this read arrive; a broken link counts once. */
static inline uint64_t memory_reach(struct memory_store *memory, uint64_t len)
{
	pthread_mutex_lock(&memory->lock);
	if (memory->breaks > 0 && memory->break_after < len) {
		memory->breaks--;
		len = memory->break_after;
	}
	pthread_mutex_unlock(&memory->lock);
	return len;
}

static inline int memory_read_blob(struct store *store, const char *name, const char *digest,
                                   uint64_t off, const struct store_sink *sink, struct error *err)
{
	struct memory_store *memory = to_memory(store);
	struct memory_blob *blob = memory_find(memory, digest, false);
	uint64_t len, reach;
	char *bytes;
	int r = 0;

	if (!blob || !blob->whole)
		return error_set(err, ENOENT, "memory: no %s in %s", digest, name);
	len = blob->len - memory_is(memory->shorter, digest);
	bytes = malloc(blob->len + 1);
	memcpy(bytes, blob->bytes, blob->len);
	bytes[blob->len] = '!';
	if (memory_is(memory->spoil, digest))
		bytes[blob->len / 2] ^= 1;
	len += memory_is(memory->longer, digest);
	off = min_u64(off, len);
	reach = off + memory_reach(memory, len - off);
	for (uint64_t at = off; r == 0 && at < reach; at += min_u64(1000, reach - at)) {
		__atomic_fetch_add(&memory->read, min_u64(1000, reach - at), __ATOMIC_RELAXED);
		r = sink->write(sink->arg, bytes + at, min_u64(1000, reach - at), err);
	}
	free(bytes);
	if (r == 0 && reach < len)
		r = error_set(err, ECONNRESET, "memory: the link broke");
	return r;
}

static inline int memory_mount_blob(struct store *store, const char *name, const char *digest,
                                    const char *from, struct error *err)
{
	struct memory_store *memory = to_memory(store), *other = memory->elsewhere;
	struct memory_blob *theirs = other ? memory_find(other, digest, false) : NULL;
	struct memory_blob *blob;

	if (!theirs || strcmp(from, "elsewhere") != 0)
		return error_set(err, ENOENT, "memory: %s is not in %s, for %s", digest, from,
		                 name);
	blob = memory_find(memory, digest, true);
	blob->bytes = malloc(theirs->len + 1);
	memcpy(blob->bytes, theirs->bytes, theirs->len);
	blob->len = theirs->len;
	blob->whole = true;
	return 0;
}

static inline int memory_begin_upload(struct store *store, const char *name, const char *digest,
                                      uint64_t size, struct store_upload **ret, uint64_t *ret_off,
                                      struct error *err)
{
	struct memory_store *memory = to_memory(store);
	struct memory_blob *blob = memory_find(memory, digest, true);
	struct memory_upload *upload;

	(void)name;
	pthread_mutex_lock(&memory->lock);
	if (memory->deaf > 0) {
		memory->deaf--;
		pthread_mutex_unlock(&memory->lock);
		return error_set(err, ECONNREFUSED, "memory: nobody answers");
	}
	memory->now++;
	memory->most = (unsigned int)max_u64(memory->most, memory->now);
	pthread_mutex_unlock(&memory->lock);
	if (!blob->bytes) {
		blob->bytes = malloc(size + 1);
		blob->room = size;
	}
	upload = calloc(1, sizeof(*upload));
	*upload = (struct memory_upload){ { store }, blob };
	*ret = &upload->upload;
	*ret_off = blob->len;
	return 0;
}

static inline int memory_write_upload(struct store_upload *at, const void *buf, size_t len,
                                      struct error *err)
{
	struct memory_upload *upload = container_of(at, struct memory_upload, upload);
	struct memory_store *memory = to_memory(at->store);

	if (__atomic_add_fetch(&memory->written, len, __ATOMIC_RELAXED) > memory->room &&
	    memory->room > 0)
		return error_set(err, ENOSPC, "memory: is full");
	assert_true(range_inside(upload->blob->len, len, upload->blob->room));
	memcpy(upload->blob->bytes + upload->blob->len, buf, len);
	upload->blob->len += len;
	return 0;
}

static inline int memory_finish_upload(struct store_upload *at, struct error *err)
{
	struct memory_upload *upload = container_of(at, struct memory_upload, upload);
	struct memory_store *memory = to_memory(at->store);
	char digest[STORE_DIGEST_ROOM];

	oci_digest(upload->blob->bytes, upload->blob->len, digest);
	if (!memory->takes_anything && strcmp(digest, upload->blob->digest) != 0) {
		upload->blob->len = 0;
		return error_set(err, EBADMSG, "memory: that is %s", digest);
	}
	upload->blob->whole = true;
	pthread_mutex_lock(&memory->lock);
	memory_note(memory, 'B');
	pthread_mutex_unlock(&memory->lock);
	return 0;
}

static inline void memory_end_upload(struct store_upload *at)
{
	struct memory_store *memory = to_memory(at->store);

	pthread_mutex_lock(&memory->lock);
	memory->now--;
	pthread_mutex_unlock(&memory->lock);
	free(container_of(at, struct memory_upload, upload));
}

static inline void memory_close(struct store *store)
{
	struct memory_store *memory = to_memory(store);

	for (unsigned int i = 0; i < memory->n; i++)
		free(memory->blobs[i].bytes);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static inline struct memory_store *memory_new(void)
{
	static const struct store_ops ops = {
		.get_manifest = memory_get_manifest,
		.put_manifest = memory_put_manifest,
		.referrers = memory_referrers,
		.find_blob = memory_find_blob,
		.read_blob = memory_read_blob,
		.mount_blob = memory_mount_blob,
		.begin_upload = memory_begin_upload,
		.write_upload = memory_write_upload,
		.finish_upload = memory_finish_upload,
		.end_upload = memory_end_upload,
		.close = memory_close,
	};
	static char name[] = "memory";
	struct memory_store *memory = calloc(1, sizeof(*memory));

	assert_non_null(memory);
	pthread_mutex_init(&memory->lock, NULL);
	memory->store = (struct store){ .ops = &ops, .name = name };
	return memory;
}

#endif
