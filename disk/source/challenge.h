/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server that answers 401 wants to see: WWW-Authenticate (RFC 9110, 11.6.1), and the way to
 * a token that registries say in it (distribution specification, "Token Authentication").  Pure.
 *
 * Trust: the text is the server's.
 */
#ifndef DISK_SOURCE_CHALLENGE_H
#define DISK_SOURCE_CHALLENGE_H

#define CHALLENGE_MAX 4096 /* bytes of all the header's lines, with ", " between them */

enum challenge_kind {
	CHALLENGE_BASIC,
	CHALLENGE_BEARER,
};

struct challenge {
	enum challenge_kind kind;
	char realm[2048]; /* of a bearer: the URL that gives tokens */
	char service[256];
	char scope[1024];
	char error[64]; /* "insufficient_scope", "invalid_token" */
};

/*
 * The best of the challenges that is known: a bearer with a realm, else a basic one.  -ENOENT when
 * there is none; what does not fit, or has control characters, counts as not known.
 */
int challenge_parse(const char *text, struct challenge *ret);

#endif
