// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many reads at once over HTTP: connections, who goes first, and reads that are called off.
 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "tests/unit/http-fixture.h"

struct reader {
	pthread_t thread;
	struct source *src;
	uint64_t off;
	uint8_t buf[PIECE];
	struct source_cancel cancel;
	enum source_priority priority;
	int result;
};

static void *read_in_thread(void *arg)
{
	struct reader *reader = arg;
	const struct source_read how = { .priority = reader->priority, .cancel = &reader->cancel };

	reader->result = source_read(reader->src, reader->buf, PIECE, reader->off, &how, NULL);
	return NULL;
}

static void start_reader(struct reader *reader, struct source *src, enum source_priority priority,
                         uint64_t off)
{
	*reader = (struct reader){ .src = src, .priority = priority, .off = off };
	source_cancel_init(&reader->cancel);
	assert_int_equal(pthread_create(&reader->thread, NULL, read_in_thread, reader), 0);
}

static void join_reader(struct reader *reader, int result)
{
	pthread_join(reader->thread, NULL);
	source_cancel_destroy(&reader->cancel);
	assert_int_equal(reader->result, result);
	if (result == 0)
		assert_memory_equal(reader->buf, file + reader->off, PIECE);
}

HTTP_TEST(many_ranges_are_in_flight_over_a_bounded_number_of_connections)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[12];

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f->src, SOURCE_DEMAND, i * PIECE);
	fault_server_wait(f->server, 1 + 4);
	assert_int_equal(fault_server_requests(f->server), 5);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		join_reader(&readers[i], 0);
	assert_int_equal(fault_server_most(f->server), 4);
}

HTTP_TEST(a_demand_read_finds_a_connection_however_many_background_reads_there_are)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[10], demand;

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .times = 2 });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		start_reader(&readers[i], f->src, i % 2 ? SOURCE_TRACE : SOURCE_BACKGROUND,
		             i * PIECE);
	fault_server_wait(f->server, 1 + 2);
	start_reader(&demand, f->src, SOURCE_DEMAND, 100 * PIECE);
	join_reader(&demand, 0); /* while the others are held */
	assert_int_equal(fault_server_requests(f->server), 1 + 2 + 1);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		join_reader(&readers[i], 0);
}

HTTP_TEST(a_background_read_that_hurries_passes_those_before_it)
{
	struct fixture *f = *state;
	struct source_options options = { .connections = 4 };
	struct reader readers[10];
	struct reader *last = &readers[9];

	assert_int_equal(source_open(fault_server_url(f->server), &options, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .times = 2 });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		start_reader(&readers[i], f->src, SOURCE_BACKGROUND, i * PIECE);
		if (i == 1)
			fault_server_wait(f->server, 1 + 2);
	}
	source_cancel_hurry(&last->cancel);
	join_reader(last, 0); /* while the others are held, or wait behind those */
	assert_int_equal(fault_server_requests(f->server), 1 + 2 + 1);
	fault_server_heal(f->server);
	for (size_t i = 0; i < ARRAY_LEN(readers) - 1; i++)
		join_reader(&readers[i], 0);
}

HTTP_TEST(a_read_that_is_cancelled_returns_while_the_server_is_silent)
{
	struct fixture *f = *state;
	struct reader reader;

	assert_int_equal(source_open(fault_server_url(f->server), NULL, &f->src, &f->err), 0);
	fault_server_fail(f->server, (struct fault){ .kind = FAULT_HOLD, .bytes = 100 });
	start_reader(&reader, f->src, SOURCE_DEMAND, 0);
	fault_server_wait(f->server, 2);
	source_cancel_fire(&reader.cancel);
	join_reader(&reader, -ECANCELED);
	heals(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_CASE(many_ranges_are_in_flight_over_a_bounded_number_of_connections),
		HTTP_CASE(a_demand_read_finds_a_connection_however_many_background_reads_there_are),
		HTTP_CASE(a_background_read_that_hurries_passes_those_before_it),
		HTTP_CASE(a_read_that_is_cancelled_returns_while_the_server_is_silent),
	};

	return cmocka_run_group_tests_name("source-http-queue", tests, NULL, NULL);
}
