/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder for a near store and its options, for the tests of disk/near.
 */
#ifndef TESTS_UNIT_NEAR_FIXTURE_H
#define TESTS_UNIT_NEAR_FIXTURE_H

#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/near/near.h"
#include "util/cleanup.h"

#define MAX_LAYERS 8

struct near_fixture {
	char dir[32];
	char cache[48];
	char layer[MAX_LAYERS][48];
	const char *layers[MAX_LAYERS];
	struct near_options options;
};

/* `n_layers` fresh layers, and a cache; the commit thread sleeps unless a test sets commit_ms. */
static inline void fixture_make(struct near_fixture *f, uint64_t size, size_t n_layers)
{
	memset(f, 0, sizeof(*f));
	strncpy(f->dir, "/tmp/test-near-XXXXXX", sizeof(f->dir) - 1);
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cache, sizeof(f->cache), "%s/cache", f->dir);
	f->options.cache_dir = f->cache;
	f->options.layer_dirs = f->layers;
	f->options.n_layers = n_layers;
	f->options.size = size;
	f->options.commit_ms = 1000000;
	memset(f->options.image_id, 0x5A, sizeof(f->options.image_id));
	for (size_t i = 0; i < MAX_LAYERS; i++) {
		snprintf(f->layer[i], sizeof(f->layer[i]), "%s/layer%zu", f->dir, i);
		f->layers[i] = f->layer[i];
	}
	for (size_t i = 0; i < n_layers; i++)
		assert_int_equal(near_layer_create(f->layers[i], f->options.image_id, size, NULL),
		                 0);
}

static inline void remove_files(const char *dir)
{
	DIR *at = opendir(dir);
	struct dirent *entry;

	while (at && (entry = readdir(at))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			remove(path);
	}
	if (at)
		closedir(at);
}

static inline void fixture_remove(struct near_fixture *f)
{
	for (size_t i = 0; i < MAX_LAYERS; i++) {
		remove_files(f->layer[i]);
		rmdir(f->layer[i]);
	}
	remove_files(f->cache);
	rmdir(f->cache);
	assert_int_equal(rmdir(f->dir), 0);
}

static inline struct near *fixture_open(const struct near_fixture *f)
{
	struct error err = { 0 };
	struct near *near = NULL;

	if (near_open(&f->options, &near, &err) < 0)
		fail_msg("%s", err.text);
	return near;
}

#endif
