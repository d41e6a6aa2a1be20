// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/unix-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"

#define BACKLOG 16

static int open_socket(const char *path, int flags, struct sockaddr_un *ret_address,
                       struct error *err)
{
	int fd;

	if (strlen(path) >= sizeof(ret_address->sun_path))
		return error_sys(err, ENAMETOOLONG, "%s", path);
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	return fd < 0 ? error_sys(err, errno, "%s", path) : fd;
}

int unix_listen(const char *path, int flags, struct error *err)
{
	struct sockaddr_un address;
	cleanup_close int fd = open_socket(path, flags, &address, err);

	if (fd < 0)
		return fd;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return error_sys(err, errno, "%s", path);
	return take_fd(&fd);
}

int unix_connect(const char *path, struct error *err)
{
	struct sockaddr_un address;
	cleanup_close int fd = open_socket(path, 0, &address, err);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_sys(err, errno, "%s", path);
	return take_fd(&fd);
}
