/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file system in memory whose power can be cut.
 *
 * It records every write, punch, resize, rename and sync.  A replay walks the record and at each
 * place makes the file systems that a power cut there could leave: what was synced is there; of
 * what was not, any part, down to 512 bytes.  Names appear in the order they were made, up to some
 * point after the last sync of their folder.
 *
 * It also runs out of space, and fails to sync, when told to.
 */
#ifndef TESTS_UNIT_POWER_CUT_H
#define TESTS_UNIT_POWER_CUT_H

#include <pthread.h>

#include "disk/near/near-io.h"

#define CUT_PAGE   4096u
#define CUT_SECTOR 512u
#define CUT_FILES  16
#define CUT_NAMES  16

struct cut_page {
	uint64_t number;
	uint8_t data[CUT_PAGE];
};

struct cut_file {
	uint64_t size;
	struct cut_page *pages;
	size_t n_pages, room;
};

struct cut_name {
	char path[64];
	unsigned int file;
};

enum cut_kind {
	CUT_WRITE,
	CUT_PUNCH,
	CUT_RESIZE,
	CUT_SYNC,
	CUT_LINK,
	CUT_RENAME,
	CUT_UNLINK,
	CUT_SYNC_DIR
};

struct cut_event {
	enum cut_kind kind;
	unsigned int file;
	uint64_t off, len;
	uint8_t *data;
	char from[64], to[64];
};

struct cut {
	struct near_io io; /* first: the functions get a pointer to it */
	pthread_mutex_t lock;
	struct cut_file files[CUT_FILES];
	unsigned int n_files;
	struct cut_name names[CUT_NAMES];
	unsigned int n_names;

	struct cut *base; /* what was durable when recording began */
	struct cut_event *events;
	size_t n_events, room;

	/* Faults. */
	int64_t pages_left;    /* below 0: without limit */
	const char *fail_sync; /* syncs of a path that ends so fail with -EIO */
};

struct cut *cut_new(void);
void cut_free(struct cut *cut);
/* Its files and names, without the record. */
struct cut *cut_copy(const struct cut *cut);
/* Forget the record; all that is there now is durable. */
void cut_begin(struct cut *cut);
/* The content of a file, for tests that spoil it; NULL when there is no such byte. */
uint8_t *cut_byte(struct cut *cut, const char *path, uint64_t off);

struct cut_replay {
	const struct cut *cut;
	struct cut *durable;
	size_t at;       /* events before it have happened */
	size_t *pending; /* those of them that no sync covers */
	size_t n_pending;
};

enum cut_mode {
	CUT_ALL,     /* everything arrived */
	CUT_NOTHING, /* only what was synced */
	CUT_SOME,    /* whole writes, at random */
	CUT_TORN,    /* sectors, at random */
	CUT_GARBLED, /* as torn, and one copy of a map that was being written is noise */
	CUT_MODES
};

void cut_replay_begin(struct cut_replay *replay, const struct cut *cut);
void cut_replay_next(struct cut_replay *replay);
struct cut *cut_replay_state(const struct cut_replay *replay, enum cut_mode mode, uint64_t *random);
void cut_replay_end(struct cut_replay *replay);

uint64_t cut_random(uint64_t *state);

#endif
