// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base64.h"
#include "util/cleanup.h"
#include "util/config.h"
#include "util/error.h"
#include "util/io.h"
#include "util/progress.h"
#include "util/text.h"
#include "util/utc.h"

TEST(sizes_are_read_with_their_units)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = { { "0", 0 },
		     { "512", 512 },
		     { "4G", 4ull << 30 },
		     { "1k", 1024 },
		     { "2MiB", 2 << 20 },
		     { "3TB", 3ull << 40 },
		     { "16383T", 16383ull << 40 } };
	static const char *const bad[] = { "",    "-1", " 4",   "4X",
		                           "4GG", "G",  "1.5G", "99999999999999999999" };
	uint64_t n;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse_bytes(good[i].text, &n, NULL), 0);
		assert_true(n == good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_bytes(bad[i], &n, NULL), -EINVAL);
	assert_int_equal(parse_bytes("99999999T", &n, NULL), -ERANGE);
}

TEST(sizes_are_printed_with_three_figures)
{
	char out[16];

	assert_string_equal(format_bytes(0, out), "0 B");
	assert_string_equal(format_bytes(999, out), "999 B");
	assert_string_equal(format_bytes(1000, out), "1.00 kB");
	assert_string_equal(format_bytes(86512345, out), "86.5 MB");
	assert_string_equal(format_bytes(999999, out), "1.00 MB");
	assert_string_equal(format_bytes(UINT64_MAX, out), "18.4 EB");
}

TEST(sizes_are_printed_as_they_may_be_written)
{
	static const uint64_t sizes[] = {
		0, 1, 1023, 1024, 1025, 16 << 20, UINT64_C(16) << 40, UINT64_C(4) << 50, UINT64_MAX
	};
	char text[24];

	assert_string_equal(format_bytes_exactly(16 << 20, text), "16M");
	assert_string_equal(format_bytes_exactly(4095, text), "4095");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t back;

		assert_int_equal(parse_bytes(format_bytes_exactly(sizes[i], text), &back, NULL), 0);
		assert_int_equal(back, sizes[i]);
	}
}

TEST(text_that_json_takes_is_told_from_other_text)
{
	assert_true(text_is_utf8(""));
	assert_true(text_is_utf8("plain, caf\xc3\xa9, \xf0\x9f\x90\xa7"));
	assert_false(text_is_utf8("caf\xe9.raw"));
	assert_false(text_is_utf8("cut \xc3"));
	assert_false(text_is_utf8("surrogate \xed\xa0\x80"));
}

TEST(an_error_sentence_is_cut_not_overrun)
{
	struct error err = { 0 };
	char words[600];

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	assert_int_equal(error_sys(&err, ENOENT, "%s", words), -ENOENT);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(error_set(&err, EIO, "no answer"), -EIO);
	assert_int_equal(error_prefix(&err, "disk"), -EIO);
	/* A failure that nobody wants to hear of is one all the same. */
	assert_int_equal(error_prefix(NULL, "disk"), -EIO);
	assert_string_equal(err.text, "disk: no answer");
	assert_int_equal(error_set(NULL, EIO, "nobody listens"), -EIO);
}

TEST(an_error_sentence_may_hold_the_one_before_it)
{
	struct error err;

	error_set(&err, EINVAL, "'x' is no port");
	assert_int_equal(error_set(&err, ERANGE, "--port: %s", err.text), -ERANGE);
	assert_string_equal(err.text, "--port: 'x' is no port");
	error_sys(&err, ENOENT, "%s (%s)", "open", err.text);
	assert_string_equal(err.text, "open (--port: 'x' is no port): No such file or directory");
	error_prefix(&err, "%.4s", err.text);
	assert_string_equal(err.text,
	                    "open: open (--port: 'x' is no port): No such file or directory");
}

