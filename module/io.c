// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses that do not need the VMM: ioeventfds tell somebody, coalesced writes go into a ring that
 * the VMM reads later (Documentation/virt/kvm/api.rst, 4.59 and 4.116).
 */
#include "module/io.h"

#include <linux/eventfd.h>
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
	rwlock_init(&vm->io_lock);
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

	list_for_each_entry_safe(watch, next_watch, &vm->watches, link) free_watch(watch);
	list_for_each_entry_safe(zone, next_zone, &vm->zones, link) kfree(zone);
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
	bool found = false;

	read_lock(&vm->io_lock);
	list_for_each_entry(watch, &vm->watches, link)
	{
		if (!is_watched(watch, space, address, data, size))
			continue;
		versions_eventfd_signal(watch->event);
		found = true;
		break;
	}
	read_unlock(&vm->io_lock);
	return found;
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
	struct write_zone *zone;
	bool done = false;
	u32 last;

	if (list_empty(&vm->zones))
		return false;
	write_lock(&vm->io_lock);
	list_for_each_entry(zone, &vm->zones, link)
	{
		if (zone->space != space || address < zone->address ||
		    address + size > zone->address + zone->size)
			continue;
		/* The VMM shares the ring: its numbers are read once and bounded. */
		last = READ_ONCE(ring->last) % length;
		if ((last + 1) % length == READ_ONCE(ring->first) % length)
			break;
		ring->coalesced_mmio[last].phys_addr = address;
		ring->coalesced_mmio[last].len = size;
		memcpy(ring->coalesced_mmio[last].data, data, size);
		ring->coalesced_mmio[last].pio = space == IO_PORT;
		smp_wmb();
		WRITE_ONCE(ring->last, (last + 1) % length);
		done = true;
		break;
	}
	write_unlock(&vm->io_lock);
	return done;
}

bool io_read(struct vcpu *vcpu, enum io_space space, u64 address, void *data, unsigned int size)
{
	return irqchip_read(vcpu, space, address, data, size);
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
	int error = 0;

	write_lock(&vm->io_lock);
	list_for_each_entry(watch, &vm->watches, link)
	{
		count++;
		if (clashes(watch, new))
			error = -EEXIST;
	}
	if (count >= WATCHES_MAX)
		error = -ENOSPC;
	if (!error)
		list_add_tail(&new->link, &vm->watches);
	write_unlock(&vm->io_lock);
	return error;
}

static int remove_watch(struct vm *vm, const struct watch *like)
{
	struct watch *watch, *found = NULL;

	write_lock(&vm->io_lock);
	list_for_each_entry(watch, &vm->watches, link)
	{
		if (watch->event == like->event && watch->space == like->space &&
		    watch->address == like->address && watch->length == like->length &&
		    watch->has_match == like->has_match && watch->match == like->match) {
			found = watch;
			list_del(&watch->link);
			break;
		}
	}
	write_unlock(&vm->io_lock);
	if (!found)
		return -ENOENT;
	free_watch(found);
	return 0;
}

int io_set_watch(struct vm *vm, const struct kvm_ioeventfd *argument)
{
	const u32 known =
		KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct watch *watch;
	int error;

	if (argument->flags & ~known || argument->len > 8 ||
	    (argument->len && !is_power_of_2(argument->len)))
		return -EINVAL;
	if (argument->addr + argument->len < argument->addr)
		return -EINVAL;
	if (!argument->len && (argument->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
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
	if (argument->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		error = remove_watch(vm, watch);
		free_watch(watch);
		return error;
	}
	error = add_watch(vm, watch);
	if (error)
		free_watch(watch);
	return error;
}

/* KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO */
int io_set_zone(struct vm *vm, const struct kvm_coalesced_mmio_zone *argument, bool add)
{
	struct write_zone *zone, *next, *new = NULL;
	unsigned int count = 0;
	int error = 0;

	if (argument->pio > 1)
		return -EINVAL;
	if (add) {
		new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
		new->space = argument->pio ? IO_PORT : IO_MEMORY;
		new->address = argument->addr;
		new->size = argument->size;
	}
	write_lock(&vm->io_lock);
	list_for_each_entry_safe(zone, next, &vm->zones, link)
	{
		count++;
		if (!add && zone->space == (argument->pio ? IO_PORT : IO_MEMORY) &&
		    zone->address >= argument->addr &&
		    zone->address + zone->size <= argument->addr + argument->size) {
			list_del(&zone->link);
			kfree(zone);
		}
	}
	if (add && count >= ZONES_MAX)
		error = -ENOSPC;
	else if (add)
		list_add_tail(&new->link, &vm->zones);
	write_unlock(&vm->io_lock);
	if (error)
		kfree(new);
	return error;
}
