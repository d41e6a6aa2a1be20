// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/power-cut-files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

static struct cut_event *record(struct cut *cut, enum cut_kind kind, unsigned int file,
                                uint64_t off, uint64_t len)
{
	struct cut_event *event;

	if (cut->n_events == cut->room) {
		cut->room = cut->room ? 2 * cut->room : 64;
		cut->events = cut_must(realloc(cut->events, cut->room * sizeof(*cut->events)));
	}
	event = &cut->events[cut->n_events++];
	*event = (struct cut_event){ .kind = kind, .file = file, .off = off, .len = len };
	return event;
}

/* The table.  A descriptor is the number of its file + 1000. */

#define FD_BASE 1000

static struct cut *of(const struct near_io *io)
{
	return (struct cut *)(void *)io;
}

static int cut_open(const struct near_io *io, const char *path, unsigned int flags)
{
	struct cut *cut = of(io);
	struct cut_name *name;
	int fd = -ENOENT;

	pthread_mutex_lock(&cut->lock);
	name = cut_name_find(cut, path);
	if (name) {
		fd = flags & NEAR_IO_FRESH ? -EEXIST : FD_BASE + (int)name->file;
	} else if (flags & (NEAR_IO_CREATE | NEAR_IO_FRESH)) {
		struct cut_event *event;

		if (cut->n_files == CUT_FILES)
			abort();
		event = record(cut, CUT_LINK, cut->n_files, 0, 0);
		snprintf(event->to, sizeof(event->to), "%s", path);
		cut_apply(cut, event);
		fd = FD_BASE + (int)cut->n_files++;
	}
	pthread_mutex_unlock(&cut->lock);
	return fd;
}

static void cut_close(const struct near_io *io, int fd)
{
	(void)io;
	(void)fd;
}

static int cut_size(const struct near_io *io, int fd, uint64_t *ret)
{
	struct cut *cut = of(io);

	pthread_mutex_lock(&cut->lock);
	*ret = cut->files[fd - FD_BASE].size;
	pthread_mutex_unlock(&cut->lock);
	return 0;
}

static int cut_resize(const struct near_io *io, int fd, uint64_t size)
{
	struct cut *cut = of(io);

	pthread_mutex_lock(&cut->lock);
	cut_apply(cut, record(cut, CUT_RESIZE, (unsigned int)(fd - FD_BASE), 0, size));
	pthread_mutex_unlock(&cut->lock);
	return 0;
}

static int64_t cut_read(const struct near_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	struct cut *cut = of(io);
	struct cut_file *file = &cut->files[fd - FD_BASE];
	size_t done = 0;

	pthread_mutex_lock(&cut->lock);
	len = off < file->size ? min_u64(len, file->size - off) : 0;
	while (done < len) {
		uint64_t n = min_u64(len - done, CUT_PAGE - (off + done) % CUT_PAGE);
		const uint8_t *page = cut_page_find(file, (off + done) / CUT_PAGE);

		if (page)
			memcpy((char *)buf + done, page + (off + done) % CUT_PAGE, n);
		else
			memset((char *)buf + done, 0, n);
		done += n;
	}
	pthread_mutex_unlock(&cut->lock);
	return (int64_t)done;
}

/* How much of the range has space, or gets it. */
static uint64_t take_space(struct cut *cut, struct cut_file *file, uint64_t off, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		if (!cut_page_find(file, (off + done) / CUT_PAGE)) {
			if (cut->pages_left == 0)
				break;
			cut->pages_left -= cut->pages_left > 0;
			cut_page_make(file, (off + done) / CUT_PAGE);
		}
		done += min_u64(len - done, CUT_PAGE - (off + done) % CUT_PAGE);
	}
	return done;
}

static int cut_write(const struct near_io *io, int fd, const void *buf, size_t len, uint64_t off)
{
	struct cut *cut = of(io);
	struct cut_file *file = &cut->files[fd - FD_BASE];
	struct cut_event *event;
	uint64_t room = len;

	pthread_mutex_lock(&cut->lock);
	if (cut->pages_left >= 0)
		room = take_space(cut, file, off, len);
	event = record(cut, CUT_WRITE, (unsigned int)(fd - FD_BASE), off, room);
	event->data = cut_must(malloc(room + 1));
	memcpy(event->data, buf, room);
	cut_apply(cut, event);
	pthread_mutex_unlock(&cut->lock);
	return room < len ? -ENOSPC : 0;
}

static int cut_sync(const struct near_io *io, int fd)
{
	struct cut *cut = of(io);
	int r = 0;

	pthread_mutex_lock(&cut->lock);
	for (unsigned int i = 0; cut->fail_sync && i < cut->n_names; i++) {
		size_t n = strlen(cut->names[i].path), end = strlen(cut->fail_sync);

		if (cut->names[i].file == (unsigned int)(fd - FD_BASE) && n >= end &&
		    strcmp(cut->names[i].path + n - end, cut->fail_sync) == 0)
			r = -EIO;
	}
	if (r == 0)
		record(cut, CUT_SYNC, (unsigned int)(fd - FD_BASE), 0, 0);
	pthread_mutex_unlock(&cut->lock);
	return r;
}

