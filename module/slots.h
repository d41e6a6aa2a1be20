/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory slots of a machine (KVM_SET_USER_MEMORY_REGION): a table sorted by guest-physical
 * address.  Pure: the caller allocates the slots and holds the lock.
 */
#ifndef MODULE_SLOTS_H
#define MODULE_SLOTS_H

#include "module/port.h"

#include <linux/kvm.h>

#define SLOTS_MAX 1024u
#define SLOT_PAGE 4096u

struct slot {
	uint64_t guest; /* guest-physical address, bytes */
	uint64_t size;
	uint64_t user; /* address in the VMM */
	uint32_t id;
	uint32_t flags; /* KVM_MEM_… */
	/* A bit for each page that was written; NULL without KVM_MEM_LOG_DIRTY_PAGES. */
	uint64_t *dirty;
};

struct slot_table {
	uint32_t count;
	struct slot *slots[SLOTS_MAX];
};

enum slot_change {
	SLOT_NOTHING,
	SLOT_CREATE,
	SLOT_DELETE,
	SLOT_MOVE,  /* to another guest-physical address */
	SLOT_FLAGS, /* another dirty log setting */
};

/*
 * What has to be done for this call; enum slot_change, or -EINVAL, -EEXIST, -ENOSPC.  *ret_old is
 * the slot of that number, NULL for SLOT_CREATE.
 */
int slot_plan(const struct slot_table *table, const struct kvm_userspace_memory_region *region,
              struct slot **ret_old);

/* slot_plan() has said that there is room. */
void slot_insert(struct slot_table *table, struct slot *slot);
void slot_remove(struct slot_table *table, const struct slot *slot);

/* The slot that has this guest-physical address, or this number; or NULL. */
struct slot *slot_find(const struct slot_table *table, uint64_t guest);
struct slot *slot_by_id(const struct slot_table *table, uint32_t id);

static inline uint64_t slot_pages(const struct slot *slot)
{
	return slot->size / SLOT_PAGE;
}

/* 64-bit words of its dirty bitmap. */
static inline uint64_t slot_dirty_words(const struct slot *slot)
{
	return (slot_pages(slot) + 63) / 64;
}

/*
 * The largest page that may be used for this address: level 0, 1 or 2, no larger than `level`.  It
 * must lie inside the slot, and be aligned alike on both sides.
 */
unsigned int slot_level(const struct slot *slot, uint64_t guest, unsigned int level);

#endif
