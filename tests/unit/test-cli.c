// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/secret.h"
#include "util/cleanup.h"
#include "util/io.h"

/* A verb with an option of every kind. */
static const struct cli_verb sample = {
	.name = "sample",
	.arguments = { { .name = "NAME", .type = CLI_NAME },
	               { .name = "FILE", .type = CLI_FILE, .optional = true, .repeat = true } },
	.options = { { .name = "flag", .letter = 'f', .type = CLI_FLAG },
	             { .name = "text", .letter = 't', .type = CLI_TEXT, .value = "TEXT" },
	             { .name = "many", .type = CLI_TEXT, .value = "TEXT", .repeat = true },
	             { .name = "count", .type = CLI_NUMBER, .value = "N", .low = 1, .high = 8 },
	             { .name = "size", .type = CLI_BYTES, .value = "BYTES", .low = 4096 },
	             { .name = "rate", .type = CLI_BYTES, .value = "BYTES", .bare = true },
	             { .name = "kind",
	               .type = CLI_CHOICE,
	               .value = "KIND",
	               .choices = { "one", "two" } } },
};

#define PARSE(call, err, ...)                                             \
	({                                                                \
		const char *const words_[] = { __VA_ARGS__ };             \
		cli_parse(&sample, words_, ARRAY_LEN(words_), call, err); \
	})

TEST(options_and_arguments_mix_in_every_spelling)
{
	cleanup(cli_call_free) struct cli_call *call = NULL;
	struct error err = { 0 };

	assert_int_equal(PARSE(&call, &err, "-f", "name", "--text=a=b", "--many", "1", "x",
	                       "--many=2", "--count", "8", "--size=4K", "--rate", "y", "--", "-f"),
	                 0);
	assert_true(cli_given(call, "flag"));
	assert_string_equal(cli_text(call, "text", NULL), "a=b");
	assert_string_equal(cli_nth(call, "many", 0), "1");
	assert_string_equal(cli_nth(call, "many", 1), "2");
	assert_null(cli_nth(call, "many", 2));
	assert_int_equal(cli_number(call, "count", 0), 8);
	assert_int_equal(cli_number(call, "size", 0), 4096);
	assert_true(cli_given(call, "rate"));
	assert_int_equal(cli_number(call, "rate", 7), 7);
	assert_string_equal(cli_text(call, "kind", "two"), "two");
	assert_int_equal(call->n_arguments, 4);
	assert_string_equal(call->arguments[0], "name");
	assert_string_equal(call->arguments[3], "-f");
}

