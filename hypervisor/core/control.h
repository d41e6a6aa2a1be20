/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the root has given away for the control of sessions: donations of 2 MiB, handed out
 * page by page.  A donation's first page is its book, a bit for each of the others.  Any processor.
 */
#ifndef HYPERVISOR_CORE_CONTROL_H
#define HYPERVISOR_CORE_CONTROL_H

#include <stdint.h>

#include "hypervisor/core/spinlock.h"
#include "include/sill/session.h"

struct control {
	struct spinlock
		lock; /* guards the list and every book; nobody waits for anything with it */
	struct donation *first;
};

/* SILL_DONATION bytes, aligned to as much, are ours from now on. */
void control_add(struct control *control, void *at);

/* A donation of which no page is used any more, no longer ours; NULL: there is none. */
void *control_remove(struct control *control);

/* A page of zeros, or NULL; and back. */
void *control_page(struct control *control);
void control_release(struct control *control, void *page);

#endif
