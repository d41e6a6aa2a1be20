// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill key list: one's own keys, those that are trusted or not, and those that are remembered.
 *
 * One list of objects is made; --json prints it, and the text is made of it.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "library/key.h"
#include "library/trust-store.h"
#include "util/base64.h"
#include "util/config.h"
#include "util/utc.h"

#define SHORT_ID 19 /* "SHA256:" and 12 characters */

static int add(json_t *list, json_t *row, struct error *err)
{
	return json_array_append_new(list, row) < 0 ? error_sys(err, ENOMEM, "list of keys") : 0;
}

static json_t *time_of(int64_t seconds)
{
	char text[UTC_BYTES];

	return json_string(format_utc(seconds, text));
}

static int add_own(json_t *list, struct error *err)
{
	cleanup_free struct own_key *keys = NULL;
	char dir[PATH_MAX];
	size_t n = 0;
	int r = config_path("keys", dir, err);

	if (r == 0)
		r = key_folder_list(dir, &keys, &n, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		char id[KEY_ID_ROOM], text[BASE64_ROOM(KEY_BYTES)];

		key_id(keys[i].public.bytes, id);
		base64_encode(keys[i].public.bytes, KEY_BYTES, text);
		r = add(list,
		        json_pack("{ss ss ss ss sb}", "kind", "own", "name", keys[i].public.name,
		                  "id", id, "public", text, "private", keys[i].secret),
		        err);
	}
	return r;
}

static int add_keys(json_t *list, const struct trust *trust, bool host, enum trust_state state,
                    struct error *err)
{
	int r = 0;

	for (size_t i = 0; trust && i < trust_n_keys(trust) && r == 0; i++) {
		struct trust_key key;

		trust_key_at(trust, i, &key);
		if (key.state != state)
			continue;
		r = add(list,
		        json_pack("{ss ss ss ss* sO* so sb}", "kind",
		                  state == TRUST_TRUSTED ? "trusted" : "distrusted", "name",
		                  key.name, "id", key.id, "public", key.public, "for",
		                  state == TRUST_TRUSTED ? key.prefixes : NULL, "since",
		                  time_of(key.since), "host", host),
		        err);
	}
	return r;
}

static int add_pins(json_t *list, const struct trust *trust, struct error *err)
{
	struct trust_pin pin;
	void *at = NULL;
	int r = 0;

	while (r == 0 && (at = trust_next_pin(trust, at, &pin)) != NULL)
		r = add(list,
		        json_pack("{ss ss ss sI so so}", "kind", "remembered", "id", pin.key,
		                  "image", pin.name, "release", (json_int_t)pin.release, "created",
		                  time_of(pin.created), "since", time_of(pin.since)),
		        err);
	return r;
}

static const char *text_at(const json_t *row, const char *member)
{
	const char *text = json_string_value(json_object_get(row, member));

	return text ? text : "";
}

/* "kind  id  name  what else". */
static void print_row(const json_t *row, int width)
{
	const json_t *prefix = NULL;
	const char *name = text_at(row, "name");
	size_t i = 0;

	printf("%-10s  %.*s  ", text_at(row, "kind"), SHORT_ID, text_at(row, "id"));
	if (json_object_get(row, "image")) {
		printf("%s, release %" JSON_INTEGER_FORMAT "\n", text_at(row, "image"),
		       json_integer_value(json_object_get(row, "release")));
		return;
	}
	printf("%-*s", json_object_get(row, "since") ? width : 0, *name ? name : "-");
	json_array_foreach (json_object_get(row, "for"), i, prefix)
		printf("%s%s", i ? ", " : "  for ", json_string_value(prefix));
	if (json_is_false(json_object_get(row, "private")))
		printf("  (its private key is not here)");
	if (json_is_true(json_object_get(row, "host")))
		printf("  (of this computer)");
	putchar('\n');
}

static void print_text(const json_t *list)
{
	const json_t *row = NULL;
	size_t i = 0, width = 1;

	if (json_array_size(list) > 0)
		printf("%-10s  %-*s  NAME\n", "KIND", SHORT_ID, "KEY");
	json_array_foreach (list, i, row) {
		size_t len = strlen(text_at(row, "name"));

		width = len > width ? len : width;
	}
	json_array_foreach (list, i, row)
		print_row(row, (int)width);
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(trust_store_close) struct trust_store store = { NULL, NULL };
	json_t *list = json_array();
	int r = trust_store_open(&store, err);

	if (r == 0)
		r = add_own(list, err);
	for (enum trust_state s = TRUST_TRUSTED; s <= TRUST_DISTRUSTED && r == 0; s++) {
		r = add_keys(list, store.own, false, s, err);
		if (r == 0)
			r = add_keys(list, store.host, true, s, err);
	}
	if (r == 0)
		r = add_pins(list, store.own, err);
	if (r == 0 && cli_given(call, "json"))
		r = cli_print_json(list, err);
	else if (r == 0)
		print_text(list);
	json_decref(list);
	return r;
}

const struct cli_verb verb_key_list = {
	.name = "key list",
	.group = CLI_KEYS,
	.summary = "List keys: own, trusted, distrusted, remembered",
	.description =
		"List one's *own* keys, the ones that are *trusted* (and for which names), the "
		"ones that are *distrusted*, and those that are *remembered* because an image "
		"was signed with them when it was used for the first time. Ids are cut short; "
		"--json has them whole.",
	.options = { OPTION_JSON },
	.examples = { { "sill key list", "Show all keys" },
	              { "sill key list --json | jq -r '.[] | select(.kind == \"own\").id'",
	                "The ids of one's own keys, whole, to compare them with somebody" } },
	.run = run,
};
