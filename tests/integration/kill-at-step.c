// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into another program, ends it at its KILL_AT'th step of replacing a file, before that
 * is done: a write, a flush, a renaming.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void count(void)
{
	static int steps;
	const char *at = getenv("KILL_AT");

	if (at && __atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST) == strtol(at, NULL, 10))
		kill(getpid(), SIGKILL);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

	count();
	return next(fd, buf, len);
}

int fsync(int fd)
{
	int (*next)(int) = dlsym(RTLD_NEXT, "fsync");

	count();
	return next(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int (*next)(int, const char *, int, const char *) = dlsym(RTLD_NEXT, "renameat");

	count();
	return next(from_dir, from, to_dir, to);
}
