// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill key new: a key of one's own, to sign images with.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>

#include "cli/cli.h"
#include "cli/secret.h"
#include "library/key.h"
#include "util/config.h"

static int old_passphrase(void *arg, char ret[KEY_PASSPHRASE_ROOM], struct error *err)
{
	const char *path = arg;
	char prompt[PATH_MAX + 40];

	snprintf(prompt, sizeof(prompt), "Passphrase of %s: ", path);
	return cli_ask_secret(prompt, false, ret, err);
}

/* The new one's: its length, 0 when it has none. */
static int new_passphrase(const struct cli_call *call, char ret[SECRET_ROOM], struct error *err)
{
	const char *file = cli_text(call, "passphrase-file", NULL);

	if (file)
		return cli_read_secret(file, ret, err);
	if (cli_given(call, "passphrase"))
		return cli_ask_secret("Passphrase of the new key: ", true, ret, err);
	return 0;
}

static int make(const struct cli_call *call, struct key **ret, struct error *err)
{
	const char *from = cli_text(call, "import", NULL);

	return from ? key_load(from, old_passphrase, (void *)from, ret, err) : key_new(ret, err);
}

static void tell(const struct key *key, const char *dir, const char *name)
{
	struct public_key public = { .name = "" };
	char id[KEY_ID_ROOM], line[KEY_LINE_ROOM];

	key_public(key, public.bytes);
	snprintf(public.name, sizeof(public.name), "%s", name);
	key_id(public.bytes, id);
	public_key_line(&public, line);
	printf("%s/%s.key\n%s\n%s", dir, name, id, line);
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(key_free) struct key *key = NULL;
	const char *name = call->arguments[0];
	char dir[PATH_MAX], words[SECRET_ROOM];
	int r, len;

	if (key_name_check(name, err) < 0)
		return cli_usage(err, "%s", err->text);
	if (cli_given(call, "passphrase") && cli_given(call, "passphrase-file"))
		return cli_usage(err, "--passphrase and --passphrase-file do not go together");
	r = config_path("keys", dir, err);
	if (r == 0)
		r = make(call, &key, err);
	if (r < 0)
		return r;
	len = new_passphrase(call, words, err);
	r = len < 0 ? len : key_save(key, dir, name, len > 0 ? words : NULL, (size_t)len, err);
	OPENSSL_cleanse(words, sizeof(words));
	if (r == 0)
		tell(key, dir, name);
	return r;
}

const struct cli_verb verb_key_new = {
	.name = "key new",
	.group = CLI_KEYS,
	.summary = "Make a key to sign images with",
	.description =
		"Make an ed25519 key: *NAME.key*, which nobody else should have, and "
		"*NAME.pub*, one line to give to those who shall trust it. Both lie in *keys* "
		"of the configuration directory; what is there is never overwritten. Printed "
		"are the private key's file, the key's id, by which two people can compare it, "
		"and the public line.",
	.arguments = { { .name = "NAME",
	                 .type = CLI_TEXT,
	                 .help = "What to call it: letters, digits and . _ - @" } },
	.options = { { .name = "passphrase",
	               .type = CLI_FLAG,
	               .help = "Protect it with a passphrase, which is asked for on the terminal" },
	             { .name = "passphrase-file",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "The passphrase is the first line of this file, which nobody else "
	                       "may read; - is standard input" },
	             { .name = "import",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "Take this private ed25519 key (PEM, as openssl makes it) instead "
	                       "of "
	                       "making one" } },
	.examples = { { "sill key new example --passphrase",
	                "Make a key that asks for a passphrase whenever it signs" },
	              { "sill key new example --import example.pem",
	                "Use a key that openssl made" } },
	.run = run,
};
