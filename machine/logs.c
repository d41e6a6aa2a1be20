// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "util/cleanup.h"
#include "util/io.h"

/* The supervisor's has been begun anew by whoever started it. */
static const char *const names[] = { "disk.log", "qemu.log", "supervisor.log" };
#define TURNED 2

static const char cut[] = "(older lines were cut away: the log had grown too long)\n";

/* What its writer appends meanwhile may be lost: it is the log of somebody who says too much. */
int logs_trim(const char *path, struct error *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *kept = NULL;
	const char *line;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= (off_t)LOGS_MAX)
		return 0;
	kept = malloc(LOGS_KEPT);
	if (!kept)
		return error_sys(err, ENOMEM, "%s", path);
	r = pread_all(fd, kept, LOGS_KEPT, (uint64_t)st.st_size - LOGS_KEPT);
	if (r == 0 && ftruncate(fd, 0) < 0)
		r = -errno;
	if (r == 0)
		r = write_all(fd, cut, strlen(cut));
	/* Whole lines, if there are any. */
	line = memchr(kept, '\n', LOGS_KEPT);
	line = line ? line + 1 : kept;
	if (r == 0)
		r = write_all(fd, line, LOGS_KEPT - (size_t)(line - kept));
	return r < 0 ? error_sys(err, -r, "%s", path) : 0;
}

static void path_of(const struct logs *logs, const char *name, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%.*s/%s", PATH_MAX - 32, logs->dir, name);
}

static void changed(void *arg)
{
	struct logs *logs = arg;
	char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)], path[PATH_MAX];

	/* Which of them it was is not worth knowing: they are three. */
	(void)!read(logs->changes.fd, events, sizeof(events));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct error err;

		path_of(logs, names[i], path);
		if (logs_trim(path, &err) < 0 && err.code != ENOENT)
			fprintf(stderr, "%s\n", err.text);
	}
}

static int watch(struct logs *logs, int fd, struct error *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_close int log = -1;

		path_of(logs, names[i], path);
		log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (log < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
			return error_sys(err, errno, "%s", path);
	}
	return loop_watch(logs->loop, &logs->changes, fd, changed, logs, err);
}

void logs_open(struct logs *logs, struct loop *loop, const char *dir)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct error err;

	*logs = (struct logs){ .loop = loop, .dir = dir, .changes = { .fd = -1 } };
	for (size_t i = 0; i < TURNED; i++) {
		char path[PATH_MAX], old[PATH_MAX];

		path_of(logs, names[i], path);
		snprintf(old, sizeof(old), "%.*s.1", PATH_MAX - 3, path);
		(void)!rename(path, old);
	}
	if (fd < 0)
		error_sys(&err, errno, "inotify");
	if (fd < 0 || watch(logs, fd, &err) < 0) {
		fprintf(stderr, "logs are not kept short: %s\n", err.text);
		if (fd >= 0)
			close(fd);
	}
}

void logs_close(struct logs *logs)
{
	int fd = logs->loop ? logs->changes.fd : -1;

	if (fd < 0)
		return;
	loop_unwatch(logs->loop, &logs->changes);
	close(fd);
}
