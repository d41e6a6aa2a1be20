// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill disk info: what an image is.
 *
 * The formats fill one object (image_info()); --json prints it, and the text is made of it, line by
 * line in its order, so that a field a format adds appears in both.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/options.h"
#include "util/text.h"

#define LABEL         22
#define SHOW_PROBLEMS 5

/* Numbers of bytes are shown both ways. */
static bool is_bytes(const char *key)
{
	static const char *const endings[] = { "size", "allocated", "bytes" };

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t len = strlen(endings[i]), at = strlen(key);

		if (at >= len && !strcmp(key + at - len, endings[i]))
			return true;
	}
	return false;
}

static void print_line(const char *indent, const char *key, const json_t *value)
{
	char label[64], bytes[16];

	snprintf(label, sizeof(label), "%s%s", indent, key);
	for (char *at = label; *at; at++)
		if (*at == '_')
			*at = ' ';
	if (json_is_string(value)) {
		printf("%-*s %s\n", LABEL, label, json_string_value(value));
	} else if (json_is_boolean(value)) {
		printf("%-*s %s\n", LABEL, label, json_is_true(value) ? "yes" : "no");
	} else if (json_is_integer(value)) {
		json_int_t n = json_integer_value(value);

		printf("%-*s %" JSON_INTEGER_FORMAT, LABEL, label, n);
		if (is_bytes(key) && n >= 1000)
			printf(" bytes (%s)", format_bytes((uint64_t)n, bytes));
		putchar('\n');
	}
}

static void print_object(const char *indent, json_t *info)
{
	const char *key = NULL;
	json_t *value = NULL;

	json_object_foreach (info, key, value)
		print_line(indent, key, value);
}

static void print_list(const char *title, const json_t *list)
{
	size_t i = 0;
	json_t *text = NULL;

	json_array_foreach (list, i, text)
		printf("%-*s %s\n", LABEL, title, json_string_value(text));
}

static void print_info(json_t *info, json_int_t n_problems)
{
	size_t i = 0;
	json_t *parent = NULL;

	print_object("", info);
	json_array_foreach (json_object_get(info, "parents"), i, parent) {
		putchar('\n');
		printf("parent %zu\n", i + 1);
		print_object("  ", parent);
	}
	print_list("warning", json_object_get(info, "warnings"));
	print_list("problem", json_object_get(info, "problems"));
	if (n_problems > SHOW_PROBLEMS)
		printf("%-*s %" JSON_INTEGER_FORMAT " in all: sill disk check lists them\n", LABEL,
		       "problems", n_problems);
}

static void keep_problem(void *arg, const char *text)
{
	json_t *list = arg;

	if (json_array_size(list) < SHOW_PROBLEMS)
		json_array_append_new(list, json_string(text));
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(image_close) struct image *image = NULL;
	json_t *info, *problems;
	int r, n;

	r = cli_image_open(call, cli_text(call, "format", "auto"), "parent", false, &image, err);
	if (r < 0)
		return r;
	r = image_info(image, &info, err);
	if (r < 0)
		return r;
	problems = json_array();
	json_object_set_new(info, "problems", problems);
	n = image_check(image, keep_problem, problems, err);
	if (n >= 0 && cli_given(call, "json"))
		r = cli_print_json(info, err);
	else if (n >= 0)
		print_info(info, n);
	json_decref(info);
	return n < 0 ? n : r;
}

const struct cli_verb verb_disk_info = {
	.name = "disk info",
	.group = CLI_DISKS,
	.summary = "Show what an image is",
	.description =
		"Show the format of an image, its sizes, who made it and when, how much of it is "
		"allocated, the parents it stands on, what is odd about it and the first problems "
		"of "
		"its structure.  Only headers and tables are read, so an image at a URL is "
		"described "
		"without downloading it.",
	.arguments = { ARGUMENT_FILE_IMAGE },
	.options = { OPTION_JSON, OPTION_FORMAT, OPTION_PARENT, OPTIONS_SOURCE },
	.examples = { { "sill disk info https://example.org/debian-12.vhd",
	                "Describe an image on a server" },
	              { "sill disk info --json child.vhd --parent /srv/base.vhd",
	                "Describe a differencing image whose parent has moved" } },
	.run = run,
};
