// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A list of all chunks of the neighbours, sorted by digest, made when it is first asked and again
 * when an image has come or gone.  Its entries hold a piece of the digest only: who reads compares
 * the rest with the bytes.
 *
 * A neighbour is opened as a disk without its far would be: its index and pages come from their near
 * copies, and what these lack is not there.
 */
#include "disk/host-chunks.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/format/index.h"
#include "disk/image-dir.h"
#include "disk/near/meta.h"
#include "disk/near/near.h"

#define MAX_CHUNKS     (UINT32_C(1) << 20) /* 128 GiB of content in chunks of 128 KiB; 16 MiB */
#define MAX_NEIGHBOURS 256u
#define NEAR_MIB       4

struct neighbour {
	struct image *image;
	struct near *near;
};

struct place {
	uint64_t piece; /* of the digest */
	uint32_t chunk, neighbour;
};

struct host_chunks {
	char *own_dir, *images_dir;
	uint64_t bytes;          /* with __atomic */
	pthread_mutex_t lock;    /* guards all below */
	struct timespec changed; /* of images_dir, when it was last looked at */
	struct neighbour *neighbours;
	size_t n_neighbours;
	struct place *places;
	size_t n, room;
};

struct host_chunks *host_chunks_new(const char *own_dir)
{
	struct host_chunks *chunks = calloc(1, sizeof(*chunks));
	char *slash;

	if (!chunks)
		return NULL;
	pthread_mutex_init(&chunks->lock, NULL);
	chunks->own_dir = strdup(own_dir);
	chunks->images_dir = strdup(own_dir);
	slash = chunks->images_dir ? strrchr(chunks->images_dir, '/') : NULL;
	if (!chunks->own_dir || !slash) {
		host_chunks_free(chunks);
		return NULL;
	}
	*slash = '\0';
	return chunks;
}

static void forget_neighbours(struct host_chunks *chunks)
{
	while (chunks->n_neighbours > 0) {
		struct neighbour *last = &chunks->neighbours[--chunks->n_neighbours];

		near_close(last->near);
		image_close(last->image);
	}
	free(take_ptr(chunks->neighbours));
	free(take_ptr(chunks->places));
	chunks->n = chunks->room = 0;
}

void host_chunks_free(struct host_chunks *chunks)
{
	if (!chunks)
		return;
	forget_neighbours(chunks);
	pthread_mutex_destroy(&chunks->lock);
	free(chunks->own_dir);
	free(chunks->images_dir);
	free(chunks);
}

uint64_t host_chunks_bytes(const struct host_chunks *chunks)
{
	return __atomic_load_n(&chunks->bytes, __ATOMIC_RELAXED);
}

/* The far of a file of which only the near copy counts. */
static int nowhere_read(struct source *src, void *buf __attribute__((unused)),
                        size_t len __attribute__((unused)), uint64_t off __attribute__((unused)),
                        const struct source_read *how __attribute__((unused)), struct error *err)
{
	return error_set(err, ENOENT, "%s: is not near", src->name);
}

static void nowhere_close(struct source *src)
{
	free(src->name);
	free(src);
}

static int open_near_copy(const char *dir, const struct source_identity *identity,
                          unsigned int meta, struct source **ret, struct error *err)
{
	static const struct source_ops nowhere = { .read = nowhere_read, .close = nowhere_close };
	cleanup(source_close) struct source *src = calloc(1, sizeof(*src));
	int r;

	if (!src)
		return error_sys(err, ENOMEM, "%s", dir);
	src->ops = &nowhere;
	src->identity = *identity;
	src->name = strdup(dir);
	if (!src->name)
		return error_sys(err, ENOMEM, "%s", dir);
	r = meta_open(src, dir, meta, ret, err);
	if (r == 0)
		src = NULL;
	return r;
}

/* Pages are near or nowhere; packs are not asked for. */
static int open_beside(void *arg, const struct source_places *places,
                       const struct source_identity *identity, bool metadata, struct source **ret,
                       struct error *err)
{
	if (!metadata)
		return error_set(err, ENOENT, "%s: is not near", places->at[0].url);
	return open_near_copy(arg, identity, IMAGE_META_BESIDE, ret, err);
}

/* -ENOENT for an image that is of another form, or not there yet. */
static int open_neighbour(const char *dir, struct neighbour *ret, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	struct near_options near = { .cache_dir = dir, .memory_mib = NEAR_MIB };
	struct image_options options = { .format = IMAGE_INDEX, .open_beside = open_beside };
	cleanup(source_close) struct source *file = NULL;
	cleanup(image_close) struct image *image = NULL;
	int r = image_record_load(dir, &record, err);

	if (r < 0)
		return r;
	if (record->format != IMAGE_INDEX || record->n_files != 1)
		return error_set(err, ENOENT, "%s: is no index", dir);
	r = open_near_copy(dir, &record->files[0].identity, record->files[0].meta, &file, err);
	if (r < 0)
		return r;
	options.places = record->files[0].places;
	options.arg = (void *)dir;
	r = image_open(file, &options, &image, err);
	if (r < 0)
		return r;
	file = NULL;
	memcpy(near.image_id, record->id, sizeof(near.image_id));
	near.size = record->size;
	r = near_open(&near, &ret->near, err);
	if (r == 0)
		ret->image = take_ptr(image);
	return r;
}

