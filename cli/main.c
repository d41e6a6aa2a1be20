// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the command line to an exit status: 0, 1 with one sentence when it failed, 2 with one
 * sentence when it was called wrongly.
 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/version.h"

bool cli_confirm(const char *fmt, ...)
{
	char answer[16];
	va_list args;

	if (!isatty(STDIN_FILENO))
		return false;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs(" [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\r\n")] = '\0';
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

int cli_print_json(const json_t *value, struct error *err)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) < 0)
		return error_sys(err, ENOMEM, "JSON");
	putchar('\n');
	return 0;
}

/* Output that did not arrive is a failure too: a full disk behind `sill list >file`. */
static int finish(const char *who, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "sill: %s: standard output: %s\n", who, strerror(errno));
	return status ? status : 1;
}

static int complain(const char *who, int r, const struct error *err)
{
	fprintf(stderr, "sill: %s%s%s\n", who, *who ? ": " : "",
	        err->text[0] ? err->text : strerror(r == CLI_USAGE ? EINVAL : -r));
	return r == CLI_USAGE ? 2 : 1;
}

static int unknown_verb(const char *const *words, size_t n, struct error *err)
{
	char both[80];
	const char *near;

	if (words[0][0] == '-')
		return cli_usage(err, "there is no option %s in front of a verb (sill --help)",
		                 words[0]);
	near = cli_suggest(words[0]);
	if (!near && n > 1) {
		snprintf(both, sizeof(both), "%s %s", words[0], words[1]);
		near = cli_suggest(both);
	}
	if (near)
		return cli_usage(err, "there is no verb '%s'; is '%s' meant?", words[0], near);
	return cli_usage(err, "there is no verb '%s' (sill --help)", words[0]);
}

/* `sill disk`, `sill disk --help`, `sill disk nonsense`. */
static int half_verb(const char *const *words, size_t n, struct error *err)
{
	bool help = n > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);

	if (n == 1 || help) {
		if (cli_help_first_word(n == 1 ? stderr : stdout, words[0]))
			return help ? 0 : cli_usage(err, "%s: a second word is missing", words[0]);
	}
	return unknown_verb(words, n, err);
}

int cli_main(int argc, char **argv)
{
	const char *const *words = (const char *const *)argv + 1;
	cleanup(cli_call_free) struct cli_call *call = NULL;
	size_t n = argc > 0 ? (size_t)argc - 1 : 0, used = 0;
	const struct cli_verb *verb;
	struct error err = { 0 };
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (n == 0) {
		cli_help(stderr);
		return 2;
	}
	if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0 ||
	    (strcmp(words[0], "help") == 0 && n == 1)) {
		cli_help(stdout);
		return finish("help", 0);
	}
	if (strcmp(words[0], "--version") == 0) {
		puts("sill " SILL_VERSION);
		return finish("version", 0);
	}
	if (strcmp(words[0], "--generate") == 0 && n == 2) {
		r = cli_generate(stdout, words[1], &err);
		return r < 0 ? complain("generate", r, &err) : finish("generate", 0);
	}
	verb = cli_find(words, n, &used);
	if (!verb) {
		r = half_verb(words, n, &err);
		return r < 0 ? complain("", r, &err) : finish(words[0], 0);
	}
	r = cli_parse(verb, words + used, n - used, &call, &err);
	if (r == 0 && call->help)
		cli_help_verb(stdout, verb);
	else if (r == 0)
		r = verb->run(call, &err);
	return finish(verb->name, r < 0 ? complain(verb->name, r, &err) : 0);
}
