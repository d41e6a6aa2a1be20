// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding verbs and options in the table.
 */
#include "cli/cli.h"

#include <string.h>

#include "base/bits.h"
#include "cli/verbs.h"

#define X(verb) &verb_##verb,
const struct cli_verb *const cli_verbs[] = { CLI_VERBS(X) };
#undef X
const size_t cli_n_verbs = ARRAY_LEN(cli_verbs);

const struct cli_verb *cli_find(const char *const *words, size_t n, size_t *ret_words)
{
	for (size_t i = 0; n > 0 && i < cli_n_verbs; i++) {
		const char *name = cli_verbs[i]->name;
		const char *space = strchr(name, ' ');
		size_t first = space ? (size_t)(space - name) : strlen(name);

		if (strlen(words[0]) != first || strncmp(words[0], name, first) != 0)
			continue;
		if (space && (n < 2 || strcmp(words[1], space + 1) != 0))
			continue;
		*ret_words = space ? 2 : 1;
		return cli_verbs[i];
	}
	return NULL;
}

void cli_each_verb(FILE *out, void (*title)(FILE *out, const char *title),
                   void (*verb)(FILE *out, const struct cli_verb *verb))
{
	static const char *const titles[CLI_GROUPS] = {
		[CLI_MACHINES] = "Machines",      [CLI_LIBRARY] = "Libraries of images",
		[CLI_DISKS] = "Disks and images", [CLI_TRACES] = "Boot traces",
		[CLI_KEYS] = "Keys and trust",    [CLI_HOST] = "This computer",
	};

	for (int group = 0; group < CLI_GROUPS; group++) {
		bool any = false;

		for (size_t i = 0; i < cli_n_verbs; i++) {
			if ((int)cli_verbs[i]->group != group)
				continue;
			if (!any)
				title(out, titles[group]);
			any = true;
			verb(out, cli_verbs[i]);
		}
	}
}

/* Levenshtein's distance, for short words; longer ones are simply far apart. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], len = strlen(b);

	if (len >= ARRAY_LEN(row) || strlen(a) >= ARRAY_LEN(row))
		return ARRAY_LEN(row);
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			best = min_u64(best, min_u64(row[j], diagonal) + 1);
			row[j + 1] = best;
		}
	}
	return row[len];
}

const char *cli_suggest(const char *text)
{
	const char *best = NULL;
	size_t least = 3;

	for (size_t i = 0; i < cli_n_verbs; i++) {
		size_t d = distance(text, cli_verbs[i]->name);

		if (d < least && d < strlen(text)) {
			least = d;
			best = cli_verbs[i]->name;
		}
	}
	return best;
}

const struct cli_option *cli_option(const struct cli_verb *verb, const char *name, size_t len)
{
	for (const struct cli_option *o = verb->options; o->name; o++) {
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}
