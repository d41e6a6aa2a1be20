// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Donations.  A piece that was given is no memory of Linux's any more: nothing may touch it until
 * the hypervisor gives it back.  Its pages stay allocated meanwhile, and only their address is
 * known, to the hypervisor, which says it in the answer to RECLAIM.
 */
#include "module/control.h"

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/mm.h>

#define DONATION_ORDER (21 - PAGE_SHIFT)

static atomic_t given = ATOMIC_INIT(0);

int control_donate(void)
{
	struct page *pages = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
	                                 DONATION_ORDER);
	s64 result;

	if (!pages)
		return -ENOMEM;
	result = hypercall_errno(hypercall_patient(SILL_CALL_DONATE, page_to_phys(pages), 0, 0, 0));
	if (result < 0) {
		__free_pages(pages, DONATION_ORDER);
		return result;
	}
	atomic_inc(&given);
	return 0;
}

void control_reclaim(void)
{
	s64 result;

	while ((result = hypercall_patient(SILL_CALL_RECLAIM, 0, 0, 0, 0)) > 0) {
		__free_pages(pfn_to_page(result >> PAGE_SHIFT), DONATION_ORDER);
		atomic_dec(&given);
	}
}

s64 control_call(enum sill_call call, u64 a, u64 b, u64 c)
{
	s64 result;

	while ((result = hypercall_patient(call, a, b, c, 0)) == -SILL_ENOMEM) {
		if (control_donate())
			break;
	}
	return result;
}

unsigned int control_donations(void)
{
	return atomic_read(&given);
}
