// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill login, logout: who we are at a registry, kept where podman keeps it (sill-credentials(5)).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/secret.h"
#include "disk/source/credentials-files.h"
#include "disk/source/credentials.h"
#include "library/registry-login.h"

#define HOST_MAX 261

/* "registry.example", with a port if need be; a URL or a path is another thing. */
static int check_host(const char *host, struct error *err)
{
	if (strlen(host) > HOST_MAX ||
	    host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                      "0123456789.-:[]")])
		return cli_usage(err,
		                 "%s: the name of a registry is a host and perhaps a port, such as "
		                 "registry.example:5000",
		                 host);
	return 0;
}

/* What the entry is called: one for plain HTTP says so. */
static void make_key(char out[HOST_MAX + 8], const char *host, bool plain)
{
	snprintf(out, HOST_MAX + 8, "%s%s", plain ? "http://" : "", host);
}

static int ask_user(const struct cli_call *call, char out[256], struct error *err)
{
	const char *given = cli_text(call, "user", NULL);

	if (given) {
		if (strlen(given) > 255 || strchr(given, ':'))
			return cli_usage(err, "a user name has no colon, and at most 255 bytes");
		memcpy(out, given, strlen(given) + 1);
		return 0;
	}
	if (!isatty(STDIN_FILENO) || cli_given(call, "password-stdin"))
		return cli_usage(err, "--user is missing, and nobody can be asked");
	fprintf(stderr, "User name at %s: ", call->arguments[0]);
	if (!fgets(out, 256, stdin) || !out[strcspn(out, "\n")])
		return error_set(err, ECANCELED, "no user name was typed");
	out[strcspn(out, "\r\n")] = '\0';
	return *out && !strchr(out, ':')
	               ? 0
	               : error_set(err, EINVAL, "a user name is not empty and has no colon");
}

static int ask_password(const struct cli_call *call, const char *user, char out[SECRET_ROOM],
                        struct error *err)
{
	char prompt[600];
	int r;

	if (cli_given(call, "password-stdin"))
		return cli_read_secret("-", out, err);
	snprintf(prompt, sizeof(prompt), "Password of %s at %s: ", user, call->arguments[0]);
	r = cli_ask_secret(prompt, false, out, err);
	if (r == -ENOTTY)
		return cli_usage(err, "--password-stdin is missing, and nobody can be asked");
	return r;
}

/* Is that what will be used?  Another of the files may be looked at first. */
static int check_first(const char *host, bool plain, const char *path, const char *secret,
                       struct error *err)
{
	cleanup(credentials_free) struct credentials *creds = NULL;
	cleanup(credential_wipe) struct credential who = { 0 };
	char url[HOST_MAX + 16];
	int r = credentials_load_default(&creds, err);

	snprintf(url, sizeof(url), "%s://%s/v2/", plain ? "http" : "https", host);
	if (r == 0)
		r = credentials_ask(creds, url, 0, NULL, &who, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (who.secret && strcmp(who.secret, secret) == 0)
		return 0;
	return error_set(err, EEXIST,
	                 "the password is kept in %s, but another file that is looked at first has "
	                 "another one for %s (sill-credentials(5))",
	                 path, host);
}

static int keep(const struct cli_call *call, const char *user, const char *secret,
                struct error *err)
{
	const char *host = call->arguments[0];
	bool plain = cli_given(call, "plain-http");
	char path[PATH_MAX], key[HOST_MAX + 8];
	int r = registry_check_login(host, cli_text(call, "ca", NULL), plain, user, secret, err);

	make_key(key, host, plain);
	if (r == 0)
		r = credentials_own_path(path, err);
	if (r == 0)
		r = credentials_store(path, key, user, secret, err);
	if (r == 0)
		r = check_first(host, plain, path, secret, err);
	if (r == 0)
		printf("%s knows you as %s\n", host, user);
	return r;
}

static int login(const struct cli_call *call, struct error *err)
{
	char user[256], secret[SECRET_ROOM];
	int r = check_host(call->arguments[0], err);

	if (r == 0)
		r = ask_user(call, user, err);
	if (r == 0)
		r = ask_password(call, user, secret, err);
	if (r < 0)
		return r;
	r = keep(call, user, secret, err);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

const struct cli_verb verb_login = {
	.name = "login",
	.group = CLI_LIBRARY,
	.summary = "Say who you are at a registry",
	.description = "Ask for a user name and a password, try them at the registry, and keep "
		       "them where podman keeps them, in a file that nobody else can read "
		       "(*sill-credentials*(5)). A password cannot be given on the command line, "
		       "where others could read it.",
	.arguments = { { .name = "HOST", .type = CLI_TEXT, .help = "The registry" } },
	.options = { { .name = "user",
	               .letter = 'u',
	               .type = CLI_TEXT,
	               .value = "NAME",
	               .help = "The user name; asked for unless said" },
	             { .name = "password-stdin",
	               .type = CLI_FLAG,
	               .help = "Read the password from standard input, its first line" },
	             { .name = "ca",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "Certificate authorities (PEM) to trust in place of the "
	                       "system's" },
	             { .name = "plain-http",
	               .type = CLI_FLAG,
	               .help = "The registry does not speak TLS, and the password may go over "
	                       "the network as it is" } },
	.examples = { { "sill login registry.example", "Ask for name and password" },
	              { "sill login registry.example --user ci --password-stdin <token",
	                "In a script" } },
	.run = login,
};

static int logout(const struct cli_call *call, struct error *err)
{
	const char *host = call->arguments[0];
	char path[PATH_MAX], key[HOST_MAX + 8];
	bool any = false;
	int r = check_host(host, err);

	if (r == 0)
		r = credentials_own_path(path, err);
	for (int plain = 0; r == 0 && plain < 2; plain++) {
		make_key(key, host, plain);
		r = credentials_forget(path, key, err);
		any |= r == 0;
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0 && !any)
		return error_set(err, ENOENT, "%s: keeps nothing for %s", path, host);
	return r;
}

const struct cli_verb verb_logout = {
	.name = "logout",
	.group = CLI_LIBRARY,
	.summary = "Forget who you are at a registry",
	.description = "Remove what *sill login* or *podman login* keep for a registry.",
	.arguments = { { .name = "HOST", .type = CLI_TEXT, .help = "The registry" } },
	.options = { { .name = NULL } },
	.examples = { { "sill logout registry.example", "Forget it" } },
	.run = logout,
};
