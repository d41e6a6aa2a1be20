// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/credentials.h"
#include "disk/source/http-headers.h"
#include "disk/source/places.h"
#include "disk/source/source.h"
#include "disk/source/url.h"

/* A file of one block of data, one MiB of hole, one block of data. */
struct sparse {
	char path[32];
	int fd;
	uint8_t block[4096];
	struct source *src;
	struct error err;
};

#define SPARSE_SIZE (MIB + 2 * 4096)

static int sparse_setup(void **state)
{
	struct sparse *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < sizeof(f->block); i++)
		f->block[i] = (uint8_t)(i * 7 + 1);
	snprintf(f->path, sizeof(f->path), "/tmp/test-source-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_int_equal(pwrite(f->fd, f->block, 4096, 0), 4096);
	assert_int_equal(pwrite(f->fd, f->block, 4096, SPARSE_SIZE - 4096), 4096);
	if (source_open(f->path, NULL, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	*state = f;
	return 0;
}

static int sparse_teardown(void **state)
{
	struct sparse *f = *state;

	source_close(f->src);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

#define FILE_TEST(name) static void name(void **state)
#define FILE_CASE(name) cmocka_unit_test_setup_teardown(name, sparse_setup, sparse_teardown)

FILE_TEST(a_file_is_read_and_known_by_size_and_date)
{
	struct sparse *f = *state;
	uint8_t buf[8192];
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(f->src->identity.size, SPARSE_SIZE);
	assert_int_equal(f->src->identity.last_modified, st.st_mtime);
	assert_int_equal(f->src->identity.modified_ns, st.st_mtim.tv_nsec);
	assert_string_equal(f->src->name, f->path);
	assert_int_equal(source_read(f->src, buf, 8192, SPARSE_SIZE - 8192, NULL, &f->err), 0);
	assert_memory_equal(buf + 4096, f->block, 4096);
	assert_int_equal(source_read(f->src, buf, 1, SPARSE_SIZE, NULL, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "are not inside the file"));
}

FILE_TEST(holes_of_a_file_are_known_to_be_zero)
{
	struct sparse *f = *state;
	enum source_extent kind;
	uint64_t len;

	assert_int_equal(source_extent(f->src, 0, SPARSE_SIZE, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_true(len < MIB); /* a file system may round */
	assert_int_equal(source_extent(f->src, 512 * KIB, 1000, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_ZERO);
	assert_int_equal(len, 1000);
	assert_int_equal(source_extent(f->src, SPARSE_SIZE - 100, 4096, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_int_equal(len, 100);
	assert_int_equal(source_extent(f->src, SPARSE_SIZE, 1, &kind, &len, &f->err), -EINVAL);
}

FILE_TEST(a_file_that_grows_is_stale_for_ever)
{
	struct sparse *f = *state;
	uint8_t buf[16];

	assert_int_equal(ftruncate(f->fd, SPARSE_SIZE + 1), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "changed while it was in use"));
	assert_int_equal(ftruncate(f->fd, SPARSE_SIZE), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
}

FILE_TEST(a_file_that_is_written_to_is_stale)
{
	struct sparse *f = *state;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };
	uint8_t buf[16];

	assert_int_equal(pwrite(f->fd, "x", 1, 0), 1);
	assert_int_equal(futimens(f->fd, times), 0); /* writes within one tick look the same */
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
}

FILE_TEST(a_file_that_is_replaced_stays_the_old_one)
{
	struct sparse *f = *state;
	char other[] = "/tmp/test-source-XXXXXX";
	uint8_t buf[16];

	close(mkstemp(other));
	assert_int_equal(rename(other, f->path), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), 0);
	assert_memory_equal(buf, f->block, 16);
}

FILE_TEST(a_file_url_names_the_same_file)
{
	struct sparse *f = *state;
	struct source *src;
	char url[64];

	snprintf(url, sizeof(url), "file://%.5s%%74%s", f->path, f->path + 6);
	assert_int_equal(source_open(url, NULL, &src, &f->err), 0);
	assert_true(source_identity_agrees(&src->identity, &f->src->identity));
	assert_string_equal(src->name, f->path);
	source_close(src);
}

TEST(what_is_no_file_does_not_open)
{
	struct source *src;
	struct error err;

	assert_int_equal(source_open("/tmp", NULL, &src, &err), -EINVAL);
	assert_string_equal(err.text, "/tmp: is neither a file nor a block device");
	assert_int_equal(source_open("/nothing/here", NULL, &src, &err), -ENOENT);
	assert_string_equal(err.text, "/nothing/here: No such file or directory");
}

TEST(memory_is_a_source)
{
	static const uint8_t data[] = "some bytes";
	struct source *src;
	uint8_t buf[4];

	assert_int_equal(source_open_memory(data, 10, "mem", &src), 0);
	assert_int_equal(source_read(src, buf, 4, 6, NULL, NULL), 0);
	assert_memory_equal(buf, "ytes", 4);
	assert_int_equal(source_read(src, buf, 4, 7, NULL, NULL), -EINVAL);
	assert_int_equal(src->bytes_fetched, 4);
	source_close(src);
}

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

TEST(names_of_sources_are_told_apart)
{
	static const struct {
		const char *text;
		enum source_kind kind;
		const char *target, *name;
	} good[] = {
		{ "disk.raw", SOURCE_KIND_FILE, "disk.raw", "disk.raw" },
		{ "a:b.vhd", SOURCE_KIND_FILE, "a:b.vhd", "a:b.vhd" },
		{ "./http:x", SOURCE_KIND_FILE, "./http:x", "./http:x" },
		{ "file:/a%20b", SOURCE_KIND_FILE, "/a b", "/a b" },
		{ "file://localhost/a", SOURCE_KIND_FILE, "/a", "/a" },
		{ "http://h/x.vhd?token=s#f", SOURCE_KIND_HTTP, "http://h/x.vhd?token=s",
		  "http://h/x.vhd?..." },
		{ "HTTPS://h/a b", SOURCE_KIND_HTTP, "https://h/a%20b", "https://h/a%20b" },
		{ "nbd+unix:///e?socket=/s", SOURCE_KIND_NBD, "nbd+unix:///e?socket=/s",
		  "nbd+unix:///e?socket=/s" },
		{ "nbds://alice@h/e", SOURCE_KIND_NBD, "nbds://alice@h/e", "nbds://alice@h/e" },
	};
	static const char *const bad[] = { "",         "ftp://h/x",     "file://host/x",
		                           "file:",    "file:/a%00b",   "http:",
		                           "http://",  "http://u:p@h/", "http://u@h/",
		                           "nbd:/x",   "nbd://u:p@h/",  "http://h/\nx",
		                           "http:///", "s3://b/k" };
	struct source_url url;
	struct error err;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (source_url_parse(good[i].text, &url, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(url.kind, good[i].kind);
		assert_string_equal(url.target, good[i].target);
		assert_string_equal(url.name, good[i].name);
		source_url_free(&url);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (source_url_parse(bad[i], &url, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

TEST(a_password_in_a_url_is_refused_and_not_repeated)
{
	struct source_url url;
	struct error err;

	assert_int_equal(source_url_parse("https://joe:hunter2@h.example/x", &url, &err), -EINVAL);
	assert_null(strstr(err.text, "hunter2"));
	assert_null(strstr(err.text, "joe"));
	assert_non_null(strstr(err.text, "h.example"));
	assert_non_null(strstr(err.text, "credentials file"));
}

TEST(a_sibling_is_named_beside_its_file)
{
	static const struct {
		const char *url, *name, *want;
		int r;
	} cases[] = {
		{ "/srv/child.vhd", "parent.vhd", "/srv/parent.vhd", 0 },
		{ "child.vhd", "parent.vhd", "parent.vhd", 0 },
		{ "/srv/child.vhd", "../base/parent.vhd", "/srv/../base/parent.vhd", 0 },
		{ "/srv/child.vhd", "/abs.vhd", "/abs.vhd", 0 },
		{ "file:///srv/a%20b/child.vhd", "p.vhd", "/srv/a b/p.vhd", 0 },
		{ "http://h/d/child.vhd?t=1", "my parent#1?.vhd",
		  "http://h/d/my%20parent%231%3F.vhd", 0 },
		{ "http://h/d/child.vhd", "../parent.vhd", "http://h/parent.vhd", 0 },
		{ "http://h/d/child.vhd", "https://g/p.vhd", "https://g/p.vhd", 0 },
		{ "http://h/d/child.vhd", "/etc/shadow", NULL, -EPERM },
		{ "http://h/d/child.vhd", "file:///etc/shadow", NULL, -EPERM },
		{ "nbd://h/export", "/etc/shadow", NULL, -EPERM },
		{ "nbd://h/export", "parent.vhd", NULL, -EINVAL },
		{ "/srv/child.vhd", "", NULL, -EINVAL },
		{ "/srv/child.vhd", "a\nb", NULL, -EINVAL },
	};
	struct error err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = NULL;

		assert_int_equal(source_sibling(cases[i].url, cases[i].name, &got, &err),
		                 cases[i].r);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		free(got);
	}
}

TEST(a_sibling_is_beside_every_place_of_its_file)
{
	cleanup(source_places_free) struct source_places child = { 0 }, parent = { 0 };
	const struct source_place places[] = { { .url = "http://b/v/child.vhd", .priority = 20 },
		                               { .url = "nbd://c/child", .priority = 5 },
		                               { .url = "http://a/child.vhd", .digest = "x" } };
	struct error err;

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		assert_int_equal(source_places_add(&child, &places[i], &err), 0);
	assert_int_equal(source_places_beside(&child, "base.vhd", &parent, &err), 0);
	assert_int_equal(parent.n, 2);
	assert_string_equal(parent.at[0].url, "http://a/base.vhd");
	assert_int_equal(parent.at[0].priority, 0);
	assert_null(parent.at[0].digest);
	assert_string_equal(parent.at[1].url, "http://b/v/base.vhd");
	assert_int_equal(parent.at[1].priority, 20);
	source_places_free(&parent);

	/* One that says where it is itself is in that place alone. */
	assert_int_equal(source_places_beside(&child, "https://d/base.vhd", &parent, &err), 0);
	assert_int_equal(parent.n, 1);
	source_places_free(&parent);

	/* A network's file may name no local one, wherever else it is too. */
	assert_int_equal(
		source_places_add(&child, &(struct source_place){ .url = "/srv/child.vhd" }, &err),
		0);
	assert_int_equal(source_places_beside(&child, "/etc/shadow", &parent, &err), -EPERM);
	assert_int_equal(parent.n, 0);
}

TEST(no_file_has_endless_places)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	struct error err = { 0 };

	for (int i = 0; i < SOURCE_MAX_PLACES; i++)
		assert_int_equal(
			source_places_add(&places, &(struct source_place){ .url = "/x" }, &err), 0);
	assert_int_equal(source_places_add(&places, &(struct source_place){ .url = "/x" }, &err),
	                 -E2BIG);
	assert_int_equal(places.n, SOURCE_MAX_PLACES);
}

TEST(credentials_are_found_by_scheme_host_port_and_longest_path)
{
	static const char text[] = "# mine\r\n"
				   "\n"
				   "https://h.example/        bearer all\n"
				   "  https://h.example/a/b\tbasic joe  pass word \r\n"
				   "http://h.example:8080/    bearer plain";
	cleanup(credentials_free) struct credentials *creds = NULL;
	static const struct {
		const char *url, *secret;
	} cases[] = {
		{ "https://h.example/x", "all" },
		{ "https://H.Example:443/x", "all" },
		{ "https://h.example/a/b", "pass word" },
		{ "https://h.example/a/b/c", "pass word" },
		{ "https://h.example/a/bc", "all" },
		{ "https://h.example/a/b/../c", "all" },
		{ "http://h.example:8080/x", "plain" },
		{ "http://h.example/x", NULL },
		{ "https://h.example:8443/x", NULL },
		{ "https://h.example.evil/x", NULL },
		{ "https://evil/https://h.example", NULL },
	};
	struct error err;

	if (credentials_parse(text, strlen(text), "creds", &creds, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct credential *found = credentials_find(creds, cases[i].url);

		if (!cases[i].secret)
			assert_null(found);
		else
			assert_string_equal(found->secret, cases[i].secret);
	}
	assert_string_equal(credentials_find(creds, "https://h.example/a/b")->user, "joe");
	assert_null(credentials_find(NULL, "https://h.example/"));
}

TEST(a_wrong_line_of_credentials_is_named_and_not_repeated)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "ok\n", "line 1 does not begin with" },
		{ "\nftp://h/ bearer s3cret\n", "line 2 does not begin with" },
		{ "http://h/ digest s3cret\n", "line 1: after the URL" },
		{ "http://h/\n", "line 1: after the URL" },
		{ "http://h/ bearer\n", "the token is missing" },
		{ "http://h/ basic joe\n", "password is missing" },
		{ "http://h/ basic s3cret:x y\n", "colon" },
		{ "http://h/ bearer s3cret two\n", "no blanks" },
	};
	struct error err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credentials *creds;

		assert_int_equal(credentials_parse(cases[i].text, strlen(cases[i].text), "creds",
		                                   &creds, &err),
		                 -EINVAL);
		if (!strstr(err.text, cases[i].words) || strstr(err.text, "s3cret"))
			fail_msg("%s", err.text);
	}
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_CASE(a_file_is_read_and_known_by_size_and_date),
		FILE_CASE(holes_of_a_file_are_known_to_be_zero),
		FILE_CASE(a_file_that_grows_is_stale_for_ever),
		FILE_CASE(a_file_that_is_written_to_is_stale),
		FILE_CASE(a_file_that_is_replaced_stays_the_old_one),
		FILE_CASE(a_file_url_names_the_same_file),
		CASE(what_is_no_file_does_not_open),
		CASE(memory_is_a_source),
		CASE(identities_agree_by_the_best_field_that_both_know),
		CASE(another_etag_of_the_same_server_is_another_version_whatever_the_date),
		CASE(mtimes_are_compared_to_the_nanosecond_and_with_a_servers_date_to_the_second),
		CASE(an_origin_is_scheme_host_and_port),
		CASE(an_identity_has_a_key_of_its_size_and_best_field),
		CASE(a_sample_sees_both_ends_and_the_middle),
		CASE(names_of_sources_are_told_apart),
		CASE(a_password_in_a_url_is_refused_and_not_repeated),
		CASE(a_sibling_is_named_beside_its_file),
		CASE(a_sibling_is_beside_every_place_of_its_file),
		CASE(no_file_has_endless_places),
		CASE(credentials_are_found_by_scheme_host_port_and_longest_path),
		CASE(a_wrong_line_of_credentials_is_named_and_not_repeated),
		CASE(content_ranges_are_read_exactly),
		CASE(retry_after_is_seconds_or_a_date_and_never_longer_than_an_hour),
		CASE(only_strong_etags_are_believed),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
