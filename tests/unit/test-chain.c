// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who of a chain serves, when servers fail and come back.
 */
#include "tests/unit/unit.h"

#include "tests/unit/chain-fixture.h"
#include "tests/unit/progress.h"

CHAIN_TEST(the_first_by_priority_serves)
{
	struct fixture *f = opened(state, 2, NULL);

	assert_true(source_identity_agrees(&f->chain->identity, &version));
	assert_string_equal(f->chain->name, fault_server_url(f->a));
	reads(f, SIZE, 0);
	reads(f, PIECE, 4096);
	assert_int_equal(fault_server_bytes(f->a), 1 + SIZE + PIECE);
	assert_true(fault_server_bytes(f->b) <= 1);
	assert_string_equal(state_of(f, 0), "well");
	assert_int_equal(f->chain->bytes_fetched, SIZE + PIECE);
}

CHAIN_TEST(nothing_is_contacted_before_the_first_read_when_the_version_is_known)
{
	struct fixture *f = opened(state, 2, &version);

	assert_string_equal(state_of(f, 0), "untried");
	assert_int_equal(f->chain->identity.size, SIZE);
	assert_int_equal(fault_server_requests(f->a) + fault_server_requests(f->b), 0);
	reads(f, PIECE, 0);
	assert_string_equal(state_of(f, 0), "well");
	/* The reserve is looked at too, so that one of no use is known before it is needed. */
	fault_server_wait(f->b, 1);
}

CHAIN_TEST(a_chain_whose_sources_are_all_gone_opens_when_the_version_is_known)
{
	struct fixture *f = *state;

	fault_server_down(f->a);
	opened(state, 1, &version);
	fault_server_up(f->a);
	reads(f, PIECE, 0);
}

CHAIN_TEST(the_next_source_serves_at_once_when_one_fails)
{
	struct fixture *f = opened(state, 2, NULL);

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_STATUS, .status = 500 });
	reads(f, PIECE, 0);
	await(f, fault_server_url(f->a), "the server failed (500)", 1);
	assert_true(fault_server_saw(f->b, -1, "Range: bytes=0-8191"));
}

CHAIN_TEST(a_chain_opens_by_its_second_source_when_the_first_is_gone)
{
	struct fixture *f = *state;

	fault_server_down(f->a);
	opened(state, 2, NULL);
	reads(f, PIECE, 0);
	assert_string_equal(state_of(f, 0), "failing");
	fault_server_up(f->a);
	await(f, fault_server_url(f->a), "is well again", 1);
}

CHAIN_TEST(a_chain_of_which_none_answers_says_why_for_each)
{
	struct fixture *f = *state;
	const struct source_place sources[] = { { .url = fault_server_url(f->a) },
		                                { .url = fault_server_url(f->b) } };

	fault_server_down(f->a);
	fault_server_fail(f->b, (struct fault){ .kind = FAULT_STATUS, .status = 404 });
	/* "Not there" would be said of a file that may well be. */
	assert_int_equal(chain_open(sources, 2, &f->options, NULL, &f->chain, &f->err),
	                 -ECONNREFUSED);
	assert_non_null(strstr(f->err.text, "Connection refused; http://"));
	assert_non_null(strstr(f->err.text, "no such file"));
}

CHAIN_TEST(a_read_that_breaks_off_goes_on_at_the_next_source_where_it_was)
{
	struct fixture *f = opened(state, 2, NULL);

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_SHORT, .bytes = 1000 });
	reads(f, PIECE, 4096);
	assert_true(fault_server_saw(f->b, -1, "Range: bytes=5096-12287"));
}

CHAIN_TEST(a_read_that_stalls_goes_on_at_the_next_source_where_it_was)
{
	struct fixture *f = *state;

	f->options.source.stall_ms = 300;
	f->options.hedge_percent = 0;
	opened(state, 2, NULL);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD, .bytes = 1000 });
	reads(f, PIECE, 4096);
	assert_true(fault_server_saw(f->b, -1, "Range: bytes=5096-12287"));
	assert_string_equal(state_of(f, 0), "failing");
}

