// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "library/prefix.h"

TEST(a_prefix_ends_where_a_part_of_a_name_ends)
{
	static const struct {
		const char *prefix, *name;
		bool covers;
	} rows[] = {
		{ "all", "registry.example/debian:12", true },
		{ "registry.example", "registry.example/debian:12", true },
		{ "registry.example", "registry.example.org/debian:12", false },
		/* Another port is another server. */
		{ "registry.example", "registry.example:5000/debian:12", false },
		{ "registry.example:5000", "registry.example:5000/debian:12", true },
		{ "registry.example:50", "registry.example:5000/debian:12", false },
		{ "registry.example/team", "registry.example/team/debian:12", true },
		{ "registry.example/team", "registry.example/teams/debian:12", false },
		{ "registry.example/team", "registry.example/team:12", true },
		{ "registry.example/team/debian", "registry.example/team/debian@sha256:00", true },
		{ "registry.example/debian:12", "registry.example/debian:12", true },
		{ "registry.example/debian:12", "registry.example/debian:12@sha256:00", true },
		{ "registry.example/debian:12", "registry.example/debian:12.1", false },
		{ "registry.example/debian:12", "registry.example/debian", false },
		{ "/media/usb", "/media/usb#debian:12", true },
		{ "/media/usb", "/media/usb2#debian:12", false },
		{ "/media/usb#debian", "/media/usb#debian:12", true },
		{ "local", "local/debian:12", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((prefix_covers(rows[i].prefix, rows[i].name) > 0) != rows[i].covers)
			fail_msg("%s and %s", rows[i].prefix, rows[i].name);
		assert_int_equal(prefix_check(rows[i].prefix, NULL), 0);
	}
}

TEST(a_longer_prefix_covers_more)
{
	static const char name[] = "registry.example/team/debian:12";
	static const char *const growing[] = { "all", "registry.example", "registry.example/team",
		                               "registry.example/team/debian",
		                               "registry.example/team/debian:12" };
	size_t last = 0;

	for (size_t i = 0; i < ARRAY_LEN(growing); i++) {
		assert_true(prefix_covers(growing[i], name) > last);
		last = prefix_covers(growing[i], name);
	}
}

TEST(what_is_no_prefix_is_refused)
{
	static const char *const bad[] = {
		"",           "a b/c",      "registry.example/", "registry.example:",
		"x/y@",       "x//y",       "Registry.example",  "x/y\t",
		"x/\xff\xfe", "/media/usb#"
	};
	char most[PREFIX_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (prefix_check(bad[i], NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	memset(most, 'a', sizeof(most));
	most[PREFIX_MAX] = '\0';
	assert_int_equal(prefix_check(most, NULL), 0);
	most[PREFIX_MAX] = 'a';
	most[PREFIX_MAX + 1] = '\0';
	assert_int_equal(prefix_check(most, NULL), -EINVAL);
	assert_int_equal(prefix_check("/Media/USB Stick", NULL), 0);
}

TEST(all_tags_of_a_name_have_one_stem)
{
	static const struct {
		const char *name;
		size_t stem;
		bool digest;
	} rows[] = {
		{ "registry.example/debian:12", 23, false },
		{ "registry.example/debian", 23, false },
		{ "registry.example/debian@sha256:00", 23, true },
		{ "registry.example/debian:12@sha256:00", 23, true },
		{ "localhost:5000/debian:12", 21, false },
		{ "localhost:5000/debian", 21, false },
		{ "/media/u@b:c#debian:12", 19, false },
		{ "/media/u@b:c#debian@sha256:00", 19, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(canonical_stem(rows[i].name), rows[i].stem);
		assert_int_equal(canonical_by_digest(rows[i].name), rows[i].digest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_prefix_ends_where_a_part_of_a_name_ends),
		CASE(a_longer_prefix_covers_more),
		CASE(what_is_no_prefix_is_refused),
		CASE(all_tags_of_a_name_have_one_stem),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
