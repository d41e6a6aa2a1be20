// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What Linux does on the way to user mode, before a thread goes into a guest: scheduling, signals,
 * tasks' work.  The kernel exports a function for that, which wants the kernel's own kind of
 * virtual processor in order to note that a signal came.  It gets one for all of ours, which nobody
 * reads.
 */
#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <linux/slab.h>

#include "module/vcpu.h"

static struct kvm_vcpu *stand_in;

int work_setup(void)
{
	stand_in = kvzalloc(sizeof(*stand_in), GFP_KERNEL);
	if (!stand_in)
		return -ENOMEM;
	stand_in->run = kzalloc(sizeof(*stand_in->run), GFP_KERNEL);
	if (!stand_in->run) {
		kvfree(stand_in);
		return -ENOMEM;
	}
	return 0;
}

void work_free(void)
{
	kfree(stand_in->run);
	kvfree(stand_in);
}

int work_do(void)
{
	return __xfer_to_guest_mode_work_pending() ? xfer_to_guest_mode_handle_work(stand_in) : 0;
}
