// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill key trust, distrust and forget: whose signatures count (docs/trust.md).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "library/trust-store.h"
#include "util/io.h"

/* The key that an argument is, or that is in the file it names. */
static int read_key(const char *text, struct public_key *ret, struct error *err)
{
	cleanup_free char *content = NULL;
	struct error why = { 0 };
	size_t len;
	int r;

	if (strncmp(text, "sill-ed25519 ", strlen("sill-ed25519 ")) == 0) {
		r = public_key_parse(text, strlen(text), ret, &why);
		return r < 0 ? error_set(err, -r, "the line %s", why.text) : 0;
	}
	r = read_file(AT_FDCWD, text, KEY_FILE_MAX, &content, &len, err);
	if (r < 0)
		return r;
	r = public_key_parse(content, len, ret, &why);
	return r < 0 ? error_set(err, -r, "%s: %s", text, why.text) : 0;
}

struct trusting {
	const struct cli_call *call;
	struct public_key key;
};

static int add_key(struct trust *trust, void *arg, struct error *err)
{
	const struct trusting *what = arg;
	const char *prefix = cli_nth(what->call, "for", 0);
	int r = 0;

	if (!prefix)
		return trust_add_key(trust, &what->key, PREFIX_ALL, time(NULL), err);
	for (size_t i = 0; r == 0 && (prefix = cli_nth(what->call, "for", i)) != NULL; i++)
		r = trust_add_key(trust, &what->key, prefix, time(NULL), err);
	return r;
}

static int run_trust(const struct cli_call *call, struct error *err)
{
	const char *name = cli_text(call, "name", NULL), *prefix;
	struct trusting what = { .call = call };
	char id[KEY_ID_ROOM];
	int r;

	if (name && key_name_check(name, err) < 0)
		return cli_usage(err, "%s", err->text);
	for (size_t i = 0; (prefix = cli_nth(call, "for", i)) != NULL; i++)
		if (prefix_check(prefix, err) < 0)
			return cli_usage(err, "--for: %s", err->text);
	r = read_key(call->arguments[0], &what.key, err);
	if (r < 0)
		return r;
	if (name)
		snprintf(what.key.name, sizeof(what.key.name), "%s", name);
	r = trust_store_change(add_key, &what, err);
	if (r < 0)
		return r;
	key_id(what.key.bytes, id);
	puts(id);
	return 0;
}

struct naming {
	const char *text;
	char id[KEY_ID_ROOM];
};

static int distrust(struct trust *trust, void *arg, struct error *err)
{
	struct naming *what = arg;
	int r = trust_which_key(trust, what->text, what->id, err);

	return r < 0 ? r : trust_distrust(trust, what->id, time(NULL), err);
}

static int run_distrust(const struct cli_call *call, struct error *err)
{
	struct naming what = { .text = call->arguments[0] };
	int r = trust_store_change(distrust, &what, err);

	if (r == 0)
		puts(what.id);
	return r;
}

static int forget(struct trust *trust, void *arg, struct error *err)
{
	const char *name = arg;

	return trust_forget(trust, name, err);
}

static int run_forget(const struct cli_call *call, struct error *err)
{
	return trust_store_change(forget, (void *)call->arguments[0], err);
}

const struct cli_verb verb_key_trust = {
	.name = "key trust",
	.group = CLI_KEYS,
	.summary = "Trust a publisher's key",
	.description = "From now on images are taken that this key signed: all of them, or those "
		       "whose names begin as *--for* says. Compare the id, which is printed, with "
		       "what the publisher says it is. Trusting a key again adds to what it is "
		       "trusted for; one that was distrusted is trusted for what is said now.",
	.arguments = { { .name = "FILE|LINE",
	                 .type = CLI_FILE,
	                 .help = "A .pub file, a public key as PEM, or the line 'sill-ed25519 ...' "
	                         "itself" } },
	.options = { { .name = "for",
	               .repeat = true,
	               .type = CLI_TEXT,
	               .value = "REGISTRY[/NAME]",
	               .help = "Only for images whose names begin so; may be given more than once. "
	                       "Without it, for all" },
	             { .name = "name",
	               .type = CLI_TEXT,
	               .value = "NAME",
	               .help = "What to call it here, if not as the key says" } },
	.examples = { { "sill key trust example.pub --for registry.example/team",
	                "Take what this key signs under that name" },
	              { "sill key trust 'sill-ed25519 "
	                "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= example'",
	                "Take everything that this key signs" } },
	.run = run_trust,
};

const struct cli_verb verb_key_distrust = {
	.name = "key distrust",
	.group = CLI_KEYS,
	.summary = "Refuse whatever a key signed",
	.description =
		"From now on a signature of this key is worth nothing, whatever the policy and "
		"whatever was agreed to before; the id is printed. What runs already goes on.",
	.arguments = { { .name = "KEY",
	                 .type = CLI_TEXT,
	                 .help = "Its id, the beginning of it as sill key list shows it, or its "
	                         "name" } },
	.examples = { { "sill key distrust example", "A key has been stolen" } },
	.run = run_distrust,
};

const struct cli_verb verb_key_forget = {
	.name = "key forget",
	.group = CLI_KEYS,
	.summary = "Forget which key signed an image before",
	.description =
		"Forget what is remembered of an image's name: which key signed it, and its "
		"newest release. The next use of it is a first one. For when a publisher has a "
		"new key, or means to go back to an older release.",
	.arguments = { { .name = "IMAGE",
	                 .type = CLI_TEXT,
	                 .help = "The name with its tag, as sill key list shows it" } },
	.examples = { { "sill key forget registry.example/team/debian:12",
	                "Its publisher says that the new key is right" } },
	.run = run_forget,
};
