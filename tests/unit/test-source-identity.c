// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When two sources have the same version of a file, and what HTTP headers say of it.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "disk/source/http-headers.h"
#include "disk/source/source.h"
#include "disk/source/url.h"

static const struct source_identity whole = {
	.size = 5, .digest = "sha256:aa", .last_modified = 7, .etag = "\"e\"", .sample = { 1 }
};

TEST(identities_agree_by_the_best_field_that_both_know)
{
	struct source_identity other = whole;

	other.last_modified = 8;
	other.etag[0] = other.sample[0] = 0;
	assert_true(source_identity_agrees(&whole, &other)); /* by the digest */
	other.digest[0] = '\0';
	assert_false(source_identity_agrees(&whole, &other)); /* by the date */
	other.last_modified = 7;
	memcpy(other.etag, "\"f\"", 4);
	assert_true(source_identity_agrees(&whole, &other)); /* another server's counts for less */
	other.last_modified = 0;
	assert_false(source_identity_agrees(&whole, &other)); /* by the ETag */
	other.etag[0] = '\0';
	assert_false(source_identity_agrees(&whole, &other)); /* nothing in common */
	other.sample[0] = 1;
	assert_true(source_identity_agrees(&whole, &other));
	other.size = 6;
	assert_false(source_identity_agrees(&whole, &other));
}

TEST(another_etag_of_the_same_server_is_another_version_whatever_the_date)
{
	struct source_identity a = { .size = 5, .last_modified = 7, .etag = "\"a\"" }, b = a;

	strncpy(a.etag_from, "https://a:443", sizeof(a.etag_from) - 1);
	b = a;
	assert_true(source_identity_agrees(&a, &b));
	b.etag[1] = 'b';
	assert_false(source_identity_agrees(&a, &b));
	b.etag_from[8] = 'b';
	assert_true(source_identity_agrees(&a, &b)); /* by the date */
	b.last_modified = 0;
	assert_false(source_identity_agrees(&a, &b)); /* there is nothing else */
	b.etag[1] = 'a';
	assert_true(source_identity_agrees(&a, &b));
}

TEST(mtimes_are_compared_to_the_nanosecond_and_with_a_servers_date_to_the_second)
{
	struct source_identity file = { .size = 5, .last_modified = 7, .modified_ns = 100 };
	struct source_identity later = file, server = file;
	uint8_t a[32], b[32];

	later.modified_ns++;
	server.modified_ns = 0;
	assert_false(source_identity_agrees(&file, &later));
	assert_true(source_identity_agrees(&file, &server));
	assert_true(source_identity_agrees(&server, &later));
	source_identity_key(&file, a);
	source_identity_key(&later, b);
	assert_memory_not_equal(a, b, 32);
}

TEST(an_origin_is_scheme_host_and_port)
{
	static const struct {
		const char *url, *origin;
	} cases[] = {
		{ "https://H.Example/a?b", "https://h.example:443" },
		{ "https://h.example:443/c", "https://h.example:443" },
		{ "http://h.example/", "http://h.example:80" },
		{ "http://[::1]:8080/x", "http://[::1]:8080" },
		{ "/srv/disk.raw", "" },
	};
	char got[SOURCE_ORIGIN_MAX];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		source_url_origin(cases[i].url, got, sizeof(got));
		assert_string_equal(got, cases[i].origin);
	}
	source_url_origin("http://h.example/", got, 10);
	assert_string_equal(got, "");
}

TEST(an_identity_has_a_key_of_its_size_and_best_field)
{
	struct source_identity other = whole;
	uint8_t a[32], b[32];

	source_identity_key(&whole, a);
	other.last_modified = 8;
	source_identity_key(&other, b);
	assert_memory_equal(a, b, 32);
	other.size++;
	source_identity_key(&other, b);
	assert_memory_not_equal(a, b, 32);
	other = whole;
	other.digest[0] = '\0';
	source_identity_key(&other, a);
	assert_memory_not_equal(a, b, 32);
	other.last_modified++;
	source_identity_key(&other, b);
	assert_memory_not_equal(a, b, 32);
}

