// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine: opening a disk, and reads.
 *
 * A read asks the near, which serves most of them; what it lacks is fetched (disk/fetch.c), and the
 * near is not asked again for what a flight has in its hands.  Writes are in disk-write.c.
 *
 * Threads: any number, as disk.h says.  What is not atomic is set when the disk is opened.
 */
#include "disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "disk/internal.h"
#include "util/clock.h"

uint64_t disk_size(const struct disk *disk)
{
	return disk->size;
}

bool disk_writable(const struct disk *disk)
{
	return disk->writable;
}

int disk_check_range(const struct disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	if (!range_inside(off, len, disk->size))
		return error_set(err, EINVAL,
		                 "%" PRIu64 " bytes at %" PRIu64 " are outside the disk of %" PRIu64
		                 " bytes",
		                 len, off, disk->size);
	return 0;
}

int disk_guest_error(int r, struct error *err)
{
	if (r >= 0 || r == -EIO || r == -ENOSPC || r == -EROFS || r == -EINVAL || r == -ENOMEM)
		return r;
	if (err)
		err->code = EIO;
	return -EIO;
}

/* From the first of several reads that wait at once to the last, time counts once. */
static void note_waiting(struct disk *disk, bool begins)
{
	pthread_mutex_lock(&disk->wait_lock);
	if (begins && disk->waiting++ == 0)
		disk->waiting_from_ns = now_ns();
	if (!begins && --disk->waiting == 0)
		disk->waited_ns += now_ns() - disk->waiting_from_ns;
	pthread_mutex_unlock(&disk->wait_lock);
}

uint64_t disk_waited_ns(struct disk *disk)
{
	uint64_t ns;

	pthread_mutex_lock(&disk->wait_lock);
	ns = disk->waited_ns + (disk->waiting ? now_ns() - disk->waiting_from_ns : 0);
	pthread_mutex_unlock(&disk->wait_lock);
	return ns;
}

int disk_read_noted(struct disk *disk, void *buf, size_t len, uint64_t off, struct error *err)
{
	uint64_t missing;
	bool waited = false;
	int r;

	if (__atomic_load_n(&disk->recording, __ATOMIC_RELAXED))
		disk_trace_note(disk, off, len);
	r = near_read(disk->near, buf, len, off, &missing, err);
	if (r == -ENODATA) {
		ahead_guest_misses(disk->ahead);
		note_waiting(disk, true);
		r = fetch_read(disk->fetch, buf, len, off, &waited, err);
		note_waiting(disk, false);
		if (waited)
			__atomic_fetch_add(&disk->misses, 1, __ATOMIC_RELAXED);
	}
	if (r == 0)
		ahead_guest_has_read(disk->ahead, off, len, waited);
	return disk_guest_error(r, err);
}

int disk_read(struct disk *disk, void *buf, size_t len, uint64_t off, struct error *err)
{
	int r = disk_check_range(disk, len, off, err);

	if (r < 0 || len == 0)
		return r;
	__atomic_fetch_add(&disk->reads, 1, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&disk->first_read_ns, __ATOMIC_RELAXED))
		__atomic_store_n(&disk->first_read_ns, now_ns(), __ATOMIC_RELAXED);
	return disk_read_noted(disk, buf, len, off, err);
}

int disk_prefetch(struct disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	bool waited;
	int r = disk_check_range(disk, len, off, err);

	if (r == 0 && len > 0)
		r = fetch_read(disk->fetch, NULL, len, off, &waited, err);
	return disk_guest_error(r, err);
}

/* What the far image says about a range that is far. */
static int far_extent(struct disk *disk, uint64_t off, uint64_t max, bool *ret_zero,
                      uint64_t *ret_len, struct error *err)
{
	uint64_t first = round_down(off, 512), len = 0;
	enum image_extent kind = IMAGE_EXTENT_DATA;
	struct image *image;
	int r = far_image(disk->far, &image, err);

	if (r == 0)
		r = image_map(image, first, round_up(off + max, 512) - first, NULL, &kind, &len,
		              err);
	if (r < 0)
		return r;
	*ret_zero = kind == IMAGE_EXTENT_ZERO;
	*ret_len = min_u64(max, first + len - off);
	return 0;
}

int disk_extent(struct disk *disk, uint64_t off, uint64_t max, bool *ret_zero, uint64_t *ret_len,
                struct error *err)
{
	uint64_t block = off / NEAR_BLOCK, run;
	int r = disk_check_range(disk, max, off, err);

	if (r < 0 || max == 0)
		return r < 0 ? r : error_set(err, EINVAL, "an extent of no bytes");
	r = near_state(disk->near, block, div_round_up(off + max, NEAR_BLOCK) - block, &run, err);
	if (r < 0)
		return disk_guest_error(r, err);
	max = min_u64(off + max, (block + run) * NEAR_BLOCK) - off;
	if (r == NEAR_FAR)
		return disk_guest_error(far_extent(disk, off, max, ret_zero, ret_len, err), err);
	*ret_zero = r == NEAR_ZERO;
	*ret_len = max;
	return 0;
}

void disk_set_fill(struct disk *disk, bool on, uint64_t rate)
{
	ahead_set_fill(disk->ahead, on, rate);
}

