// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readahead for a boot without a trace.
 *
 * Over a link with a long round trip a miss costs the trip, whatever its size, so the fewer misses
 * the better.  Two things make guests predictable:
 *
 * Neighbourhood.  File systems keep what is used together close together.  A miss in a region (1
 * MiB, aligned) that was not touched before asks for the rest of the region: what follows the read
 * first, then what stands before it.  Measured on a Debian boot: 162 regions hold all that it
 * reads, where chunks of 128 KiB are 796; half of the bytes of these regions are read.
 *
 * Streams.  A read that goes on where another ended is a stream; it gets a window ahead of it that
 * doubles with every step, so that a kernel or an initial file system arrives at the link's speed.
 *
 * Wrong guesses cost the link.  The policy keeps count of what it asked for and what of it was read
 * later; when less than a quarter is, regions shrink to 256 KiB until guesses get better.
 */
#include "disk/readahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define BLOCK        4096u
#define REGION       MIB
#define SMALL_REGION (256 * KIB)
/* A bit of a region's masks. */
#define UNIT         (32 * KIB)
#define REGIONS      4096u /* remembered: more than a boot touches */
#define STREAMS      16u
#define FIRST_WINDOW (512 * KIB)
#define MAX_WINDOW   (8 * MIB)
/* A stream may skip this much, or read out of order by it. */
#define SLACK (256 * KIB)
/* Scores count this many bytes before the older half of them fades. */
#define FADE (64 * MIB)

struct region {
	uint64_t number; /* of the region plus 1; 0: free */
	uint32_t asked;  /* units asked for and not read yet */
	uint32_t read;   /* units read */
};

struct stream {
	uint64_t next;   /* where the guest will read on */
	uint64_t ahead;  /* everything before this has been asked for or read */
	uint64_t window; /* 0: free */
	uint64_t used;   /* when, for choosing whom to forget */
};

struct readahead {
	uint64_t size;
	uint64_t clock;
	uint64_t asked, used; /* bytes asked for, and read later; both fade */
	struct stream streams[STREAMS];
	struct region regions[REGIONS]; /* by number modulo REGIONS */
};

struct readahead *readahead_new(uint64_t size)
{
	struct readahead *readahead = calloc(1, sizeof(*readahead));

	if (readahead)
		readahead->size = size;
	return readahead;
}

void readahead_free(struct readahead *readahead)
{
	free(readahead);
}

/* The region that holds `off`; another one in its place is forgotten. */
static struct region *region_of(struct readahead *readahead, uint64_t off)
{
	uint64_t number = off / REGION;
	struct region *region = &readahead->regions[number % REGIONS];

	if (region->number != number + 1)
		*region = (struct region){ .number = number + 1 };
	return region;
}

/* Bits of the units of one region that [from, to), inside it, touches. */
static uint32_t units(uint64_t from, uint64_t to)
{
	unsigned int first = (unsigned int)(from % REGION / UNIT);
	unsigned int last = (unsigned int)((to - 1) % REGION / UNIT);

	return (uint32_t)((UINT64_C(2) << last) - (UINT64_C(1) << first));
}

/* Call for each region that [from, to) touches. */
#define for_each_region(from, to, at, end)                                               \
	for (uint64_t at = (from), end = min_u64(round_down(at, REGION) + REGION, (to)); \
	     at < (to); at = end, end = min_u64(at + REGION, (to)))

/* The guest reads [from, to); true when its first region was never read before. */
static bool note_read(struct readahead *readahead, uint64_t from, uint64_t to)
{
	bool fresh = region_of(readahead, from)->read == 0;

	for_each_region(from, to, at, end)
	{
		struct region *region = region_of(readahead, at);
		uint32_t touched = units(at, end);
		uint64_t good = (uint64_t)__builtin_popcount(touched & region->asked) * UNIT;

		readahead->used += good;
		region->asked &= ~touched;
		region->read |= touched;
	}
	return fresh;
}

/* Ask for [from, to) as piece ret[n]; returns the new n. */
static size_t ask(struct readahead *readahead, uint64_t from, uint64_t to, struct trace_run *ret,
                  size_t n)
{
	from = round_down(from, BLOCK);
	to = min_u64(round_up(to, BLOCK), readahead->size);
	if (from >= to)
		return n;
	for_each_region(from, to, at, end)
	{
		struct region *region = region_of(readahead, at);
		uint32_t fresh = units(at, end) & ~(region->asked | region->read);
		uint64_t bytes = (uint64_t)__builtin_popcount(fresh) * UNIT;

		region->asked |= fresh;
		readahead->asked += bytes;
	}
	if (readahead->asked > FADE) {
		readahead->asked /= 2;
		readahead->used /= 2;
	}
	ret[n] = (struct trace_run){ .off = from, .len = to - from };
	return n + 1;
}

static struct stream *find_stream(struct readahead *readahead, uint64_t from)
{
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *stream = &readahead->streams[i];

		if (stream->window && from + SLACK >= stream->next && from <= stream->next + SLACK)
			return stream;
	}
	return NULL;
}

static struct stream *oldest_stream(struct readahead *readahead)
{
	struct stream *oldest = &readahead->streams[0];

	for (size_t i = 1; i < STREAMS; i++)
		if (readahead->streams[i].used < oldest->used)
			oldest = &readahead->streams[i];
	return oldest;
}

/* The guest reads on: keep the window ahead of it filled to at least a half. */
static size_t extend(struct readahead *readahead, struct stream *stream, uint64_t to,
                     struct trace_run *ret)
{
	uint64_t from;

	stream->next = max_u64(stream->next, to);
	stream->ahead = max_u64(stream->ahead, to);
	if (stream->ahead - stream->next > stream->window / 2)
		return 0;
	stream->window = min_u64(stream->window * 2, MAX_WINDOW);
	from = stream->ahead;
	stream->ahead = min_u64(round_up(stream->next + stream->window, UNIT), readahead->size);
	return ask(readahead, from, stream->ahead, ret, 0);
}

size_t readahead_read(struct readahead *readahead, uint64_t off, uint64_t len, bool missed,
                      struct trace_run ret[READAHEAD_MAX_PIECES])
{
	uint64_t to = off + len, span, low, high;
	struct stream *stream;
	bool poor, fresh;
	size_t n;

	if (len == 0 || !range_inside(off, len, readahead->size))
		return 0;
	fresh = note_read(readahead, off, to);
	stream = find_stream(readahead, off);
	if (stream) {
		stream->used = ++readahead->clock;
		if (to > stream->next)
			return extend(readahead, stream, to, ret);
	}
	if (!missed)
		return 0;
	poor = readahead->asked > 8 * MIB && readahead->used < readahead->asked / 4;
	span = poor ? SMALL_REGION : REGION;
	low = round_down(off, span);
	high = max_u64(round_down(to - 1, span) + span, to);
	n = ask(readahead, to, high, ret, 0);
	if (fresh)
		n = ask(readahead, low, round_down(off, BLOCK), ret, n);
	if (!stream) {
		stream = oldest_stream(readahead);
		*stream = (struct stream){ .window = FIRST_WINDOW, .used = ++readahead->clock };
	}
	stream->next = to;
	stream->ahead = max_u64(high, to);
	return n;
}
