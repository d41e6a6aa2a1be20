// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's life.  Its file and each of its virtual processors' files have a reference; with the
 * last one the session is destroyed, then everything that was lent to it is free.
 */
#include "module/vm.h"

#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "module/control.h"
#include "module/io.h"
#include "module/irqchip.h"
#include "module/vcpu.h"

/* All machines; `stopped`: there shall be no more sessions. */
static DEFINE_MUTEX(machines_lock);
static LIST_HEAD(machines);
static bool stopped;

unsigned int vm_total(void)
{
	struct list_head *machine;
	unsigned int count = 0;

	guard(mutex)(&machines_lock);
	list_for_each (machine, &machines)
		count++;
	return count;
}

static void destroy_session(struct vm *vm)
{
	u32 session, i;
	s64 result;

	/* A notifier waits: what Linux frees is lent no more.  Then it has nothing to change. */
	guard(mutex)(&vm->map_lock);
	session = vm->session;
	if (!session)
		return;
	/* Whoever runs it is called back, and cannot do so again. */
	WRITE_ONCE(vm->session, 0);
	for (i = 0; i < vm_vcpu_count(vm); i++)
		vcpu_request(vm->vcpus[i], VCPU_REQUEST_EVENT);
	while ((result = hypercall(SILL_CALL_DESTROY, session, 0, 0, 0)) == -SILL_EAGAIN ||
	       result == -SILL_EBUSY)
		cond_resched();
	WARN_ONCE(result < 0, "sill: DESTROY of session %u: %lld\n", session, result);
}

void vm_stop_all(void)
{
	struct vm *vm;

	guard(mutex)(&machines_lock);
	stopped = true;
	if (list_empty(&machines))
		return;
	list_for_each_entry (vm, &machines, link)
		destroy_session(vm);
	control_reclaim();
	pr_info("sill: all machines are stopped; the hypervisor keeps %u donations\n",
	        control_donations());
}

static void free_vm(struct kref *references)
{
	struct vm *vm = container_of(references, struct vm, references);
	u32 i;

	scoped_guard(mutex, &machines_lock) list_del(&vm->link);
	destroy_session(vm);
	region_free_all(vm);
	irqchip_stop(vm);
	for (i = 0; i < vm->vcpu_count; i++)
		vcpu_free(vm->vcpus[i]);
	irqchip_free(vm);
	io_free(vm);
	if (vm->coalesced)
		__free_page(vm->coalesced);
	kvfree(rcu_dereference_raw(vm->filter));
	kfree(vm->batch);
	mmdrop(vm->mm);
	kvfree(vm);
	control_reclaim();
}

void vm_put(struct vm *vm)
{
	kref_put(&vm->references, free_vm);
}

static int release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations file_operations = {
	.owner = THIS_MODULE,
	.release = release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct vm *new_vm(void)
{
	struct vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	kref_init(&vm->references);
	mutex_init(&vm->lock);
	init_rwsem(&vm->slots_lock);
	mutex_init(&vm->map_lock);
	spin_lock_init(&vm->clock_lock);
	io_create(vm);
	mmgrab(current->mm);
	vm->mm = current->mm;
	scoped_guard(mutex, &machines_lock) list_add(&vm->link, &machines);
	vm->batch = kzalloc(sizeof(*vm->batch), GFP_KERNEL_ACCOUNT);
	vm->coalesced = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return vm;
}

int vm_create(unsigned long type)
{
	struct vm *vm;
	s64 session = -ESHUTDOWN;
	int fd = -ENOMEM;

	if (type != 0)
		return -EINVAL;
	vm = new_vm();
	if (!vm)
		return -ENOMEM;
	if (!vm->batch || !vm->coalesced)
		goto put;
	scoped_guard(mutex, &machines_lock)
	{
		if (!stopped)
			session = hypercall_errno(control_call(SILL_CALL_CREATE, 0, 0, 0));
		if (session >= 0)
			vm->session = session;
	}
	fd = session;
	if (session < 0)
		goto put;
	clock_create(vm);
	fd = anon_inode_getfd("kvm-vm", &file_operations, vm, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
put:
	vm_put(vm);
	return fd;
}
