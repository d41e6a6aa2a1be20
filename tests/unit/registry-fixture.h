/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registry that is a model, a store that is its client, and pauses that are counted and not made.
 */
#ifndef TESTS_UNIT_REGISTRY_FIXTURE_H
#define TESTS_UNIT_REGISTRY_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/registry.h"
#include "tests/unit/registry-model.h"

#define SIZE  100000
#define CHUNK 16384

struct fixture {
	struct registry_model model;
	struct store *store;
	struct error err;
	char home[64];
	char uploads[128];
	uint8_t data[SIZE];
	char digest[72];

	unsigned int pauses;
	uint32_t paused_ms;

	char text[4096]; /* what listings told, each with a blank behind it */
	size_t got;      /* bytes that a sink took; they are right */
	size_t take;     /* after so many it refuses; 0: never */
};

static inline void count_pause(void *arg, uint32_t ms)
{
	struct fixture *f = arg;

	f->pauses++;
	f->paused_ms += ms;
}

static inline void open_store(struct fixture *f)
{
	const struct store_options options = { .uploads_dir = f->uploads };

	if (registry_open(web_server_host(f->model.server), &options, &f->store, &f->err) < 0)
		fail_msg("%s", f->err.text);
	registry_tune(f->store, CHUNK, 4, count_pause, f);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->home, sizeof(f->home), "/tmp/test-registry-XXXXXX");
	assert_non_null(mkdtemp(f->home));
	setenv("HOME", f->home, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_CONFIG");
	snprintf(f->uploads, sizeof(f->uploads), "%s/uploads", f->home);
	for (size_t i = 0; i < SIZE; i++)
		f->data[i] = (uint8_t)(i * 31 + i / 256);
	model_digest(f->data, SIZE, f->digest);
	registry_model_start(&f->model);
	open_store(f);
	*state = f;
	return 0;
}

static inline void close_store(struct fixture *f)
{
	if (f->store)
		f->store->ops->close(f->store);
	f->store = NULL;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	registry_model_stop(&f->model);
	/* A test that leaves a file there has not ended as it should. */
	rmdir(f->uploads);
	assert_int_equal(rmdir(f->home), 0);
	free(f);
	return 0;
}

#define REGISTRY_TEST(name) static void name(void **state)
#define REGISTRY_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void says(const struct fixture *f, const char *words)
{
	if (!strstr(f->err.text, words) || !strstr(f->err.text, f->store->name))
		fail_msg("'%s' does not say '%s'", f->err.text, words);
}

static inline void works(const struct fixture *f, int r)
{
	if (r != 0)
		fail_msg("%d: %s", r, f->err.text);
}

/* A store_item that remembers. */
static inline int remember(void *arg, const char *text, struct error *err)
{
	struct fixture *f = arg;
	size_t used = strlen(f->text);

	(void)err;
	snprintf(f->text + used, sizeof(f->text) - used, "%s ", text);
	return 0;
}

#endif
