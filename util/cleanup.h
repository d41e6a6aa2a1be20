/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that free themselves at the end of their scope: `cleanup_free char *name = …`.
 * Destructors named with DEFINE_CLEANUP accept NULL.
 */
#ifndef UTIL_CLEANUP_H
#define UTIL_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* DEFINE_CLEANUP(struct source *, source_close) makes cleanup(source_close) usable. */
#define DEFINE_CLEANUP(type, fn)             \
	static inline void fn##_at(type *at) \
	{                                    \
		if (*at)                     \
			fn(*at);             \
	}                                    \
	struct cleanup_wants_a_semicolon

#define cleanup(fn) __attribute__((cleanup(fn##_at)))

static inline void free_at(void *at)
{
	free(*(void **)at);
}

static inline void close_at(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclose_at(FILE **at)
{
	if (*at)
		fclose(*at);
}

#define cleanup_free   cleanup(free)
#define cleanup_close  cleanup(close)
#define cleanup_fclose cleanup(fclose)

/* Hand an object on: its value, with NULL (or -1) left behind for the destructor. */
#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
