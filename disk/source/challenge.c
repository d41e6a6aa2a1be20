// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/challenge.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"
#define TCHARS                                                       \
	"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFG" \
	"HIJKLMNOPQRSTUVWXYZ"

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, BLANKS);
}

/*
 * One value, a token or a quoted string, copied to `out` without its quotes.  NULL when it is
 * neither.  *ret_fits is false when it cannot be used: too long, or with control characters in it.
 */
static const char *take_value(const char *at, char *out, size_t room, bool *ret_fits)
{
	size_t used = 0;
	bool fits = true, quoted = *at == '"';

	if (!quoted && strspn(at, TCHARS) == 0)
		return NULL;
	for (at += quoted; quoted ? *at != '"' : *at && strchr(TCHARS, *at); at++) {
		if (quoted && *at == '\\')
			at++;
		if (!*at)
			return NULL;
		fits = fits && used + 1 < room && (unsigned char)*at >= 0x20 && *at != 0x7f;
		if (fits)
			out[used++] = *at;
	}
	out[fits ? used : 0] = '\0';
	*ret_fits = fits;
	return at + quoted;
}

/* Where in `it` a parameter belongs; NULL for those of no interest. */
static char *room_for(struct challenge *it, const char *name, size_t len, size_t *ret_room)
{
	const struct {
		const char *name;
		char *value;
		size_t room;
	} known[] = { { "realm", it->realm, sizeof(it->realm) },
		      { "service", it->service, sizeof(it->service) },
		      { "scope", it->scope, sizeof(it->scope) },
		      { "error", it->error, sizeof(it->error) } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0) {
			*ret_room = known[i].room;
			return known[i].value;
		}
	}
	return NULL;
}

/*
 * The parameters of one challenge; returns where the next one begins, NULL where the text makes no
 * sense.  *fine becomes false when one that counts cannot be used.
 */
static const char *take_parameters(const char *at, struct challenge *it, bool *fine)
{
	for (;;) {
		char ignored[1];
		const char *name = at = at + strspn(at, BLANKS ",");
		size_t len = strspn(name, TCHARS), room = sizeof(ignored);
		const char *equals = skip_blanks(name + len);
		char *value;
		bool fits;

		/* A word without a value is the next challenge's name. */
		if (!*at || len == 0 || *equals != '=')
			return *at && len == 0 ? NULL : at;
		value = room_for(it, name, len, &room);
		at = take_value(skip_blanks(equals + 1), value ? value : ignored, room, &fits);
		if (!at)
			return NULL;
		*fine = *fine && (fits || !value);
		at = skip_blanks(at);
		if (*at && *at != ',')
			return NULL;
	}
}

/* Behind a challenge's name: "abc==" and an end is no list of parameters (RFC 9110, token68). */
static const char *skip_token68(const char *at)
{
	static const char chars[] = "-._~+/0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strspn(at, chars);
	const char *end = at + n + strspn(at + n, "=");

	if (n == 0 || (*skip_blanks(end) && *skip_blanks(end) != ','))
		return at;
	return end;
}

int challenge_parse(const char *text, struct challenge *ret)
{
	bool found = false;

	for (const char *at = text; *at;) {
		struct challenge it = { .kind = CHALLENGE_BASIC };
		const char *name = at + strspn(at, BLANKS ",");
		size_t len = strspn(name, TCHARS);
		bool bearer = len == 6 && strncasecmp(name, "bearer", 6) == 0, fine = true;

		if (len == 0)
			break;
		if (strchr(BLANKS, name[len]))
			at = skip_token68(skip_blanks(name + len));
		else
			at = name + len;
		at = take_parameters(at, &it, &fine);
		if (!at)
			break;
		if (bearer && fine && it.realm[0]) {
			it.kind = CHALLENGE_BEARER;
			*ret = it;
			return 0;
		}
		if (len == 5 && strncasecmp(name, "basic", 5) == 0) {
			*ret = it;
			found = true;
		}
	}
	return found ? 0 : -ENOENT;
}