void disk_interrupt(struct disk *disk)
{
	__atomic_store_n(&disk->interrupted, true, __ATOMIC_RELAXED);
	fetch_stop(disk->fetch);
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	if (disk->recorder)
		disk_trace_finish(disk);
	if (disk->fetch)
		disk_interrupt(disk);
	ahead_free(disk->ahead);
	fetch_free(disk->fetch);
	far_free(disk->far);
	near_close(disk->near);
	image_opener_free(disk->opener);
	image_record_free(disk->record);
	trace_recorder_free(disk->recorder);
	trace_free(disk->replayed);
	if (disk->trace_dir >= 0)
		close(disk->trace_dir);
	for (size_t i = 0; i < WRITE_LOCKS; i++)
		pthread_mutex_destroy(&disk->write_locks[i]);
	pthread_mutex_destroy(&disk->trace_lock);
	pthread_mutex_destroy(&disk->wait_lock);
	messages_destroy(&disk->messages);
	free(disk);
}

static struct disk *disk_new(void)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return NULL;
	disk->trace_dir = -1;
	disk->opened_ns = now_ns();
	messages_init(&disk->messages);
	pthread_mutex_init(&disk->trace_lock, NULL);
	pthread_mutex_init(&disk->wait_lock, NULL);
	for (size_t i = 0; i < WRITE_LOCKS; i++)
		pthread_mutex_init(&disk->write_locks[i], NULL);
	return disk;
}

/* Put the machinery into a disk that has no near and no trace directory yet. */
static int assemble(struct disk *disk, const struct disk_parts *parts, struct error *err)
{
	struct ahead_options ahead = {
		.near = parts->near,
		.messages = &disk->messages,
		.size = parts->size,
		.readahead = parts->readahead,
		.sweep = parts->sweep,
	};
	int r;

	disk->size = parts->size;
	disk->writable = parts->writable;
	memcpy(disk->image_id, parts->image_id, sizeof(disk->image_id));
	disk->near = parts->near;
	disk->trace_dir = parts->trace_dir;
	disk->far = far_new(parts->open, parts->arg);
	if (!disk->far)
		return error_sys(err, ENOMEM, "disk");
	r = fetch_new(disk->near, disk->far, disk->size, &disk->messages, &disk->fetch, err);
	if (r == 0 && parts->trace_dir >= 0)
		r = disk_trace_setup(disk, parts->trace_record, parts->trace_replay, err);
	if (r < 0)
		return r;
	ahead.fetch = disk->fetch;
	ahead.trace = parts->trace_replay ? disk->replayed : NULL;
	r = ahead_new(&ahead, &disk->ahead, err);
	if (r == 0 && (parts->fill || parts->fill_rate))
		ahead_set_fill(disk->ahead, parts->fill, parts->fill_rate);
	return r;
}

int disk_assemble(const struct disk_parts *parts, struct disk **ret, struct error *err)
{
	cleanup(disk_close) struct disk *disk = disk_new();
	int r;

	if (!disk)
		return error_sys(err, ENOMEM, "disk");
	r = assemble(disk, parts, err);
	if (r < 0) {
		/* These are still the caller's. */
		disk->near = NULL;
		disk->trace_dir = -1;
		return r;
	}
	*ret = take_ptr(disk);
	return 0;
}

static int open_near(const struct disk_spec *spec, const struct image_record *record,
                     struct near **ret, struct error *err)
{
	struct near_options options = {
		.cache_dir = spec->image,
		.layer_dirs = (const char *const *)spec->layers,
		.n_layers = spec->n_layers,
		.size = record->size,
	};

	memcpy(options.image_id, record->id, sizeof(options.image_id));
	return near_open(&options, ret, err);
}

int disk_open(const struct disk_spec *spec, struct disk **ret, struct error *err)
{
	cleanup(disk_close) struct disk *disk = disk_new();
	cleanup(near_close) struct near *near = NULL;
	struct disk_parts parts = {
		.open = image_opener_open,
		.writable = spec->n_layers > 0,
		.trace_record = spec->trace_record,
		.trace_replay = spec->trace_replay,
		.readahead = spec->readahead,
		.sweep = spec->sweep && spec->readahead,
		.fill = spec->fill,
		.fill_rate = spec->fill_rate,
	};
	int r;

	if (!disk)
		return error_sys(err, ENOMEM, "disk");
	if (!spec->image)
		return error_set(err, EINVAL, "the specification has no field \"image\"");
	r = image_record_load(spec->image, &disk->record, err);
	if (r == 0)
		r = image_opener_new(spec, spec->image, disk->record, &disk->messages,
		                     &disk->opener, err);
	if (r == 0)
		r = open_near(spec, disk->record, &near, err);
	if (r < 0)
		return r;
	parts.arg = disk->opener;
	parts.size = disk->record->size;
	memcpy(parts.image_id, disk->record->id, sizeof(parts.image_id));
	parts.trace_dir = open(spec->image, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parts.trace_dir < 0)
		return error_sys(err, errno, "%s", spec->image);
	parts.near = take_ptr(near);
	/* From here on the disk has them, whatever happens. */
	r = assemble(disk, &parts, err);
	if (r < 0)
		return r;
	*ret = take_ptr(disk);
	return 0;
}
