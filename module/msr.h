/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSRs that only keep a value, as a table.  Pure.  What has an effect is in msr.c.
 */
#ifndef MODULE_MSR_H
#define MODULE_MSR_H

#include "module/port.h"

#include <linux/kvm.h>

#define MSR_VALUES 224u

/* One value for each stored MSR, in the order of the table. */
struct msr_values {
	uint64_t value[MSR_VALUES];
};

enum msr_answer {
	MSR_OK,
	MSR_FAULT,    /* #GP(0) */
	MSR_UNKNOWN,  /* not one of these */
	MSR_FILTERED, /* the VMM wants to be asked */
};

void msr_values_reset(struct msr_values *values);
enum msr_answer msr_values_read(const struct msr_values *values, uint32_t index, uint64_t *ret);
/* `by_host`: the VMM may set what the guest cannot write. */
enum msr_answer msr_values_write(struct msr_values *values, uint32_t index, uint64_t value,
                                 bool by_host);

/* Machine check: how many banks there are, and what is set where they are set up. */
void msr_values_setup_mce(struct msr_values *values, uint64_t capability);

/*
 * Entry `n` of the list of MSRs that make up a guest's state, or of those that say what the
 * processor can do; false behind the last.
 */
bool msr_list(bool features, unsigned int n, uint32_t *ret_index);
/* What such a one says; false: it is none. */
bool msr_feature(uint32_t index, uint64_t *ret);

/* KVM_X86_SET_MSR_FILTER: which MSRs the VMM wants to answer for. */
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
