/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns each 4 KiB frame of physical memory: one 16-bit word a frame, a state in its upper three
 * bits and below it how often it is lent, or the session it is donated to.  Changes are single
 * compare-and-swaps, so any processor may make them at any time; a change that the rules do not
 * allow returns false and leaves everything as it was.
 */
#ifndef HYPERVISOR_CORE_FRAMES_H
#define HYPERVISOR_CORE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/memory-map.h"

enum frame_state { FRAME_DEVICE, FRAME_ROOT, FRAME_LENT, FRAME_DONATED, FRAME_HYPERVISOR };

#define FRAME_SHIFT     13
#define FRAME_COUNT_MAX ((1u << FRAME_SHIFT) - 1)

struct frames {
	uint16_t *word;
	uint64_t count;         /* frames from physical 0 on */
	uint64_t lent, donated; /* how many are; atomic */
};

/* Words for `count` frames: RAM of the map is the root's, everything else a device. */
void frames_init(struct frames *frames, uint16_t *words, uint64_t count,
                 const struct memory_map *map);

/* Before the root runs: [base, base + size) is ours. */
void frames_take(struct frames *frames, uint64_t base, uint64_t size);

enum frame_state frames_state(const struct frames *frames, uint64_t frame);

/* All of [base, base + size) is RAM that the root reaches.  size 0: yes.  Never wraps. */
bool frames_reachable(const struct frames *frames, uint64_t base, uint64_t size);

/* The same, or ROM, or memory of the firmware: where the root may have its code. */
bool frames_fetchable(const struct frames *frames, uint64_t base, uint64_t size);

/* ROOT → LENT(1), LENT(n) → LENT(n + 1); and back.  `session` is 1…FRAME_COUNT_MAX. */
bool frame_lend(struct frames *frames, uint64_t frame);
bool frame_unlend(struct frames *frames, uint64_t frame);
/* ROOT → DONATED(session); and back, by the one who has scrubbed it. */
bool frame_donate(struct frames *frames, uint64_t frame, uint32_t session);
bool frame_reclaim(struct frames *frames, uint64_t frame, uint32_t session);

#endif
