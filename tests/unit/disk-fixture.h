/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk over a raw image in memory, behind a source that does what a test tells it, and a real
 * near in a directory of its own.
 */
#ifndef TESTS_UNIT_DISK_FIXTURE_H
#define TESTS_UNIT_DISK_FIXTURE_H

#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "disk/internal.h"
#include "disk/near/near-io.h"

#define BLOCK    NEAR_BLOCK
#define MAX_LOG  65536
#define NO_LIMIT UINT64_MAX

/* A far file.  Everything but `data` and `size` is guarded by `lock`. */
struct far_file {
	uint8_t *data;
	uint64_t size;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t deliver_to;         /* bytes of the file behind this do not arrive yet */
	uint64_t unit;               /* what image_unit() says; 0: 1 */
	int fail;                    /* errno of every read; 0: none */
	uint64_t zero_from, zero_to; /* a range that says it is zero */
	bool hold_background;        /* reads of least priority do not begin */
	unsigned int waiting;        /* reads that wait for one of the two */
	struct far_read {
		uint64_t off, len;
		enum source_priority priority;
	} log[MAX_LOG];
	size_t n_log;
};

struct far_source {
	struct source src;
	struct far_file *file;
};

/* A read that somebody may cancel or hurry; both are guarded by the file's lock. */
struct far_waiter {
	struct far_file *file;
	bool fired, hurried;
};

static void far_source_wake(void *arg, bool fired)
{
	struct far_waiter *waiter = arg;

	pthread_mutex_lock(&waiter->file->lock);
	waiter->fired |= fired;
	waiter->hurried |= !fired;
	pthread_cond_broadcast(&waiter->file->changed);
	pthread_mutex_unlock(&waiter->file->lock);
}

static int far_source_read(struct source *src, void *buf, size_t len, uint64_t off,
                           const struct source_read *how, struct error *err)
{
	struct far_file *file = container_of(src, struct far_source, src)->file;
	struct far_waiter waiter = { .file = file };
	uint64_t at = off, end = off + len;
	int r = 0;

	if (how && how->cancel && !source_cancel_arm(how->cancel, far_source_wake, &waiter))
		return error_set(err, ECANCELED, "cancelled");
	pthread_mutex_lock(&file->lock);
	if (file->n_log < MAX_LOG)
		file->log[file->n_log++] =
			(struct far_read){ off, len, how ? how->priority : SOURCE_DEMAND };
	while (at < end && r == 0) {
		bool held = file->hold_background && how && how->priority == SOURCE_BACKGROUND &&
		            !waiter.hurried;
		uint64_t to = held ? at : min_u64(end, file->deliver_to);

		if (file->fail) {
			r = error_set(err, file->fail, "the far file is broken");
		} else if (waiter.fired) {
			r = error_set(err, ECANCELED, "cancelled");
		} else if (to > at) {
			memcpy((char *)buf + (at - off), file->data + at, to - at);
			at = to;
			if (how && how->arrived) {
				pthread_mutex_unlock(&file->lock);
				how->arrived(how->arg, at - off);
				pthread_mutex_lock(&file->lock);
			}
		} else {
			file->waiting++;
			pthread_cond_broadcast(&file->changed);
			pthread_cond_wait(&file->changed, &file->lock);
			file->waiting--;
		}
	}
	pthread_mutex_unlock(&file->lock);
	if (how && how->cancel)
		source_cancel_disarm(how->cancel);
	return r;
}

static int far_source_extent(struct source *src, uint64_t off, uint64_t max,
                             enum source_extent *ret_kind, uint64_t *ret_len,
                             struct error *err __attribute__((unused)))
{
	struct far_file *file = container_of(src, struct far_source, src)->file;
	bool zero = off >= file->zero_from && off < file->zero_to;
	uint64_t to = zero ? file->zero_to : off < file->zero_from ? file->zero_from : UINT64_MAX;

	*ret_kind = zero ? SOURCE_EXTENT_ZERO : SOURCE_EXTENT_DATA;
	*ret_len = min_u64(max, to - off);
	return 0;
}

static void far_source_close(struct source *src)
{
	free(src->name);
	free(container_of(src, struct far_source, src));
}

static const struct source_ops far_source_ops = {
	.read = far_source_read,
	.extent = far_source_extent,
	.close = far_source_close,
};

/* A far_opener. */
static int far_file_open(void *arg, struct image **ret, struct error *err)
{
	struct far_source *source = calloc(1, sizeof(*source));
	struct image_options options = { .format = IMAGE_RAW };
	struct far_file *file = arg;
	int r;

	source->src = (struct source){ .ops = &far_source_ops,
		                       .name = strdup("far.raw"),
		                       .identity.size = file->size };
	source->file = file;
	r = image_open(&source->src, &options, ret, err);
	if (r < 0)
		source_close(&source->src);
	else
		(*ret)->unit = file->unit;
	return r;
}

static void far_set(struct far_file *file, uint64_t deliver_to, int fail)
{
	pthread_mutex_lock(&file->lock);
	file->deliver_to = deliver_to;
	file->fail = fail;
	pthread_cond_broadcast(&file->changed);
	pthread_mutex_unlock(&file->lock);
}

static __attribute__((unused)) void far_hold_background(struct far_file *file, bool hold)
{
	pthread_mutex_lock(&file->lock);
	file->hold_background = hold;
	pthread_cond_broadcast(&file->changed);
	pthread_mutex_unlock(&file->lock);
}