TEST(what_is_written_wrongly_is_quoted_in_one_sentence)
{
	static const struct {
		const char *words[4];
		const char *says;
	} bad[] = {
		{ { NULL }, "NAME is missing" },
		{ { "Name" }, "'Name' is not a name" },
		{ { "name", "" }, "argument is empty" },
		{ { "name", "--nope" }, "no option --nope" },
		{ { "name", "-x" }, "no option -x" },
		{ { "name", "--flag=1" }, "--flag takes no value" },
		{ { "name", "-fx" }, "-f takes no value" },
		{ { "name", "--text" }, "--text needs a value: TEXT" },
		{ { "name", "--text=" }, "--text: the value is empty" },
		{ { "name", "-t1", "-t2" }, "--text is given twice" },
		{ { "name", "--count=9" }, "'9' is not a whole number from 1 to 8" },
		{ { "name", "--count=-1" }, "'-1'" },
		{ { "name", "--size=4095" }, "'4095' is less than 4K" },
		{ { "name", "--size=4X" }, "'4X' is not a number of bytes" },
		{ { "name", "--kind=three" }, "'three' is none of: one, two" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct cli_call *call = NULL;
		struct error err = { 0 };
		size_t n = 0;

		while (n < ARRAY_LEN(bad[i].words) && bad[i].words[n])
			n++;
		assert_int_equal(cli_parse(&sample, bad[i].words, n, &call, &err), CLI_USAGE);
		assert_null(call);
		if (!strstr(err.text, bad[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].says);
		assert_null(strchr(err.text, '\n'));
	}
}

TEST(help_is_found_before_anything_is_complained_about)
{
	cleanup(cli_call_free) struct cli_call *call = NULL;

	assert_int_equal(PARSE(&call, NULL, "--nope", "--help"), 0);
	assert_true(call->help);
}

TEST(every_row_of_the_table_is_complete)
{
	for (size_t i = 0; i < cli_n_verbs; i++) {
		const struct cli_verb *verb = cli_verbs[i];
		bool optional = false;

		assert_non_null(verb->run);
		assert_true(isupper(verb->summary[0]));
		assert_true(verb->summary[strlen(verb->summary) - 1] != '.');
		assert_true(verb->description[strlen(verb->description) - 1] == '.');
		assert_non_null(verb->examples[0].command);
		assert_null(verb->options[CLI_MAX_OPTIONS - 1].name);
		assert_null(verb->examples[CLI_MAX_EXAMPLES - 1].command);
		for (const struct cli_option *o = verb->options; o->name; o++) {
			assert_non_null(o->help);
			assert_true(o->help[strlen(o->help) - 1] != '.');
			assert_true((o->type == CLI_FLAG) == (o->value == NULL));
			assert_true((o->type == CLI_CHOICE) == (o->choices[0] != NULL));
			assert_true(o->type != CLI_NUMBER || o->low < o->high);
			assert_ptr_equal(cli_option(verb, o->name, strlen(o->name)), o);
		}
		for (size_t j = 0; j < CLI_MAX_ARGUMENTS && verb->arguments[j].name; j++) {
			const struct cli_argument *arg = &verb->arguments[j];

			assert_non_null(arg->help);
			assert_false(optional && !arg->optional);
			optional = arg->optional;
		}
	}
}

TEST(verbs_of_two_words_and_of_one_are_told_apart)
{
	const char *const list[] = { "list", "info" };
	const char *const none[] = { "lis" };
	size_t used = 0;

	assert_non_null(cli_find(list, 2, &used));
	assert_int_equal(used, 1);
	assert_null(cli_find(none, 1, &used));
	assert_null(cli_find(NULL, 0, &used));
	assert_string_equal(cli_suggest("lst"), "list");
	assert_null(cli_suggest("q"));
	assert_null(cli_suggest("a-word-that-is-far-longer-than-any-verb-could-ever-be"));
}

/* A second word may stand by itself, as fish completes it. */
static bool names_verb(const char *text, const char *name)
{
	const char *space = strchr(name, ' ');
	char second[40];

	snprintf(second, sizeof(second), " -a %s -d ", space ? space + 1 : name);
	return strstr(text, name) || strstr(text, second);
}

TEST(all_documents_name_every_verb_and_option)
{
	static const char *const kinds[] = { "man", "bash", "zsh", "fish" };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		cleanup_free char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		assert_int_equal(cli_generate(out, kinds[k], NULL), 0);
		fclose(out);
		for (size_t i = 0; i < cli_n_verbs; i++) {
			if (!names_verb(text, cli_verbs[i]->name))
				fail_msg("%s lacks %s", kinds[k], cli_verbs[i]->name);
			for (const struct cli_option *o = cli_verbs[i]->options; o->name; o++) {
				if (!strstr(text, o->name))
					fail_msg("%s lacks --%s", kinds[k], o->name);
			}
		}
	}
	assert_int_equal(cli_generate(stdout, "pdf", NULL), CLI_USAGE);
}

/* What is read of a file that holds `text` and has these permissions. */
static int read_secret(const void *text, size_t len, mode_t mode, char ret[SECRET_ROOM])
{
	char path[] = "/tmp/sill-secret-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	int r;

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	r = cli_read_secret(path, ret, NULL);
	unlink(path);
	return r;
}

TEST(a_secret_is_the_first_line_of_a_file_that_nobody_else_may_read)
{
	char secret[SECRET_ROOM], most[SECRET_ROOM + 1];

	assert_int_equal(read_secret("open\r\nsesame\n", 14, 0600, secret), 4);
	assert_string_equal(secret, "open");
	assert_int_equal(read_secret("sesame", 6, 0400, secret), 6);
	assert_string_equal(secret, "sesame");
	memset(most, 'x', sizeof(most));
	most[SECRET_ROOM - 1] = '\n';
	assert_int_equal(read_secret(most, SECRET_ROOM, 0600, secret), SECRET_ROOM - 1);
	most[SECRET_ROOM - 1] = 'x';
	assert_int_equal(read_secret(most, SECRET_ROOM + 1, 0600, secret), -EFBIG);
	assert_int_equal(secret[0], '\0');
	assert_int_equal(read_secret("\nsesame\n", 8, 0600, secret), -ENODATA);
	assert_int_equal(read_secret("", 0, 0600, secret), -ENODATA);
	assert_int_equal(read_secret("a\0b\n", 4, 0600, secret), -EILSEQ);
	assert_int_equal(read_secret("sesame\n", 7, 0640, secret), -EPERM);
	assert_int_equal(cli_read_secret("/nowhere/at/all", secret, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(options_and_arguments_mix_in_every_spelling),
		CASE(what_is_written_wrongly_is_quoted_in_one_sentence),
		CASE(help_is_found_before_anything_is_complained_about),
		CASE(every_row_of_the_table_is_complete),
		CASE(verbs_of_two_words_and_of_one_are_told_apart),
		CASE(all_documents_name_every_verb_and_option),
		CASE(a_secret_is_the_first_line_of_a_file_that_nobody_else_may_read),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
