// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lines_feed(struct lines *lines, const char *bytes, size_t len)
{
	size_t kept = lines->used - lines->taken;
	char *more;

	if (lines->taken) {
		memmove(lines->data, lines->data + lines->taken, kept);
		lines->seen = lines->seen > lines->taken ? lines->seen - lines->taken : 0;
		lines->used = kept;
		lines->taken = 0;
	}
	if (len > lines->max || kept > lines->max - len) {
		lines->used = lines->seen = 0;
		return -EMSGSIZE;
	}
	if (len == 0)
		return 0;
	more = realloc(lines->data, kept + len);
	if (!more)
		return -ENOMEM;
	lines->data = more;
	memcpy(more + kept, bytes, len);
	lines->used = kept + len;
	return 0;
}

char *lines_next(struct lines *lines, size_t *ret_len)
{
	size_t from = lines->seen > lines->taken ? lines->seen : lines->taken;
	char *line, *end;

	if (from >= lines->used)
		return NULL;
	end = memchr(lines->data + from, '\n', lines->used - from);
	if (!end) {
		lines->seen = lines->used;
		return NULL;
	}
	line = lines->data + lines->taken;
	*end = '\0';
	*ret_len = (size_t)(end - line);
	lines->taken = lines->seen = (size_t)(end - lines->data) + 1;
	return line;
}

void lines_free(struct lines *lines)
{
	free(lines->data);
	*lines = (struct lines){ .max = lines->max };
}
