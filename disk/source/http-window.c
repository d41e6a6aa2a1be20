// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many bytes prefetch and fill may have under way.
 *
 * Whatever is under way stands in front of a demand request in the queue of the link, so it should
 * be no more than keeps the link busy: twice what the link carries in one round trip.  Both are
 * measured: the rate as bytes a second over stretches of a tenth of a second, rising at once and
 * falling slowly; the round trip as the least time that an answer took to begin.
 */
#include "disk/source/http.h"
#include "util/clock.h"

#define STRETCH_NS     (100 * NS_PER_MS)
#define WINDOW_UNKNOWN (1 * MIB)
#define WINDOW_LEAST   (128 * KIB)
#define WINDOW_MOST    (32 * MIB)

void http_window_arrived(struct http_window *window, uint64_t now, size_t bytes, bool busy)
{
	uint64_t rate;

	if (!window->since_ns || now - window->since_ns > 10 * STRETCH_NS) {
		/* After a pause there is nothing to divide by. */
		window->since_ns = now;
		window->bytes = 0;
		return;
	}
	window->bytes += bytes;
	if (now - window->since_ns < STRETCH_NS)
		return;
	rate = window->bytes * NS_PER_SEC / (now - window->since_ns);
	if (rate > window->bytes_per_s)
		window->bytes_per_s = rate;
	else if (busy)
		window->bytes_per_s -= (window->bytes_per_s - rate) / 8;
	window->since_ns = now;
	window->bytes = 0;
}

void http_window_answered(struct http_window *window, uint64_t delay_ns)
{
	if (!window->first_byte_ns || delay_ns < window->first_byte_ns)
		window->first_byte_ns = delay_ns;
	else
		/* A route may become longer: forget slowly. */
		window->first_byte_ns += (delay_ns - window->first_byte_ns) / 256;
}

uint64_t http_window_bytes(const struct http_window *window)
{
	uint64_t per_ms = window->bytes_per_s / 1000, trip_ms = window->first_byte_ns / NS_PER_MS;

	if (!window->bytes_per_s || !window->first_byte_ns)
		return WINDOW_UNKNOWN;
	/* Neither factor can be so large that this overflows: bytes/ms < 2^54, but be certain. */
	if (trip_ms > 10000 || per_ms > 100 * MIB)
		return WINDOW_MOST;
	return min_u64(WINDOW_MOST, max_u64(WINDOW_LEAST, 2 * per_ms * (trip_ms + 1)));
}
