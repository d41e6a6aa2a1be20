// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "util/cleanup.h"
#include "library/reference.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* 250 bytes of a name, and 128 of a tag. */
#define TEN(x)   x x x x x x x x x x
#define LONG     TEN("abcdefghijklmnopqrstuvwxy")
#define LONG_TAG TEN("0123456789ab") "01234567"

TEST(references_are_taken_apart)
{
	static const struct {
		const char *text, *folder, *host, *name, *tag, *digest;
	} good[] = {
		{ "debian", NULL, "", "debian", "latest", "" },
		{ "debian:12", NULL, "", "debian", "12", "" },
		{ "usb/debian:12", NULL, "", "usb/debian", "12", "" },
		{ "localhost/debian", NULL, "localhost", "debian", "latest", "" },
		{ "localhost:5000/a/b:t", NULL, "localhost:5000", "a/b", "t", "" },
		{ "registry.example/debian", NULL, "registry.example", "debian", "latest", "" },
		{ "Registry.EXAMPLE/debian", NULL, "registry.example", "debian", "latest", "" },
		{ "[::1]:5000/debian", NULL, "[::1]:5000", "debian", "latest", "" },
		{ "127.0.0.1:65535/d", NULL, "127.0.0.1:65535", "d", "latest", "" },
		{ "debian@" DIGEST, NULL, "", "debian", "", DIGEST },
		{ "debian:12@" DIGEST, NULL, "", "debian", "12", DIGEST },
		{ "h.example:1/d:_x@" DIGEST, NULL, "h.example:1", "d", "_x", DIGEST },
		{ "/media/usb#debian:12", "/media/usb", "", "debian", "12", "" },
		{ "a#b#team/debian", "a#b", "", "team/debian", "latest", "" },
		{ ".#registry.example/debian", ".", "", "registry.example/debian", "latest", "" },
		{ "a.b", NULL, "", "a.b", "latest", "" },
		{ "a_b__c---d.e", NULL, "", "a_b__c---d.e", "latest", "" },
		{ "0/1/2", NULL, "", "0/1/2", "latest", "" },
		{ LONG "/abcd", NULL, "", LONG "/abcd", "latest", "" },
		{ "d:" LONG_TAG, NULL, "", "d", LONG_TAG, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(reference_free) struct reference ref = { 0 };
		struct error err = { 0 };

		if (reference_parse(good[i].text, &ref, &err) < 0)
			fail_msg("%s", err.text);
		if (good[i].folder)
			assert_string_equal(ref.folder, good[i].folder);
		else
			assert_null(ref.folder);
		assert_string_equal(ref.host, good[i].host);
		assert_string_equal(ref.name, good[i].name);
		assert_string_equal(ref.tag, good[i].tag);
		assert_string_equal(ref.digest, good[i].digest);
		assert_string_equal(reference_which(&ref),
		                    *good[i].digest ? good[i].digest : good[i].tag);
	}
}

TEST(what_is_no_reference_breaks_a_rule_that_is_said)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "the name is empty" },
		{ ":12", "the name is empty" },
		{ "registry.example/", "the name is empty" },
		{ "Debian", "small letters only" },
		{ "debIan", "small letters only" },
		{ "/debian", "begins and ends" },
		{ "debian/", "begins and ends" },
		{ "a//b", "begins and ends" },
		{ "-a", "begins and ends" },
		{ "a-", "begins and ends" },
		{ "a_", "begins and ends" },
		{ "a___b", "begins and ends" },
		{ "x/a..b", "begins and ends" },
		{ "a+b", "only small letters" },
		{ "a b", "only small letters" },
		{ "d\xc3\xa9", "only small letters" },
		{ LONG "/abcdef", "longer than 255" },
		{ "debian:", "the tag is empty" },
		{ "debian:.x", "a tag has" },
		{ "debian:-x", "a tag has" },
		{ "debian:x y", "a tag has" },
		{ "debian:a:b", "a tag has" },
		{ "debian:" LONG_TAG "x", "longer than 128" },
		{ "debian@", "a digest is" },
		{ "debian@sha256:1234", "a digest is" },
		{ "debian@sha512:" LONG_TAG, "a digest is" },
		{ "debian@SHA256:e3b0", "a digest is" },
		{ "a@" DIGEST "0", "a digest is" },
		{ ".example/debian", "a host is" },
		{ "-a.example/debian", "a host is" },
		{ "a..b/debian", "a host is" },
		{ "a_b.example/debian", "a host is" },
		{ "[::1/debian", "a host is" },
		{ "[]:1/debian", "a host is" },
		{ "localhost:/debian", "a port is" },
		{ "localhost:0/debian", "a port is" },
		{ "localhost:65536/debian", "a port is" },
		{ "localhost:1x/debian", "a port is" },
		{ "#debian", "no folder" },
		{ "usb#", "the name is empty" },
		{ "usb#localhost:5000/debian", "a tag has" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct reference ref = { .tag = "untouched" };
		struct error err = { 0 };

		assert_int_equal(reference_parse(bad[i].text, &ref, &err), -EINVAL);
		if (!strstr(err.text, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.text);
		assert_string_equal(ref.tag, "untouched");
	}
}

TEST(digests_are_in_small_letters_and_whole)
{
	assert_true(reference_digest_valid(DIGEST));
	assert_false(reference_digest_valid("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b93"
	                                    "4ca495991b7852b855"));
	assert_false(reference_digest_valid(DIGEST " "));
	assert_false(reference_digest_valid("sha256:"));
	assert_false(reference_digest_valid(""));
}

TEST(files_and_urls_are_no_references)
{
	char dir[] = "/tmp/sill-reference-XXXXXX";
	FILE *file;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	file = fopen("debian", "w");
	assert_non_null(file);
	fclose(file);
	file = fopen("odd#name", "w");
	assert_non_null(file);
	fclose(file);
	assert_false(reference_is_one("debian"));
	assert_false(reference_is_one("odd#name"));
	assert_false(reference_is_one("./none"));
	assert_false(reference_is_one("../none"));
	assert_false(reference_is_one("/none"));
	assert_false(reference_is_one("/none/disk#2.VHD"));
	assert_false(reference_is_one("https://images.example/debian.vhd"));
	assert_false(reference_is_one("nbd+unix:///x?socket=/run/x"));
	assert_true(reference_is_one("ubuntu"));
	assert_true(reference_is_one("odd#other"));
	assert_true(reference_is_one("/none#debian:12"));
	assert_true(reference_is_one("https://images.example/lib#debian:12"));
	assert_true(reference_is_one("registry.example/debian"));
	assert_int_equal(unlink("debian"), 0);
	assert_int_equal(mkdir("debian", 0700), 0);
	assert_true(reference_is_one("debian"));
	assert_int_equal(rmdir("debian"), 0);
	assert_int_equal(unlink("odd#name"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(references_are_taken_apart),
		CASE(what_is_no_reference_breaks_a_rule_that_is_said),
		CASE(digests_are_in_small_letters_and_whole),
		CASE(files_and_urls_are_no_references),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