static bool add_place(struct host_chunks *chunks, const struct place *place)
{
	if (chunks->n == MAX_CHUNKS)
		return false;
	if (chunks->n == chunks->room) {
		size_t room = chunks->room ? 2 * chunks->room : 1024;
		struct place *more = reallocarray(chunks->places, room, sizeof(*more));

		if (!more)
			return false;
		chunks->places = more;
		chunks->room = room;
	}
	chunks->places[chunks->n++] = *place;
	return true;
}

/* All chunks of the latest neighbour, as far as its pages are near. */
static void list_chunks(struct host_chunks *chunks)
{
	uint32_t number = (uint32_t)chunks->n_neighbours - 1;
	struct index_image *index = to_index(chunks->neighbours[number].image);
	struct index_walk *walk = calloc(1, sizeof(*walk));
	struct index_chunk chunk;
	int r;

	while (walk && (r = index_walk(index, walk, &chunk, NULL)) != 0 && r != -ELOOP) {
		struct place place = { .chunk = (uint32_t)walk->n, .neighbour = number };

		if (walk->n > UINT32_MAX)
			break;
		if (r < 0 || chunk.stored == 0)
			continue;
		place.piece = load_le64(chunk.digest);
		if (!add_place(chunks, &place))
			break;
	}
	free(walk);
}

static int by_piece(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->piece < y->piece ? -1 : x->piece > y->piece;
}

/* With the lock: one more image, when it is of use. */
static void add_neighbour(struct host_chunks *chunks, const char *name)
{
	cleanup_free char *dir = NULL;
	struct neighbour *more, found = { 0 };

	if (name[0] == '.' || chunks->n_neighbours == MAX_NEIGHBOURS)
		return;
	if (asprintf(&dir, "%s/%s", chunks->images_dir, name) < 0) {
		dir = NULL;
		return;
	}
	if (strcmp(dir, chunks->own_dir) == 0 || open_neighbour(dir, &found, NULL) < 0)
		return;
	more = reallocarray(chunks->neighbours, chunks->n_neighbours + 1, sizeof(*more));
	if (!more) {
		near_close(found.near);
		image_close(found.image);
		return;
	}
	chunks->neighbours = more;
	chunks->neighbours[chunks->n_neighbours++] = found;
	list_chunks(chunks);
}

/* With the lock: make the list again when an image has come or gone. */
static void look_around(struct host_chunks *chunks)
{
	struct stat st;
	DIR *dir;

	if (stat(chunks->images_dir, &st) < 0 || (st.st_mtim.tv_sec == chunks->changed.tv_sec &&
	                                          st.st_mtim.tv_nsec == chunks->changed.tv_nsec))
		return;
	chunks->changed = st.st_mtim;
	forget_neighbours(chunks);
	dir = opendir(chunks->images_dir);
	for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		add_neighbour(chunks, entry->d_name);
	if (dir)
		closedir(dir);
	if (chunks->n > 0)
		qsort(chunks->places, chunks->n, sizeof(*chunks->places), by_piece);
}

/* With the lock: the bytes at one place, if they are near. */
static bool read_place(const struct host_chunks *chunks, const struct place *place, void *buf,
                       size_t len)
{
	const struct neighbour *neighbour = &chunks->neighbours[place->neighbour];
	const struct index_header *header = &to_index(neighbour->image)->header;
	uint64_t off = (uint64_t)place->chunk * header->chunk_size, missing;

	if (index_chunk_len(header, place->chunk) != len)
		return false;
	/* Another process may have fetched it since. */
	near_refresh(neighbour->near, off / NEAR_BLOCK, div_round_up(len, NEAR_BLOCK));
	return near_read(neighbour->near, buf, len, off, &missing, NULL) == 0;
}

bool host_chunks_find(struct host_chunks *chunks, const uint8_t digest[32], void *buf, size_t len)
{
	uint64_t piece = load_le64(digest);
	size_t low = 0, high;
	bool found = false;

	pthread_mutex_lock(&chunks->lock);
	look_around(chunks);
	high = chunks->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chunks->places[middle].piece < piece)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < chunks->n && chunks->places[low].piece == piece && !found; low++)
		found = read_place(chunks, &chunks->places[low], buf, len);
	pthread_mutex_unlock(&chunks->lock);
	if (found)
		__atomic_fetch_add(&chunks->bytes, len, __ATOMIC_RELAXED);
	return found;
}