TEST(a_replaced_file_is_whole_and_leaves_nothing_beside_it)
{
	char dir[] = "/tmp/test-util-XXXXXX";
	cleanup_free char *data = NULL;
	size_t len;

	assert_non_null(mkdtemp(dir));

	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY);

	assert_int_equal(replace_file(fd, "f", "one", 3, 0600, NULL), 0);
	assert_int_equal(replace_file(fd, "f", "three", 5, 0600, NULL), 0);
	assert_int_equal(read_file(fd, "f", 5, &data, &len, NULL), 0);
	assert_int_equal(len, 5);
	assert_string_equal(data, "three");
	free(take_ptr(data));
	assert_int_equal(read_file(fd, "f", 4, &data, &len, NULL), -EFBIG);
	assert_int_equal(unlinkat(fd, "f", 0), 0);
	assert_int_equal(rmdir(dir), 0);
}

TEST(foreign_text_is_made_printable)
{
	static const struct {
		const char *text, *want;
	} known[] = {
		{ "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		  "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\033[2Jx\n\t\x7f", "?[2Jx???" },
		{ "\xc2\x9b", "??" },           /* CSI */
		{ "\xc0\xaf", "??" },           /* too long for what it says */
		{ "\xed\xa0\x80", "???" },      /* half a surrogate pair */
		{ "a\xff\xe2\x82", "a???" },    /* cut off */
		{ "\xf5\x80\x80\x80", "????" }, /* past U+10FFFF */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cleanup_free char *text = strdup(known[i].text);

		assert_string_equal(text_printable(text), known[i].want);
	}
}

TEST(an_error_sentence_is_printable_even_where_it_was_cut)
{
	struct error err;
	char words[600];

	memset(words, 'x', sizeof(words));
	memcpy(words + 506, "\xc3\xa4", 3);
	error_set(&err, EINVAL, "%s", words);
	assert_string_equal(err.text + 505, "x?");
	error_set(&err, EINVAL, "a name with \033 in it");
	assert_string_equal(err.text, "a name with ? in it");
}

TEST(progress_says_how_far_how_fast_and_how_long)
{
	char out[PROGRESS_LINE];

	assert_string_equal(progress_line("converting", 250000000, 1000000000, 5000000000, out),
	                    "converting: 25 %, 250 MB of 1.00 GB, 50.0 MB/s, 15 s left");
	assert_string_equal(progress_line("converting", 1000, 1000000, 1000, out),
	                    "converting: 0 %, 1.00 kB of 1.00 MB");
	assert_string_equal(progress_line("converting", 0, 0, 5000000000, out),
	                    "converting: 100 %, 0 B of 0 B");
}

TEST(progress_into_a_log_is_not_a_line_for_each_call)
{
	struct progress progress;
	cleanup_free char *text = NULL;
	size_t len;
	FILE *log = tmpfile();

	assert_non_null(log);
	progress_start(&progress, log, "converting");
	for (unsigned int i = 0; i < 1000; i++)
		progress_update(&progress, i, 1000);
	assert_int_equal(ftell(log), 0);
	progress.shown_ns -= 6000000000;
	progress_update(&progress, 1000, 1000);
	progress_end(&progress);
	rewind(log);
	text = calloc(1, 200);
	len = fread(text, 1, 199, log);
	assert_true(len > 0 && strchr(text, '\n') == text + len - 1);
	assert_null(strchr(text, '\r'));
	fclose(log);
}

TEST(bytes_have_one_text_in_base64_and_no_other_is_taken)
{
	static const struct {
		const char *bytes, *text;
	} good[] = { { "", "" },
		     { "f", "Zg==" },
		     { "fo", "Zm8=" },
		     { "foo", "Zm9v" },
		     { "foob", "Zm9vYg==" },
		     { "fooba", "Zm9vYmE=" },
		     { "\xfb\xff", "+/8=" } };
	static const char *const bad[] = { "Zg=",      "Zg",       "Zh==",        "Zm9=",  "Z===",
		                           "====",     "Zg==Zg==", "Zm 9",        "Zm9\n", "Zm-_",
		                           "Zm9vZ=9v", "=m9v",     "Zm9v\xc3\xa4" };
	char text[BASE64_ROOM(6)];
	uint8_t bytes[6];
	size_t len;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = strlen(good[i].bytes);

		base64_encode(good[i].bytes, n, text);
		assert_string_equal(text, good[i].text);
		assert_int_equal(base64_decode(text, strlen(text), bytes, n, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(bytes, good[i].bytes, n);
		if (n > 0)
			assert_int_equal(base64_decode(text, strlen(text), bytes, n - 1, &len),
			                 -ENOSPC);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, 6, &len), -EINVAL);
}

TEST(a_time_has_one_text_and_days_that_there_are_not_are_refused)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} good[] = { { 0, "1970-01-01T00:00:00Z" },
		     { 951782400, "2000-02-29T00:00:00Z" },
		     { 1795301664, "2026-11-21T22:54:24Z" },
		     { UTC_MAX, "9999-12-31T23:59:59Z" } };
	static const char *const bad[] = { "",
		                           "2026-11-21",
		                           "2026-11-21T22:54:24",
		                           "2026-11-21T22:54:24Z ",
		                           "2026-11-21t22:54:24z",
		                           "2026-11-21T22:54:24+01:00",
		                           "2026-02-29T00:00:00Z",
		                           "2026-13-01T00:00:00Z",
		                           "2026-00-01T00:00:00Z",
		                           "2026-11-21T24:00:00Z",
		                           "2026-11-21T22:54:60Z",
		                           "1969-12-31T23:59:59Z",
		                           "12026-11-21T22:54:24Z" };
	char text[UTC_BYTES];
	int64_t seconds;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_string_equal(format_utc(good[i].seconds, text), good[i].text);
		assert_int_equal(parse_utc(good[i].text, &seconds, NULL), 0);
		assert_true(seconds == good[i].seconds);
	}
	assert_string_equal(format_utc(UTC_MAX + 1, text), "9999-12-31T23:59:59Z");
	assert_string_equal(format_utc(INT64_MIN, text), "1970-01-01T00:00:00Z");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_utc(bad[i], &seconds, NULL), -EINVAL);
}

