// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making the near directory of an image.
 *
 * A first look opens the image with a fresh directory for its metadata; when the id is known, that
 * directory gets its name by a rename.  Whoever comes second finds it there and throws its own
 * away, so two machines may begin with the same image at once.  Only the places where it has found
 * the image's files are added to those that are known.
 *
 * A fresh directory is locked (flock) for as long as somebody works in it.  One that is not is left
 * of a look that was cut short, and the next one removes it.
 */
#include "disk/image-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "disk/near/near.h"
#include "disk/trace.h"
#include "util/clock.h"
#include "util/io.h"

#define FRESH             ".new-"
#define TRACE_DEADLINE_NS (10 * NS_PER_SEC)

/* A directory of plain files, gone. */
static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

/* With `parent`, the directory of `images_dir`, locked: remove what was cut short. */
static void sweep(int parent, const char *images_dir)
{
	DIR *dir = opendir(images_dir);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = NULL;
		cleanup_close int old = -1;

		if (strncmp(entry->d_name, FRESH, strlen(FRESH)) != 0)
			continue;
		old = openat(parent, entry->d_name,
		             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0 &&
		    asprintf(&path, "%s/%s", images_dir, entry->d_name) >= 0)
			remove_dir(path);
	}
	if (dir)
		closedir(dir);
}

/* A fresh directory, locked as long as *ret_lock is open. */
static int make_fresh(const char *images_dir, char **ret, int *ret_lock, struct error *err)
{
	cleanup_close int parent = -1;
	cleanup_free char *fresh = NULL;
	int r = make_dirs(images_dir, 0755, err);

	if (r < 0)
		return r;
	/* Locked, so that no fresh directory is seen between its making and its locking. */
	parent = open(images_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || flock(parent, LOCK_EX) < 0)
		return error_sys(err, errno, "%s", images_dir);
	sweep(parent, images_dir);
	if (asprintf(&fresh, "%s/" FRESH "XXXXXX", images_dir) < 0)
		return error_sys(err, ENOMEM, "%s", images_dir);
	if (!mkdtemp(fresh))
		return error_sys(err, errno, "%s", images_dir);
	*ret_lock = open(fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_lock < 0 || flock(*ret_lock, LOCK_EX) < 0) {
		r = error_sys(err, errno, "%s", fresh);
		rmdir(fresh);
		return r;
	}
	*ret = take_ptr(fresh);
	return 0;
}

/*
 * The trace that came with the image, for its first boot here.  It is a hint: without it everything
 * works.
 */
static int keep_trace(struct image *image, const struct image_record *record, const char *dir,
                      struct error *err)
{
	const struct source_read how = { .deadline_ns = now_ns() + TRACE_DEADLINE_NS };
	cleanup(trace_free) struct trace *trace = NULL;
	cleanup_free uint8_t *raw = NULL;
	cleanup_close int fd = -1;
	struct error why = { 0 };
	size_t len;
	int r = image_trace(image, &how, &raw, &len, &why);

	if (r == 0)
		r = trace_parse(raw, len, image->file->name, &trace, &why);
	if (r < 0 || !trace || trace->size != image->size)
		return 0;
	memcpy(trace->image_id, record->id, sizeof(trace->image_id));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "%s", dir);
	return trace_save(trace, fd, TRACE_NAME, err);
}

/* Look at the image with its metadata in `dir`, and write image.json there. */
static int look(const struct disk_spec *spec, const char *dir, struct image_record **ret,
                struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	cleanup(image_opener_free) struct image_opener *opener = NULL;
	cleanup(image_close) struct image *image = NULL;
	int r = image_opener_new(spec, dir, NULL, NULL, &opener, err);

	if (r == 0)
		r = image_opener_open(opener, &image, err);
	if (r == 0)
		r = image_opener_record(opener, image, &record, err);
	if (r == 0)
		r = keep_trace(image, record, dir, err);
	if (r == 0)
		r = image_record_save(record, dir, err);
	if (r == 0)
		*ret = take_ptr(record);
	return r;
}

/* The image is known already: its files are in these places too. */
static int add_places(const char *path, const struct image_record *found, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	cleanup_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool more = false;
	int r;

	/* One at a time, or the places of the other would be lost. */
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return error_sys(err, errno, "%s", path);
	r = image_record_load(path, &record, err);
	if (r == 0)
		r = image_record_merge(record, found, &more, err);
	return r == 0 && more ? image_record_save(record, path, err) : r;
}

/* Give the fresh directory its name, unless somebody was quicker. */
static int settle(const char *fresh, const char *path, const struct image_record *record,
                  struct error *err)
{
	if (rename(fresh, path) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return error_sys(err, errno, "%s", path);
	return add_places(path, record, err);
}

int disk_image_resolve(const struct disk_spec *spec, const char *images_dir, char **ret_dir,
                       struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	cleanup_free char *fresh = NULL, *path = NULL;
	cleanup_close int lock = -1;
	char hex[65];
	int r = make_fresh(images_dir, &fresh, &lock, err);

	if (r < 0)
		return r;
	r = look(spec, fresh, &record, err);
	for (size_t i = 0; r == 0 && i < sizeof(record->id); i++)
		snprintf(hex + 2 * i, 3, "%02x", record->id[i]);
	if (r == 0 && asprintf(&path, "%s/%s", images_dir, hex) < 0)
		r = error_sys(err, ENOMEM, "%s", images_dir);
	if (r == 0)
		r = settle(fresh, path, record, err);
	remove_dir(fresh);
	if (r < 0)
		return r;
	*ret_dir = take_ptr(path);
	return 0;
}

int disk_layer_create(const char *image_dir, const char *layer_dir, struct error *err)
{
	cleanup(image_record_free) struct image_record *record = NULL;
	int r = image_record_load(image_dir, &record, err);

	return r < 0 ? r : near_layer_create(layer_dir, record->id, record->size, err);
}
