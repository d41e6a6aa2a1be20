// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manual page as scdoc source, out of the table; run by the build (`sill --generate man`).
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char introduction[] = "# DESCRIPTION\n\n"
				   "*sill* runs machines at once from far images: the disk is "
				   "streamed from a web server, an NBD "
				   "export or a file, only what is read is fetched, what was read "
				   "stays near, and once all of it is "
				   "near the network is not needed. Each running machine has a "
				   "supervisor, a process of its own; "
				   "there is no daemon.\n\n";

static const char closing[] =
	"# EXIT STATUS\n\n"
	"*0*\n\tIt is done.\n\n"
	"*1*\n\tIt failed; one sentence on standard error says why.\n\n"
	"*2*\n\tThe command was written wrongly; one sentence says how.\n\n"
	"# ENVIRONMENT\n\n"
	"*SILL\\_CONFIG*\n"
	"\tThe configuration directory, in place of /etc/sill (root) or "
	"$XDG\\_CONFIG\\_HOME/sill.\n\n"
	"*SILL\\_STATE*\n"
	"\tThe state directory, in place of /var/lib/sill (root) or $XDG\\_DATA\\_HOME/sill.\n\n"
	"*http\\_proxy*, *https\\_proxy*, *no\\_proxy*\n"
	"\tProxies for sources.\n\n"
	"# FILES\n\n"
	"/etc/sill, ~/.config/sill\n"
	"\tKeys (*keys*), and whose signatures count (*trust.json*).\n\n"
	"/var/lib/sill, ~/.local/share/sill\n"
	"\tMachines, with what their guests wrote, and images, with what was fetched.\n\n"
	"/run/sill, $XDG\\_RUNTIME\\_DIR/sill\n"
	"\tSockets of running machines.\n\n"
	"# SEE ALSO\n\n"
	"*sill-credentials*(5), *qemu-system-x86\\_64*(1), *nbdkit*(1)\n";

/* Text in which scdoc sees nothing special; `bold` lets *word* through. */
static void escaped(FILE *out, const char *text, bool bold)
{
	for (; *text; text++) {
		if (strchr("_\\#~`", *text) || (*text == '*' && !bold))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void option(FILE *out, const struct cli_option *o)
{
	if (o->letter)
		fprintf(out, "*-%c*, ", o->letter);
	fprintf(out, "*--%s*", o->name);
	if (o->type != CLI_FLAG) {
		fputs(o->bare ? "[=" : " ", out);
		escaped(out, o->value, false);
		fputs(o->bare ? "]" : "", out);
	}
	fputs("\n\t", out);
	escaped(out, o->help, false);
	fputs(".", out);
	for (size_t i = 0; i < CLI_MAX_CHOICES && o->choices[i]; i++)
		fprintf(out, "%s*%s*", i ? ", " : " One of: ", o->choices[i]);
	fputs(o->choices[0] ? ".\n\n" : "\n\n", out);
}

static void verb_section(FILE *out, const struct cli_verb *verb)
{
	fprintf(out, "## sill %s\n\n*sill %s*", verb->name, verb->name);
	cli_print_arguments(out, verb);
	escaped(out, verb->description, true);
	fputs("\n\n", out);
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && verb->arguments[i].name; i++) {
		fprintf(out, "%s\n\t", verb->arguments[i].name);
		escaped(out, verb->arguments[i].help, false);
		fputs(".\n\n", out);
	}
	for (const struct cli_option *o = verb->options; o->name; o++)
		option(out, o);
	for (const struct cli_example *e = verb->examples; e->command; e++) {
		escaped(out, e->help, false);
		fprintf(out, ":\n\n```\n%s\n```\n\n", e->command);
	}
}

/* Sections of manuals are in capitals. */
static void group_section(FILE *out, const char *title)
{
	fputs("# ", out);
	for (; *title; title++)
		fputc(toupper((unsigned char)*title), out);
	fputs("\n\n", out);
}

void cli_generate_man(FILE *out)
{
	fputs("sill(1)\n\n# NAME\n\nsill - run machines at once from far images\n\n# SYNOPSIS\n\n"
	      "*sill* VERB [ARGUMENT...] [OPTION...]++\n"
	      "*sill* [VERB] *--help*++\n"
	      "*sill* *--version*\n\n",
	      out);
	fputs(introduction, out);
	cli_each_verb(out, group_section, verb_section);
	fputs(closing, out);
}

int cli_generate(FILE *out, const char *what, struct error *err)
{
	static const struct {
		const char *name;
		void (*generate)(FILE *out);
	} kinds[] = {
		{ "man", cli_generate_man },
		{ "bash", cli_generate_bash },
		{ "zsh", cli_generate_zsh },
		{ "fish", cli_generate_fish },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, what) == 0) {
			kinds[i].generate(out);
			return 0;
		}
	}
	return cli_usage(err, "'%s' is none of: man, bash, zsh, fish", what);
}