TEST(configuration_is_where_it_is_said_to_be)
{
	char path[PATH_MAX];
	struct error err;

	setenv("SILL_CONFIG", "/some/where", 1);
	assert_int_equal(config_path("libraries", path, &err), 0);
	assert_string_equal(path, "/some/where/libraries");
	assert_false(config_host_path("libraries", path));
	unsetenv("SILL_CONFIG");
	setenv("XDG_CONFIG_HOME", "/home/me/config", 1);
	assert_int_equal(config_path("libraries", path, &err), 0);
	assert_string_equal(path, geteuid() == 0 ? "/etc/sill/libraries"
	                                         : "/home/me/config/sill/libraries");
	assert_int_equal(config_host_path("libraries", path), geteuid() != 0);
	unsetenv("XDG_CONFIG_HOME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sizes_are_read_with_their_units),
		CASE(sizes_are_printed_with_three_figures),
		CASE(sizes_are_printed_as_they_may_be_written),
		CASE(text_that_json_takes_is_told_from_other_text),
		CASE(an_error_sentence_is_cut_not_overrun),
		CASE(an_error_sentence_may_hold_the_one_before_it),
		CASE(a_replaced_file_is_whole_and_leaves_nothing_beside_it),
		CASE(foreign_text_is_made_printable),
		CASE(an_error_sentence_is_printable_even_where_it_was_cut),
		CASE(progress_says_how_far_how_fast_and_how_long),
		CASE(progress_into_a_log_is_not_a_line_for_each_call),
		CASE(bytes_have_one_text_in_base64_and_no_other_is_taken),
		CASE(a_time_has_one_text_and_days_that_there_are_not_are_refused),
		CASE(configuration_is_where_it_is_said_to_be),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
