/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a read is told while its bytes arrive: more each time, and right so far.
 */
#ifndef TESTS_UNIT_PROGRESS_H
#define TESTS_UNIT_PROGRESS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct progress {
	const uint8_t *buf, *file; /* where the read goes, and what it must be */
	size_t last;
	unsigned int calls, wrong;
};

static inline void on_progress(void *arg, size_t prefix)
{
	struct progress *p = arg;

	p->calls++;
	if (prefix <= p->last || memcmp(p->buf, p->file, prefix) != 0)
		p->wrong++;
	p->last = prefix;
}

#endif
