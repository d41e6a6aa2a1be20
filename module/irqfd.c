// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM_IRQFD: an eventfd that is an interrupt.  The signal comes as a wake-up, possibly in an
 * interrupt, and the interrupt is sent there and then.  With a resample eventfd the line stays high
 * until the guest has ended its service, and who drives it is asked again.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "module/irqchip.h"
#include "module/versions.h"

struct irqfd {
	struct list_head link;
	struct irqchip *irqchip;
	u32 gsi;
	struct eventfd_ctx *event, *resample;
	wait_queue_entry_t wait;
	poll_table table;
	wait_queue_head_t *head;
	/*
	 * Signals the resample eventfd: not under the lock, which eventfds' wake-ups take below
	 * their own.
	 */
	struct work_struct work;
};

static void signal_resample(struct work_struct *work)
{
	versions_eventfd_signal(container_of(work, struct irqfd, work)->resample);
}

static void raise(struct irqfd *fd)
{
	unsigned long flags;

	spin_lock_irqsave(&fd->irqchip->lock, flags);
	if (fd->resample) {
		irqchip_set_line(fd->irqchip, fd->gsi, IRQ_SOURCE_RESAMPLE, true);
	} else {
		irqchip_set_line(fd->irqchip, fd->gsi, IRQ_SOURCE_FD, true);
		irqchip_set_line(fd->irqchip, fd->gsi, IRQ_SOURCE_FD, false);
	}
	spin_unlock_irqrestore(&fd->irqchip->lock, flags);
}

/* With the eventfd's lock. */
static int woken(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *fd = container_of(wait, struct irqfd, wait);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		eventfd_ctx_do_read(fd->event, &count);
		raise(fd);
		return 1;
	}
	return 0;
}

static void queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *fd = container_of(table, struct irqfd, table);

	fd->head = head;
	add_wait_queue_priority(head, &fd->wait);
}

/* With the machine's lock for irqfds; the entry is off the lists. */
static void free_fd(struct irqfd *fd)
{
	u64 count;

	/* After this no wake-up comes, nor is one under way. */
	if (fd->head)
		eventfd_ctx_remove_wait_queue(fd->event, &fd->wait, &count);
	cancel_work_sync(&fd->work);
	if (fd->resample)
		eventfd_ctx_put(fd->resample);
	if (fd->event)
		eventfd_ctx_put(fd->event);
	kfree(fd);
}

static void unlink_fd(struct irqfd *fd)
{
	unsigned long flags;

	spin_lock_irqsave(&fd->irqchip->lock, flags);
	list_del(&fd->link);
	if (fd->resample)
		irqchip_set_line(fd->irqchip, fd->gsi, IRQ_SOURCE_RESAMPLE, false);
	spin_unlock_irqrestore(&fd->irqchip->lock, flags);
}

static int link_fd(struct irqfd *new)
{
	struct irqchip *irqchip = new->irqchip;
	struct irqfd *fd;
	unsigned long flags;
	int error = 0;

	spin_lock_irqsave(&irqchip->lock, flags);
	list_for_each_entry(fd, &irqchip->fds, link)
	{
		if (fd->event == new->event)
			error = -EBUSY;
	}
	if (!error)
		list_add_tail(&new->link, &irqchip->fds);
	spin_unlock_irqrestore(&irqchip->lock, flags);
	return error;
}

static int assign(struct irqchip *irqchip, const struct kvm_irqfd *argument)
{
	struct irqfd *fd = kzalloc(sizeof(*fd), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int error;

	if (!fd)
		return -ENOMEM;
	fd->irqchip = irqchip;
	fd->gsi = argument->gsi;
	INIT_WORK(&fd->work, signal_resample);
	file = eventfd_fget(argument->fd);
	if (IS_ERR(file)) {
		kfree(fd);
		return PTR_ERR(file);
	}
	fd->event = eventfd_ctx_fileget(file);
	if (argument->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		fd->resample = eventfd_ctx_fdget(argument->resamplefd);
		if (IS_ERR(fd->resample)) {
			error = PTR_ERR(fd->resample);
			fd->resample = NULL;
			goto free;
		}
	}
	error = link_fd(fd);
	if (error)
		goto free;
	init_waitqueue_func_entry(&fd->wait, woken);
	init_poll_funcptr(&fd->table, queue);
	/* What was signalled before counts. */
	if (vfs_poll(file, &fd->table) & EPOLLIN)
		raise(fd);
	fput(file);
	return 0;
free:
	fput(file);
	free_fd(fd);
	return error;
}

static int deassign(struct irqchip *irqchip, const struct kvm_irqfd *argument)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(argument->fd);
	struct irqfd *fd, *next;

	if (IS_ERR(event))
		return PTR_ERR(event);
	list_for_each_entry_safe(fd, next, &irqchip->fds, link)
	{
		if (fd->event != event || fd->gsi != argument->gsi)
			continue;
		unlink_fd(fd);
		free_fd(fd);
	}
	eventfd_ctx_put(event);
	return 0;
}

/* With vm->lock: nothing else changes the list. */
int irqfd_set(struct irqchip *irqchip, const struct kvm_irqfd *argument)
{
	if (argument->flags & ~(u32)(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (argument->gsi >= ROUTE_MAX)
		return -EINVAL;
	if (argument->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(irqchip, argument);
	return assign(irqchip, argument);
}

/* At the machine's end. */
void irqfd_free_all(struct irqchip *irqchip)
{
	struct irqfd *fd, *next;

	list_for_each_entry_safe(fd, next, &irqchip->fds, link)
	{
		unlink_fd(fd);
		free_fd(fd);
	}
}

void irqfd_ended(struct irqchip *irqchip, u32 gsi)
{
	struct irqfd *fd;
	bool lowered = false;

	list_for_each_entry(fd, &irqchip->fds, link)
	{
		if (!fd->resample || fd->gsi != gsi)
			continue;
		if (!lowered)
			irqchip_set_line(irqchip, gsi, IRQ_SOURCE_RESAMPLE, false);
		lowered = true;
		schedule_work(&fd->work);
	}
}
