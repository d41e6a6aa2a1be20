// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Completion for bash, zsh and fish, out of the table.  Names of machines are asked from
 * `sill list --names` when the person presses Tab; all else is in the script.
 */
#include "cli/cli.h"

#include <string.h>

/* Text inside single quotes, as all three shells read it. */
static void quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
}

/* Print a verb's first word once, as `sill` completes it; false when it came before. */
static bool first_word(const struct cli_verb *verb, size_t index, size_t *ret_len)
{
	size_t len = strcspn(verb->name, " ");

	*ret_len = len;
	for (size_t i = 0; i < index; i++) {
		if (strcspn(cli_verbs[i]->name, " ") == len &&
		    strncmp(cli_verbs[i]->name, verb->name, len) == 0)
			return false;
	}
	return true;
}

static void choices(FILE *out, const struct cli_option *o)
{
	for (size_t i = 0; i < CLI_MAX_CHOICES && o->choices[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", o->choices[i]);
}

/* The type of the argument that comes after `n` others; CLI_TEXT when none does. */
static enum cli_type argument_type(const struct cli_verb *verb, size_t n)
{
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && verb->arguments[i].name; i++) {
		if (i == n || verb->arguments[i].repeat)
			return verb->arguments[i].type;
	}
	return CLI_TEXT;
}

/*
 * bash.  The script is two look-ups: the kind of value that VERB --OPTION takes, and the words that
 * may follow VERB.
 */
static const char *bash_kind(enum cli_type type)
{
	switch (type) {
	case CLI_FILE:
	case CLI_IMAGE:
		return "file";
	case CLI_DIRECTORY:
		return "directory";
	case CLI_MACHINE:
		return "machine";
	default:
		return "nothing";
	}
}

static const char bash_body[] =
	"_sill()\n{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal verb=${COMP_WORDS[1]} first=2 kind n=0 i\n"
	"\tCOMPREPLY=()\n"
	"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$_sill_words --help --version\" -- \"$cur\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [ -n \"${_sill_second[$verb]-}\" ]; then\n"
	"\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
	"\t\t\tCOMPREPLY=($(compgen -W \"${_sill_second[$verb]}\" -- \"$cur\"))\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\tverb=\"$verb ${COMP_WORDS[2]}\" first=3\n"
	"\tfi\n"
	"\tif [ \"$cur\" = = ]; then\n"
	"\t\tcur=\n"
	"\telif [ \"$prev\" = = ]; then\n"
	"\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\tkind=${_sill_value[$verb $prev]-}\n"
	"\tif [ -z \"$kind\" ]; then\n"
	"\t\tif [[ $cur == -* ]]; then\n"
	"\t\t\tCOMPREPLY=($(compgen -W \"${_sill_options[$verb]-} --help\" -- \"$cur\"))\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\tfor ((i = first; i < COMP_CWORD; i++)); do\n"
	"\t\t\tif [ \"${COMP_WORDS[i+1]-}\" = = ] && [ $((i + 1)) -lt $COMP_CWORD ]; then\n"
	"\t\t\t\ti=$((i + 2))\n"
	"\t\t\telif [ -n \"${_sill_value[$verb ${COMP_WORDS[i]}]-}\" ]; then\n"
	"\t\t\t\ti=$((i + 1))\n"
	"\t\t\telif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
	"\t\t\t\tn=$((n + 1))\n"
	"\t\t\tfi\n"
	"\t\tdone\n"
	"\t\tkind=${_sill_argument[$verb $n]-nothing}\n"
	"\tfi\n"
	"\tcase $kind in\n"
	"\tfile) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
	"\tdirectory) COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
	"\tmachine) COMPREPLY=($(compgen -W \"$(sill list --names 2>/dev/null)\" -- \"$cur\")) ;;\n"
	"\tnothing) ;;\n"
	"\t*) COMPREPLY=($(compgen -W \"$kind\" -- \"$cur\")) ;;\n"
	"\tesac\n"
	"}\n"
	"complete -o filenames -F _sill sill\n";

static void bash_verb(FILE *out, const struct cli_verb *verb)
{
	fprintf(out, "_sill_options['%s']='", verb->name);
	for (const struct cli_option *o = verb->options; o->name; o++)
		fprintf(out, "%s--%s", o == verb->options ? "" : " ", o->name);
	fputs("'\n", out);
	for (const struct cli_option *o = verb->options; o->name; o++) {
		if (o->type == CLI_FLAG || o->bare)
			continue;
		fprintf(out, "_sill_value['%s --%s']='", verb->name, o->name);
		if (o->type == CLI_CHOICE)
			choices(out, o);
		else
			fputs(bash_kind(o->type), out);
		fputs("'\n", out);
	}
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS; i++)
		fprintf(out, "_sill_argument['%s %zu']='%s'\n", verb->name, i,
		        bash_kind(argument_type(verb, i)));
}

