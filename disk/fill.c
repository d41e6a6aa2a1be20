// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill walks over the disk until a whole walk has found nothing that the cache lacks: also what
 * the guest has overwritten, for other machines of the image need it.  It rests while the
 * guest misses, and takes its bytes from a bucket that its rate fills.
 */
#include "disk/fill.h"

#include "base/bits.h"
#include "disk/disk.h"
#include "util/clock.h"

#define FLIGHTS       2
#define PIECE         MIB
#define GUEST_REST_NS (300 * NS_PER_MS)
/* A walk asks the near about so much at once: it is about to ask for what it did not take again. */
#define LOOK (4 * MIB)

void walk_from(struct walk *walk, uint64_t off)
{
	walk->at = off < walk->size ? round_down(off, NEAR_BLOCK) : 0;
	walk->left = walk->size;
}

static void step(struct walk *walk, uint64_t len)
{
	walk->at += len;
	walk->left -= min_u64(walk->left, len);
	if (walk->at >= walk->size)
		walk->at = 0;
}

/* The walk's place, and how much from there is alike. */
static int is_far(const struct walk *walk, uint64_t max, uint64_t *ret_run)
{
	uint64_t block = walk->at / NEAR_BLOCK;
	int r = walk->below ? near_cached(walk->near, block, max, ret_run, NULL)
	                    : near_state(walk->near, block, max, ret_run, NULL);

	if (r < 0)
		return r;
	return walk->below ? !r : r == NEAR_FAR;
}

int walk_next(struct walk *walk, uint64_t most, struct trace_run *ret)
{
	while (walk->left > 0) {
		uint64_t here = min_u64(min_u64(walk->left, walk->size - walk->at),
		                        max_u64(most, LOOK)),
			 run;
		int far = is_far(walk, div_round_up(here, NEAR_BLOCK), &run);

		if (far < 0)
			return far;
		here = min_u64(here, run * NEAR_BLOCK);
		if (far) {
			*ret = (struct trace_run){ walk->at, min_u64(here, most) };
			step(walk, ret->len);
			return 1;
		}
		step(walk, here);
	}
	return 0;
}

void walk_back(struct walk *walk, uint64_t len)
{
	walk->at = (walk->at ? walk->at : walk->size) - len;
	walk->left += len;
}

void fill_init(struct fill *fill, struct near *near, uint64_t size, struct messages *messages)
{
	*fill = (struct fill){ .messages = messages,
		               .walk = { .near = near, .size = size, .below = true } };
	walk_from(&fill->walk, 0);
}

static void begin_anew(struct fill *fill)
{
	fill->complete = false;
	fill->found = false;
	walk_from(&fill->walk, 0);
}

void fill_set(struct fill *fill, bool on, uint64_t rate)
{
	fill->on = on;
	if (rate != DISK_KEEP_RATE)
		fill->rate = rate;
	fill->tokens = 0;
	fill->since_ns = now_ns();
	/* What was complete may have lost rotten blocks since. */
	begin_anew(fill);
}

void fill_guest_missed(struct fill *fill)
{
	if (fill->complete)
		begin_anew(fill);
}

bool fill_rests(uint64_t now, uint64_t missed_ns, uint64_t *ret_until)
{
	*ret_until = missed_ns + GUEST_REST_NS;
	return missed_ns && now < *ret_until;
}

/* Bytes that the rate allows now; 0: *wake says when there will be some. */
static uint64_t allowance(struct fill *fill, uint64_t now, uint64_t *wake)
{
	uint64_t least =
		min_u64(PIECE, max_u64(round_down(fill->rate / 4, NEAR_BLOCK), 16 * NEAR_BLOCK));
	double rate = (double)fill->rate, most = (double)max_u64(fill->rate, least);

	if (fill->rate == 0)
		return PIECE;
	fill->tokens += (double)(now - fill->since_ns) / (double)NS_PER_SEC * rate;
	fill->since_ns = now;
	/* Saved up for a second at most, but always until a piece can be had. */
	if (fill->tokens > most)
		fill->tokens = most;
	if (fill->tokens >= (double)least)
		return least;
	*wake = min_u64(*wake, now + NS_PER_MS +
	                               (uint64_t)(((double)least - fill->tokens) / rate *
	                                          (double)NS_PER_SEC));
	return 0;
}

/* A walk has been everywhere. */
static void walked(struct fill *fill)
{
	bool found = fill->found;

	begin_anew(fill);
	if (found)
		return;
	fill->complete = true;
	messages_add(fill->messages, "the disk is complete: it needs no source any more");
}

bool fill_take(struct fill *fill, uint64_t now, uint64_t missed_ns, struct trace_run *ret,
               uint64_t *wake)
{
	uint64_t until, most;
	int r;

	if (!fill->on || fill->complete || fill->flights >= FLIGHTS)
		return false;
	if (fill_rests(now, missed_ns, &until)) {
		*wake = min_u64(*wake, until);
		return false;
	}
	most = allowance(fill, now, wake);
	if (most == 0)
		return false;
	r = walk_next(&fill->walk, most, ret);
	if (r < 0) {
		*wake = min_u64(*wake, now + NS_PER_SEC);
	} else if (r > 0) {
		fill->tokens -= (double)ret->len;
		fill->found = true;
		fill->flights++;
	} else if (fill->flights == 0) {
		/* What is under way may fail: a walk ends when nothing is. */
		walked(fill);
		/* Demand flights can be all that is left: do not turn in circles. */
		*wake = min_u64(*wake, now + 100 * NS_PER_MS);
	}
	return r > 0;
}

void fill_finished(struct fill *fill)
{
	fill->flights--;
}
