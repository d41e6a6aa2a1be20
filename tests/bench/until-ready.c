// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * until-ready SOCKET SECONDS: returns when the guest agent behind QEMU's socket answers.
 *
 * The same question that `sill run` asks, for machines that were started by hand: a
 * guest-sync-delimited with a new number every 100 ms, until its answer is there.  QEMU may make
 * the socket after this has begun.  Exit 1 when the time is over, or when there is a socket that
 * nobody has listened at for a while: QEMU has ended.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"

#define ASK_EVERY_MS 100
#define MAX_REFUSED  20

static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	char got[4096] = "", text[120];
	uint64_t end;
	unsigned int refused = 0;
	size_t used = 0;
	int fd = -1;

	if (argc != 3) {
		fputs("usage: until-ready SOCKET SECONDS\n", stderr);
		return 2;
	}
	end = now_ns() + strtoull(argv[2], NULL, 10) * NS_PER_SEC;
	for (unsigned int id = 1; now_ns() < end; id++) {
		struct pollfd wait = { .events = POLLIN };
		ssize_t n;

		if (fd < 0) {
			fd = connect_to(argv[1]);
			refused = fd < 0 && errno == ECONNREFUSED ? refused + 1 : 0;
			if (refused == MAX_REFUSED)
				return 1;
		}
		if (fd >= 0) {
			int len = snprintf(
				text, sizeof(text),
				"{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%u}}\n", id);

			send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		wait.fd = fd;
		poll(&wait, 1, ASK_EVERY_MS);
		if (fd < 0)
			continue;
		n = recv(fd, got + used, sizeof(got) - 1 - used, MSG_DONTWAIT);
		if (n == 0) {
			close(fd);
			fd = -1;
		}
		if (n > 0)
			used += (size_t)n;
		got[used] = '\0';
		if (strstr(got, "\"return\""))
			return 0;
		if (used > sizeof(got) / 2)
			used = 0;
	}
	return 1;
}
