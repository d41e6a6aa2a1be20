// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/ratelimit.h"

bool ratelimit_pass(struct ratelimit *limit, uint64_t tsc, uint64_t per_second,
                    uint32_t *ret_left_out)
{
	uint64_t seconds = 0;

	if (per_second && tsc > limit->since)
		seconds = (tsc - limit->since) / per_second;
	if (seconds >= limit->full) {
		limit->full = 0;
		limit->since = tsc;
	} else {
		limit->full -= (uint32_t)seconds;
		limit->since += seconds * per_second;
	}
	if (limit->full == RATELIMIT_BURST) {
		if (limit->left_out < UINT32_MAX)
			limit->left_out++;
		return false;
	}
	limit->full++;
	*ret_left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}
