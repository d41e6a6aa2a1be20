// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The MSR filter: Documentation/virt/kvm/api.rst, 4.97.
 */
#include "module/msr.h"

bool msr_filter_allows(const struct msr_filter *filter, uint32_t index, bool write)
{
	uint32_t wanted = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ, i;

	if (!filter || (index >= 0x800 && index <= 0x8ff))
		return true;
	for (i = 0; i < filter->count; i++) {
		const struct msr_filter_range *range = &filter->ranges[i];
		uint32_t at = index - range->base;

		if (at < range->count && (range->flags & wanted))
			return range->bitmap[at / 8] >> (at % 8) & 1;
	}
	return filter->allow;
}
