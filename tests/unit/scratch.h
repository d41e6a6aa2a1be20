/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder for a test program's files, gone with all that is in it when the program ends. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char scratch[] = "/tmp/sill-test-XXXXXX";

static inline int scratch_drop(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void scratch_remove(void)
{
	nftw(scratch, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int scratch_make(void)
{
	return mkdtemp(scratch) ? atexit(scratch_remove) : -1;
}

/* A path in it; good until the eighth one after it is made. */
static inline const char *scratch_path(const char *name)
{
	static char paths[8][256];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

#endif