void cli_generate_bash(FILE *out)
{
	size_t len;

	fputs("# bash completion for sill\n"
	      "declare -gA _sill_second _sill_options _sill_value _sill_argument\n_sill_words='",
	      out);
	for (size_t i = 0; i < cli_n_verbs; i++) {
		if (first_word(cli_verbs[i], i, &len))
			fprintf(out, "%s%.*s", i ? " " : "", (int)len, cli_verbs[i]->name);
	}
	fputs("'\n", out);
	for (size_t i = 0; i < cli_n_verbs; i++) {
		const char *space = strchr(cli_verbs[i]->name, ' ');

		if (space)
			fprintf(out, "_sill_second['%.*s']+='%s '\n",
			        (int)(space - cli_verbs[i]->name), cli_verbs[i]->name, space + 1);
	}
	for (size_t i = 0; i < cli_n_verbs; i++)
		bash_verb(out, cli_verbs[i]);
	fputs(bash_body, out);
}

/* zsh: _arguments does the work; its specifications want brackets and colons escaped. */
static void zsh_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("[]:\\", *text))
			fputc('\\', out);
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
}

static void zsh_action(FILE *out, enum cli_type type)
{
	switch (type) {
	case CLI_FILE:
	case CLI_IMAGE:
		fputs("_files", out);
		break;
	case CLI_DIRECTORY:
		fputs("_files -/", out);
		break;
	case CLI_MACHINE:
		fputs("_sill_machines", out);
		break;
	default:
		fputs(" ", out);
	}
}

static void zsh_verb(FILE *out, const struct cli_verb *verb)
{
	fprintf(out, "\t('%s')\n\t\t_arguments -s -S", verb->name);
	for (const struct cli_option *o = verb->options; o->name; o++) {
		fprintf(out, " \\\n\t\t\t'%s--%s%s[", o->repeat ? "*" : "", o->name,
		        o->type == CLI_FLAG ? ""
		        : o->bare           ? "=-"
		                            : "=");
		zsh_text(out, o->help);
		fputs("]", out);
		if (o->type != CLI_FLAG) {
			fputs(o->bare ? "::" : ":", out);
			zsh_text(out, o->value);
			fputs(":", out);
			if (o->type == CLI_CHOICE) {
				fputs("(", out);
				choices(out, o);
				fputs(")", out);
			} else {
				zsh_action(out, o->type);
			}
		}
		fputs("'", out);
	}
	for (size_t i = 0; i < CLI_MAX_ARGUMENTS && verb->arguments[i].name; i++) {
		const struct cli_argument *arg = &verb->arguments[i];

		fprintf(out, " \\\n\t\t\t'%s%s%s:", arg->repeat ? "*" : "",
		        arg->optional && !arg->repeat ? ":" : "", "");
		zsh_text(out, arg->name);
		fputs(":", out);
		zsh_action(out, arg->type);
		fputs("'", out);
	}
	fputs(" \\\n\t\t\t'--help[Print help]'\n\t\t;;\n", out);
}

