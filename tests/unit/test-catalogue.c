// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/catalogue.h"
#include "util/cleanup.h"

/* The first entry of each catalogue, written down. */
static int describe(void *arg, const struct catalogue_entry *entry,
                    struct error *err __attribute__((unused)))
{
	char *out = arg;

	if (!*out)
		snprintf(out, 600, "%s|%zu %s|%s|%s|%llu|%s|%s|%s|%s", entry->name, entry->n_tags,
		         entry->n_tags ? entry->tags[0] : "", entry->title, entry->description,
		         (unsigned long long)entry->size, entry->picture, entry->licence,
		         entry->publisher, entry->released);
	return 0;
}

static int count(void *arg, const struct catalogue_entry *entry __attribute__((unused)),
                 struct error *err __attribute__((unused)))
{
	++*(unsigned int *)arg;
	return 0;
}

TEST(an_entry_says_what_it_has)
{
	static const struct {
		const char *text, *want;
	} good[] = {
		{ "{\"version\":1,\"entries\":[]}", "" },
		{ "{\"version\":1,\"entries\":[{\"name\":\"d\"}]}", "d|0 |||0||||" },
		{ " {\"title\":\"x\",\"version\": 1 , \"more\":[{}], \"entries\" : [ "
		  "{\"name\":\"t/d\", "
		  "\"tags\":[\"12\",\"latest\"],\"title\":\"Debian\",\"description\":"
		  "\"A\\nsystem\","
		  "\"size\":34,\"picture\":\"p/d.png\",\"licence\":\"GPL\",\"publisher\":\"Me\","
		  "\"released\":\"2026-11-21\",\"unknown\":{\"x\":[1]}} , {\"name\":\"e\"}\n] , "
		  "\"end\":null } \n",
		  "t/d|2 12|Debian|A?system|34|p/d.png|GPL|Me|2026-11-21" },
		{ "{\"version\":1,\"entries\":[{\"name\":\"d\",\"title\":null,\"tags\":null,"
		  "\"size\":null,\"picture\":\"https://x/p\",\"licence\":\"\\u001b[31m\"}]}",
		  "d|0 |||0|https://x/p|?[31m||" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char have[600] = "";
		struct error err = { 0 };

		if (catalogue_each(good[i].text, strlen(good[i].text), describe, have, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(have, good[i].want);
	}
}

#define ENTRY(members) "{\"version\":1,\"entries\":[{\"name\":\"a\"},{" members "}]}"

TEST(what_is_wrong_is_named_with_its_entry)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "<html>", "no JSON object" },
		{ "{}", "name of a member" },
		{ "{\"version\":1}", "no \"entries\"" },
		{ "{\"entries\":[]}", "no \"version\"" },
		{ "{\"version\":2,\"entries\":[]}", "another version" },
		{ "{\"version\":\"1\",\"entries\":[]}", "another version" },
		{ "{\"version\":1,\"entries\":{}}", "is one list" },
		{ "{\"version\":1,\"entries\":[],\"entries\":[]}", "is one list" },
		{ "{\"version\":1,\"entries\":[]", "does not end" },
		{ "{\"version\":1,\"entries\":[]}x", "does not end" },
		{ "{\"version\":1,\"entries\":[{\"name\":\"a\"}", "entry 1: a ',' or ']'" },
		{ "{\"version\":1,\"entries\":[{\"name\":\"a\"},]}", "entry 2: " },
		{ "{\"version\":1,\"entries\":[7]}", "entry 1: is no object" },
		{ "{\"version\" 1}", "a ':' is missing" },
		{ ENTRY(""), "entry 2: \"name\"" },
		{ ENTRY("\"name\":7"), "entry 2: \"name\"" },
		{ ENTRY("\"name\":\"A\""), "entry 2: \"name\"" },
		{ ENTRY("\"name\":\"b\",\"name\":\"c\""), "entry 2: duplicate" },
		{ ENTRY("\"name\":\"b\",\"title\":7"), "entry 2: \"title\"" },
		{ ENTRY("\"name\":\"b\",\"released\":\"01234567890123456789012345678901234567890123"
		        "456789012345678901234\""),
		  "entry 2: \"released\"" },
		{ ENTRY("\"name\":\"b\",\"size\":-1"), "entry 2: \"size\"" },
		{ ENTRY("\"name\":\"b\",\"size\":1.5"), "entry 2: \"size\"" },
		{ ENTRY("\"name\":\"b\",\"tags\":\"x\""), "entry 2: \"tags\"" },
		{ ENTRY("\"name\":\"b\",\"tags\":[\"x y\"]"), "entry 2: \"tags\"" },
		{ ENTRY("\"name\":\"b\",\"tags\":[1]"), "entry 2: \"tags\"" },
		{ ENTRY("\"name\":\"b\",\"picture\":\"http://x/p\""), "entry 2: \"picture\"" },
		{ ENTRY("\"name\":\"b\",\"picture\":\"/etc/x\""), "entry 2: \"picture\"" },
		{ ENTRY("\"name\":\"b\",\"picture\":\"../x\""), "entry 2: \"picture\"" },
		{ ENTRY("\"name\":\"b\",\"picture\":\"a/../../x\""), "entry 2: \"picture\"" },
		{ ENTRY("\"name\":\"b\",\"picture\":\"javascript:x\""), "entry 2: \"picture\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		unsigned int n = 0;
		struct error err = { 0 };

		assert_int_equal(catalogue_each(bad[i].text, strlen(bad[i].text), count, &n, &err),
		                 -EBADMSG);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.text);
	}
}

