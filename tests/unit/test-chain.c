// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void on_message(void *arg, const char *text)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	snprintf(f->messages[f->n_messages++ % MESSAGES], sizeof(f->messages[0]), "%s", text);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* Wait until the chain has said, `times` times, something about `url` with `words` in it. */
static void await(struct fixture *f, const char *url, const char *words, unsigned int times)
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

static int setup(void **state)
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

static int teardown(void **state)
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
static struct fixture *opened(void **state, size_t n, const struct source_identity *expected)
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

static void reads(struct fixture *f, size_t len, uint64_t off)
{
	memset(f->buf, 0xee, len);
	if (source_read(f->chain, f->buf, len, off, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_memory_equal(f->buf, file + off, len);
}

/* A field of one server's status; to be compared before the next call. */
static const char *state_of(struct fixture *f, size_t i)
{
	static char text[32];
	json_t *status = chain_status(f->chain);

	snprintf(text, sizeof(text), "%s",
	         json_string_value(json_object_get(json_array_get(status, i), "state")));
	json_decref(status);
	return text;
}

static uint64_t number_of(struct fixture *f, size_t i, const char *field)
{
	json_t *status = chain_status(f->chain);
	json_int_t n = json_integer_value(json_object_get(json_array_get(status, i), field));

	json_decref(status);
	return (uint64_t)n;
}

/*
 * Enough reads that the chain knows how long they usually take.  Returns how many of them were
 * hedged: on a busy computer one may take unusually long.
 */
static unsigned int warm_up(struct fixture *f, size_t len)
{
	for (size_t i = 0; i < 20; i++)
		reads(f, len, i * len % SIZE);
	return (unsigned int)number_of(f, 1, "hedges");
}

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

CHAIN_TEST(a_slow_demand_read_is_sent_to_the_next_source_too)
{
	struct fixture *f = opened(state, 2, NULL);
	unsigned int before = warm_up(f, PIECE);

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD, .times = 1 });
	reads(f, PIECE, 0);
	assert_int_equal(number_of(f, 1, "hedges"), before + 1);
	assert_string_equal(state_of(f, 0), "well");
}

CHAIN_TEST(a_slow_background_read_is_not_hedged)
{
	struct fixture *f = opened(state, 2, NULL);
	unsigned int before = warm_up(f, PIECE);
	const struct source_read how = { .priority = SOURCE_BACKGROUND,
		                         .deadline_ns = now_ns() + NS_PER_SEC / 2 };

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, &how, &f->err), -EIO);
	assert_int_equal(number_of(f, 1, "hedges"), before);
}

CHAIN_TEST(hedging_stays_inside_its_budget)
{
	struct fixture *f = opened(state, 2, NULL);
	const size_t len = 256 * 1024;
	unsigned int hedged;

	/* 20 reads of 256 KiB earn 5 % of 5 MiB on top of 1 MiB: enough for five, not for six. */
	hedged = warm_up(f, len);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	for (; hedged < 5; hedged++) {
		reads(f, len, 0);
		assert_int_equal(number_of(f, 1, "hedges"), hedged + 1);
		assert_string_equal(state_of(f, 0), "well");
	}
	/* Without a budget the read waits until the source counts as stalled. */
	reads(f, len, 0);
	assert_int_equal(number_of(f, 1, "hedges"), 5);
	assert_string_equal(state_of(f, 0), "failing");
}

CHAIN_TEST(hedging_can_be_off)
{
	struct fixture *f = *state;

	f->options.hedge_percent = 0;
	opened(state, 2, NULL);
	warm_up(f, PIECE);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	reads(f, PIECE, 0);
	assert_int_equal(number_of(f, 1, "hedges"), 0);
	assert_string_equal(state_of(f, 0), "failing");
}

CHAIN_TEST(a_source_of_another_size_is_put_aside)
{
	struct fixture *f = *state;

	fault_server_serve(f->b, file, SIZE - 512, "\"one\"", DATE);
	opened(state, 2, NULL);
	reads(f, PIECE, 0);
	await(f, fault_server_url(f->b), "put aside, it is another file or version: it has 4193792",
	      1);
	assert_string_equal(state_of(f, 1), "aside");
	assert_int_equal(fault_server_bytes(f->b), 1);
}

CHAIN_TEST(a_source_of_another_date_is_put_aside)
{
	struct fixture *f = *state;

	fault_server_serve(f->b, file, SIZE, "\"one\"", "Sun, 02 Aug 2026 10:00:00 GMT");
	opened(state, 2, NULL);
	reads(f, PIECE, 0);
	await(f, fault_server_url(f->b), "its date is another one", 1);
}

CHAIN_TEST(sources_with_nothing_in_common_do_not_agree)
{
	struct fixture *f = *state;

	fault_server_serve(f->b, file, SIZE, NULL, NULL);
	opened(state, 2, NULL);
	reads(f, PIECE, 0);
	await(f, fault_server_url(f->b), "nothing shows that it is the same", 1);
}

