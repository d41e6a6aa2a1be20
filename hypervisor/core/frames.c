// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/frames.h"

#include "base/bits.h"
#include "hypervisor/core/x86.h"

static uint16_t word(enum frame_state state, uint32_t count)
{
	return (uint16_t)(state << FRAME_SHIFT | count);
}

static bool is_ram(const struct memory_range *range)
{
	return range->kind == MEMORY_USABLE || range->kind == MEMORY_ACPI ||
	       range->kind == MEMORY_NVS;
}

void frames_init(struct frames *frames, uint16_t *words, uint64_t count,
                 const struct memory_map *map)
{
	*frames = (struct frames){ .word = words, .count = count };
	for (uint64_t i = 0; i < count; i++)
		words[i] = word(FRAME_DEVICE, 0);
	for (uint32_t r = 0; r < map->count; r++) {
		const struct memory_range *range = &map->range[r];

		if (!is_ram(range))
			continue;
		/* Only whole frames: what a frame shares with something else is not lent. */
		for (uint64_t f = div_round_up(range->base, PAGE_SIZE);
		     f < min_u64((range->base + range->size) / PAGE_SIZE, count); f++)
			words[f] = word(FRAME_ROOT, 0);
	}
}

void frames_take(struct frames *frames, uint64_t base, uint64_t size)
{
	for (uint64_t f = base / PAGE_SIZE; f < div_round_up(base + size, PAGE_SIZE); f++)
		frames->word[f] = word(FRAME_HYPERVISOR, 0);
}

static uint16_t load(const struct frames *frames, uint64_t frame)
{
	if (frame >= frames->count)
		return word(FRAME_DEVICE, 0);
	return __atomic_load_n(&frames->word[frame], __ATOMIC_ACQUIRE);
}

enum frame_state frames_state(const struct frames *frames, uint64_t frame)
{
	return load(frames, frame) >> FRAME_SHIFT;
}

static bool all_in(const struct frames *frames, uint64_t base, uint64_t size, uint32_t states)
{
	uint64_t end;

	if (size == 0)
		return true;
	if (__builtin_add_overflow(base, size, &end))
		return false;
	for (uint64_t f = base / PAGE_SIZE; f <= (end - 1) / PAGE_SIZE; f++) {
		if (!(states >> frames_state(frames, f) & 1))
			return false;
	}
	return true;
}

bool frames_reachable(const struct frames *frames, uint64_t base, uint64_t size)
{
	return all_in(frames, base, size, 1u << FRAME_ROOT | 1u << FRAME_LENT);
}

bool frames_fetchable(const struct frames *frames, uint64_t base, uint64_t size)
{
	return all_in(frames, base, size, 1u << FRAME_ROOT | 1u << FRAME_LENT | 1u << FRAME_DEVICE);
}

/*
 * Changes a frame's word if it still is *old; else *old is what it is now.  The frame is inside the
 * table.
 */
static bool swap(struct frames *frames, uint64_t frame, uint16_t *old, uint16_t new)
{
	return __atomic_compare_exchange_n(&frames->word[frame], old, new, false, __ATOMIC_ACQ_REL,
	                                   __ATOMIC_ACQUIRE);
}

static void count(uint64_t *counter, int64_t change)
{
	__atomic_fetch_add(counter, (uint64_t)change, __ATOMIC_RELAXED);
}

bool frame_lend(struct frames *frames, uint64_t frame)
{
	uint16_t old = load(frames, frame), new;

	do {
		if (old == word(FRAME_ROOT, 0))
			new = word(FRAME_LENT, 1);
		else if (old >> FRAME_SHIFT == FRAME_LENT &&
		         (old & FRAME_COUNT_MAX) < FRAME_COUNT_MAX)
			new = (uint16_t)(old + 1);
		else
			return false;
	} while (!swap(frames, frame, &old, new));
	if (old == word(FRAME_ROOT, 0))
		count(&frames->lent, 1);
	return true;
}

bool frame_unlend(struct frames *frames, uint64_t frame)
{
	uint16_t old = load(frames, frame), new;

	do {
		if (old >> FRAME_SHIFT != FRAME_LENT)
			return false;
		new = old == word(FRAME_LENT, 1) ? word(FRAME_ROOT, 0) : (uint16_t)(old - 1);
	} while (!swap(frames, frame, &old, new));
	if (new == word(FRAME_ROOT, 0))
		count(&frames->lent, -1);
	return true;
}

/* Between the root and a session. */
static bool move(struct frames *frames, uint64_t frame, uint32_t session, bool donate)
{
	uint16_t root = word(FRAME_ROOT, 0), donated = word(FRAME_DONATED, session);
	uint16_t old = donate ? root : donated;

	if (session < 1 || session > FRAME_COUNT_MAX || frame >= frames->count ||
	    !swap(frames, frame, &old, donate ? donated : root))
		return false;
	count(&frames->donated, donate ? 1 : -1);
	return true;
}

bool frame_donate(struct frames *frames, uint64_t frame, uint32_t session)
{
	return move(frames, frame, session, true);
}

bool frame_reclaim(struct frames *frames, uint64_t frame, uint32_t session)
{
	return move(frames, frame, session, false);
}
