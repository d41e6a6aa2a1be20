// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory slots: what KVM_SET_USER_MEMORY_REGION allows (Documentation/virt/kvm/api.rst, 4.35), and
 * looking addresses up.
 */
#include "module/slots.h"

#define KNOWN_FLAGS (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
/* The hypervisor's nested tables end there. */
#define GUEST_END (UINT64_C(1) << 48)
/* As many pages as a slot of KVM's may have. */
#define PAGES_MAX ((UINT64_C(1) << 31) - 1)

/* The place of the first slot that ends above the address. */
static uint32_t place(const struct slot_table *table, uint64_t guest)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct slot *slot = table->slots[middle];

		if (slot->guest + slot->size <= guest)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct slot *slot_find(const struct slot_table *table, uint64_t guest)
{
	uint32_t at = place(table, guest);

	if (at == table->count || table->slots[at]->guest > guest)
		return NULL;
	return table->slots[at];
}

struct slot *slot_by_id(const struct slot_table *table, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < table->count; i++) {
		if (table->slots[i]->id == id)
			return table->slots[i];
	}
	return NULL;
}

/* Does another slot than `except` have a byte of it? */
static bool overlaps(const struct slot_table *table, uint64_t guest, uint64_t size,
                     const struct slot *except)
{
	uint32_t at;

	for (at = place(table, guest); at < table->count; at++) {
		if (table->slots[at]->guest >= guest + size)
			return false;
		if (table->slots[at] != except)
			return true;
	}
	return false;
}

static bool region_is_sound(const struct kvm_userspace_memory_region *region)
{
	uint64_t user_end;

	if ((region->slot >> 16) != 0 || (region->flags & ~KNOWN_FLAGS) != 0)
		return false;
	if ((region->memory_size | region->guest_phys_addr | region->userspace_addr) % SLOT_PAGE !=
	    0)
		return false;
	if (region->memory_size / SLOT_PAGE > PAGES_MAX || region->guest_phys_addr > GUEST_END ||
	    region->memory_size > GUEST_END - region->guest_phys_addr)
		return false;
	return !__builtin_add_overflow(region->userspace_addr, region->memory_size, &user_end);
}

int slot_plan(const struct slot_table *table, const struct kvm_userspace_memory_region *region,
              struct slot **ret_old)
{
	struct slot *old = slot_by_id(table, region->slot);

	if (!region_is_sound(region))
		return -EINVAL;
	if (region->memory_size == 0) {
		if (!old)
			return -EINVAL;
		*ret_old = old;
		return SLOT_DELETE;
	}
	if (overlaps(table, region->guest_phys_addr, region->memory_size, old))
		return -EEXIST;
	if (!old) {
		if (table->count == SLOTS_MAX)
			return -ENOSPC;
		*ret_old = NULL;
		return SLOT_CREATE;
	}
	/* Only its place in the guest and its dirty log may change. */
	if (region->userspace_addr != old->user || region->memory_size != old->size ||
	    ((region->flags ^ old->flags) & KVM_MEM_READONLY) != 0)
		return -EINVAL;
	*ret_old = old;
	if (region->guest_phys_addr != old->guest)
		return SLOT_MOVE;
	return region->flags != old->flags ? SLOT_FLAGS : SLOT_NOTHING;
}

void slot_insert(struct slot_table *table, struct slot *slot)
{
	uint32_t at = place(table, slot->guest);

	for (uint32_t i = table->count; i > at; i--)
		table->slots[i] = table->slots[i - 1];
	table->slots[at] = slot;
	table->count++;
}

void slot_remove(struct slot_table *table, const struct slot *slot)
{
	uint32_t at = place(table, slot->guest);

	if (at == table->count || table->slots[at] != slot)
		return;
	table->count--;
	for (uint32_t i = at; i < table->count; i++)
		table->slots[i] = table->slots[i + 1];
}

unsigned int slot_level(const struct slot *slot, uint64_t guest, unsigned int level)
{
	uint64_t user = slot->user + (guest - slot->guest);

	for (; level > 0; level--) {
		uint64_t size = (uint64_t)SLOT_PAGE << (9 * level);
		uint64_t start = guest & ~(size - 1);

		if (((guest ^ user) & (size - 1)) == 0 && start >= slot->guest &&
		    size <= slot->guest + slot->size - start)
			break;
	}
	return level;
}