TEST(a_sample_sees_both_ends_and_the_middle)
{
	uint8_t *data = calloc(1, MIB);
	static const size_t places[] = { 0, MIB - 1, (MIB - 4096) / 15 * 7 };
	struct source *src;
	uint8_t first[32];

	assert_int_equal(source_open_memory(data, MIB, "mem", &src), 0);
	memcpy(first, src->identity.sample, 32);
	source_close(src);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		data[places[i]] = 1;
		assert_int_equal(source_open_memory(data, MIB, "mem", &src), 0);
		assert_memory_not_equal(first, src->identity.sample, 32);
		source_close(src);
		data[places[i]] = 0;
	}
	free(data);
}

TEST(content_ranges_are_read_exactly)
{
	static const char *const bad[] = { "",
		                           "bytes",
		                           "bytes 0-1",
		                           "bytes 2-1/5",
		                           "bytes 0-5/5",
		                           "bytes 0-1/x",
		                           "bytes */*",
		                           "bytes  0-1/5",
		                           "bytes 0-1/5 ",
		                           "bytes -1-1/5",
		                           "lines 0-1/5",
		                           "bytes 0-1/18446744073709551616",
		                           "bytes 0-18446744073709551615/18446744073709551615" };
	struct http_content_range range;

	assert_int_equal(http_parse_content_range("bytes 5-9/10", &range), 0);
	assert_true(range.first == 5 && range.last == 9 && range.total == 10);
	assert_int_equal(http_parse_content_range("Bytes 0-0/*", &range), 0);
	assert_true(range.total == HTTP_TOTAL_UNKNOWN && !range.unsatisfied);
	assert_int_equal(http_parse_content_range("bytes */7", &range), 0);
	assert_true(range.unsatisfied && range.total == 7);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (http_parse_content_range(bad[i], &range) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

TEST(retry_after_is_seconds_or_a_date_and_never_longer_than_an_hour)
{
	uint32_t s;

	assert_int_equal(http_parse_retry_after("120", 0, &s), 0);
	assert_int_equal(s, 120);
	assert_int_equal(http_parse_retry_after("Sat, 01 Aug 2026 10:00:30 GMT", 1785578400, &s),
	                 0);
	assert_int_equal(s, 30);
	assert_int_equal(http_parse_retry_after("Sat, 01 Aug 2026 10:00:30 GMT", 1885578400, &s),
	                 0);
	assert_int_equal(s, 0);
	assert_int_equal(http_parse_retry_after("99999999999", 0, &s), 0);
	assert_int_equal(s, 3600);
	assert_int_equal(http_parse_retry_after("soon", 0, &s), -EINVAL);
	assert_int_equal(http_parse_retry_after("-1", 0, &s), -EINVAL);
	assert_int_equal(http_parse_retry_after("1.5", 0, &s), -EINVAL);
}

TEST(only_strong_etags_are_believed)
{
	char etag[16];

	assert_int_equal(http_parse_etag("\"abc\"", etag, sizeof(etag)), 0);
	assert_string_equal(etag, "\"abc\"");
	assert_int_equal(http_parse_etag("W/\"abc\"", etag, sizeof(etag)), -EINVAL);
	assert_int_equal(http_parse_etag("abc", etag, sizeof(etag)), -EINVAL);
	assert_int_equal(http_parse_etag("\"a\"b\"", etag, sizeof(etag)), -EINVAL);
	assert_int_equal(http_parse_etag("\"", etag, sizeof(etag)), -EINVAL);
	assert_int_equal(http_parse_etag("\"0123456789abcd\"", etag, sizeof(etag)), -EINVAL);
	assert_int_equal(http_parse_etag("\"caf\xc3\xa9\"", etag, sizeof(etag)), 0);
	assert_int_equal(http_parse_etag("\"caf\xe9\"", etag, sizeof(etag)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(identities_agree_by_the_best_field_that_both_know),
		CASE(another_etag_of_the_same_server_is_another_version_whatever_the_date),
		CASE(mtimes_are_compared_to_the_nanosecond_and_with_a_servers_date_to_the_second),
		CASE(an_origin_is_scheme_host_and_port),
		CASE(an_identity_has_a_key_of_its_size_and_best_field),
		CASE(a_sample_sees_both_ends_and_the_middle),
		CASE(content_ranges_are_read_exactly),
		CASE(retry_after_is_seconds_or_a_date_and_never_longer_than_an_hour),
		CASE(only_strong_etags_are_believed),
	};

	return cmocka_run_group_tests_name("source-identity", tests, NULL, NULL);
}
