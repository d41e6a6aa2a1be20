// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses that do not need the VMM: ioeventfds tell somebody, coalesced writes go into a ring that
 * the VMM reads later (Documentation/virt/kvm/api.rst, 4.59 and 4.116).
 */
#include "module/io.h"

#include <linux/eventfd.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "module/versions.h"

#define WATCHES_MAX 1000u
#define ZONES_MAX   100u

struct watch {
	struct list_head link;
	enum io_space space;
	u64 address;
	u32 length; /* 0: any */
	bool has_match;
	u64 match;
	struct eventfd_ctx *event;
};

struct write_zone {
	struct list_head link;
	enum io_space space;
	u64 address, size;
};

void io_create(struct vm *vm)
{
	mutex_init(&vm->watches_lock);
	spin_lock_init(&vm->ring_lock);
	INIT_LIST_HEAD(&vm->watches);
	INIT_LIST_HEAD(&vm->zones);
}

static void free_watch(struct watch *watch)
{
	eventfd_ctx_put(watch->event);
	kfree(watch);
}

void io_free(struct vm *vm)
{
	struct watch *watch, *next_watch;
	struct write_zone *zone, *next_zone;

	list_for_each_entry_safe (watch, next_watch, &vm->watches, link)
		free_watch(watch);
	list_for_each_entry_safe (zone, next_zone, &vm->zones, link)
		kfree(zone);
}

static u64 value_of(const void *data, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, data, min(size, 8u));
	return value;
}

static bool is_watched(const struct watch *watch, enum io_space space, u64 address,
                       const void *data, unsigned int size)
{
	return watch->space == space && watch->address == address &&
	       (!watch->length || watch->length == size) &&
	       (!watch->has_match || watch->match == value_of(data, size));
}

static bool signal_watch(struct vm *vm, enum io_space space, u64 address, const void *data,
                         unsigned int size)
{
	struct watch *watch;

	guard(rcu)();
	list_for_each_entry_rcu (watch, &vm->watches, link) {
		if (is_watched(watch, space, address, data, size)) {
			versions_eventfd_signal(watch->event);
			return true;
		}
	}
	return false;
}

/* With ring_lock: is it in a zone? */
static bool is_coalesced(struct vm *vm, enum io_space space, u64 address, unsigned int size)
{
	struct write_zone *zone;

	list_for_each_entry (zone, &vm->zones, link) {
		if (zone->space == space && address >= zone->address &&
		    address + size <= zone->address + zone->size)
			return true;
	}
	return false;
}

/*
 * Puts a write into the ring.  False: there is no such zone, or the ring is full and the VMM must
 * come.
 */
static bool coalesce(struct vm *vm, enum io_space space, u64 address, const void *data,
                     unsigned int size)
{
	struct kvm_coalesced_mmio_ring *ring = page_address(vm->coalesced);
	const u32 length = KVM_COALESCED_MMIO_MAX;
	struct kvm_coalesced_mmio *entry;
	u32 last;

	if (list_empty(&vm->zones))
		return false;
	guard(spinlock)(&vm->ring_lock);
	/* The VMM shares the ring: its numbers are read once and bounded. */
	last = READ_ONCE(ring->last) % length;
	if (!is_coalesced(vm, space, address, size) ||
	    (last + 1) % length == READ_ONCE(ring->first) % length)
		return false;
	entry = &ring->coalesced_mmio[last];
	entry->phys_addr = address;
	entry->len = size;
	memcpy(entry->data, data, size);
	entry->pio = space == IO_PORT;
	smp_store_release(&ring->last, (last + 1) % length);
	return true;
}

bool io_write(struct vcpu *vcpu, enum io_space space, u64 address, const void *data,
              unsigned int size)
{
	return irqchip_write(vcpu, space, address, data, size) ||
	       signal_watch(vcpu->vm, space, address, data, size) ||
	       coalesce(vcpu->vm, space, address, data, size);
}

/* KVM_IOEVENTFD */

static bool clashes(const struct watch *a, const struct watch *b)
{
	return a->space == b->space && a->address == b->address &&
	       (!a->length || !b->length ||
	        (a->length == b->length &&
	         (!a->has_match || !b->has_match || a->match == b->match)));
}

static int add_watch(struct vm *vm, struct watch *new)
{
	struct watch *watch;
	unsigned int count = 0;

	guard(mutex)(&vm->watches_lock);
	list_for_each_entry (watch, &vm->watches, link) {
		if (clashes(watch, new))
			return -EEXIST;
		if (++count == WATCHES_MAX)
			return -ENOSPC;
	}
	list_add_tail_rcu(&new->link, &vm->watches);
	return 0;
}

static int remove_watch(struct vm *vm, const struct watch *like)
{
	struct watch *watch;

	guard(mutex)(&vm->watches_lock);
	list_for_each_entry (watch, &vm->watches, link) {
		if (watch->event == like->event && watch->space == like->space &&
		    watch->address == like->address && watch->length == like->length &&
		    watch->has_match == like->has_match && watch->match == like->match) {
			list_del_rcu(&watch->link);
			synchronize_rcu_expedited();
			free_watch(watch);
			return 0;
		}
	}
	return -ENOENT;
}

int io_set_watch(struct vm *vm, const struct kvm_ioeventfd *argument)
{
	const u32 known =
		KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct watch *watch;
	int error;

	if (argument->flags & ~known || argument->len > 8 ||
	    (argument->len && !is_power_of_2(argument->len)) ||
	    argument->addr + argument->len < argument->addr ||
	    (!argument->len && (argument->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)))
		return -EINVAL;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return -ENOMEM;
	watch->space = argument->flags & KVM_IOEVENTFD_FLAG_PIO ? IO_PORT : IO_MEMORY;
	watch->address = argument->addr;
	watch->length = argument->len;
	watch->has_match = argument->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	watch->match = watch->has_match ? argument->datamatch : 0;
	watch->event = eventfd_ctx_fdget(argument->fd);
	if (IS_ERR(watch->event)) {
		error = PTR_ERR(watch->event);
		kfree(watch);
		return error;
	}
	error = argument->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? remove_watch(vm, watch)
	                                                      : add_watch(vm, watch);
	if (error || argument->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		free_watch(watch);
	return error;
}

/* KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO */

static int add_zone(struct vm *vm, const struct write_zone *like)
{
	struct write_zone *zone, *new = kmemdup(like, sizeof(*like), GFP_KERNEL_ACCOUNT);
	unsigned int count = 0;

	if (!new)
		return -ENOMEM;
	guard(spinlock)(&vm->ring_lock);
	list_for_each_entry (zone, &vm->zones, link)
		count++;
	if (count >= ZONES_MAX) {
		kfree(new);
		return -ENOSPC;
	}
	list_add_tail(&new->link, &vm->zones);
	return 0;
}

int io_set_zone(struct vm *vm, const struct kvm_coalesced_mmio_zone *argument, bool add)
{
	const struct write_zone like = { .space = argument->pio ? IO_PORT : IO_MEMORY,
		                         .address = argument->addr,
		                         .size = argument->size };
	struct write_zone *zone, *next;

	if (argument->pio > 1)
		return -EINVAL;
	if (add)
		return add_zone(vm, &like);
	guard(spinlock)(&vm->ring_lock);
	list_for_each_entry_safe (zone, next, &vm->zones, link) {
		if (zone->space == like.space && zone->address >= like.address &&
		    zone->address + zone->size <= like.address + like.size) {
			list_del(&zone->link);
			kfree(zone);
		}
	}
	return 0;
}
