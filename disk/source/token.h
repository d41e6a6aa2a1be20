/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens: a registry that answers 401 names a server that gives them (challenge.h); who has one
 * shows it instead of a password.
 *
 * Facts: distribution's "Token Authentication Specification" and "Oauth2 Token Authentication".
 *
 * Trust: the reply is a server's: at most 64 KiB of it are looked at.  A token never enters a
 * sentence.
 */
#ifndef DISK_SOURCE_TOKEN_H
#define DISK_SOURCE_TOKEN_H

#include <time.h>

#include "disk/source/challenge.h"
#include "disk/source/exchange.h"

#define TOKEN_REPLY_MAX (64u * 1024)

struct token {
	char *value;
	uint32_t seconds; /* that it is good for, from now on */
};

void token_wipe(struct token *token);

/* -EBADMSG for what is no reply with a token in it. */
int token_reply_parse(const char *text, size_t len, time_t now, struct token *ret,
                      struct error *err);

struct token_request {
	const char *url; /* of what answered 401 */
	const struct challenge *challenge;
	const char *more_scope;       /* besides the challenge's; NULL: none */
	const struct credential *who; /* NULL: nobody in particular */
	uint32_t stall_ms;
	uint64_t deadline_ns;
	struct source_cancel *cancel;
};

/*
 * Get one.  -EACCES when it is refused.  -EPROTO where it would have to be asked for unencrypted
 * though the registry is reached by https.
 */
int token_fetch(struct exchange *exchange, const struct token_request *request, struct token *ret,
                struct error *err);

#endif
