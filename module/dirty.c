// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dirty log.  A page's bit is set under map_lock before the guest can write it, and cleared
 * before it is write-protected again: a write falls before the VMM reads the memory, or it sets the
 * bit again.
 */
#include <linux/bitmap.h>
#include <linux/compat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "module/vm.h"

/* Words of a bitmap that are handled in one piece. */
#define PIECE 512u

void dirty_mark(struct slot *slot, u64 guest, u64 size)
{
	u64 page = (guest - slot->guest) / PAGE_SIZE;
	u64 last = (guest + size - 1 - slot->guest) / PAGE_SIZE;

	for (; slot->dirty && page <= last; page++)
		slot->dirty[page / 64] |= 1ull << (page % 64);
}

/*
 * Pages whose bits are in words[0, count), from page `first` of the slot on, are read-only again.
 * With map_lock.
 */
static void protect(struct vm *vm, const struct slot *slot, u64 first, const u64 *words, u64 count)
{
	unsigned long from, to;

	for_each_set_bitrange (from, to, (const unsigned long *)words, count * 64)
		memory_change(vm, slot->guest + (first + from) * PAGE_SIZE, (to - from) * PAGE_SIZE,
		              SILL_CHANGE_SPLIT);
}

/* Where a 64-bit address has its upper half, a 32-bit VMM has padding, in which may be anything. */
static u64 __user *bitmap_of(u64 __user *bitmap)
{
	return in_compat_syscall() ? compat_ptr((uintptr_t)bitmap) : bitmap;
}

/*
 * Copies the log to the VMM; without manual clearing also clears it.  With slots_lock, as the next.
 */
static int copy_log(struct vm *vm, struct slot *slot, u64 __user *to, u64 *piece)
{
	u64 words = slot_dirty_words(slot), at, count;

	for (at = 0; at < words; at += count) {
		count = min_t(u64, PIECE, words - at);
		scoped_guard(mutex, &vm->map_lock)
		{
			memcpy(piece, slot->dirty + at, count * sizeof(u64));
			if (!vm->manual_dirty_log) {
				memset(slot->dirty + at, 0, count * sizeof(u64));
				protect(vm, slot, at * 64, piece, count);
			}
		}
		if (copy_to_user(to + at, piece, count * sizeof(u64)))
			return -EFAULT;
	}
	return 0;
}

/*
 * Clears the bits that the VMM names, of pages [first, first + pages): 64 pages or more, or up to
 * the slot's end.
 */
static int clear_log(struct vm *vm, struct slot *slot, const struct kvm_clear_dirty_log *log,
                     u64 *piece)
{
	u64 __user *from = bitmap_of(log->dirty_bitmap);
	u64 first = log->first_page / 64, words = (log->num_pages + 63) / 64, at, count, i;

	if (log->first_page % 64 || log->first_page > slot_pages(slot) ||
	    log->num_pages > slot_pages(slot) - log->first_page)
		return -EINVAL;
	if (log->num_pages % 64 && log->first_page + log->num_pages != slot_pages(slot))
		return -EINVAL;
	for (at = 0; at < words; at += count) {
		count = min_t(u64, PIECE, words - at);
		if (copy_from_user(piece, from + at, count * sizeof(u64)))
			return -EFAULT;
		guard(mutex)(&vm->map_lock);
		for (i = 0; i < count; i++) {
			piece[i] &= slot->dirty[first + at + i];
			slot->dirty[first + at + i] &= ~piece[i];
		}
		protect(vm, slot, (first + at) * 64, piece, count);
	}
	return 0;
}

static int with_log(struct vm *vm, u32 id, u64 __user *to, const struct kvm_clear_dirty_log *clear)
{
	u64 *piece = kmalloc_array(PIECE, sizeof(u64), GFP_KERNEL);
	struct slot *slot;
	int error = -ENOENT;

	if (!piece)
		return -ENOMEM;
	scoped_guard(rwsem_read, &vm->slots_lock)
	{
		slot = slot_by_id(&vm->slots, id);
		if (slot && slot->dirty)
			error = clear ? clear_log(vm, slot, clear, piece)
			              : copy_log(vm, slot, to, piece);
	}
	kfree(piece);
	return error;
}

int dirty_get(struct vm *vm, const struct kvm_dirty_log *log)
{
	return with_log(vm, log->slot, bitmap_of(log->dirty_bitmap), NULL);
}

int dirty_clear(struct vm *vm, const struct kvm_clear_dirty_log *log)
{
	return vm->manual_dirty_log ? with_log(vm, log->slot, NULL, log) : -EINVAL;
}