CHAIN_TEST(a_better_source_is_gone_back_to_when_it_is_well)
{
	struct fixture *f = opened(state, 2, NULL);
	unsigned int before;

	fault_server_down(f->a);
	reads(f, PIECE, 0);
	reads(f, PIECE, PIECE);
	fault_server_up(f->a);
	await(f, fault_server_url(f->a), "is well again", 1);
	before = fault_server_requests(f->b);
	reads(f, PIECE, 2 * PIECE);
	assert_int_equal(fault_server_requests(f->b), before);
	assert_true(fault_server_saw(f->a, -1, "Range: bytes=16384-24575"));
}

CHAIN_TEST(a_read_fails_at_its_deadline_with_every_last_error_and_later_ones_recover)
{
	struct fixture *f = *state;

	f->options.source.deadline_ms = 500;
	opened(state, 2, NULL);
	fault_server_down(f->a);
	fault_server_fail(f->b, (struct fault){ .kind = FAULT_STATUS, .status = 500 });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, NULL, &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "8192 bytes at 0 in time: http://"));
	assert_non_null(strstr(f->err.text, "Connection refused; http://"));
	assert_non_null(strstr(f->err.text, "the server failed (500)"));
	fault_server_heal(f->b);
	await(f, fault_server_url(f->b), "is well again", 1);
	reads(f, PIECE, 0);
}

struct reader {
	pthread_t thread;
	struct fixture *f;
	unsigned int seed, reads, wrong;
	bool *stop;
	uint8_t buf[PIECE];
};

static void *read_once(void *arg)
{
	struct reader *reader = arg;

	reader->wrong = source_read(reader->f->chain, reader->buf, PIECE, 4096, NULL, NULL) < 0 ||
	                memcmp(reader->buf, file + 4096, PIECE) != 0;
	return NULL;
}

CHAIN_TEST(a_read_that_waits_is_woken_when_a_source_is_well)
{
	struct fixture *f = opened(state, 1, NULL);
	struct reader reader = { .f = f };

	fault_server_down(f->a);
	assert_int_equal(pthread_create(&reader.thread, NULL, read_once, &reader), 0);
	await(f, fault_server_url(f->a), "cannot connect", 1);
	fault_server_up(f->a);
	pthread_join(reader.thread, NULL);
	assert_int_equal(reader.wrong, 0);
}

CHAIN_TEST(many_waiting_reads_do_not_storm_a_server)
{
	struct fixture *f = *state;
	struct reader readers[16];
	unsigned int before;

	f->options.source.deadline_ms = 2000;
	opened(state, 1, NULL);
	before = fault_server_requests(f->a);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_STATUS, .status = 500 });
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		readers[i] = (struct reader){ .f = f };
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_once, &readers[i]),
		                 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		pthread_join(readers[i].thread, NULL);
	/* At most each reader's first try, and probes at 0.1, 0.2, 0.4 s and so on. */
	assert_true(fault_server_requests(f->a) - before <= 16 + 8);
}

CHAIN_TEST(a_file_that_is_not_there_is_asked_for_seldom)
{
	struct fixture *f = *state;
	unsigned int before;

	f->options.source.deadline_ms = 900;
	opened(state, 1, NULL);
	before = fault_server_requests(f->a);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_STATUS, .status = 404 });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, NULL, &f->err), -EIO);
	assert_int_equal(fault_server_requests(f->a), before + 1);
}

CHAIN_TEST(a_busy_server_is_not_asked_before_the_time_it_says)
{
	struct fixture *f = opened(state, 1, NULL);
	uint64_t start = now_ns();

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_STATUS,
	                                        .status = 503,
	                                        .headers = "Retry-After: 1\r\n",
	                                        .times = 1 });
	reads(f, PIECE, 0);
	assert_true(now_ns() - start >= NS_PER_SEC);
	/* The first byte, the refusal, the probe, the read. */
	assert_int_equal(fault_server_requests(f->a), 4);
}

CHAIN_TEST(bytes_are_told_in_order_over_a_change_of_sources)
{
	struct fixture *f = opened(state, 2, NULL);
	struct progress p = { .buf = f->buf, .file = file };
	const struct source_read how = { .arrived = on_progress, .arg = &p };

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_SHORT, .bytes = SIZE / 2 });
	assert_int_equal(source_read(f->chain, f->buf, SIZE, 0, &how, &f->err), 0);
	assert_true(p.calls > 2);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(p.last, SIZE);
}

CHAIN_TEST(a_chain_closes_while_its_servers_are_silent)
{
	struct fixture *f = opened(state, 2, NULL);
	const struct source_read how = { .deadline_ns = now_ns() + NS_PER_SEC / 5 };

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	fault_server_fail(f->b, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, &how, &f->err), -EIO);
}

