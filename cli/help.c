// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Help on the terminal, out of the table.
 */
#include "cli/cli.h"

#include <string.h>

#define WIDTH  96
#define INDENT 26

/* Words of `text` from column `indent` on, the cursor being at `column`; ends the line. */
static void wrapped(FILE *out, const char *text, size_t column, size_t indent)
{
	const char *space = "";

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column + strlen(space) + len > WIDTH && column > indent) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			space = "";
		}
		fprintf(out, "%s%.*s", space, (int)len, text);
		column += strlen(space) + len;
		text += len;
		space = " ";
		if (text[0] == '\n' && text[1] == '\n') {
			fprintf(out, "\n\n%*s", (int)indent, "");
			column = indent;
			space = "";
			text++;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

/* "  left      right", with `right` wrapped in its column. */
static void row(FILE *out, const char *left, const char *right)
{
	size_t len = strlen(left);

	if (len + 4 > INDENT)
		fprintf(out, "  %s\n%*s", left, INDENT, "");
	else
		fprintf(out, "  %-*s", INDENT - 2, left);
	wrapped(out, right, INDENT, INDENT);
}

/* The description without the manual's asterisks around bold words. */
static void plain(FILE *out, const char *text)
{
	char copy[4096];
	size_t used = 0;

	for (; *text && used + 1 < sizeof(copy); text++) {
		if (*text != '*')
			copy[used++] = *text;
	}
	copy[used] = '\0';
	wrapped(out, copy, 0, 0);
}

void cli_print_arguments(FILE *out, const struct cli_verb *verb)
{
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && verb->arguments[i].name; i++) {
		const struct cli_argument *arg = &verb->arguments[i];

		fprintf(out, arg->optional ? " [%s%s]" : " %s%s", arg->name,
		        arg->repeat ? "..." : "");
	}
	fprintf(out, "%s\n\n", verb->options[0].name ? " [OPTION...]" : "");
}

void cli_help_verb(FILE *out, const struct cli_verb *verb)
{
	char left[120];

	fprintf(out, "sill %s", verb->name);
	cli_print_arguments(out, verb);
	plain(out, verb->description);
	if (verb->arguments[0].name)
		fputc('\n', out);
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && verb->arguments[i].name; i++)
		row(out, verb->arguments[i].name, verb->arguments[i].help);
	fputs("\nOptions:\n", out);
	for (const struct cli_option *o = verb->options; o->name; o++) {
		char letter[8] = "";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		if (o->type == CLI_FLAG)
			snprintf(left, sizeof(left), "%s--%s", letter, o->name);
		else
			snprintf(left, sizeof(left), o->bare ? "%s--%s[=%s]" : "%s--%s %s", letter,
			         o->name, o->value);
		row(out, left, o->help);
		if (o->type == CLI_CHOICE) {
			fprintf(out, "%*sone of:", INDENT, "");
			for (size_t i = 0; i < CLI_MAX_CHOICES && o->choices[i]; i++)
				fprintf(out, " %s", o->choices[i]);
			fputc('\n', out);
		}
	}
	row(out, "-h, --help", "Print this");
	if (verb->examples[0].command)
		fputs("\nExamples:\n", out);
	for (const struct cli_example *e = verb->examples; e->command; e++)
		fprintf(out, "  %s\n      %s\n", e->command, e->help);
}

static void verb_row(FILE *out, const struct cli_verb *verb)
{
	row(out, verb->name, verb->summary);
}

bool cli_help_first_word(FILE *out, const char *word)
{
	size_t len = strlen(word), found = 0;

	for (size_t i = 0; i < cli_n_verbs; i++) {
		if (strncmp(cli_verbs[i]->name, word, len) == 0 && cli_verbs[i]->name[len] == ' ') {
			if (found++ == 0)
				fprintf(out, "sill %s VERB ...\n\n", word);
			verb_row(out, cli_verbs[i]);
		}
	}
	if (found)
		fprintf(out, "\nMore on one of them: sill %s VERB --help\n", word);
	return found > 0;
}

static void group_title(FILE *out, const char *title)
{
	fprintf(out, "\n%s:\n", title);
}

void cli_help(FILE *out)
{
	fputs("sill VERB ...\n\nRun machines at once from far images: the disk is streamed, what "
	      "was "
	      "read stays near.\n",
	      out);
	cli_each_verb(out, group_title, verb_row);
	fputs("\nMore on one of them: sill VERB --help, man sill\n", out);
}
