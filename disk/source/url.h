/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person writes to name a source, taken apart.  Foreign too: images name their parents.
 */
#ifndef DISK_SOURCE_URL_H
#define DISK_SOURCE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/error.h"

enum source_kind {
	SOURCE_KIND_FILE,
	SOURCE_KIND_HTTP,
	SOURCE_KIND_NBD,
};

struct source_url {
	enum source_kind kind;
	char *target; /* a path for a file, the URL for others */
	char *name;   /* for messages: without what may be a secret */
};

/*
 * A URL with a user or password in it is refused, without repeating them: a command line is no
 * place for them.
 */
int source_url_parse(const char *text, struct source_url *ret, struct error *err);
void source_url_free(struct source_url *url);

/* "https://host:443" of an http: or https: URL, for comparing; "" when it is none or too long. */
void source_url_origin(const char *url, char *ret, size_t room);

/* A name or address of this computer: localhost, 127.0.0.0/8, ::1 (in brackets or not). */
bool source_host_is_loopback(const char *host);

static inline void source_url_free_at(struct source_url *url)
{
	source_url_free(url);
}

#endif
