/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_X86_SET_MSR_FILTER: which MSRs the VMM wants to answer for.  The look-up is pure.
 */
#ifndef MODULE_MSR_FILTER_H
#define MODULE_MSR_FILTER_H

#include "module/port.h"

#include <linux/kvm.h>

struct msr_filter_range {
	uint32_t flags; /* KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE */
	uint32_t base, count;
	uint8_t bitmap[KVM_MSR_FILTER_MAX_BITMAP_SIZE];
};

struct msr_filter {
	bool allow; /* what no range covers */
	uint32_t count;
	struct msr_filter_range ranges[];
};

/* The x2APIC's registers are never filtered. */
bool msr_filter_allows(const struct msr_filter *filter, uint32_t index, bool write);

#endif
