// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which servers a chain takes for those of one file, and which it puts aside.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/chain-fixture.h"

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
		CHAIN_CASE(a_source_of_another_size_is_put_aside),
		CHAIN_CASE(a_source_of_another_date_is_put_aside),
		CHAIN_CASE(sources_with_nothing_in_common_do_not_agree),
		CHAIN_CASE(a_digest_makes_sources_of_different_dates_agree),
		CHAIN_CASE(a_digest_that_is_none_is_refused),
		CHAIN_CASE(a_source_of_another_version_than_expected_is_put_aside),
		CHAIN_CASE(a_file_replaced_within_a_second_is_put_aside_by_its_etag),
		CHAIN_CASE(a_read_fails_at_once_when_every_source_has_another_version),
		CHAIN_CASE(a_file_and_a_server_of_the_same_date_make_one_chain),
	};

	return cmocka_run_group_tests_name("chain-versions", tests, NULL, NULL);
}
