// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into another program, makes its flushes of files fail as long as the file FAIL_SYNC is
 * there: a disk that takes writes and cannot keep them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd)
{
	int (*next)(int) = dlsym(RTLD_NEXT, "fdatasync");
	const char *file = getenv("FAIL_SYNC");

	if (!file || access(file, F_OK) < 0)
		return next(fd);
	errno = EIO;
	return -1;
}