/*
 * The first read has the reserve looked at, and takes no time itself: so the look is met in every
 * state.  Were one of them waited for, the test would take minutes.
 */
CHAIN_TEST(a_chain_closes_whenever_it_is_about_to_look_at_a_silent_reserve)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test-chain-XXXXXX";
	const struct source_place sources[] = { { .url = path },
		                                { .url = fault_server_url(f->b), .priority = 1 } };
	int fd = mkstemp(path);

	assert_int_equal(pwrite(fd, file, SIZE, 0), SIZE);
	fault_server_fail(f->b, (struct fault){ .kind = FAULT_HOLD });
	for (unsigned int i = 0; i < 500; i++) {
		assert_int_equal(chain_open(sources, 2, &f->options, NULL, &f->chain, &f->err), 0);
		reads(f, PIECE, 0);
		source_close(f->chain);
		f->chain = NULL;
	}
	close(fd);
	unlink(path);
}

/* Reads here and there, in every priority. */
static void *read_many(void *arg)
{
	struct reader *reader = arg;
	struct fixture *f = reader->f;

	for (unsigned int i = 0;
	     i < reader->reads || !__atomic_load_n(reader->stop, __ATOMIC_RELAXED); i++) {
		uint64_t off = (uint64_t)rand_r(&reader->seed) % (SIZE - PIECE);
		size_t len = 1 + (size_t)rand_r(&reader->seed) % PIECE;
		const struct source_read how = { .priority = i % 3 };

		if (source_read(f->chain, reader->buf, len, off, &how, NULL) < 0 ||
		    memcmp(reader->buf, file + off, len) != 0)
			reader->wrong++;
	}
	return NULL;
}

CHAIN_TEST(many_readers_get_the_right_bytes_from_a_server_that_comes_and_goes)
{
	struct fixture *f = opened(state, 2, NULL);
	struct reader *readers = calloc(12, sizeof(*readers));
	bool full = getenv("FULL") != NULL, stop = false;

	for (unsigned int i = 0; i < 12; i++) {
		readers[i] = (struct reader){
			.f = f, .seed = i + 1, .reads = full ? 4000 : 200, .stop = &stop
		};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_many, &readers[i]),
		                 0);
	}
	for (unsigned int i = 0; i < 4; i++) {
		fault_server_down(f->a);
		await(f, fault_server_url(f->a), "", 2 * i + 1);
		fault_server_up(f->a);
		await(f, fault_server_url(f->a), "is well again", i + 1);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 12; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].wrong, 0);
	}
	free(readers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_CASE(the_first_by_priority_serves),
		CHAIN_CASE(nothing_is_contacted_before_the_first_read_when_the_version_is_known),
		CHAIN_CASE(a_chain_whose_sources_are_all_gone_opens_when_the_version_is_known),
		CHAIN_CASE(the_next_source_serves_at_once_when_one_fails),
		CHAIN_CASE(a_chain_opens_by_its_second_source_when_the_first_is_gone),
		CHAIN_CASE(a_chain_of_which_none_answers_says_why_for_each),
		CHAIN_CASE(a_read_that_breaks_off_goes_on_at_the_next_source_where_it_was),
		CHAIN_CASE(a_read_that_stalls_goes_on_at_the_next_source_where_it_was),
		CHAIN_CASE(a_better_source_is_gone_back_to_when_it_is_well),
		CHAIN_CASE(
			a_read_fails_at_its_deadline_with_every_last_error_and_later_ones_recover),
		CHAIN_CASE(a_read_that_waits_is_woken_when_a_source_is_well),
		CHAIN_CASE(many_waiting_reads_do_not_storm_a_server),
		CHAIN_CASE(a_file_that_is_not_there_is_asked_for_seldom),
		CHAIN_CASE(a_busy_server_is_not_asked_before_the_time_it_says),
		CHAIN_CASE(bytes_are_told_in_order_over_a_change_of_sources),
		CHAIN_CASE(a_chain_closes_while_its_servers_are_silent),
		CHAIN_CASE(a_chain_closes_whenever_it_is_about_to_look_at_a_silent_reserve),
		CHAIN_CASE(many_readers_get_the_right_bytes_from_a_server_that_comes_and_goes),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
