/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `sill` command: one table of verbs from which parsing, help, manual page and shell completion
 * all come, so that none of them can say something else than the others.
 *
 * A verb is one file, cli/verb-X.c, that defines `const struct cli_verb verb_X`, and one row in
 * cli/verbs.h.  Its options are rows too; the parser has checked their values before the verb runs.
 * Everything runs in the one thread of the program; strings belong to argv or to the table.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "util/cleanup.h"
#include "util/error.h"

/* What a value is: how it is checked, and what the shells offer for it. */
enum cli_type {
	CLI_FLAG,      /* no value */
	CLI_TEXT,      /* anything but the empty string */
	CLI_FILE,      /* the path of a file */
	CLI_DIRECTORY, /* the path of a directory */
	CLI_IMAGE,     /* a path or URL of an image */
	CLI_MACHINE,   /* the name of a machine that exists */
	CLI_NAME,      /* a name for a machine (machine_name_check) */
	CLI_NUMBER,    /* a whole number from `low` to `high` */
	CLI_BYTES,     /* 512M, 4G, from `low` to `high` (0: no limit) */
	CLI_CHOICE,    /* one of `choices` */
};

#define CLI_MAX_CHOICES 12

struct cli_option {
	const char *name; /* without dashes; NULL ends the table */
	char letter;      /* short form; 0: none */
	bool repeat;      /* may be given more than once */
	bool bare;        /* the value may be left out: --fill or --fill=RATE */
	enum cli_type type;
	const char *value; /* what help calls the value, in capitals */
	uint64_t low, high;
	const char *choices[CLI_MAX_CHOICES]; /* ends with NULL */
	const char *help;                     /* a sentence without its full stop */
};

struct cli_argument {
	const char *name; /* in capitals; NULL ends the table */
	bool optional;
	bool repeat; /* the last one only */
	enum cli_type type;
	const char *help;
};

struct cli_example {
	const char *command; /* NULL ends the table */
	const char *help;
};

enum cli_group { CLI_MACHINES, CLI_LIBRARY, CLI_DISKS, CLI_TRACES, CLI_KEYS, CLI_HOST, CLI_GROUPS };

struct cli_call;

#define CLI_MAX_OPTIONS   40
#define CLI_MAX_ARGUMENTS 4
#define CLI_MAX_EXAMPLES  6

struct cli_verb {
	const char *name; /* one word, or two: "disk info" */
	enum cli_group group;
	const char *summary; /* one line, imperative, without full stop */
	const char
		*description; /* paragraphs, "\n\n" between them; *word* for bold in the manual */
	struct cli_argument arguments[CLI_MAX_ARGUMENTS];
	struct cli_option options[CLI_MAX_OPTIONS];
	struct cli_example examples[CLI_MAX_EXAMPLES];
	/*
	 * 0; -errno with a sentence: exit 1; what cli_usage() returns: exit 2.  Results go to
	 * standard output, and nothing else does.
	 */
	int (*run)(const struct cli_call *call, struct error *err);
};

/* All verbs, ordered as help shows them. */
extern const struct cli_verb *const cli_verbs[];
extern const size_t cli_n_verbs;

/* The verb that words[0] (and words[1]) name; *ret_words is how many were used.  NULL: none. */
const struct cli_verb *cli_find(const char *const *words, size_t n, size_t *ret_words);
/* Write all verbs, group by group, each group under its title. */
void cli_each_verb(FILE *out, void (*title)(FILE *out, const char *title),
                   void (*verb)(FILE *out, const struct cli_verb *verb));
/* The verb whose name is most like `text`, or NULL when none is near. */
const char *cli_suggest(const char *text);
/* The row of an option, NULL when the verb has none of that name. */
const struct cli_option *cli_option(const struct cli_verb *verb, const char *name, size_t len);

/* What the person asked for. */
struct cli_value {
	const struct cli_option *option;
	const char *text; /* NULL for a flag and for a value that was left out */
	uint64_t number;  /* CLI_NUMBER, CLI_BYTES */
};

struct cli_call {
	const struct cli_verb *verb;
	bool help; /* --help was there: nothing else has been checked */
	const char **arguments;
	size_t n_arguments;
	struct cli_value *values;
	size_t n_values;
};

/* `words` are what stands behind the verb.  CLI_USAGE with a sentence, or -ENOMEM. */
int cli_parse(const struct cli_verb *verb, const char *const *words, size_t n,
              struct cli_call **ret, struct error *err);
void cli_call_free(struct cli_call *call);
DEFINE_CLEANUP(struct cli_call *, cli_call_free);

/*
 * Values by option name.  A name that is not in the verb's table aborts: that is a defect.  The
 * second ones give `fallback` when the option was not given (or its value was left out).
 */
bool cli_given(const struct cli_call *call, const char *name);
const char *cli_text(const struct cli_call *call, const char *name, const char *fallback);
uint64_t cli_number(const struct cli_call *call, const char *name, uint64_t fallback);
/* The i-th value of an option that repeats; NULL behind the last. */
const char *cli_nth(const struct cli_call *call, const char *name, size_t i);

/* Behind every errno: the command was written wrongly. */
#define CLI_USAGE (-100000)

/* A usage error found by the verb itself: `return cli_usage(err, "…")`. */
int cli_usage(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Ask on the terminal; false without one, and for any answer but y or yes. */
bool cli_confirm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Print an object or array for --json, with a newline. */
int cli_print_json(const json_t *value, struct error *err);

/* The whole command; returns the exit status. */
int cli_main(int argc, char **argv);

/* Help (cli/help.c). */
void cli_help(FILE *out);
void cli_help_verb(FILE *out, const struct cli_verb *verb);
/* All verbs whose first word is `word`; false when there are none. */
bool cli_help_first_word(FILE *out, const char *word);
/* "IMAGE [NAME] FILE… [OPTION...]", and an empty line. */
void cli_print_arguments(FILE *out, const struct cli_verb *verb);

/* Generated documents (cli/generate.c, cli/complete.c). */
int cli_generate(FILE *out, const char *what, struct error *err);
void cli_generate_man(FILE *out);
void cli_generate_bash(FILE *out);
void cli_generate_zsh(FILE *out);
void cli_generate_fish(FILE *out);

#endif
