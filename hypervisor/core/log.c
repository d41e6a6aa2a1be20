// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ring holds lines "<level>text\n", its bytes numbered from 0 since the start: byte n lies at n
 * modulo its size, and what is older than its size is gone.  Debug lines are for the console alone.
 */
#include "hypervisor/core/log.h"

#include "base/bits.h"
#include "hypervisor/core/ratelimit.h"
#include "hypervisor/core/say.h"
#include "hypervisor/core/screen.h"
#include "hypervisor/core/serial.h"
#include "hypervisor/core/spinlock.h"
#include "hypervisor/core/string.h"

#define CONSOLE_PREFIX "sill: "

static struct {
	struct spinlock lock; /* of all below, and the ring */
	bool alone;
	enum log_level level;
	uint16_t port;
	uint64_t tsc_per_second;
	struct ratelimit limit;
	uint64_t end; /* the next byte's number */
} log_state = { .level = LOG_INFO };

static char ring[LOG_RING];

static void lock(void)
{
	if (!log_state.alone)
		spin_lock(&log_state.lock);
}

static void unlock(void)
{
	if (!log_state.alone)
		spin_unlock(&log_state.lock);
}

void log_setup(uint16_t port, enum log_level level)
{
	lock();
	log_state.port = port;
	log_state.level = level;
	if (port)
		serial_setup(port);
	unlock();
}

void log_clock(uint64_t tsc_per_second)
{
	lock();
	log_state.tsc_per_second = tsc_per_second;
	unlock();
}

void log_alone(void)
{
	log_state.alone = true;
}

static void ring_put(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		ring[log_state.end++ % LOG_RING] = text[i];
}

/* With the lock. */
static void emit_list(enum log_level level, const char *text, va_list list)
{
	char line[sizeof(CONSOLE_PREFIX) + LOG_LINE_MAX + 2] = CONSOLE_PREFIX;
	char *words = line + sizeof(CONSOLE_PREFIX) - 1, mark = (char)('0' + level);
	size_t length = format_list(words, LOG_LINE_MAX + 1, text, list);

	/* A line stays one, whatever a command line or a table of the firmware puts into it. */
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)words[i] < ' ' || words[i] == '\x7f')
			words[i] = '?';
	}
	if (level != LOG_DEBUG) {
		ring_put(&mark, 1);
		ring_put(words, length);
		ring_put("\n", 1);
	}
	if (level > log_state.level)
		return;
	memcpy(words + length, "\r\n", 2);
	length += sizeof(CONSOLE_PREFIX) - 1;
	if (log_state.port)
		serial_write(log_state.port, line, length + 2);
	screen_write(line, length + 2);
}

__attribute__((format(printf, 2, 3))) static void emit(enum log_level level, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	emit_list(level, text, list);
	va_end(list);
}

void log_line(enum log_level level, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	lock();
	emit_list(level, text, list);
	unlock();
	va_end(list);
}

void log_limited(const char *text, ...)
{
	va_list list;
	uint32_t left_out;

	va_start(list, text);
	lock();
	if (ratelimit_pass(&log_state.limit, __builtin_ia32_rdtsc(), log_state.tsc_per_second,
	                   &left_out)) {
		if (left_out > 0)
			emit(LOG_WARNING, "%u lines were left out", left_out);
		emit_list(LOG_WARNING, text, list);
	}
	unlock();
	va_end(list);
}

size_t log_read(char *to, size_t size, uint64_t from, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t oldest;
	size_t n;

	lock();
	oldest = log_state.end > LOG_RING ? log_state.end - LOG_RING : 0;
	if (from < oldest) {
		/* What is left of the oldest line is no line: on to the next. */
		from = oldest + 1;
		while (from < log_state.end && ring[(from - 1) % LOG_RING] != '\n')
			from++;
	}
	from = min_u64(from, log_state.end);
	n = min_u64(size, log_state.end - from);
	for (size_t i = 0; i < n; i++)
		to[i] = ring[(from + i) % LOG_RING];
	*ret_start = from;
	*ret_end = log_state.end;
	unlock();
	return n;
}
