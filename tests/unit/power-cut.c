// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/power-cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-format.h"

uint64_t cut_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* Files. */

static uint8_t *page_find(const struct cut_file *file, uint64_t number)
{
	for (size_t i = 0; i < file->n_pages; i++)
		if (file->pages[i].number == number)
			return file->pages[i].data;
	return NULL;
}

static uint8_t *page_make(struct cut_file *file, uint64_t number)
{
	uint8_t *at = page_find(file, number);

	if (at)
		return at;
	if (file->n_pages == file->room) {
		file->room = file->room ? 2 * file->room : 8;
		file->pages = must(realloc(file->pages, file->room * sizeof(*file->pages)));
	}
	file->pages[file->n_pages].number = number;
	memset(file->pages[file->n_pages].data, 0, CUT_PAGE);
	return file->pages[file->n_pages++].data;
}

static void file_write(struct cut_file *file, const uint8_t *data, uint64_t off, uint64_t len)
{
	if (off + len > file->size)
		file->size = off + len;
	while (len > 0) {
		uint64_t n = min_u64(len, CUT_PAGE - off % CUT_PAGE);

		memcpy(page_make(file, off / CUT_PAGE) + off % CUT_PAGE, data, n);
		data += n;
		off += n;
		len -= n;
	}
}

static void file_punch(struct cut_file *file, uint64_t off, uint64_t len)
{
	for (size_t i = 0; i < file->n_pages;) {
		uint64_t at = file->pages[i].number * CUT_PAGE;

		if (at >= off && at + CUT_PAGE <= off + len)
			file->pages[i] = file->pages[--file->n_pages];
		else
			i++;
	}
}

static void file_resize(struct cut_file *file, uint64_t size)
{
	file->size = size;
	file_punch(file, round_up(size, CUT_PAGE), UINT64_C(1) << 62);
}

/* Names. */

static struct cut_name *name_find(struct cut *cut, const char *path)
{
	for (unsigned int i = 0; i < cut->n_names; i++)
		if (strcmp(cut->names[i].path, path) == 0)
			return &cut->names[i];
	return NULL;
}

static void name_remove(struct cut *cut, const char *path)
{
	struct cut_name *name = name_find(cut, path);

	if (name)
		*name = cut->names[--cut->n_names];
}

static void name_set(struct cut *cut, const char *path, unsigned int file)
{
	name_remove(cut, path);
	if (cut->n_names == CUT_NAMES)
		abort();
	snprintf(cut->names[cut->n_names].path, sizeof(cut->names[0].path), "%s", path);
	cut->names[cut->n_names++].file = file;
}

static void name_rename(struct cut *cut, const char *from, const char *to)
{
	struct cut_name *name = name_find(cut, from);
	unsigned int file;

	if (!name)
		return;
	file = name->file;
	name_remove(cut, from);
	name_set(cut, to, file);
}

/* The record. */

static struct cut_event *record(struct cut *cut, enum cut_kind kind, unsigned int file,
                                uint64_t off, uint64_t len)
{
	struct cut_event *event;

	if (cut->n_events == cut->room) {
		cut->room = cut->room ? 2 * cut->room : 64;
		cut->events = must(realloc(cut->events, cut->room * sizeof(*cut->events)));
	}
	event = &cut->events[cut->n_events++];
	*event = (struct cut_event){ .kind = kind, .file = file, .off = off, .len = len };
	return event;
}

