// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hedging: a demand read that takes longer than such reads usually do is sent to the next source
 * too, and the first answer is taken.
 *
 * What a hedge costs is at most the bytes it asks for: of the two requests, one is useful, and the
 * other carries no more than that.  So they are charged before it is sent, and never given back.
 * What is charged stays below a share of the bytes that readers got, plus a small allowance that
 * lets a machine's first reads be hedged.
 */
#include "disk/chain-internal.h"
#include "util/clock.h"

#define ALLOWANCE  (1 * MIB)
#define UNKNOWN_NS (1 * NS_PER_SEC) /* before there is a usual time */
#define LEAST_NS   (5 * NS_PER_MS)  /* below this, waiting is cheaper than asking again */

uint64_t hedge_at_ns(const struct chain_op *op)
{
	const struct attempt *first = op->first;
	uint64_t usual;

	if (op->priority != SOURCE_DEMAND || op->hedge || op->hedge_refused || !first ||
	    !first->running || !op->chain->options.hedge_percent)
		return UINT64_MAX;
	usual = link_usual_ns(first->at, first->len);
	return first->started_ns + (usual ? max_u64(usual, LEAST_NS) : UNKNOWN_NS);
}

bool hedge_charge(struct chain *chain, size_t len)
{
	uint64_t budget = ALLOWANCE + chain->delivered / 100 * chain->options.hedge_percent;

	if (chain->hedged + len > budget)
		return false;
	chain->hedged += len;
	return true;
}
