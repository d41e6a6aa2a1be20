// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define LOCK_FILE  "lock"
#define LOCK_FD    10 /* children get other descriptors at low numbers */
#define TICK_USECS 100000

static int open_lock(int machine_dir)
{
	return openat(machine_dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int lock_take(int machine_dir, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK };
	cleanup_close int low = open_lock(machine_dir);
	int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, LOCK_FD);

	if (fd < 0)
		return error_sys(err, errno, "the machine's lock");
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return fd;

	int code = errno == EAGAIN || errno == EACCES ? EALREADY : errno;

	close(fd);
	return error_sys(err, code, "the machine's lock");
}

bool lock_is_held(int machine_dir)
{
	struct flock whole = { .l_type = F_WRLCK };
	cleanup_close int fd = openat(machine_dir, LOCK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

static void tick(int signal)
{
	(void)signal;
}

/*
 * fcntl() waits for the lock itself; SIGALRM ends the wait to look at the clock.  It ticks again
 * and again, so a tick that comes just before the wait costs one period and not the wake-up.
 */
int lock_wait(int machine_dir, uint64_t deadline_ns, struct error *err)
{
	struct itimerval period = { { 0, TICK_USECS }, { 0, TICK_USECS } }, old_period;
	struct sigaction action = { .sa_handler = tick }, old_action;
	struct flock whole = { .l_type = F_WRLCK };
	cleanup_close int fd = open_lock(machine_dir);
	int r = 0;

	if (fd < 0)
		return error_sys(err, errno, "the machine's lock");
	sigaction(SIGALRM, &action, &old_action);
	setitimer(ITIMER_REAL, &period, &old_period);
	while (fcntl(fd, F_OFD_SETLKW, &whole) < 0) {
		if (errno != EINTR)
			r = error_sys(err, errno, "the machine's lock");
		else if (now_ns() >= deadline_ns)
			r = error_set(err, ETIMEDOUT, "it did not end in time");
		if (r < 0)
			break;
	}
	setitimer(ITIMER_REAL, &old_period, NULL);
	sigaction(SIGALRM, &old_action, NULL);
	return r;
}
