/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine.  docs/module.md has the order of the locks.
 */
#ifndef MODULE_VM_H
#define MODULE_VM_H

#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#include "module/slots.h"
#include "include/sill/hypercall.h"

#define VM_VCPUS_MAX   SILL_VCPUS_MAX
#define VM_VCPU_ID_MAX 1024u

struct irqchip;
struct vcpu;
struct vm;

struct guest_slot {
	struct slot slot;
	struct vm *vm;
	struct mmu_interval_notifier notifier;
};

struct vm {
	struct kref references;
	struct list_head link; /* of all machines */
	struct mm_struct *mm;  /* whose memory the guest's is; its ioctls come from there */
	u32 session;           /* 0: there is none any more.  Changed with map_lock */

	/* Guards the list of virtual processors and the settings below. */
	struct mutex lock;
	struct vcpu *vcpus[VM_VCPUS_MAX]; /* by the hypervisor's number; only added */
	u32 vcpu_count;                   /* read without the lock: set when the entry is there */
	u32 boot_id;
	bool manual_dirty_log, dirty_initially_set;
	bool exception_payload;          /* KVM_CAP_EXCEPTION_PAYLOAD */
	bool no_platform_info;           /* KVM_CAP_MSR_PLATFORM_INFO */
	u32 vcpu_id_max;                 /* KVM_CAP_MAX_VCPU_ID; 0: none was said */
	u32 user_msr;                    /* KVM_MSR_EXIT_REASON_… */
	struct msr_filter __rcu *filter; /* NULL: none */
	u32 disabled_quirks;

	struct rw_semaphore slots_lock; /* guards `slots` */
	struct slot_table slots;

	struct mutex map_lock; /* guards the nested tables, `batch` and all dirty bits */
	struct sill_page *batch;

	/* The paravirtual clock and the time stamp counter: clock.c. */
	spinlock_t clock_lock;
	u64 clock_tsc;      /* the processor's counter … */
	s64 clock_ns;       /* … and the time of the machine then */
	s64 clock_offset;   /* time of the machine less the root's since its start */
	u64 tsc_offset;     /* of the last one written */
	u64 tsc_written_at; /* processor's counter then */
	u64 wall_clock;     /* MSR_KVM_WALL_CLOCK */

	struct mutex watches_lock; /* for changes of ioeventfds, which are looked at under RCU */
	spinlock_t ring_lock;      /* guards zones, and the ring */
	struct list_head watches, zones;

	struct irqchip
		*irqchip; /* NULL: interrupt controllers are the VMM's.  Set once, under `lock` */

	struct page *coalesced; /* the ring of coalesced accesses, shared with the VMM */
};

/* vm.c: the file of a new machine, or -errno. */
int vm_create(unsigned long type);
void vm_put(struct vm *vm);
/* Machines there are. */
unsigned int vm_total(void);
/* Another kernel is about to start: no session is left, nor will be, whatever the VMMs do. */
void vm_stop_all(void);

/* vm-ioctl.c */
long vm_ioctl(struct file *file, unsigned int command, unsigned long argument);
/*
 * Calls with a copy of the `size` bytes that an ioctl's argument points to, or zeros where its number
 * says that it only gives them; what it gives goes back if the result is not negative.  The copy has
 * room for a union of what may come.
 */
#define VM_IOCTL_ROOM 1024
long vm_ioctl_copied(void *object, unsigned int command, void __user *user, size_t size,
                     long (*call)(void *object, unsigned int command, void *argument));

/* The session in numbers, to memory that lies in one piece.  Negative: -errno. */
long vm_session_stats(struct vm *vm, struct sill_session_stats *stats);

/* stats.c: KVM_GET_STATS_FD; `vcpu` NULL: of the machine. */
int stats_open(struct vm *vm, struct vcpu *vcpu);

/* device-kvm.c, device-sill.c */
extern struct miscdevice kvm_device, sill_device;
/* KVM_CHECK_EXTENSION. */
long kvm_capability(unsigned long capability);

/* region.c: KVM_SET_USER_MEMORY_REGION. */
int region_set(struct vm *vm, const struct kvm_userspace_memory_region *region);
void region_free_all(struct vm *vm);

/* memory.c */
#define MEMORY_DEVICE 1 /* there is no memory, or it is read-only */

extern const struct mmu_interval_notifier_ops memory_notifier_ops;
/*
 * Maps what is needed for the access (SILL_ACCESS_…) that found nothing.  0, MEMORY_DEVICE, or
 * -errno.  In a thread of the VMM.
 */
int memory_fault(struct vm *vm, u64 guest, u64 access);
/* Takes a range away from the guest.  With map_lock. */
void memory_change(struct vm *vm, u64 guest, u64 size, enum sill_change change);
/*
 * The module's own access, in a thread of the VMM.  0, MEMORY_DEVICE (nothing was done), -EFAULT.
 */
int memory_read(struct vm *vm, u64 guest, void *to, u64 size);
/* Where the VMM has that byte, for a look that may be out of date; 0: there is no memory. */
u64 memory_user(struct vm *vm, u64 guest);
int memory_write(struct vm *vm, u64 guest, const void *from, u64 size);
/*
 * Compares and exchanges 1, 2, 4 or 8 aligned bytes; *expected has what was there.  -EAGAIN: it
 * differed.
 */
int memory_exchange(struct vm *vm, u64 guest, u64 *expected, u64 value, unsigned int size);

/* dirty.c: KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG; and the bitmap of a slot. */
int dirty_get(struct vm *vm, const struct kvm_dirty_log *log);
int dirty_clear(struct vm *vm, const struct kvm_clear_dirty_log *log);
/* Pages [guest, + size) of the slot were written.  With map_lock. */
void dirty_mark(struct slot *slot, u64 guest, u64 size);

static inline u32 vm_vcpu_count(const struct vm *vm)
{
	return smp_load_acquire(&vm->vcpu_count);
}

#endif
