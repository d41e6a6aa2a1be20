// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guest memory follows the VMM's.  Nothing is pinned: what Linux wants back, the notifier takes
 * from the guest first.  docs/module.md has the whole story.
 *
 * A mapping is made in two steps.  Without map_lock, the VMM's page tables are looked at, and made
 * to have what is needed.  With map_lock, if no notifier ran in between, the page is mapped.  So a
 * page that is mapped is one that Linux has not asked back since.
 */
#include <linux/hmm.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "module/control.h"
#include "module/vm.h"

/* With map_lock.  The answer comes in pieces; a session that is gone has nothing to change. */
static void change_range(struct vm *vm, u64 guest, u64 size, enum sill_change change, bool sleeps)
{
	while (size && vm->session) {
		s64 done = hypercall(SILL_CALL_CHANGE, vm->session, guest, size, change);

		if (sleeps)
			cond_resched();
		if (done == -SILL_EAGAIN) {
			cpu_relax();
			continue;
		}
		/* To split needs tables: without memory for them the pages are unmapped instead. */
		if (done == -SILL_ENOMEM && change == SILL_CHANGE_SPLIT) {
			change = SILL_CHANGE_UNMAP;
			continue;
		}
		if (WARN_ONCE(done <= 0, "sill: CHANGE %d of %llx+%llx: %lld\n", change, guest,
		              size, done))
			return;
		guest += done;
		size -= min_t(u64, done, size);
	}
}

void memory_change(struct vm *vm, u64 guest, u64 size, enum sill_change change)
{
	change_range(vm, guest, size, change, true);
}

static bool invalidate(struct mmu_interval_notifier *notifier,
                       const struct mmu_notifier_range *range, unsigned long sequence)
{
	struct guest_slot *guest_slot = container_of(notifier, struct guest_slot, notifier);
	const struct slot *slot = &guest_slot->slot;
	u64 start = max_t(u64, range->start, slot->user);
	u64 end = min_t(u64, range->end, slot->user + slot->size);
	bool sleeps = mmu_notifier_range_blockable(range);

	if (sleeps)
		mutex_lock(&guest_slot->vm->map_lock);
	else if (!mutex_trylock(&guest_slot->vm->map_lock))
		return false;
	mmu_interval_set_seq(notifier, sequence);
	if (start < end)
		change_range(guest_slot->vm, slot->guest + (start - slot->user), end - start,
		             SILL_CHANGE_UNMAP, sleeps);
	mutex_unlock(&guest_slot->vm->map_lock);
	return true;
}

const struct mmu_interval_notifier_ops memory_notifier_ops = { .invalidate = invalidate };

/* What the VMM's page tables have at an address. */
struct look {
	unsigned long sequence;
	unsigned long found; /* HMM_PFN_… */
};

/*
 * Looks, and makes the page present and writable where it has to be.  Waits for disks and for
 * userfaultfd.  0 or -errno; the look may be out of date at once: the sequence tells.
 */
static int look_up(struct guest_slot *slot, u64 user, bool write, struct look *ret)
{
	struct mm_struct *mm = slot->vm->mm;
	struct hmm_range range = {
		.notifier = &slot->notifier,
		.start = user,
		.end = user + PAGE_SIZE,
		.hmm_pfns = &ret->found,
	};
	bool unlocked;
	int error;

	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		range.notifier_seq = mmu_interval_read_begin(&slot->notifier);
		mmap_read_lock(mm);
		ret->found = 0;
		error = hmm_range_fault(&range);
		if (error == -EBUSY) {
			mmap_read_unlock(mm);
			continue;
		}
		/* No memory, or a device's: a fault would not change that. */
		if (error || (ret->found & HMM_PFN_ERROR)) {
			mmap_read_unlock(mm);
			return -EFAULT;
		}
		if ((ret->found & HMM_PFN_VALID) && (!write || (ret->found & HMM_PFN_WRITE))) {
			mmap_read_unlock(mm);
			ret->sequence = range.notifier_seq;
			return 0;
		}
		unlocked = false;
		error = fixup_user_fault(mm, user, write ? FAULT_FLAG_WRITE : 0, &unlocked);
		mmap_read_unlock(mm);
		if (error)
			return error == -ENOMEM ? -ENOMEM : -EFAULT;
		cond_resched();
	}
}

/*
 * With map_lock.  0, -SILL_ENOMEM, or another error of the hypervisor's.  Where the same page is,
 * it gets the rights of both; where others are, small ones that become a large one, they go first.
 */
static s64 map_page(struct vm *vm, const struct sill_page *page)
{
	s64 result;

	*vm->batch = *page;
	result = hypercall_patient(SILL_CALL_MAP, vm->session, virt_to_phys(vm->batch), 1, 0);
	if (result == -SILL_EEXIST) {
		memory_change(vm, page->guest, (u64)PAGE_SIZE << (9 * page->level),
		              SILL_CHANGE_UNMAP);
		result = hypercall_patient(SILL_CALL_MAP, vm->session, virt_to_phys(vm->batch), 1,
		                           0);
	}
	return result < 0 ? result : 0;
}

/*
 * Before the guest may write it: Linux's page tables will not say that it did.  Of a file on a disk
 * Linux knows since it allowed writing.
 */
static void mark_written(const struct sill_page *page)
{
	struct folio *folio = page_folio(pfn_to_page(page->root >> PAGE_SHIFT));

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		folio_set_dirty(folio);
}

