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

enum frame_state frames_state(const struct frames *frames, uint64_t frame)
{
	if (frame >= frames->count)
		return FRAME_DEVICE;
	return __atomic_load_n(&frames->word[frame], __ATOMIC_ACQUIRE) >> FRAME_SHIFT;
}

bool frames_reachable(const struct frames *frames, uint64_t base, uint64_t size)
{
	uint64_t end;

	if (size == 0)
		return true;
	if (__builtin_add_overflow(base, size, &end))
		return false;
	for (uint64_t f = base / PAGE_SIZE; f <= (end - 1) / PAGE_SIZE; f++) {
		enum frame_state state = frames_state(frames, f);

		if (state != FRAME_ROOT && state != FRAME_LENT)
			return false;
	}
	return true;
}

/* One step of a frame's word.  `next` says what follows `old`, or false if nothing may. */
static bool step(struct frames *frames, uint64_t frame,
                 bool (*next)(uint16_t old, uint32_t session, uint16_t *ret), uint32_t session,
                 uint16_t *ret_old)
{
	uint16_t new;

	if (frame >= frames->count)
		return false;
	*ret_old = __atomic_load_n(&frames->word[frame], __ATOMIC_ACQUIRE);
	do {
		if (!next(*ret_old, session, &new))
			return false;
	} while (!__atomic_compare_exchange_n(&frames->word[frame], ret_old, new, false,
	                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return true;
}

static bool next_lent(uint16_t old, uint32_t session, uint16_t *ret)
{
	(void)session;
	if (old == word(FRAME_ROOT, 0)) {
		*ret = word(FRAME_LENT, 1);
		return true;
	}
	*ret = (uint16_t)(old + 1);
	return old >> FRAME_SHIFT == FRAME_LENT && (old & FRAME_COUNT_MAX) < FRAME_COUNT_MAX;
}

static bool next_unlent(uint16_t old, uint32_t session, uint16_t *ret)
{
	(void)session;
	*ret = old == word(FRAME_LENT, 1) ? word(FRAME_ROOT, 0) : (uint16_t)(old - 1);
	return old >> FRAME_SHIFT == FRAME_LENT;
}

static bool next_donated(uint16_t old, uint32_t session, uint16_t *ret)
{
	*ret = word(FRAME_DONATED, session);
	return old == word(FRAME_ROOT, 0);
}

static bool next_reclaimed(uint16_t old, uint32_t session, uint16_t *ret)
{
	*ret = word(FRAME_ROOT, 0);
	return old == word(FRAME_DONATED, session);
}

static void count(uint64_t *counter, int64_t change)
{
	__atomic_fetch_add(counter, (uint64_t)change, __ATOMIC_RELAXED);
}

bool frame_lend(struct frames *frames, uint64_t frame)
{
	uint16_t old;

	if (!step(frames, frame, next_lent, 0, &old))
		return false;
	if (old == word(FRAME_ROOT, 0))
		count(&frames->lent, 1);
	return true;
}

bool frame_unlend(struct frames *frames, uint64_t frame)
{
	uint16_t old;

	if (!step(frames, frame, next_unlent, 0, &old))
		return false;
	if (old == word(FRAME_LENT, 1))
		count(&frames->lent, -1);
	return true;
}

static bool is_session(uint32_t session)
{
	return session >= 1 && session <= FRAME_COUNT_MAX;
}

bool frame_donate(struct frames *frames, uint64_t frame, uint32_t session)
{
	uint16_t old;

	if (!is_session(session) || !step(frames, frame, next_donated, session, &old))
		return false;
	count(&frames->donated, 1);
	return true;
}

bool frame_reclaim(struct frames *frames, uint64_t frame, uint32_t session)
{
	uint16_t old;

	if (!is_session(session) || !step(frames, frame, next_reclaimed, session, &old))
		return false;
	count(&frames->donated, -1);
	return true;
}
