/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the NBD source share: nbd.c (the source), nbd-connect.c (connections and who
 * the export is), nbd-loop.c (the I/O thread).
 */
#ifndef DISK_SOURCE_NBD_H
#define DISK_SOURCE_NBD_H

#include <libnbd.h>

#include "disk/source/kinds.h"
#include "disk/source/queue.h"

enum nbd_task {
	NBD_CONNECT,
	NBD_READ,
	NBD_EXTENT,
};

/* What a reader wants; on its stack. */
struct nbd_request {
	struct queue_item item;
	enum nbd_task task;
	void *buf;
	size_t len; /* of a read, or the most of an extent */
	uint64_t off;
	bool retried; /* its connection was lost once already */
	enum source_extent kind;
	uint64_t run;
};

/*
 * What libnbd works at.  It has a buffer of its own, because libnbd cannot be told to forget a
 * command, but its reader may leave.
 */
struct nbd_command {
	struct list link;        /* in nbd.commands */
	struct nbd_request *req; /* NULL: the reader has left */
	uint8_t *buf;
	size_t len;
	uint64_t off; /* rounded to the server's blocks */
	uint64_t issued_ns;
	bool done;
	int error; /* errno */
	enum source_extent kind;
	uint64_t run; /* from `off` on */
};

struct nbd {
	struct source src;
	char *uri, *ca_file;
	uint32_t stall_ms;
	unsigned int most; /* commands at once */
	pthread_t thread;
	bool has_thread;
	int wake_fd; /* eventfd */
	struct source_queue queue;

	/* The I/O thread's own. */
	struct nbd_handle *handle; /* NULL: not connected */
	bool pinned;               /* src.identity is known */
	bool has_extents;
	uint64_t block, largest; /* what the server wants requests to be */
	struct list commands;
	unsigned int n_commands, n_low;
	uint64_t progress_ns;
};

/* nbd-loop.c */
int nbd_loop_start(struct nbd *nbd, struct error *err);
void nbd_loop_stop(struct nbd *nbd);
void nbd_loop_wake(struct source_queue *queue);
/* Wait for the connection, a reader, or `until`, and let libnbd work.  -errno when it is lost. */
int nbd_turn(struct nbd *nbd, uint64_t until, struct error *err);

/* nbd-connect.c, on the I/O thread. */
/* A connection to the export, the same one as before. */
int nbd_source_connect(struct nbd *nbd, struct error *err);

#endif
