// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/build-order.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"

int build_order_init(struct build_order *order, struct image *image, const struct trace *trace,
                     uint64_t chunk_size, struct error *err)
{
	*order = (struct build_order){
		.image = image,
		.trace = trace,
		.chunk_size = chunk_size,
		.n = div_round_up(image->size, chunk_size),
	};
	order->taken = calloc(div_round_up(order->n, 64), sizeof(*order->taken));
	return order->taken ? 0 : error_sys(err, ENOMEM, "%s", image->file->name);
}

void build_order_free(struct build_order *order)
{
	free(order->taken);
	*order = (struct build_order){ 0 };
}

/* False when it was taken before. */
static bool take(struct build_order *order, uint64_t n)
{
	uint64_t bit = UINT64_C(1) << n % 64;

	if (order->taken[n / 64] & bit)
		return false;
	order->taken[n / 64] |= bit;
	order->passed++;
	return true;
}

static bool next_of_trace(struct build_order *order, uint64_t *ret)
{
	for (; order->trace && order->run < order->trace->n; order->run++, order->within = 0) {
		const struct trace_run *run = &order->trace->runs[order->run];
		uint64_t first = run->off / order->chunk_size;
		uint64_t count = div_round_up(run->off + run->len, order->chunk_size) - first;

		while (order->within < count) {
			*ret = first + order->within++;
			if (*ret < order->n && take(order, *ret))
				return true;
		}
	}
	return false;
}

/* Move on over chunks that lie wholly in a run of zeros, if one starts here. */
static int pass_zeros(struct build_order *order, const struct source_read *how, struct error *err)
{
	uint64_t off = order->next * order->chunk_size, end, len;
	enum image_extent kind;
	int r = image_map(order->image, off, order->image->size - off, how, &kind, &len, err);

	if (r < 0 || kind != IMAGE_EXTENT_ZERO)
		return r;
	end = off + len == order->image->size ? order->n : (off + len) / order->chunk_size;
	while (order->next < end)
		take(order, order->next++);
	return 0;
}

int build_order_next(struct build_order *order, const struct source_read *how, uint64_t *ret,
                     struct error *err)
{
	if (next_of_trace(order, ret))
		return 1;
	while (order->next < order->n) {
		uint64_t before = order->next;
		int r = pass_zeros(order, how, err);

		if (r < 0)
			return r;
		if (order->next > before)
			continue;
		*ret = order->next++;
		if (take(order, *ret))
			return 1;
	}
	return 0;
}
