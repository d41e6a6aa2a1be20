// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "disk/disk.h"
#include "machine/lock.h"
#include "machine/name.h"
#include "machine/session.h"
#include "machine/tree.h"
#include "util/io.h"

#define LEFTOVER_NEW     ".new-"
#define LEFTOVER_DELETED ".deleted-"

int machine_open(const struct state *state, const char *name, struct error *err)
{
	int fd, r = machine_name_check(name, err);

	if (r < 0)
		return r;
	fd = openat(state->machines, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return error_sys(err, errno, "%s", name);
	if (fd < 0 || faccessat(fd, "machine.json", F_OK, 0) < 0) {
		close_at(&fd);
		return error_set(err, ENOENT, "there is no machine '%s'", name);
	}
	return fd;
}

/*
 * Remove what was cut short: nobody holds its lock, and nobody can come to hold it.  flock() on the
 * directory keeps a new one from being swept between its making and its locking.
 */
static void sweep(const struct state *state)
{
	int fd = openat(state->machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return;
	flock(fd, LOCK_EX);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		cleanup_close int old = -1, lock = -1;

		if (strncmp(entry->d_name, LEFTOVER_NEW, strlen(LEFTOVER_NEW)) != 0 &&
		    strncmp(entry->d_name, LEFTOVER_DELETED, strlen(LEFTOVER_DELETED)) != 0)
			continue;
		old = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		lock = old < 0 ? -1 : lock_take(old, NULL);
		if (lock >= 0)
			tree_remove(fd, entry->d_name, NULL);
	}
	closedir(dir);
}

/* Fill the new directory `dir`, whose path is `path`. */
static int fill_directory(const struct state *state, int dir, const char *path, struct manifest *m,
                          struct error *err)
{
	cleanup(disk_spec_free) struct disk_spec *spec = NULL;
	char images[PATH_MAX], layer[PATH_MAX];
	json_t *object = json_deep_copy(m->disk);
	int r;

	if (!object || json_object_set_new(object, "version", json_integer(1)) < 0)
		return error_sys(err, ENOMEM, "machine");
	r = disk_spec_parse(object, &spec, err);
	json_decref(object);
	if (r < 0)
		return r;
	snprintf(images, sizeof(images), "%s/images", state->dir);
	r = make_dirs(images, 0700, err);
	if (r == 0)
		r = disk_image_resolve(spec, images, &m->image_dir, err);
	if (r == 0)
		r = manifest_new_mac(m->mac, err);
	if (r < 0)
		return r;
	if (snprintf(layer, sizeof(layer), "%s/disk0/layer-1", path) >= (int)sizeof(layer))
		return error_sys(err, ENAMETOOLONG, "%s", path);
	r = make_dirs(layer, 0700, err);
	if (r == 0)
		r = disk_layer_create(m->image_dir, layer, err);
	m->created = (uint64_t)time(NULL);
	if (r == 0)
		r = manifest_save(dir, m, err);
	if (r == 0 && sync_dir(dir) < 0)
		r = error_sys(err, EIO, "%s", path);
	return r;
}

static int name_is_free(const struct state *state, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(state->machines, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, EEXIST, "there is a machine '%s' already", name);
	return 0;
}

/* Give a whole directory its name, for good. */
static int publish(const struct state *state, const char *from, const char *to, struct error *err)
{
	int r;

	if (renameat2(state->machines, from, state->machines, to, RENAME_NOREPLACE) < 0)
		return errno == EEXIST
		               ? error_set(err, EEXIST, "there is a machine '%s' already", to)
		               : error_sys(err, errno, "%s", to);
	r = sync_dir(state->machines);
	return r < 0 ? error_sys(err, -r, "%s/machines", state->dir) : 0;
}

int machine_create(const struct state *state, const char *name, struct manifest *wanted,
                   struct error *err)
{
	char fresh[MACHINE_NAME_MAX + 32], path[PATH_MAX];
	cleanup_close int dir = -1, lock = -1;
	int r = machine_name_check(name, err);

	if (r == 0)
		r = name_is_free(state, name, err);
	if (r < 0)
		return r;
	sweep(state);
	snprintf(fresh, sizeof(fresh), LEFTOVER_NEW "%s-%d", name, (int)getpid());
	r = state_machine_path(state, fresh, NULL, path, err);
	if (r < 0)
		return r;
	flock(state->machines, LOCK_EX);
	r = mkdirat(state->machines, fresh, 0700) < 0 ? -errno : 0;
	dir = openat(state->machines, fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lock = r == 0 && dir >= 0 ? lock_take(dir, NULL) : -EIO;
	flock(state->machines, LOCK_UN);
	if (lock < 0)
		return error_sys(err, r < 0 ? -r : EIO, "%s", path);
	r = fill_directory(state, dir, path, wanted, err);
	if (r == 0)
		r = publish(state, fresh, name, err);
	if (r < 0)
		tree_remove(state->machines, fresh, NULL);
	return r;
}

/* The lock of a machine that does not run and still has its name. */
static int claim(const struct state *state, const char *name, struct error *err)
{
	cleanup_close int dir = machine_open(state, name, err), again = -1;
	cleanup_close int lock = -1;
	struct stat a, b;

	if (dir < 0)
		return dir;
	lock = lock_take(dir, err);
	if (lock == -EALREADY)
		return error_set(err, EBUSY, "%s runs: stop it first", name);
	if (lock < 0)
		return lock;
	again = machine_open(state, name, err);
	if (again < 0)
		return again;
	if (fstat(dir, &a) < 0 || fstat(again, &b) < 0 || a.st_ino != b.st_ino)
		return error_set(err, EBUSY, "%s was changed by somebody else just now", name);
	return take_fd(&lock);
}

/* What a killed session left under the name that is no longer used. */
static void forget_sockets(const struct state *state, const char *name)
{
	char run[STATE_RUN_MAX];

	if (state_run_dir(state, name, false, run, NULL) == 0)
		tree_remove(AT_FDCWD, run, NULL);
}

int machine_delete(const struct state *state, const char *name, struct error *err)
{
	char gone[MACHINE_NAME_MAX + 32];
	cleanup_close int lock = claim(state, name, err);
	int r;

	if (lock < 0)
		return lock;
	snprintf(gone, sizeof(gone), LEFTOVER_DELETED "%s-%d", name, (int)getpid());
	r = publish(state, name, gone, err);
	if (r == 0)
		r = tree_remove(state->machines, gone, err);
	if (r == 0)
		forget_sockets(state, name);
	sweep(state);
	return r;
}

int machine_rename(const struct state *state, const char *from, const char *to, struct error *err)
{
	cleanup_close int lock = -1;
	int r = machine_name_check(to, err);

	if (r == 0)
		r = name_is_free(state, to, err);
	if (r < 0)
		return r;
	lock = claim(state, from, err);
	r = lock < 0 ? lock : publish(state, from, to, err);
	if (r == 0)
		forget_sockets(state, from);
	return r;
}

/* Nobody runs it: what last.json tells. */
static void add_last(int dir, json_t *info)
{
	json_t *last = NULL;
	const char *state = "stopped", *boot;
	char now[40];

	if (session_last(dir, &last, NULL) < 0) {
		json_object_set_new(info, "state", json_string("stopped"));
		return;
	}
	if (!json_object_get(last, "ended")) {
		boot = json_string_value(json_object_get(last, "boot_id"));
		session_boot_id(now);
		json_object_set_new(last, "clean", json_false());
		json_object_set_new(last, "reason",
		                    json_string(boot && strcmp(boot, now) == 0
		                                        ? "its supervisor was killed"
		                                        : "this computer went down"));
	}
	if (!json_is_true(json_object_get(last, "clean")))
		state = "failed";
	json_object_set_new(info, "state", json_string(state));
	json_object_set_new(info, "last", last);
}

static json_t *manifest_info(const char *name, const struct manifest *m)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < m->n_ports; i++)
		json_array_append_new(ports, json_sprintf("%s:%u:%u", m->ports[i].address,
		                                          m->ports[i].host, m->ports[i].guest));
	return json_pack("{ss ss sI ss si sI ss ss sb ss so ss* ss*}", "name", name, "image",
	                 m->image, "created", (json_int_t)m->created, "image_dir", m->image_dir,
	                 "cpus", (int)m->cpus, "memory", (json_int_t)m->memory, "firmware",
	                 firmware_names[m->firmware], "display", display_names[m->display],
	                 "ephemeral", m->ephemeral, "address", MACHINE_ADDRESS, "ports", ports,
	                 "library_name", m->library_name, "image_digest", m->image_digest);
}

int machine_info(const struct state *state, const char *name, bool brief, json_t **ret,
                 struct error *err)
{
	cleanup(manifest_free) struct manifest *m = NULL;
	cleanup_close int dir = machine_open(state, name, err);
	json_t *status = NULL, *info;
	int r;

	if (dir < 0)
		return dir;
	r = manifest_load(dir, &m, err);
	if (r < 0)
		return error_prefix(err, "%s", name);
	info = manifest_info(name, m);
	if (!info)
		return error_sys(err, ENOMEM, "%s", name);
	if (!lock_is_held(dir)) {
		add_last(dir, info);
	} else if (session_status(state, name, &status, NULL) == 0) {
		json_object_update(info, status);
		json_decref(status);
	} else {
		json_object_set_new(info, "state", json_string("ending"));
	}
	if (brief)
		json_object_del(info, "disk");
	*ret = info;
	return 0;
}
