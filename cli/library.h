/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What verbs of the library share: the libraries that this host knows, the host's own, and options.
 */
#ifndef CLI_LIBRARY_H
#define CLI_LIBRARY_H

#include <limits.h>

#include "cli/cli.h"
#include "library/find.h"
#include "machine/state.h"

/* Arguments that name an image; docs/library.md, "References". */
#define ARGUMENT_REFERENCE                                              \
	{                                                               \
		.name = "REF", .type = CLI_TEXT,                        \
		.help = "An image: [HOST[:PORT]/]NAME[:TAG][@DIGEST], " \
			"LIBRARY/NAME[:TAG], or FOLDER#NAME[:TAG]",     \
	}

/* What it takes to speak with a registry or a web server. */
#define OPTIONS_STORE                                                                       \
	{ .name = "ca",                                                                     \
	  .type = CLI_FILE,                                                                 \
	  .value = "FILE",                                                                  \
	  .help = "Certificate authorities (PEM) to trust in place of the system's" },      \
		{ .name = "credentials",                                                    \
		  .type = CLI_FILE,                                                         \
		  .value = "FILE",                                                          \
		  .help = "File with user names, passwords and tokens "                     \
		          "(sill-credentials(5)); without it docker's and podman's" },      \
	{                                                                                   \
		.name = "plain-http", .type = CLI_FLAG,                                     \
		.help = "The registry does not speak TLS, and what it says may be changed " \
			"on its way",                                                       \
	}

struct cli_libraries {
	struct state *state;
	char own[PATH_MAX];     /* the folder of the host's own library */
	char uploads[PATH_MAX]; /* where uploads are remembered */
	struct libraries libraries;
	struct find_options options;
};

/* *ret must stay where it is until cli_libraries_close(). */
int cli_libraries_open(const struct cli_call *call, struct cli_libraries *ret, struct error *err);
void cli_libraries_close(struct cli_libraries *libraries);
static inline void cli_libraries_close_at(struct cli_libraries *at)
{
	cli_libraries_close(at);
}

/* The host's own library, made when it is not there; *ret_path is its folder. */
int cli_own_library(const struct state *state, char ret_path[PATH_MAX], struct store **ret,
                    struct error *err);

/* Where `text` is; library_find() and library_place() of what it says. */
int cli_find_image(const struct cli_libraries *libraries, const char *text,
                   struct reference *ret_ref, struct library_found *ret, struct error *err);

/*
 * The name that a reference has in the host's own library, and its tag (or digest) there.  -EINVAL
 * for a reference that makes no sense.
 */
int cli_own_name(const struct cli_libraries *libraries, const char *text, struct reference *ret_ref,
                 char ret[REFERENCE_NAME_MAX + 1], struct error *err);

/* Texts that a store lists: `cli_take_text` is a store_item whose argument is one of these. */
struct cli_texts {
	char **at;
	size_t n;
};

int cli_take_text(void *arg, const char *text, struct error *err);
void cli_texts_free(struct cli_texts *texts);
static inline void cli_texts_free_at(struct cli_texts *at)
{
	cli_texts_free(at);
}

/* "sha256:0123456789ab", for people. */
const char *cli_short_digest(const char *digest, char ret[24]);

#endif
