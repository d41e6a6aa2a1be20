// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TREE_MAX_DEPTH 16 /* a machine's directory is 3 deep */

static int remove_at(int dirfd, const char *name, unsigned int depth)
{
	DIR *dir;
	int fd, r = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth == TREE_MAX_DEPTH)
		return -ELOOP;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *entry = readdir(dir); entry && r == 0; entry = readdir(dir)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_at(fd, entry->d_name, depth + 1);
	}
	closedir(dir);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int tree_remove(int dirfd, const char *path, struct error *err)
{
	int r = remove_at(dirfd, path, 0);

	return r < 0 ? error_sys(err, -r, "%s", path) : 0;
}
