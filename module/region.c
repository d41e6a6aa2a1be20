// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM_SET_USER_MEMORY_REGION.  A slot that changes is first out of the table, so that no fault
 * finds it, then out of the guest, and only then gone.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "module/vm.h"

static int new_bitmap(struct guest_slot *slot, bool all_set)
{
	u64 *dirty = kvcalloc(slot_dirty_words(&slot->slot), sizeof(u64), GFP_KERNEL_ACCOUNT);

	if (!dirty)
		return -ENOMEM;
	if (all_set)
		bitmap_set((unsigned long *)dirty, 0, slot_pages(&slot->slot));
	slot->slot.dirty = dirty;
	return 0;
}

static void change(struct vm *vm, const struct slot *slot, enum sill_change change)
{
	guard(mutex)(&vm->map_lock);
	memory_change(vm, slot->guest, slot->size, change);
}

static void free_slot(struct guest_slot *slot)
{
	mmu_interval_notifier_remove(&slot->notifier);
	kvfree(slot->slot.dirty);
	kfree(slot);
}

/* A slot that is not in the table yet. */
static int create(struct vm *vm, const struct kvm_userspace_memory_region *region,
                  struct guest_slot **ret_slot)
{
	struct guest_slot *slot;
	int error;

	if (!access_ok((void __user *)region->userspace_addr, region->memory_size))
		return -EINVAL;
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return -ENOMEM;
	slot->vm = vm;
	slot->slot.id = region->slot;
	slot->slot.flags = region->flags;
	slot->slot.guest = region->guest_phys_addr;
	slot->slot.size = region->memory_size;
	slot->slot.user = region->userspace_addr;
	if (region->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		error = new_bitmap(slot, vm->dirty_initially_set);
		if (error)
			goto free;
	}
	error = mmu_interval_notifier_insert(&slot->notifier, vm->mm, slot->slot.user,
	                                     slot->slot.size, &memory_notifier_ops);
	if (error)
		goto free;
	*ret_slot = slot;
	return 0;
free:
	kvfree(slot->slot.dirty);
	kfree(slot);
	return error;
}

/* What it needs is there before the old one goes, which otherwise stays. */
static int replace(struct vm *vm, struct slot *old,
                   const struct kvm_userspace_memory_region *region)
{
	struct guest_slot *slot = NULL;
	int error = region->memory_size ? create(vm, region, &slot) : 0;

	if (error)
		return error;
	if (old) {
		slot_remove(&vm->slots, old);
		change(vm, old, SILL_CHANGE_UNMAP);
		free_slot(container_of(old, struct guest_slot, slot));
	}
	if (slot)
		slot_insert(&vm->slots, &slot->slot);
	return 0;
}

/* The dirty log of a slot begins or ends.  Nobody looks at it: slots_lock is held for writing. */
static int set_flags(struct vm *vm, struct guest_slot *slot, u32 flags)
{
	u64 *bitmap = slot->slot.dirty;
	int error;

	if (flags & KVM_MEM_LOG_DIRTY_PAGES) {
		error = new_bitmap(slot, vm->dirty_initially_set);
		if (error)
			return error;
		/* What is all set already may be written until it is cleared. */
		if (!vm->dirty_initially_set)
			change(vm, &slot->slot, SILL_CHANGE_SPLIT);
	} else {
		/* Unmapped, it comes back in large pages. */
		change(vm, &slot->slot, SILL_CHANGE_UNMAP);
		slot->slot.dirty = NULL;
		kvfree(bitmap);
	}
	slot->slot.flags = flags;
	return 0;
}

int region_set(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct slot *old;
	int plan;

	guard(rwsem_write)(&vm->slots_lock);
	plan = slot_plan(&vm->slots, region, &old);
	switch (plan) {
	case SLOT_NOTHING:
		return 0;
	case SLOT_CREATE:
	case SLOT_MOVE:
	case SLOT_DELETE:
		return replace(vm, old, region);
	case SLOT_FLAGS:
		return set_flags(vm, container_of(old, struct guest_slot, slot), region->flags);
	default:
		return plan == -EEXIST ? plan : -EINVAL;
	}
}

/* At the end of a machine, whose session is gone. */
void region_free_all(struct vm *vm)
{
	while (vm->slots.count) {
		struct slot *slot = vm->slots.slots[vm->slots.count - 1];

		vm->slots.count--;
		free_slot(container_of(slot, struct guest_slot, slot));
	}
}
