/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 10 at once, then 1 a second: a pail with room for 10 that loses one each second.  All zero is an
 * empty pail.  The caller has a lock.
 */
#ifndef HYPERVISOR_CORE_RATELIMIT_H
#define HYPERVISOR_CORE_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define RATELIMIT_BURST 10u

struct ratelimit {
	uint64_t since; /* when the pail last lost one, or was empty */
	uint32_t full;
	uint32_t left_out; /* refused since the last that passed */
};

/*
 * May one more pass at time `tsc`?  If so *ret_left_out is how many were refused before it.  The
 * clock may go back a little (processors differ); per_second 0 is a clock that stands.
 */
bool ratelimit_pass(struct ratelimit *limit, uint64_t tsc, uint64_t per_second,
                    uint32_t *ret_left_out);

#endif
