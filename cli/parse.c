// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From words to a checked call.  --name value, --name=value, -n value, -nvalue, and "--" ends the
 * options.  Options and arguments may be mixed.  The words are a person's: every complaint is one
 * sentence that quotes what was written.
 */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine/name.h"
#include "util/text.h"

int cli_usage(struct error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_vset(err, -CLI_USAGE, fmt, args);
	va_end(args);
	return CLI_USAGE;
}

static int check_choice(const struct cli_option *option, const char *text, struct error *err)
{
	char list[200] = "";
	size_t used = 0;

	for (size_t i = 0; i < CLI_MAX_CHOICES && option->choices[i]; i++) {
		int n;

		if (strcmp(option->choices[i], text) == 0)
			return 0;
		n = snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
		             option->choices[i]);
		used += n > 0 && (size_t)n < sizeof(list) - used ? (size_t)n : 0;
	}
	return cli_usage(err, "--%s: '%s' is none of: %s", option->name, text, list);
}

/* Check `text` by what the option takes, and keep it. */
static int add_value(struct cli_call *call, const struct cli_option *option, const char *text,
                     struct error *err)
{
	struct cli_value *value = &call->values[call->n_values];
	struct error why = { 0 };
	int r = 0;

	if (!option->repeat && cli_given(call, option->name))
		return cli_usage(err, "--%s is given twice", option->name);
	*value = (struct cli_value){ .option = option, .text = text };
	if (text && !*text)
		return cli_usage(err, "--%s: the value is empty", option->name);
	if (text && option->type == CLI_CHOICE)
		r = check_choice(option, text, err);
	else if (text && option->type == CLI_NUMBER)
		r = parse_number(text, option->low, option->high, &value->number, &why);
	else if (text && option->type == CLI_BYTES)
		r = parse_bytes(text, &value->number, &why);
	else if (text && (option->type == CLI_NAME || option->type == CLI_MACHINE))
		r = machine_name_check(text, &why);
	if (r == CLI_USAGE)
		return r;
	if (r < 0)
		return cli_usage(err, "--%s: %s", option->name, why.text);
	if (text && option->type == CLI_BYTES &&
	    (value->number < option->low || (option->high && value->number > option->high))) {
		char low[24], high[24];

		format_bytes_exactly(option->low, low);
		if (!option->high)
			return cli_usage(err, "--%s: '%s' is less than %s", option->name, text,
			                 low);
		return cli_usage(err, "--%s: '%s' is not from %s to %s", option->name, text, low,
		                 format_bytes_exactly(option->high, high));
	}
	call->n_values++;
	return 0;
}

/* One word that starts with a dash, and perhaps the next as its value: *i moves on over that. */
static int parse_option(struct cli_call *call, const char *const *words, size_t n, size_t *i,
                        struct error *err)
{
	const char *word = words[*i], *text = NULL;
	const struct cli_option *option = NULL;

	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		size_t len = equals ? (size_t)(equals - word - 2) : strlen(word + 2);

		option = cli_option(call->verb, word + 2, len);
		text = equals ? equals + 1 : NULL;
		if (!option)
			return cli_usage(err, "there is no option --%.*s (sill %s --help)",
			                 (int)len, word + 2, call->verb->name);
	} else {
		for (const struct cli_option *o = call->verb->options; o->name && !option; o++)
			option = o->letter && o->letter == word[1] ? o : NULL;
		if (!option)
			return cli_usage(err, "there is no option %s (sill %s --help)", word,
			                 call->verb->name);
		if (word[2] && option->type == CLI_FLAG)
			return cli_usage(err, "-%c takes no value", option->letter);
		text = word[2] ? word + 2 : NULL;
	}
	if (option->type == CLI_FLAG && text)
		return cli_usage(err, "--%s takes no value", option->name);
	if (option->type != CLI_FLAG && !option->bare && !text) {
		if (*i + 1 >= n)
			return cli_usage(err, "--%s needs a value: %s", option->name,
			                 option->value);
		text = words[++*i];
	}
	return add_value(call, option, text, err);
}

static int check_arguments(const struct cli_call *call, struct error *err)
{
	const struct cli_argument *arg = call->verb->arguments;
	struct error why;
	size_t room = 0;

	for (size_t i = 0; i < call->n_arguments; i++) {
		if (!*call->arguments[i])
			return cli_usage(err, "an argument is empty");
	}
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && arg[i].name; i++) {
		if (i >= call->n_arguments && !arg[i].optional)
			return cli_usage(err, "%s is missing (sill %s --help)", arg[i].name,
			                 call->verb->name);
		for (size_t j = i; j < call->n_arguments && (j == i || arg[i].repeat) &&
		                   (arg[i].type == CLI_NAME || arg[i].type == CLI_MACHINE);
		     j++) {
			if (machine_name_check(call->arguments[j], &why) < 0)
				return cli_usage(err, "%s", why.text);
		}
		room = arg[i].repeat ? SIZE_MAX : i + 1;
	}
	if (call->n_arguments > room)
		return cli_usage(err, "'%s' is one argument too many (sill %s --help)",
		                 call->arguments[room], call->verb->name);
	return 0;
}

static bool asks_for_help(const char *const *words, size_t n)
{
	for (size_t i = 0; i < n && strcmp(words[i], "--") != 0; i++) {
		if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
			return true;
	}
	return false;
}

int cli_parse(const struct cli_verb *verb, const char *const *words, size_t n,
              struct cli_call **ret, struct error *err)
{
	cleanup(cli_call_free) struct cli_call *call = calloc(1, sizeof(*call));
	bool options = true;
	int r;

	if (!call)
		return error_sys(err, ENOMEM, "options");
	call->verb = verb;
	call->arguments = calloc(n + 1, sizeof(*call->arguments));
	call->values = calloc(n + 1, sizeof(*call->values));
	if (!call->arguments || !call->values)
		return error_sys(err, ENOMEM, "options");
	call->help = asks_for_help(words, n);
	for (size_t i = 0; i < n && !call->help; i++) {
		if (options && strcmp(words[i], "--") == 0) {
			options = false;
		} else if (options && words[i][0] == '-' && words[i][1]) {
			r = parse_option(call, words, n, &i, err);
			if (r < 0)
				return r;
		} else {
			call->arguments[call->n_arguments++] = words[i];
		}
	}
	r = call->help ? 0 : check_arguments(call, err);
	if (r < 0)
		return r;
	*ret = take_ptr(call);
	return 0;
}

void cli_call_free(struct cli_call *call)
{
	if (!call)
		return;
	free((void *)call->arguments);
	free(call->values);
	free(call);
}

/* The i-th value of an option. */
static const struct cli_value *nth(const struct cli_call *call, const char *name, size_t i)
{
	const struct cli_option *option = cli_option(call->verb, name, strlen(name));

	assert(option);
	for (size_t j = 0; j < call->n_values; j++) {
		if (call->values[j].option == option && i-- == 0)
			return &call->values[j];
	}
	return NULL;
}

bool cli_given(const struct cli_call *call, const char *name)
{
	return nth(call, name, 0) != NULL;
}

const char *cli_text(const struct cli_call *call, const char *name, const char *fallback)
{
	const struct cli_value *value = nth(call, name, 0);

	return value && value->text ? value->text : fallback;
}

uint64_t cli_number(const struct cli_call *call, const char *name, uint64_t fallback)
{
	const struct cli_value *value = nth(call, name, 0);

	return value && value->text ? value->number : fallback;
}

const char *cli_nth(const struct cli_call *call, const char *name, size_t i)
{
	const struct cli_value *value = nth(call, name, i);

	return value ? value->text : NULL;
}
