// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/clock.h"

int loop_open(struct loop *loop, struct error *err)
{
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? error_sys(err, errno, "event loop") : 0;
}

void loop_close(struct loop *loop)
{
	if (loop->epoll >= 0)
		close(loop->epoll);
	loop->epoll = -1;
}

int loop_watch(struct loop *loop, struct loop_watch *watch, int fd, void (*ready)(void *arg),
               void *arg, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	*watch = (struct loop_watch){ .fd = fd, .ready = ready, .arg = arg };
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		watch->fd = -1;
		return error_sys(err, errno, "event loop");
	}
	return 0;
}

void loop_want_write(struct loop *loop, struct loop_watch *watch, bool want)
{
	struct epoll_event event = { .events = EPOLLIN | (want ? EPOLLOUT : 0u),
		                     .data.ptr = watch };

	if (watch->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (watch->ready && watch->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	*watch = (struct loop_watch){ .fd = -1 };
}

int timer_open(struct loop *loop, struct loop_timer *timer, void (*ready)(void *arg), void *arg,
               struct error *err)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "timer");
	r = loop_watch(loop, &timer->watch, fd, ready, arg, err);
	if (r < 0)
		close(fd);
	return r;
}

void timer_set(struct loop_timer *timer, uint64_t at_ns)
{
	struct itimerspec when = { .it_value = timespec_of(at_ns) };

	if (timer->watch.fd >= 0)
		timerfd_settime(timer->watch.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void timer_close(struct loop *loop, struct loop_timer *timer)
{
	int fd = timer->watch.ready ? timer->watch.fd : -1;

	loop_unwatch(loop, &timer->watch);
	if (fd >= 0)
		close(fd);
}

int loop_run(struct loop *loop, struct error *err)
{
	if (loop->lock)
		loop->lock(loop->arg);
	while (!loop->quit) {
		struct epoll_event event;
		struct loop_watch *watch;
		int n;

		if (loop->unlock)
			loop->unlock(loop->arg);
		n = epoll_wait(loop->epoll, &event, 1, -1);
		if (loop->lock)
			loop->lock(loop->arg);
		if (n < 0 && errno != EINTR)
			return error_sys(err, errno, "event loop");
		if (n <= 0)
			continue;
		watch = event.data.ptr;
		watch->ready(watch->arg);
	}
	if (loop->unlock)
		loop->unlock(loop->arg);
	return 0;
}