CHAIN_TEST(a_digest_makes_sources_of_different_dates_agree)
{
	struct fixture *f = *state;
	const char *digest =
		"sha256:00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
	const struct source_place sources[] = { { fault_server_url(f->a), 0, digest },
		                                { fault_server_url(f->b), 1, digest } };

	fault_server_serve(f->b, file, SIZE, "\"two\"", "Sun, 02 Aug 2026 10:00:00 GMT");
	assert_int_equal(chain_open(sources, 2, &f->options, NULL, &f->chain, &f->err), 0);
	assert_string_equal(f->chain->identity.digest, "sha256:00112233445566778899aabbccddeeff"
	                                               "00112233445566778899aabbccddeeff");
	fault_server_down(f->a);
	reads(f, PIECE, 0);
	assert_string_equal(state_of(f, 1), "well");
}

CHAIN_TEST(a_digest_that_is_none_is_refused)
{
	struct fixture *f = *state;
	const struct source_place source = { fault_server_url(f->a), 0, "sha256:12" };

	assert_int_equal(chain_open(&source, 1, &f->options, NULL, &f->chain, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "is not a digest"));
}

CHAIN_TEST(a_source_of_another_version_than_expected_is_put_aside)
{
	struct fixture *f = *state;
	struct source_identity other = version;

	other.last_modified++;
	opened(state, 1, &other);
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "another file or version"));
}

/* Dates count whole seconds: a file that was replaced within one has the same. */
CHAIN_TEST(a_file_replaced_within_a_second_is_put_aside_by_its_etag)
{
	struct fixture *f = opened(state, 1, NULL);
	const struct source_identity known = f->chain->identity;

	source_close(take_ptr(f->chain));
	fault_server_serve(f->a, file, SIZE, "\"two\"", DATE);
	opened(state, 1, &known);
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "its ETag is another one, of the same server"));
}

CHAIN_TEST(a_read_fails_at_once_when_every_source_has_another_version)
{
	struct fixture *f = opened(state, 2, NULL);

	fault_server_serve(f->a, file, SIZE, "\"two\"", DATE);
	reads(f, PIECE, 0); /* from b */
	await(f, fault_server_url(f->a), "was changed on the server", 1);
	assert_string_equal(state_of(f, 0), "aside");
	fault_server_serve(f->b, file, SIZE, "\"two\"", DATE);
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "no source has this file any more"));
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

/* A background read in a thread of its own, which can be told to hurry or to return. */
struct background {
	struct fixture *f;
	struct source_cancel cancel;
	pthread_t thread;
	uint8_t buf[PIECE];
	int result;
};

static void *read_in_background(void *arg)
{
	struct background *read = arg;
	const struct source_read how = { .priority = SOURCE_BACKGROUND, .cancel = &read->cancel };

	read->result = source_read(read->f->chain, read->buf, PIECE, 4096, &how, NULL);
	return NULL;
}

/* Begins one of which source a holds the answer back. */
static void begin_held(struct background *read, struct fixture *f)
{
	unsigned int before = fault_server_requests(f->a);

	*read = (struct background){ .f = f };
	source_cancel_init(&read->cancel);
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(pthread_create(&read->thread, NULL, read_in_background, read), 0);
	fault_server_wait(f->a, before + 1);
}

CHAIN_TEST(a_background_read_that_hurries_is_sent_to_the_next_source_too)
{
	struct fixture *f = opened(state, 2, NULL);
	unsigned int before = warm_up(f, PIECE);
	struct background read;

	begin_held(&read, f);
	source_cancel_hurry(&read.cancel);
	pthread_join(read.thread, NULL);
	assert_int_equal(read.result, 0);
	assert_memory_equal(read.buf, file + 4096, PIECE);
	assert_int_equal(number_of(f, 1, "hedges"), before + 1);
	source_cancel_destroy(&read.cancel);
}

CHAIN_TEST(a_read_that_is_cancelled_returns_though_its_source_is_silent)
{
	struct fixture *f = opened(state, 1, NULL);
	struct background read;

	begin_held(&read, f);
	source_cancel_fire(&read.cancel);
	pthread_join(read.thread, NULL);
	assert_int_equal(read.result, -ECANCELED);
	source_cancel_destroy(&read.cancel);
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

struct progress {
	const uint8_t *buf;
	size_t last;
	unsigned int calls, wrong;
};

static void on_progress(void *arg, size_t prefix)
{
	struct progress *p = arg;

	p->calls++;
	if (prefix <= p->last || memcmp(p->buf, file, prefix) != 0)
		p->wrong++;
	p->last = prefix;
}

CHAIN_TEST(bytes_are_told_in_order_over_a_change_of_sources)
{
	struct fixture *f = opened(state, 2, NULL);
	struct progress p = { .buf = f->buf };
	const struct source_read how = { .arrived = on_progress, .arg = &p };

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_SHORT, .bytes = SIZE / 2 });
	assert_int_equal(source_read(f->chain, f->buf, SIZE, 0, &how, &f->err), 0);
	assert_true(p.calls > 2);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(p.last, SIZE);
}

