// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packs of an index as sources.
 *
 * Any thread.  A pack is opened when it is first wanted, and stays open: a disk that is in use reads
 * a few of them over and over.  There is room for INDEX_OPEN_PACKS; the one that was not used for
 * longest gives way.  The lock is not held while one is opened or closed, so two readers that want
 * the same new pack may both open it; one of them is closed again.
 */
#include "disk/format/index.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

/* A registry's blobs are "sha256:<digits>"; files in a folder are the digits alone. */
static const char *name_beside(const char *url, const char name[INDEX_NAME_BYTES])
{
	const char *last = strrchr(url, '/');

	return strncmp(last ? last + 1 : url, "sha256:", 7) == 0 ? name : name + strlen("sha256:");
}

/* Where the file with that digest is, beside each place of the index. */
static int places_of(const struct index_image *index, const char name[INDEX_NAME_BYTES],
                     struct source_places *ret, struct error *err)
{
	cleanup(source_places_free) struct source_places all = { 0 };
	struct error first = { 0 };
	int r = 0;

	for (size_t i = 0; i < index->places.n && r == 0; i++) {
		const struct source_place *at = &index->places.at[i];
		struct source_place one = { .priority = at->priority, .digest = name };
		cleanup_free char *url = NULL;
		struct error why = { 0 };

		r = source_sibling(at->url, name_beside(at->url, name), &url, &why);
		if (r == 0 && !source_places_have(&all, url)) {
			one.url = url;
			r = source_places_add(&all, &one, err);
			if (r < 0)
				return r;
		}
		if (r < 0 && !first.code)
			first = why;
		r = 0;
	}
	if (all.n == 0)
		return error_set(err, ENOENT, "%s: its packs are not beside it: %s",
		                 index->image.file->name,
		                 first.code ? first.text : "where it is was not said");
	*ret = all;
	all = (struct source_places){ 0 };
	return 0;
}

int index_open_beside(struct index_image *index, const uint8_t digest[INDEX_DIGEST_BYTES],
                      uint64_t size, bool metadata, struct source **ret, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	struct source_identity identity = { .size = size };
	cleanup(source_close) struct source *src = NULL;
	int r;

	index_digest_name(digest, identity.digest);
	r = places_of(index, identity.digest, &places, err);
	if (r < 0)
		return r;
	if (index->options.open_beside)
		return index->options.open_beside(index->options.arg, &places, &identity, metadata,
		                                  ret, err);
	r = source_open(places.at[0].url, NULL, &src, err);
	if (r < 0)
		return r;
	if (src->identity.size != size)
		return error_set(err, EINVAL,
		                 "%s: has %llu bytes, not the %llu that the index says", src->name,
		                 (unsigned long long)src->identity.size, (unsigned long long)size);
	*ret = take_ptr(src);
	return 0;
}

/* With the lock held: the slot that has pack `n`, else NULL. */
static struct index_open_pack *find(struct index_image *index, uint32_t n)
{
	for (size_t i = 0; i < INDEX_OPEN_PACKS; i++)
		if (index->packs[i].src && index->packs[i].number == n)
			return &index->packs[i];
	return NULL;
}

/* With the lock held: a slot that nobody uses; NULL: there is none. */
static struct index_open_pack *find_idle(struct index_image *index)
{
	struct index_open_pack *best = NULL;

	for (size_t i = 0; i < INDEX_OPEN_PACKS; i++) {
		struct index_open_pack *pack = &index->packs[i];

		if (pack->users == 0 && (!best || !pack->src || pack->used < best->used))
			best = pack;
		if (best && !best->src)
			break;
	}
	return best;
}

static struct index_open_pack *use(struct index_image *index, struct index_open_pack *pack)
{
	pack->users++;
	pack->used = ++index->clock;
	return pack;
}

int index_pack_get(struct index_image *index, uint32_t n, const struct source_read *how,
                   struct index_open_pack **ret, struct error *err)
{
	struct index_open_pack *pack;
	struct source *src = NULL, *old = NULL;
	struct index_pack what;
	int r;

	pthread_mutex_lock(&index->lock);
	pack = find(index, n);
	if (pack)
		*ret = use(index, pack);
	pthread_mutex_unlock(&index->lock);
	if (pack)
		return 0;

	r = index_find_pack(index, n, how, &what, err);
	if (r == 0)
		r = index_open_beside(index, what.digest, what.size, false, &src, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&index->lock);
	pack = find(index, n);
	while (!pack) {
		struct index_open_pack *idle = find_idle(index);

		if (idle) {
			old = idle->src;
			*idle = (struct index_open_pack){ .number = n, .src = take_ptr(src) };
			pack = idle;
		} else {
			pthread_cond_wait(&index->idle, &index->lock);
			pack = find(index, n);
		}
	}
	*ret = use(index, pack);
	pthread_mutex_unlock(&index->lock);
	source_close(old);
	source_close(src);
	return 0;
}

void index_pack_put(struct index_image *index, struct index_open_pack *pack)
{
	pthread_mutex_lock(&index->lock);
	if (--pack->users == 0)
		pthread_cond_broadcast(&index->idle);
	pthread_mutex_unlock(&index->lock);
}

void index_each_pack(struct image *image, void (*each)(void *arg, struct source *src), void *arg)
{
	struct index_image *index = to_index(image);

	pthread_mutex_lock(&index->lock);
	for (size_t i = 0; i < INDEX_OPEN_PACKS; i++)
		if (index->packs[i].src)
			each(arg, index->packs[i].src);
	pthread_mutex_unlock(&index->lock);
}

void index_packs_close(struct index_image *index)
{
	for (size_t i = 0; i < INDEX_OPEN_PACKS; i++)
		source_close(index->packs[i].src);
}
