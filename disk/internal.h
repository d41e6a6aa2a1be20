/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the engine share: disk.c (open, read), disk-write.c, disk-trace.c,
 * disk-status.c.
 */
#ifndef DISK_INTERNAL_H
#define DISK_INTERNAL_H

#include <pthread.h>

#include "disk/ahead.h"
#include "disk/disk.h"
#include "disk/fetch.h"
#include "disk/image-dir.h"
#include "disk/trace.h"

#define WRITE_LOCKS 64

struct disk {
	/* Set when opened. */
	uint64_t size;
	bool writable;
	uint8_t image_id[32];
	int trace_dir; /* where the trace is kept; -1: nowhere */
	struct image_record *record;
	struct image_opener *opener;
	struct far *far;
	struct near *near;
	struct fetch *fetch;
	struct ahead *ahead;
	struct trace *replayed; /* the trace that was there at open; NULL: none */
	uint64_t opened_ns;

	struct messages messages;

	/* Recording; NULL when this open never records. */
	struct trace_recorder *recorder;
	bool recording; /* with __atomic */
	uint64_t record_until_ns;
	pthread_mutex_t trace_lock; /* one save at a time */

	/*
	 * Orders writers of the same blocks: a writer holds the locks of all the stripes that its
	 * blocks lie in, taken in rising order.
	 */
	pthread_mutex_t write_locks[WRITE_LOCKS];

	/* How long guest reads have waited for sources. */
	pthread_mutex_t wait_lock; /* guards the three below */
	unsigned int waiting;      /* reads, now */
	uint64_t waiting_from_ns;  /* the first of them */
	uint64_t waited_ns;        /* before that */

	/* With __atomic. */
	uint64_t reads, misses, writes;
	uint64_t first_read_ns;
	bool interrupted;
};

/* What a disk is put together from; disk_open() makes it from a specification, tests by hand. */
struct disk_parts {
	struct near *near; /* owned from success on */
	far_opener open;
	void *arg;
	uint64_t size;
	bool writable;
	uint8_t image_id[32];
	int trace_dir; /* -1: none; owned from success on */
	bool trace_record, trace_replay, readahead, sweep, fill;
	uint64_t fill_rate;
};

int disk_assemble(const struct disk_parts *parts, struct disk **ret, struct error *err);

/* -EINVAL when the range is not inside the disk. */
int disk_check_range(const struct disk *disk, uint64_t len, uint64_t off, struct error *err);
/* What a guest is told: -EIO for all that went wrong at a source. */
int disk_guest_error(int r, struct error *err);
/* A read on behalf of the guest, noted where a trace is recorded. */
int disk_read_noted(struct disk *disk, void *buf, size_t len, uint64_t off, struct error *err);

/* The time in which at least one guest read was waiting for a source. */
uint64_t disk_waited_ns(struct disk *disk);

/* disk-trace.c */
int disk_trace_setup(struct disk *disk, bool record, bool replay, struct error *err);
void disk_trace_note(struct disk *disk, uint64_t off, uint64_t len);
/* Save what was recorded when the disk is closed while recording. */
void disk_trace_finish(struct disk *disk);

#endif