/* Until `n` reads wait for bytes that do not arrive. */
static __attribute__((unused)) void far_wait_waiting(struct far_file *file, unsigned int n)
{
	pthread_mutex_lock(&file->lock);
	while (file->waiting < n)
		pthread_cond_wait(&file->changed, &file->lock);
	pthread_mutex_unlock(&file->lock);
}

static __attribute__((unused)) size_t far_reads(struct far_file *file)
{
	size_t n;

	pthread_mutex_lock(&file->lock);
	n = file->n_log;
	pthread_mutex_unlock(&file->lock);
	return n;
}

static __attribute__((unused)) uint64_t far_bytes(struct far_file *file)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&file->lock);
	for (size_t i = 0; i < file->n_log; i++)
		sum += file->log[i].len;
	pthread_mutex_unlock(&file->lock);
	return sum;
}

struct world {
	char dir[32];
	char cache[64], layer[64];
	struct far_file far;
	struct disk *disk;
	struct disk_parts parts;
	const struct near_io *io;
};

static void world_open(struct world *world)
{
	const char *layers[] = { world->layer };
	struct near_options near = { .cache_dir = world->cache,
		                     .layer_dirs = layers,
		                     .n_layers = world->parts.writable,
		                     .size = world->far.size,
		                     .io = world->io };
	struct error err = { 0 };

	memcpy(near.image_id, world->parts.image_id, 32);
	if (near_open(&near, &world->parts.near, &err) < 0)
		fail_msg("%s", err.text);
	world->parts.trace_dir = open(world->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(world->parts.trace_dir >= 0);
	if (disk_assemble(&world->parts, &world->disk, &err) < 0)
		fail_msg("%s", err.text);
}

static void world_close(struct world *world)
{
	disk_close(world->disk);
	world->disk = NULL;
}

/* A world of `size` far bytes, no two blocks alike; not open yet. */
static struct world *world_new(uint64_t size)
{
	struct world *world = calloc(1, sizeof(*world));
	uint64_t x = 88172645463325252u;

	assert_non_null(world);
	snprintf(world->dir, sizeof(world->dir), "/tmp/test-disk-XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	snprintf(world->cache, sizeof(world->cache), "%s/cache", world->dir);
	snprintf(world->layer, sizeof(world->layer), "%s/layer", world->dir);
	world->far.data = malloc(size);
	world->far.size = size;
	world->far.deliver_to = NO_LIMIT;
	for (uint64_t i = 0; i < size; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(world->far.data + i, &x, min_u64(8, size - i));
	}
	pthread_mutex_init(&world->far.lock, NULL);
	pthread_cond_init(&world->far.changed, NULL);
	world->parts = (struct disk_parts){ .open = far_file_open,
		                            .arg = &world->far,
		                            .size = size,
		                            .writable = true,
		                            .image_id = { 42 } };
	assert_int_equal(near_layer_create(world->layer, world->parts.image_id, size, NULL), 0);
	return world;
}

static __attribute__((unused)) struct world *world_opened(uint64_t size)
{
	struct world *world = world_new(size);

	world_open(world);
	return world;
}

static void remove_files(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void world_free(struct world *world)
{
	disk_close(world->disk);
	remove_files(world->cache);
	remove_files(world->layer);
	assert_int_equal(rmdir(world->dir), 0);
	free(world->far.data);
	pthread_mutex_destroy(&world->far.lock);
	pthread_cond_destroy(&world->far.changed);
	free(world);
}

/* What the disk holds must be what the far file does. */
static __attribute__((unused)) void expect_far(struct world *world, uint64_t off, size_t len)
{
	char *buf = malloc(len);
	struct error err = { 0 };

	if (disk_read(world->disk, buf, len, off, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(buf, world->far.data + off, len);
	free(buf);
}

/* A read in a thread of its own. */
struct reader {
	struct world *world;
	uint64_t off;
	size_t len;
	char *buf;
	int r;
	struct error err;
	pthread_t thread;
};

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;

	reader->r =
		disk_read(reader->world->disk, reader->buf, reader->len, reader->off, &reader->err);
	return NULL;
}

static __attribute__((unused)) void reader_start(struct reader *reader, struct world *world,
                                                 uint64_t off, size_t len)
{
	*reader = (struct reader){ .world = world, .off = off, .len = len, .buf = malloc(len) };
	assert_int_equal(pthread_create(&reader->thread, NULL, reader_thread, reader), 0);
}

/* Its end; the bytes must be the far file's unless it failed. */
static __attribute__((unused)) int reader_end(struct reader *reader)
{
	pthread_join(reader->thread, NULL);
	if (reader->r == 0)
		assert_memory_equal(reader->buf, reader->world->far.data + reader->off,
		                    reader->len);
	free(reader->buf);
	return reader->r;
}

/* A number of the status, by path: "fill", "state". */
static __attribute__((unused)) json_int_t status_of(struct world *world, const char *name)
{
	json_t *status = disk_status(world->disk);
	json_int_t n = json_integer_value(json_object_get(status, name));

	json_decref(status);
	return n;
}

static __attribute__((unused)) bool status_text_is(struct world *world, const char *object,
                                                   const char *name, const char *text)
{
	json_t *status = disk_status(world->disk);
	const char *value =
		json_string_value(json_object_get(json_object_get(status, object), name));
	bool same = value && strcmp(value, text) == 0;

	json_decref(status);
	return same;
}

#endif
