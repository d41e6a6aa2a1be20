/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines out of a stream whose other end is hostile: never more than `max` bytes are kept, and a
 * longer line is an error, not a reason to grow.
 */
#ifndef MACHINE_LINES_H
#define MACHINE_LINES_H

#include <stddef.h>

struct lines {
	char *data;
	size_t used;  /* bytes in data */
	size_t taken; /* bytes at its start that lines_next() has handed out */
	size_t seen;  /* bytes known to hold no end of line */
	size_t max;
};

/* -EMSGSIZE when a line grows past the limit (what is kept is thrown away then), -ENOMEM. */
int lines_feed(struct lines *lines, const char *bytes, size_t len);
/* The next whole line, its end replaced by a NUL; NULL: none.  Valid until lines_feed(). */
char *lines_next(struct lines *lines, size_t *ret_len);
void lines_free(struct lines *lines);

#endif
