// SPDX-License-Identifier: GPL-2.0-or-later
/* A trace file from anywhere: parsed, planned, and every piece of the plan on the disk. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "disk/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct trace *trace = NULL;
	struct trace_run *plan = NULL;
	struct error err;
	uint8_t *raw;
	size_t n;
	int r;

	if (len < 64 || !(raw = malloc(len)))
		return 0;
	/* Give it the right checksum, which no mutation would find. */
	memcpy(raw, data, len);
	memset(raw + 12, 0, 4);
	store_le32(raw + 12, crc32c(0, raw, len));
	r = trace_parse(raw, len, "fuzz", &trace, &err);
	free(raw);
	if (r < 0)
		return 0;
	if (trace_plan(trace, 16384, MIB, &plan, &n, &err) == 0)
		for (size_t i = 0; i < n; i++)
			if (!range_inside(plan[i].off, plan[i].len, trace->size))
				abort();
	free(plan);
	trace_free(trace);
	return 0;
}
