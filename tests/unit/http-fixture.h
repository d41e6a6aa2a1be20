/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server that fails as it is told to, and a source of its file.
 */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/source.h"
#include "tests/unit/fault-server.h"
#include "util/clock.h"

#define SIZE  (1024 * 1024 + 17)
#define PIECE 4096

static uint8_t file[SIZE];

/* Servers and sources of one test, with room for what it reads. */
struct fixture {
	struct fault_server *server;
	struct source *src;
	struct error err;
	uint8_t buf[SIZE];
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < SIZE; i++)
		file[i] = (uint8_t)(i * 31 + i / 4096);
	f->server = fault_server_start(file, SIZE);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	source_close(f->src);
	fault_server_stop(f->server);
	free(f);
	return 0;
}

#define HTTP_TEST(name) static void name(void **state)
#define HTTP_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Stalls and deadlines that are long enough for a busy computer and short enough for a test. */
static const struct source_options quick = { .stall_ms = 300, .deadline_ms = 20000 };

static inline struct fixture *opened(void **state)
{
	struct fixture *f = *state;

	if (source_open(fault_server_url(f->server), &quick, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return f;
}

/* Read a piece that fails, with a sentence that has the URL and `words` in it. */
static inline void refused(struct fixture *f, int code, const char *words)
{
	f->err = (struct error){ 0 };
	assert_int_equal(source_read(f->src, f->buf, PIECE, 8192, NULL, &f->err), code);
	assert_int_equal(f->err.code, -code);
	if (!strstr(f->err.text, words) || !strstr(f->err.text, f->src->name))
		fail_msg("'%s' does not say '%s'", f->err.text, words);
}

static inline void reads(struct fixture *f, size_t len, uint64_t off)
{
	memset(f->buf, 0xee, len);
	if (source_read(f->src, f->buf, len, off, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, file + off, len);
}

/* The fault passes, and the same source serves again. */
static inline void heals(struct fixture *f)
{
	fault_server_heal(f->server);
	reads(f, PIECE, 12288);
}

#endif
