// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into another program, ends it at its KILL_AT'th write to a file, before that is done:
 * so that a crash can be had at every point of what the program does.  The data that was written
 * before is in the file, as after a crash of the program alone.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int writes;

static void count(void)
{
	const char *at = getenv("KILL_AT");

	if (at && __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) == strtol(at, NULL, 10))
		kill(getpid(), SIGKILL);
}

/* With 64-bit offsets on 64-bit systems these names are what programs are linked with. */
ssize_t pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	ssize_t (*next)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");

	count();
	return next(fd, buf, len, off);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t off)
{
	ssize_t (*next)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, "pwritev64");

	count();
	return next(fd, iov, n, off);
}