/* A catalogue of `n` entries. */
static char *many(unsigned int n, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	assert_non_null(out);
	fputs("{\"version\":1,\"entries\":[", out);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%s{\"name\":\"image-%u\"}", i ? "," : "", i);
	fputs("]}", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

TEST(a_hundred_thousand_entries_are_read_and_one_more_is_refused)
{
	struct error err = { 0 };
	unsigned int n = 0;
	size_t len;
	char *text = many(CATALOGUE_MAX, &len);

	assert_int_equal(catalogue_each(text, len, count, &n, &err), 0);
	assert_int_equal(n, CATALOGUE_MAX);
	free(text);
	text = many(CATALOGUE_MAX + 1, &len);
	assert_int_equal(catalogue_each(text, len, count, &n, &err), -EFBIG);
	free(text);
}

/* An entry with blanks in front of its end, `len` bytes long. */
static char *padded(size_t len)
{
	static const char begin[] = "{\"version\":1,\"entries\":[", entry[] = "{\"name\":\"a\"";
	char *text = malloc(sizeof(begin) + len + 8);

	memcpy(text, begin, sizeof(begin) - 1);
	memset(text + sizeof(begin) - 1, ' ', len);
	memcpy(text + sizeof(begin) - 1, entry, sizeof(entry) - 1);
	memcpy(text + sizeof(begin) - 1 + len - 1, "}]}", sizeof("}]}"));
	return text;
}

TEST(one_entry_has_at_most_64_kib)
{
	struct error err = { 0 };
	unsigned int n = 0;
	char *text = padded(CATALOGUE_MAX_ENTRY);

	assert_int_equal(catalogue_each(text, strlen(text), count, &n, &err), 0);
	assert_int_equal(n, 1);
	free(text);
	text = padded(CATALOGUE_MAX_ENTRY + 1);
	assert_int_equal(catalogue_each(text, strlen(text), count, &n, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "longer than 64 KiB"));
	free(text);
}

static int stop_at_two(void *arg, const struct catalogue_entry *entry __attribute__((unused)),
                       struct error *err)
{
	return ++*(unsigned int *)arg == 2 ? error_set(err, EINTR, "enough") : 0;
}

TEST(a_reader_may_end_it)
{
	struct error err = { 0 };
	unsigned int n = 0;
	size_t len;
	char *text = many(3, &len);

	assert_int_equal(catalogue_each(text, len, stop_at_two, &n, &err), -EINTR);
	assert_int_equal(n, 2);
	assert_string_equal(err.text, "enough");
	free(text);
}

TEST(a_term_is_looked_for_in_name_title_and_description)
{
	const struct catalogue_entry entry = { .name = "team/debian",
		                               .title = "A System",
		                               .description = "For desktops" };

	assert_true(catalogue_matches(&entry, "DEB"));
	assert_true(catalogue_matches(&entry, "system"));
	assert_true(catalogue_matches(&entry, "Desk"));
	assert_true(catalogue_matches(&entry, ""));
	assert_false(catalogue_matches(&entry, "windows"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_entry_says_what_it_has),
		CASE(what_is_wrong_is_named_with_its_entry),
		CASE(a_hundred_thousand_entries_are_read_and_one_more_is_refused),
		CASE(one_entry_has_at_most_64_kib),
		CASE(a_reader_may_end_it),
		CASE(a_term_is_looked_for_in_name_title_and_description),
	};

	return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