/* A page for what was found. */
static struct sill_page choose(const struct slot *slot, u64 guest, const struct look *look,
                               bool write)
{
	unsigned int order = hmm_pfn_to_map_order(look->found);
	unsigned int level = order >= 18 ? 2 : order >= 9 ? 1 : 0;
	bool writable = (look->found & HMM_PFN_WRITE) && !(slot->flags & KVM_MEM_READONLY);
	u64 frame = look->found & ~HMM_PFN_FLAGS, offset;
	struct sill_page page = { .flags = SILL_PAGE_EXECUTE };

	/* With a dirty log, page for page, and only what is written is writable. */
	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		level = 0;
		writable &= write;
	}
	page.level = slot_level(slot, guest, level);
	offset = ((u64)PAGE_SIZE << (9 * page.level)) - 1;
	page.guest = guest & ~offset;
	page.root = (frame << PAGE_SHIFT) & ~offset;
	if (writable)
		page.flags |= SILL_PAGE_WRITE;
	return page;
}

static int fault_in_slot(struct vm *vm, struct guest_slot *slot, u64 guest, u64 access)
{
	bool write = access & SILL_ACCESS_WRITE, own = write;
	u64 user = slot->slot.user + (guest - slot->slot.guest);
	struct look look;
	struct sill_page page;
	s64 result;
	int error;

	for (;;) {
		error = look_up(slot, user, own, &look);
		if (error)
			return error;
		page = choose(&slot->slot, guest, &look, write);
		mutex_lock(&vm->map_lock);
		if (mmu_interval_read_retry(&slot->notifier, look.sequence)) {
			mutex_unlock(&vm->map_lock);
			continue;
		}
		if (page.flags & SILL_PAGE_WRITE) {
			mark_written(&page);
			if (slot->slot.dirty)
				dirty_mark(&slot->slot, guest, PAGE_SIZE);
		}
		result = map_page(vm, &page);
		mutex_unlock(&vm->map_lock);
		/* A frame is lent so many times: who comes later to the zero page gets its own. */
		if (result == -SILL_EOWNER && !own) {
			own = true;
			continue;
		}
		if (result != -SILL_ENOMEM)
			return hypercall_errno(result);
		/* Memory is not allocated below map_lock, which notifiers take. */
		error = control_donate();
		if (error)
			return error;
	}
}

int memory_fault(struct vm *vm, u64 guest, u64 access)
{
	struct slot *slot;

	guest &= PAGE_MASK;
	guard(rwsem_read)(&vm->slots_lock);
	slot = slot_find(&vm->slots, guest);
	if (!slot || ((access & SILL_ACCESS_WRITE) && (slot->flags & KVM_MEM_READONLY)))
		return MEMORY_DEVICE;
	return fault_in_slot(vm, container_of(slot, struct guest_slot, slot), guest, access);
}

static void __user *user_at(const struct slot *slot, u64 guest)
{
	return (void __user *)(slot->user + (guest - slot->guest));
}

u64 memory_user(struct vm *vm, u64 guest)
{
	const struct slot *slot;
	u64 result = 0;

	down_read(&vm->slots_lock);
	slot = slot_find(&vm->slots, guest);
	if (slot)
		result = slot->user + (guest - slot->guest);
	up_read(&vm->slots_lock);
	return result;
}

static void note_written(struct vm *vm, struct slot *slot, u64 guest, u64 size)
{
	if (!slot->dirty)
		return;
	guard(mutex)(&vm->map_lock);
	dirty_mark(slot, guest, size);
}

static int transfer(struct vm *vm, u64 guest, void *data, u64 size, bool write)
{
	u64 length;

	guard(rwsem_read)(&vm->slots_lock);
	for (; size; guest += length, data += length, size -= length) {
		struct slot *slot = slot_find(&vm->slots, guest);

		if (!slot || (write && (slot->flags & KVM_MEM_READONLY)))
			return MEMORY_DEVICE;
		length = min(size, slot->guest + slot->size - guest);
		if (write ? copy_to_user(user_at(slot, guest), data, length)
		          : copy_from_user(data, user_at(slot, guest), length))
			return -EFAULT;
		if (write)
			note_written(vm, slot, guest, length);
	}
	return 0;
}

int memory_read(struct vm *vm, u64 guest, void *to, u64 size)
{
	return transfer(vm, guest, to, size, false);
}

int memory_write(struct vm *vm, u64 guest, const void *from, u64 size)
{
	return transfer(vm, guest, (void *)from, size, true);
}

/* Exchanges in the VMM's memory: 0, -EAGAIN when it had something else, -EFAULT. */
static int exchange(void __user *at, u64 *expected, u64 value, unsigned int size)
{
	u64 old = *expected;
	int error = 0;

	if (!user_access_begin(at, size))
		return -EFAULT;
	switch (size) {
	case 1:
		unsafe_try_cmpxchg_user((u8 __user *)at, (u8 *)expected, (u8)value, fault);
		break;
	case 2:
		unsafe_try_cmpxchg_user((u16 __user *)at, (u16 *)expected, (u16)value, fault);
		break;
	case 4:
		unsafe_try_cmpxchg_user((u32 __user *)at, (u32 *)expected, (u32)value, fault);
		break;
	case 8:
		unsafe_try_cmpxchg_user((u64 __user *)at, expected, value, fault);
		break;
	default:
		error = -EINVAL;
	}
	user_access_end();
	return error ? error : *expected == old ? 0 : -EAGAIN;
fault:
	user_access_end();
	return -EFAULT;
}

int memory_exchange(struct vm *vm, u64 guest, u64 *expected, u64 value, unsigned int size)
{
	struct slot *slot;
	int error;

	if (guest % size)
		return -EINVAL;
	guard(rwsem_read)(&vm->slots_lock);
	slot = slot_find(&vm->slots, guest);
	if (!slot || (slot->flags & KVM_MEM_READONLY))
		return MEMORY_DEVICE;
	error = exchange(user_at(slot, guest), expected, value, size);
	if (!error)
		note_written(vm, slot, guest, size);
	return error;
}
