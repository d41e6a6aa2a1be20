/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two servers of one file, a chain of them, and what the chain has said.
 */
#ifndef TESTS_UNIT_CHAIN_FIXTURE_H
#define TESTS_UNIT_CHAIN_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/chain.h"
#include "tests/unit/fault-server.h"
#include "util/clock.h"

#define SIZE     (4 * 1024 * 1024)
#define PIECE    8192
#define DATE     "Sat, 01 Aug 2026 10:00:00 GMT"
#define DATE_S   1785578400
#define MESSAGES 256

static uint8_t file[SIZE];

/* Two servers of the same file, a chain of them, and what the chain has said. */
struct fixture {
	struct fault_server *a, *b;
	struct source *chain;
	struct chain_options options;
	struct error err;
	pthread_mutex_t lock; /* guards the messages */
	pthread_cond_t changed;
	char messages[MESSAGES][200];
	unsigned int n_messages;
	uint8_t buf[SIZE];
};

static inline void on_message(void *arg, const char *text)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	snprintf(f->messages[f->n_messages++ % MESSAGES], sizeof(f->messages[0]), "%s", text);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* Wait until the chain has said, `times` times, something about `url` with `words` in it. */
static inline void await(struct fixture *f, const char *url, const char *words, unsigned int times)
{
	pthread_mutex_lock(&f->lock);
	for (;;) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < f->n_messages && i < MESSAGES; i++)
			n += strstr(f->messages[i], url) && strstr(f->messages[i], words);
		if (n >= times)
			break;
		pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < SIZE; i++)
		file[i] = (uint8_t)(i * 31 + i / 4096);
	f->a = fault_server_start(file, SIZE);
	f->b = fault_server_start(file, SIZE);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->options = (struct chain_options){
		.source = { .stall_ms = 60000, .deadline_ms = 60000 },
		.hedge_percent = CHAIN_DEFAULT_HEDGE_PERCENT,
		.message = on_message,
		.arg = f,
	};
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	source_close(f->chain);
	fault_server_stop(f->a);
	fault_server_stop(f->b);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

#define CHAIN_TEST(name) static void name(void **state)
#define CHAIN_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct source_identity version = {
	.size = SIZE,
	.last_modified = DATE_S,
	.etag = "\"one\"",
};

/* A chain of `n` of the servers: a before b, though b is named first. */
static inline struct fixture *opened(void **state, size_t n, const struct source_identity *expected)
{
	struct fixture *f = *state;
	const struct source_place sources[] = {
		{ .url = fault_server_url(f->b), .priority = 20 },
		{ .url = fault_server_url(f->a), .priority = 10 },
	};

	if (chain_open(sources + 2 - n, n, &f->options, expected, &f->chain, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return f;
}

static inline void reads(struct fixture *f, size_t len, uint64_t off)
{
	memset(f->buf, 0xee, len);
	if (source_read(f->chain, f->buf, len, off, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, file + off, len);
}

/* A field of one server's status; to be compared before the next call. */
static inline const char *state_of(struct fixture *f, size_t i)
{
	static char text[32];
	json_t *status = chain_status(f->chain);

	snprintf(text, sizeof(text), "%s",
	         json_string_value(json_object_get(json_array_get(status, i), "state")));
	json_decref(status);
	return text;
}

static inline uint64_t number_of(struct fixture *f, size_t i, const char *field)
{
	json_t *status = chain_status(f->chain);
	json_int_t n = json_integer_value(json_object_get(json_array_get(status, i), field));

	json_decref(status);
	return (uint64_t)n;
}

/*
 * Enough reads that the chain knows how long they usually take.  Nobody waits for them, so that
 * none is hedged, as on a busy computer one may be that takes unusually long.
 */
static inline void warm_up(struct fixture *f, size_t len)
{
	const struct source_read how = { .priority = SOURCE_BACKGROUND };

	for (size_t i = 0; i < 20; i++)
		if (source_read(f->chain, f->buf, len, i * len % SIZE, &how, &f->err) < 0)
			fail_msg("%s", f->err.text);
}

#endif
