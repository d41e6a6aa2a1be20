// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "machine/name.h"
#include "util/io.h"
#include "util/text.h"

/* Where the state directory should be, before it is made. */
static int wanted_dir(char *ret, size_t room, struct error *err)
{
	const char *given = getenv("SILL_STATE"), *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	int n;

	if (given && *given)
		n = snprintf(ret, room, "%s", given);
	else if (geteuid() == 0)
		n = snprintf(ret, room, "/var/lib/sill");
	else if (data && data[0] == '/')
		n = snprintf(ret, room, "%s/sill", data);
	else if (home && home[0] == '/')
		n = snprintf(ret, room, "%s/.local/share/sill", home);
	else
		return error_set(err, ENOENT,
		                 "no place for machines: SILL_STATE, XDG_DATA_HOME and HOME are "
		                 "all unset");
	if (n < 0 || (size_t)n >= room)
		return error_set(err, ENAMETOOLONG, "the path of the state directory is too long");
	return 0;
}

int state_open(struct state **ret, struct error *err)
{
	cleanup(state_close) struct state *state = calloc(1, sizeof(*state));
	char wanted[PATH_MAX - 256], path[PATH_MAX];
	cleanup_free char *real = NULL;
	int r;

	if (!state)
		return error_sys(err, ENOMEM, "state directory");
	state->machines = -1;
	r = wanted_dir(wanted, sizeof(wanted), err);
	if (r < 0)
		return r;
	r = make_dirs(wanted, 0755, err);
	if (r < 0)
		return r;
	real = realpath(wanted, NULL);
	if (!real)
		return error_sys(err, errno, "%s", wanted);
	if (strlen(real) >= sizeof(state->dir))
		return error_sys(err, ENAMETOOLONG, "%s", real);
	if (!text_is_utf8(real))
		return error_set(err, EILSEQ,
		                 "%s: the name is not UTF-8, so it cannot be written down", real);
	memcpy(state->dir, real, strlen(real) + 1);
	snprintf(path, sizeof(path), "%s/machines", state->dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s", path);
	state->machines = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->machines < 0)
		return error_sys(err, errno, "%s", path);
	*ret = take_ptr(state);
	return 0;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	if (state->machines >= 0)
		close(state->machines);
	free(state);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void state_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* A directory without a manifest is a machine whose making or deleting was cut short. */
static bool is_machine(const struct state *state, const char *name)
{
	char file[NAME_MAX + 16];

	if (machine_name_check(name, NULL) < 0)
		return false;
	snprintf(file, sizeof(file), "%s/machine.json", name);
	return faccessat(state->machines, file, F_OK, 0) == 0;
}

int state_names(const struct state *state, char ***ret, size_t *ret_n, struct error *err)
{
	int fd = openat(state->machines, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, room = 0;
	char **names = NULL;
	int r = 0;

	if (!dir) {
		r = error_sys(err, errno, "%s/machines", state->dir);
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *entry = readdir(dir); entry && r == 0; entry = readdir(dir)) {
		char **more = names;

		if (!is_machine(state, entry->d_name))
			continue;
		if (n == room)
			more = reallocarray(names, room = room * 2 + 16, sizeof(*names));
		if (more)
			names = more;
		if (!more || !(names[n] = strdup(entry->d_name)))
			r = error_sys(err, ENOMEM, "list of machines");
		else
			n++;
	}
	closedir(dir);
	if (r < 0) {
		state_names_free(names, n);
		return r;
	}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}

int state_machine_path(const struct state *state, const char *name, const char *file,
                       char ret[PATH_MAX], struct error *err)
{
	int n = snprintf(ret, PATH_MAX, "%s/machines/%s%s%s", state->dir, name, file ? "/" : "",
	                 file ? file : "");

	if (n < 0 || n >= PATH_MAX)
		return error_sys(err, ENAMETOOLONG, "%s/machines/%s", state->dir, name);
	return 0;
}

/* FNV-1a: keeps apart, and need not keep secret. */
static uint32_t hash_of(const char *text, uint32_t hash)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/* In /tmp anybody can make a directory first: it must be ours, and closed to others. */
static int check_owner(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return error_set(err, EPERM,
		                 "%s: belongs to somebody else or is open to others, so sockets "
		                 "are not safe there",
		                 path);
	return 0;
}

int state_run_dir(const struct state *state, const char *name, bool make, char ret[STATE_RUN_MAX],
                  struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	uint32_t hash = hash_of(name, hash_of("/", hash_of(state->dir, 2166136261u)));
	char base[STATE_RUN_MAX];
	int r, n;

	if (geteuid() == 0)
		snprintf(base, sizeof(base), "/run/sill");
	else if (runtime && runtime[0] == '/' && strlen(runtime) <= STATE_RUN_MAX - 48)
		snprintf(base, sizeof(base), "%s/sill", runtime);
	else
		snprintf(base, sizeof(base), "/tmp/sill-%u", (unsigned int)geteuid());
	if (make && mkdir(base, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s", base);
	n = snprintf(ret, STATE_RUN_MAX, "%s/%.24s-%08x", base, name, hash);
	if (n < 0 || (size_t)n >= STATE_RUN_MAX)
		return error_sys(err, ENAMETOOLONG, "%s", base);
	if (!make)
		return 0;
	r = check_owner(base, err);
	if (r < 0)
		return r;
	if (mkdir(ret, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s", ret);
	return check_owner(ret, err);
}