static void apply(struct cut *to, const struct cut_event *event)
{
	struct cut_file *file = &to->files[event->file];

	switch (event->kind) {
	case CUT_WRITE:
		file_write(file, event->data, event->off, event->len);
		break;
	case CUT_PUNCH:
		file_punch(file, event->off, event->len);
		break;
	case CUT_RESIZE:
		file_resize(file, event->len);
		break;
	case CUT_LINK:
		name_set(to, event->to, event->file);
		break;
	case CUT_RENAME:
		name_rename(to, event->from, event->to);
		break;
	case CUT_UNLINK:
		name_remove(to, event->from);
		break;
	case CUT_SYNC:
	case CUT_SYNC_DIR:
		break;
	}
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
	name = name_find(cut, path);
	if (name) {
		fd = flags & NEAR_IO_FRESH ? -EEXIST : FD_BASE + (int)name->file;
	} else if (flags & (NEAR_IO_CREATE | NEAR_IO_FRESH)) {
		struct cut_event *event;

		if (cut->n_files == CUT_FILES)
			abort();
		event = record(cut, CUT_LINK, cut->n_files, 0, 0);
		snprintf(event->to, sizeof(event->to), "%s", path);
		apply(cut, event);
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
	apply(cut, record(cut, CUT_RESIZE, (unsigned int)(fd - FD_BASE), 0, size));
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
		const uint8_t *page = page_find(file, (off + done) / CUT_PAGE);

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
		if (!page_find(file, (off + done) / CUT_PAGE)) {
			if (cut->pages_left == 0)
				break;
			cut->pages_left -= cut->pages_left > 0;
			page_make(file, (off + done) / CUT_PAGE);
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
	event->data = must(malloc(room + 1));
	memcpy(event->data, buf, room);
	apply(cut, event);
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
	apply(cut, record(cut, CUT_PUNCH, (unsigned int)(fd - FD_BASE), off, len));
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
	if (!replace && name_find(cut, to)) {
		r = -EEXIST;
	} else {
		event = record(cut, CUT_RENAME, 0, 0, 0);
		snprintf(event->from, sizeof(event->from), "%s", from);
		snprintf(event->to, sizeof(event->to), "%s", to);
		apply(cut, event);
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
	apply(cut, event);
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
	struct cut *cut = must(calloc(1, sizeof(*cut)));

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
		to->pages = must(malloc(to->room * sizeof(*to->pages)));
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
	struct cut_name *name = name_find(cut, path);
	uint8_t *page = name ? page_find(&cut->files[name->file], off / CUT_PAGE) : NULL;

	return page ? page + off % CUT_PAGE : NULL;
}

/* Replay. */

static bool is_of_names(enum cut_kind kind)
{
	return kind == CUT_LINK || kind == CUT_RENAME || kind == CUT_UNLINK;
}

void cut_replay_begin(struct cut_replay *replay, const struct cut *cut)
{
	*replay = (struct cut_replay){ .cut = cut, .durable = cut_copy(cut->base) };
	/* A file is there, nameless, before its name is. */
	replay->durable->n_files = cut->n_files;
	replay->pending = must(calloc(cut->n_events + 1, sizeof(*replay->pending)));
}

void cut_replay_next(struct cut_replay *replay)
{
	const struct cut_event *event = &replay->cut->events[replay->at];
	size_t kept = 0;

	if (event->kind != CUT_SYNC && event->kind != CUT_SYNC_DIR) {
		replay->pending[replay->n_pending++] = replay->at++;
		return;
	}
	for (size_t i = 0; i < replay->n_pending; i++) {
		const struct cut_event *old = &replay->cut->events[replay->pending[i]];
		bool covered = event->kind == CUT_SYNC_DIR
		                       ? is_of_names(old->kind)
		                       : !is_of_names(old->kind) && old->file == event->file;

		if (covered)
			apply(replay->durable, old);
		else
			replay->pending[kept++] = replay->pending[i];
	}
	replay->n_pending = kept;
	replay->at++;
}

static void apply_torn(struct cut *to, const struct cut_event *event, uint64_t *random)
{
	struct cut_file *file = &to->files[event->file];
	uint64_t unit = event->kind == CUT_WRITE ? CUT_SECTOR : CUT_PAGE;

	if (event->kind != CUT_WRITE && event->kind != CUT_PUNCH) {
		if (cut_random(random) & 1)
			apply(to, event);
		return;
	}
	for (uint64_t done = 0; done < event->len;) {
		uint64_t at = event->off + done;
		uint64_t n = min_u64(event->len - done, unit - at % unit);

		if (cut_random(random) & 1) {
			if (event->kind == CUT_WRITE)
				file_write(file, event->data + done, at, n);
			else
				file_punch(file, at, n);
		}
		done += n;
	}
}

/* A write of one copy of a layer's map becomes noise, where the other copy has been written. */
static bool garble(struct cut *to, const struct cut_event *event, uint64_t *random)
{
	struct cut_file *file = &to->files[event->file];
	const uint8_t *twin = page_find(file, (event->off / CUT_PAGE) ^ 1);
	uint8_t *page;

	if (event->kind != CUT_WRITE || event->len != CUT_PAGE ||
	    memcmp(event->data, "SILLBITS", 8) != 0 || !twin || near_all_zero(twin, CUT_PAGE))
		return false;
	page = page_make(file, event->off / CUT_PAGE);
	for (unsigned int i = 0; i < CUT_PAGE; i++)
		page[i] = (uint8_t)cut_random(random);
	return true;
}

struct cut *cut_replay_state(const struct cut_replay *replay, enum cut_mode mode, uint64_t *random)
{
	struct cut *state = cut_copy(replay->durable);
	bool names = true;

	for (size_t i = 0; mode != CUT_NOTHING && i < replay->n_pending; i++) {
		const struct cut_event *event = &replay->cut->events[replay->pending[i]];

		if (is_of_names(event->kind)) {
			/* In their order, up to some point. */
			names = names && (mode == CUT_ALL || cut_random(random) % 4 != 0);
			if (names)
				apply(state, event);
		} else if (mode == CUT_ALL || (mode == CUT_SOME && (cut_random(random) & 1))) {
			apply(state, event);
		} else if (mode == CUT_TORN || mode == CUT_GARBLED) {
			apply_torn(state, event, random);
		}
	}
	/* The power goes while one is being written: at most one is lost like that. */
	for (size_t i = replay->n_pending; mode == CUT_GARBLED && i-- > 0;)
		if (garble(state, &replay->cut->events[replay->pending[i]], random))
			break;
	return state;
}

void cut_replay_end(struct cut_replay *replay)
{
	cut_free(replay->durable);
	free(replay->pending);
}
