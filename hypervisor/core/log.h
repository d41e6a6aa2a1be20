/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages: to a ring in memory that the root can read, to the serial port, and to the screen until
 * the root has it.  Any processor; one line is never torn by another.
 */
#ifndef HYPERVISOR_CORE_LOG_H
#define HYPERVISOR_CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_RING     65536u
#define LOG_LINE_MAX 240u /* bytes of text; the rest is cut */

/* Where lines go besides the ring.  port 0: no serial port. */
void log_setup(uint16_t port, enum log_level level);

/* How fast the TSC runs, for log_limited(); until then its seconds do not pass. */
void log_clock(uint64_t tsc_per_second);

/*
 * A panic: from now on no lock is waited for, since whoever has it was stopped, or is the one that
 * panics.
 */
void log_alone(void);

/* A line without its newline.  "sill: " and, in the ring, the level are put in front. */
void log_line(enum log_level level, const char *text, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same for what a root can cause: 10 at once, then 1 a second; the next line that passes says
 * how many were left out.
 */
void log_limited(const char *text, ...) __attribute__((format(printf, 1, 2)));

/*
 * Copies at most `size` bytes of the ring from byte number `from` on, or from the oldest whole line
 * there is.  Returns the bytes copied and sets *ret_start and *ret_end (one past the newest).
 */
size_t log_read(char *to, size_t size, uint64_t from, uint64_t *ret_start, uint64_t *ret_end);

#endif
