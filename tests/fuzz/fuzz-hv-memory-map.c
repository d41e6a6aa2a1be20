// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of a memory map and searches in it, four bytes each, against a byte for each address. */
#include <stdlib.h>

#include "base/bits.h"
#include "tests/unit/hv-map-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void search(const struct memory_map *map, const struct map_model *model, const uint8_t *step)
{
	const struct memory_range avoid = { model->start + step[1], step[2] % 64u, 0 };
	struct memory_wish wish = { .size = step[2] % 24u,
		                    .align = UINT64_C(1) << (step[3] % 6),
		                    .floor = step[3] & 64 ? model->start + step[2] : 0,
		                    .limit = step[3] & 32 ? model->start + step[0] : UINT64_MAX,
		                    .lowest = step[3] & 128,
		                    .avoid = &avoid,
		                    .avoids = step[0] & 1 };
	uint64_t ours = 0, models = 0;

	if (memory_map_find(map, &wish, &ours) != model_find(model, &wish, &models) ||
	    ours != models)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct memory_map map;
	struct map_model model = { .start = 0 };
	struct sentence why;

	if (len < 1)
		return 0;
	if (data[0] & 1)
		model.start = UINT64_MAX - MODEL_SIZE + 1;
	map.count = 0;
	for (data++, len--; len >= 4; data += 4, len -= 4) {
		uint64_t size = data[2];

		if (data[0] & 8) {
			search(&map, &model, data);
			continue;
		}
		/* Only at the very end may a range go on behind the model. */
		if (model.start == 0)
			size = min_u64(size, MODEL_SIZE - data[1]);
		else if (data[2] == 255)
			size = UINT64_MAX;
		model_change(&model, model.start + data[1], size, data[0] & 7, data[3] & 1);
		if (!(data[3] & 1 ? memory_map_set : memory_map_add)(&map, model.start + data[1],
		                                                     size, data[0] & 7, &why))
			abort();
		if (!model_agrees(&model, &map))
			abort();
	}
	return 0;
}
