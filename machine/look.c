// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first look at a disk: libnbd waits, so it does that in a thread of its own.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>

#include "machine/disk-server.h"
#include "util/io.h"

struct look {
	pthread_t thread;
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool detect;
	int event;
	/* The thread's until it has ended. */
	int result;
	enum firmware firmware;
	char why[80];
	struct error err;
};

static int read_disk(void *arg, void *buf, size_t len, uint64_t off, struct error *err)
{
	if (nbd_pread(arg, buf, len, off, 0) == 0)
		return 0;
	return error_set(err, EIO, "the disk's first sectors cannot be read: %s", nbd_get_error());
}

static int look_at(struct look *look, struct nbd_handle *nbd)
{
	int64_t size;

	if (nbd_connect_unix(nbd, look->socket) < 0)
		return error_set(&look->err, EIO, "the disk server does not serve: %s",
		                 nbd_get_error());
	size = nbd_get_size(nbd);
	if (size < 0)
		return error_set(&look->err, EIO, "the disk server does not serve: %s",
		                 nbd_get_error());
	if (!look->detect)
		return 0;
	return firmware_detect((uint64_t)size, read_disk, nbd, &look->firmware, look->why,
	                       &look->err);
}

static void *look_thread(void *arg)
{
	struct look *look = arg;
	struct nbd_handle *nbd = nbd_create();
	uint64_t one = 1;

	look->result = nbd ? look_at(look, nbd) : error_sys(&look->err, ENOMEM, "libnbd");
	if (nbd)
		nbd_shutdown(nbd, 0);
	nbd_close(nbd);
	(void)!write_all(look->event, &one, sizeof(one));
	return NULL;
}

int look_start(const char *socket, bool detect, struct look **ret, struct error *err)
{
	struct look *look = calloc(1, sizeof(*look));
	int r;

	if (!look)
		return error_sys(err, ENOMEM, "first look at the disk");
	snprintf(look->socket, sizeof(look->socket), "%s", socket);
	look->detect = detect;
	look->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = look->event < 0 ? errno : pthread_create(&look->thread, NULL, look_thread, look);
	if (r) {
		close_at(&look->event);
		free(look);
		return error_sys(err, r, "first look at the disk");
	}
	*ret = look;
	return 0;
}

int look_event_fd(const struct look *look)
{
	return look->event;
}

int look_finish(struct look *look, enum firmware *ret, char why[80], struct error *err)
{
	int r;

	pthread_join(look->thread, NULL);
	r = look->result;
	if (r < 0 && err)
		*err = look->err;
	if (r == 0) {
		*ret = look->firmware;
		memcpy(why, look->why, 80);
	}
	close(look->event);
	free(look);
	return r;
}
