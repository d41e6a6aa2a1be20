// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's life.  Its file and each of its virtual processors' files have a reference; with the
 * last one the session is destroyed, then everything that was lent to it is free.
 */
#include "module/vm.h"

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "module/control.h"
#include "module/io.h"
#include "module/irqchip.h"
#include "module/vcpu.h"

static atomic_t total = ATOMIC_INIT(0);

unsigned int vm_total(void)
{
	return atomic_read(&total);
}

static void destroy_session(struct vm *vm)
{
	s64 result;

	/* A notifier waits: pages that Linux frees are lent no more.  Then it has nothing to change. */
	mutex_lock(&vm->map_lock);
	while ((result = hypercall(SILL_CALL_DESTROY, vm->session, 0, 0, 0)) == -SILL_EAGAIN)
		cond_resched();
	WARN_ONCE(result < 0, "sill: DESTROY of session %u: %lld\n", vm->session, result);
	vm->session = 0;
	mutex_unlock(&vm->map_lock);
}

static void free_vm(struct vm *vm)
{
	u32 i;

	if (vm->session)
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
	atomic_dec(&total);
}

static void last_put(struct kref *references)
{
	free_vm(container_of(references, struct vm, references));
}

void vm_get(struct vm *vm)
{
	kref_get(&vm->references);
}

void vm_put(struct vm *vm)
{
	kref_put(&vm->references, last_put);
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
	atomic_inc(&total);
	vm->batch = kzalloc(sizeof(*vm->batch), GFP_KERNEL_ACCOUNT);
	vm->coalesced = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return vm;
}

int vm_create(unsigned long type)
{
	struct vm *vm;
	s64 session;
	int fd = -ENOMEM;

	if (type != 0)
		return -EINVAL;
	vm = new_vm();
	if (!vm)
		return -ENOMEM;
	if (!vm->batch || !vm->coalesced)
		goto put;
	session = hypercall_errno(control_call(SILL_CALL_CREATE, 0, 0, 0));
	fd = session;
	if (session < 0)
		goto put;
	vm->session = session;
	clock_create(vm);
	fd = anon_inode_getfd("kvm-vm", &file_operations, vm, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
put:
	vm_put(vm);
	return fd;
}