static int cut_reserve(const struct near_io *io, int fd, uint64_t off, uint64_t len)
{
	struct cut *cut = of(io);
	uint64_t room = len;

	pthread_mutex_lock(&cut->lock);
	if (cut->pages_left >= 0)
		room = take_space(cut, &cut->files[fd - FD_BASE], off, len);
	pthread_mutex_unlock(&cut->lock);
	return room < len ? -ENOSPC : 0;
}

static int cut_punch(const struct near_io *io, int fd, uint64_t off, uint64_t len)
{
	struct cut *cut = of(io);
	struct cut_file *file = &cut->files[fd - FD_BASE];
	size_t before;

	pthread_mutex_lock(&cut->lock);
	before = file->n_pages;
	cut_apply(cut, record(cut, CUT_PUNCH, (unsigned int)(fd - FD_BASE), off, len));
	if (cut->pages_left >= 0)
		cut->pages_left += (int64_t)(before - file->n_pages);
	pthread_mutex_unlock(&cut->lock);
	return 0;
}

static int cut_lock_file(const struct near_io *io, int fd, bool alone)
{
	(void)io;
	(void)fd;
	(void)alone;
	return 0;
}

static int cut_rename(const struct near_io *io, const char *from, const char *to, bool replace)
{
	struct cut *cut = of(io);
	struct cut_event *event;
	int r = 0;

	pthread_mutex_lock(&cut->lock);
	if (!replace && cut_name_find(cut, to)) {
		r = -EEXIST;
	} else {
		event = record(cut, CUT_RENAME, 0, 0, 0);
		snprintf(event->from, sizeof(event->from), "%s", from);
		snprintf(event->to, sizeof(event->to), "%s", to);
		cut_apply(cut, event);
	}
	pthread_mutex_unlock(&cut->lock);
	return r;
}

static int cut_remove(const struct near_io *io, const char *path)
{
	struct cut *cut = of(io);
	struct cut_event *event;

	pthread_mutex_lock(&cut->lock);
	event = record(cut, CUT_UNLINK, 0, 0, 0);
	snprintf(event->from, sizeof(event->from), "%s", path);
	cut_apply(cut, event);
	pthread_mutex_unlock(&cut->lock);
	return 0;
}

static int cut_make_dir(const struct near_io *io, const char *path)
{
	(void)io;
	(void)path;
	return 0;
}

static int cut_sync_dir(const struct near_io *io, const char *path)
{
	struct cut *cut = of(io);

	(void)path;
	pthread_mutex_lock(&cut->lock);
	record(cut, CUT_SYNC_DIR, 0, 0, 0);
	pthread_mutex_unlock(&cut->lock);
	return 0;
}

static const struct near_io cut_io = {
	.open = cut_open,
	.close = cut_close,
	.size = cut_size,
	.resize = cut_resize,
	.read = cut_read,
	.write = cut_write,
	.sync = cut_sync,
	.reserve = cut_reserve,
	.punch = cut_punch,
	.lock = cut_lock_file,
	.rename = cut_rename,
	.remove = cut_remove,
	.make_dir = cut_make_dir,
	.sync_dir = cut_sync_dir,
};

struct cut *cut_new(void)
{
	struct cut *cut = cut_must(calloc(1, sizeof(*cut)));

	cut->io = cut_io;
	cut->pages_left = -1;
	pthread_mutex_init(&cut->lock, NULL);
	return cut;
}

static void forget_events(struct cut *cut)
{
	for (size_t i = 0; i < cut->n_events; i++)
		free(cut->events[i].data);
	free(cut->events);
	cut->events = NULL;
	cut->n_events = cut->room = 0;
	if (cut->base)
		cut_free(cut->base);
	cut->base = NULL;
}

void cut_free(struct cut *cut)
{
	forget_events(cut);
	for (unsigned int i = 0; i < CUT_FILES; i++)
		free(cut->files[i].pages);
	pthread_mutex_destroy(&cut->lock);
	free(cut);
}

struct cut *cut_copy(const struct cut *cut)
{
	struct cut *copy = cut_new();

	copy->n_files = cut->n_files;
	copy->n_names = cut->n_names;
	memcpy(copy->names, cut->names, sizeof(copy->names));
	for (unsigned int i = 0; i < CUT_FILES; i++) {
		const struct cut_file *from = &cut->files[i];
		struct cut_file *to = &copy->files[i];

		to->size = from->size;
		if (from->n_pages == 0)
			continue;
		to->n_pages = to->room = from->n_pages;
		to->pages = cut_must(malloc(to->room * sizeof(*to->pages)));
		memcpy(to->pages, from->pages, to->room * sizeof(*to->pages));
	}
	return copy;
}

void cut_begin(struct cut *cut)
{
	forget_events(cut);
	cut->base = cut_copy(cut);
}

uint8_t *cut_byte(struct cut *cut, const char *path, uint64_t off)
{
	struct cut_name *name = cut_name_find(cut, path);
	uint8_t *page = name ? cut_page_find(&cut->files[name->file], off / CUT_PAGE) : NULL;

	return page ? page + off % CUT_PAGE : NULL;
}
