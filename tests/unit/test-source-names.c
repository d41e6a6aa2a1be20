// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of sources: what they stand for, what lies beside them, and whose credentials they get.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/credentials.h"
#include "disk/source/places.h"
#include "disk/source/source.h"
#include "disk/source/url.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(names_of_sources_are_told_apart),
		CASE(a_password_in_a_url_is_refused_and_not_repeated),
		CASE(a_sibling_is_named_beside_its_file),
		CASE(a_sibling_is_beside_every_place_of_its_file),
		CASE(no_file_has_endless_places),
		CASE(credentials_are_found_by_scheme_host_port_and_longest_path),
		CASE(a_wrong_line_of_credentials_is_named_and_not_repeated),
	};

	return cmocka_run_group_tests_name("source-names", tests, NULL, NULL);
}