void cli_generate_zsh(FILE *out)
{
	size_t len;

	fputs("#compdef sill\n\n_sill_machines()\n{\n"
	      "\tlocal -a names\n\tnames=(${(f)\"$(sill list --names 2>/dev/null)\"})\n"
	      "\tcompadd -a names\n}\n\n_sill()\n{\n\tlocal -a verbs\n\tlocal verb=${words[2]}\n"
	      "\tif (( CURRENT == 2 )); then\n\t\tverbs=(\n",
	      out);
	for (size_t i = 0; i < cli_n_verbs; i++) {
		if (!first_word(cli_verbs[i], i, &len))
			continue;
		fprintf(out, "\t\t\t'%.*s", (int)len, cli_verbs[i]->name);
		if (cli_verbs[i]->name[len] == '\0') {
			fputc(':', out);
			zsh_text(out, cli_verbs[i]->summary);
		}
		fputs("'\n", out);
	}
	fputs("\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tcase $verb in\n", out);
	for (size_t i = 0; i < cli_n_verbs; i++) {
		if (!first_word(cli_verbs[i], i, &len) || !cli_verbs[i]->name[len])
			continue;
		fprintf(out, "\t('%.*s')\n\t\tif (( CURRENT == 3 )); then\n\t\t\tcompadd", (int)len,
		        cli_verbs[i]->name);
		for (size_t j = i; j < cli_n_verbs; j++) {
			if (strncmp(cli_verbs[j]->name, cli_verbs[i]->name, len + 1) == 0)
				fprintf(out, " '%s'", cli_verbs[j]->name + len + 1);
		}
		fputs("\n\t\t\treturn\n\t\tfi\n\t\tverb=\"$verb ${words[3]}\"\n"
		      "\t\tshift words\n\t\t(( CURRENT-- ))\n\t\t;;\n",
		      out);
	}
	fputs("\tesac\n\tshift words\n\t(( CURRENT-- ))\n\tcase $verb in\n", out);
	for (size_t i = 0; i < cli_n_verbs; i++)
		zsh_verb(out, cli_verbs[i]);
	fputs("\tesac\n}\n\nif [ \"$funcstack[1]\" = _sill ]; then\n\t_sill \"$@\"\nelse\n"
	      "\tcompdef _sill sill\nfi\n",
	      out);
}

/* fish: one `complete` command for every verb, option and argument. */
static void fish_values(FILE *out, enum cli_type type)
{
	switch (type) {
	case CLI_FILE:
	case CLI_IMAGE:
		fputs(" -F", out);
		break;
	case CLI_DIRECTORY:
		fputs(" -a '(__fish_complete_directories)'", out);
		break;
	case CLI_MACHINE:
		fputs(" -a '(sill list --names 2>/dev/null)'", out);
		break;
	default:
		break;
	}
}

static void fish_verb(FILE *out, const struct cli_verb *verb)
{
	for (const struct cli_option *o = verb->options; o->name; o++) {
		fprintf(out, "complete -c sill -n '__sill_at %s' -l %s", verb->name, o->name);
		if (o->letter)
			fprintf(out, " -s %c", o->letter);
		if (o->type == CLI_CHOICE) {
			fputs(" -x -a '", out);
			choices(out, o);
			fputs("'", out);
		} else if (o->type != CLI_FLAG && !o->bare) {
			fputs(" -r", out);
			fish_values(out, o->type);
		}
		fputs(" -d '", out);
		quoted(out, o->help);
		fputs("'\n", out);
	}
	if (verb->arguments[0].name && argument_type(verb, 0) != CLI_TEXT) {
		fprintf(out, "complete -c sill -n '__sill_at %s'", verb->name);
		fish_values(out, argument_type(verb, 0));
		fputc('\n', out);
	}
}

void cli_generate_fish(FILE *out)
{
	size_t len;

	fputs("# fish completion for sill\n"
	      "function __sill_at\n"
	      "\tset -l words (commandline -opc)\n"
	      "\tset -e words[1]\n"
	      "\ttest (count $words) -ge (count $argv); or return 1\n"
	      "\ttest \"$words[1..\"(count $argv)\"]\" = \"$argv\"\n"
	      "end\n"
	      "complete -c sill -f\n"
	      "complete -c sill -l help -d 'Print help'\n",
	      out);
	for (size_t i = 0; i < cli_n_verbs; i++) {
		const struct cli_verb *verb = cli_verbs[i];
		bool first = first_word(verb, i, &len);

		if (first) {
			fprintf(out, "complete -c sill -n __fish_use_subcommand -a %.*s -d '",
			        (int)len, verb->name);
			quoted(out, verb->name[len] ? "" : verb->summary);
			fputs("'\n", out);
		}
		if (verb->name[len]) {
			fprintf(out,
			        "complete -c sill -n '__sill_at %.*s; and test (count (commandline "
			        "-opc)) -eq 2' -a %s -d '",
			        (int)len, verb->name, verb->name + len + 1);
			quoted(out, verb->summary);
			fputs("'\n", out);
		}
		fish_verb(out, verb);
	}
}
