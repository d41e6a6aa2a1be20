// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "hypervisor/boot/options.h"

static struct options options;
static struct sentence why;

static void parse(const char *line)
{
	if (!options_parse(line, &options, &why))
		fail_msg("%s", why.text);
}

static void assert_refused(const char *line, const char *sentence)
{
	assert_false(options_parse(line, &options, &why));
	assert_string_equal(why.text, sentence);
}

TEST(an_empty_line_leaves_the_defaults)
{
	static const char *const lines[] = { "", " ", " \t  " };

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		memset(&options, 0xFF, sizeof(options));
		parse(lines[i]);
		assert_int_equal(options.console, 0);
		assert_int_equal(options.log, LOG_INFO);
		assert_false(options.unprotected);
		assert_int_equal(options.panic_seconds, 10);
	}
}

TEST(every_option_is_taken)
{
	parse("  console=com1 log=debug\tmissing=unprotected panic=0 ");
	assert_int_equal(options.console, 0x3f8);
	assert_int_equal(options.log, LOG_DEBUG);
	assert_true(options.unprotected);
	assert_int_equal(options.panic_seconds, 0);
}

TEST(a_console_is_a_name_or_a_port)
{
	static const struct {
		const char *line;
		uint16_t port;
	} consoles[] = { { "console=none", 0 },       { "console=com1", 0x3f8 },
		         { "console=com2", 0x2f8 },   { "console=0x3e8", 0x3e8 },
		         { "console=0X2E8", 0x2e8 },  { "console=1000", 1000 },
		         { "console=0xfff8", 0xfff8 } };

	for (size_t i = 0; i < ARRAY_LEN(consoles); i++) {
		parse(consoles[i].line);
		assert_int_equal(options.console, consoles[i].port);
	}
}

TEST(log_levels_have_names)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };

	for (int i = 0; i < 4; i++) {
		char line[32];

		snprintf(line, sizeof(line), "log=%s", levels[i]);
		parse(line);
		assert_int_equal(options.log, i);
	}
}

TEST(the_last_of_several_counts)
{
	parse("panic=5 missing=unprotected panic=86400 missing=halt");
	assert_int_equal(options.panic_seconds, 86400);
	assert_false(options.unprotected);
}

TEST(a_value_that_makes_no_sense_is_refused)
{
	static const char *const consoles[] = {
		"com3", "",     "0",      "0x",    "0xfff9", "65536", "3f8",
		"-1",   "COM1", "0x3f8x", "com1=", "+5",     "none1", "0x100000000000003f8"
	};
	char line[64], sentence[240];

	for (size_t i = 0; i < ARRAY_LEN(consoles); i++) {
		snprintf(line, sizeof(line), "console=%s", consoles[i]);
		snprintf(sentence, sizeof(sentence),
		         "%s makes no sense: console takes none, com1, com2, or an I/O port such "
		         "as 0x3f8",
		         line);
		assert_refused(line, sentence);
	}
	assert_refused("log", "log= makes no sense: log takes error, warning, info, or debug");
	assert_refused("log=inf",
	               "log=inf makes no sense: log takes error, warning, info, or debug");
	assert_refused("missing=yes",
	               "missing=yes makes no sense: missing takes halt or unprotected");
	assert_refused("panic=86401",
	               "panic=86401 makes no sense: panic takes seconds up to 86400, "
	               "or 0 for never");
	assert_refused("panic=99999999999999999999",
	               "panic=99999999999999999999 makes no sense: panic takes seconds up to "
	               "86400, or 0 for never");
}

TEST(an_unknown_option_is_named)
{
	assert_refused("log=error quiet", "there is no option quiet: console, log, missing and "
	                                  "panic are known");
	assert_refused("Console=com1",
	               "there is no option Console: console, log, missing and panic are known");
	assert_refused("=", "there is no option : console, log, missing and panic are known");
	assert_refused("consol=com1",
	               "there is no option consol: console, log, missing and panic are known");
}

TEST(what_was_good_before_the_bad_word_holds)
{
	assert_false(options_parse("console=com2 missing=unprotected missing=maybe log=debug",
	                           &options, &why));
	assert_int_equal(options.console, 0x2f8);
	assert_true(options.unprotected);
	assert_int_equal(options.log, LOG_INFO);
}

TEST(a_word_without_end_is_refused)
{
	char line[2048];

	memset(line, '1', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_false(options_parse(line, &options, &why));
	assert_non_null(strstr(why.text, "no option is as long as 1111"));
	/* What is cut off must not make it good. */
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "panic=00000000000000000000000000000000000000000000000000000000000", 63);
	assert_false(options_parse(line, &options, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_empty_line_leaves_the_defaults),
		CASE(every_option_is_taken),
		CASE(a_console_is_a_name_or_a_port),
		CASE(log_levels_have_names),
		CASE(the_last_of_several_counts),
		CASE(a_value_that_makes_no_sense_is_refused),
		CASE(an_unknown_option_is_named),
		CASE(what_was_good_before_the_bad_word_holds),
		CASE(a_word_without_end_is_refused),
	};

	return cmocka_run_group_tests_name("hv-options", tests, NULL, NULL);
}