struct slow_reader {
	struct fixture *f;
	uint64_t other_had; /* bytes of the other server before this read */
	size_t last;
};

/* The first bytes keep the reader busy until the other server has sent it all. */
static void on_slow_progress(void *arg, size_t prefix)
{
	struct slow_reader *slow = arg;

	while (slow->last == 0 && number_of(slow->f, 1, "bytes") < slow->other_had + 128 * 1024)
		sched_yield();
	slow->last = prefix;
}

CHAIN_TEST(all_bytes_are_told_when_the_hedge_is_first)
{
	struct fixture *f = opened(state, 2, NULL);
	struct slow_reader slow = { .f = f };
	const struct source_read how = { .arrived = on_slow_progress, .arg = &slow };
	const size_t len = 128 * 1024;
	unsigned int before;

	before = warm_up(f, len);
	slow.other_had = number_of(f, 1, "bytes");
	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD, .bytes = PIECE, .times = 1 });
	assert_int_equal(source_read(f->chain, f->buf, len, 0, &how, &f->err), 0);
	assert_memory_equal(f->buf, file, len);
	assert_int_equal(number_of(f, 1, "hedges"), before + 1);
	assert_int_equal(slow.last, len);
}

CHAIN_TEST(a_chain_closes_while_its_servers_are_silent)
{
	struct fixture *f = opened(state, 2, NULL);
	const struct source_read how = { .deadline_ns = now_ns() + NS_PER_SEC / 5 };

	fault_server_fail(f->a, (struct fault){ .kind = FAULT_HOLD });
	fault_server_fail(f->b, (struct fault){ .kind = FAULT_HOLD });
	assert_int_equal(source_read(f->chain, f->buf, PIECE, 0, &how, &f->err), -EIO);
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

CHAIN_TEST(a_file_and_a_server_of_the_same_date_make_one_chain)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test-chain-XXXXXX";
	const struct source_place sources[] = { { .url = path },
		                                { .url = fault_server_url(f->a), .priority = 1 } };
	const struct timespec times[2] = { { .tv_sec = DATE_S }, { .tv_sec = DATE_S } };
	int fd = mkstemp(path);
	enum source_extent kind;
	uint64_t len;

	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, file, 65536, 0), 65536);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(chain_open(sources, 2, &f->options, NULL, &f->chain, &f->err), 0);
	assert_int_equal(source_read(f->chain, f->buf, 65536, 0, NULL, &f->err), 0);
	assert_memory_equal(f->buf, file, 65536);
	assert_int_equal(source_extent(f->chain, 0, SIZE, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_int_equal(len, 65536);
	assert_int_equal(source_extent(f->chain, 65536, 100000, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_ZERO);
	assert_int_equal(len, 100000);
	/* The file is changed under the chain: aside, and the server goes on. */
	assert_int_equal(ftruncate(fd, 0), 0);
	reads(f, PIECE, 0);
	assert_string_equal(state_of(f, 0), "aside");
	assert_string_equal(state_of(f, 1), "well");
	close(fd);
	unlink(path);
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
		CHAIN_CASE(a_slow_demand_read_is_sent_to_the_next_source_too),
		CHAIN_CASE(a_slow_background_read_is_not_hedged),
		CHAIN_CASE(hedging_stays_inside_its_budget),
		CHAIN_CASE(hedging_can_be_off),
		CHAIN_CASE(a_source_of_another_size_is_put_aside),
		CHAIN_CASE(a_source_of_another_date_is_put_aside),
		CHAIN_CASE(sources_with_nothing_in_common_do_not_agree),
		CHAIN_CASE(a_digest_makes_sources_of_different_dates_agree),
		CHAIN_CASE(a_digest_that_is_none_is_refused),
		CHAIN_CASE(a_source_of_another_version_than_expected_is_put_aside),
		CHAIN_CASE(a_file_replaced_within_a_second_is_put_aside_by_its_etag),
		CHAIN_CASE(a_read_fails_at_once_when_every_source_has_another_version),
		CHAIN_CASE(
			a_read_fails_at_its_deadline_with_every_last_error_and_later_ones_recover),
		CHAIN_CASE(a_background_read_that_hurries_is_sent_to_the_next_source_too),
		CHAIN_CASE(a_read_that_is_cancelled_returns_though_its_source_is_silent),
		CHAIN_CASE(a_read_that_waits_is_woken_when_a_source_is_well),
		CHAIN_CASE(many_waiting_reads_do_not_storm_a_server),
		CHAIN_CASE(a_file_that_is_not_there_is_asked_for_seldom),
		CHAIN_CASE(a_busy_server_is_not_asked_before_the_time_it_says),
		CHAIN_CASE(bytes_are_told_in_order_over_a_change_of_sources),
		CHAIN_CASE(all_bytes_are_told_when_the_hedge_is_first),
		CHAIN_CASE(a_chain_closes_while_its_servers_are_silent),
		CHAIN_CASE(many_readers_get_the_right_bytes_from_a_server_that_comes_and_goes),
		CHAIN_CASE(a_file_and_a_server_of_the_same_date_make_one_chain),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
