// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM_IRQFD: an eventfd that is an interrupt.  The signal comes as a wake-up, possibly in an
 * interrupt, and the interrupt is sent there and then.  With a resample eventfd the line stays high
 * until the guest has ended its service, and who drives it is asked again.
 *
 * Who leaves goes from the list of those that count (`fds`) to that of those to be freed (`gone`),
 * under irqchip->lock: an eventfd whose last file is closed says so in its wake-up, where nothing
 * can be waited for.  The next call, or the machine's end, frees them.
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
	bool counts; /* it is among `fds`.  With irqchip->lock */
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
	unsigned int source = fd->resample ? IRQ_SOURCE_RESAMPLE : IRQ_SOURCE_FD;

	guard(spinlock_irqsave)(&fd->irqchip->lock);
	if (!fd->counts)
		return;
	irqchip_set_line(fd->irqchip, fd->gsi, source, true);
	if (!fd->resample)
		irqchip_set_line(fd->irqchip, fd->gsi, source, false);
}

/* With the lock: a pin's or line's resampled irqfds hold it together. */
static bool is_held(const struct irqchip *irqchip, u32 gsi)
{
	struct irqfd *fd;

	list_for_each_entry (fd, &irqchip->fds, link) {
		if (fd->resample && fd->gsi == gsi)
			return true;
	}
	return false;
}

/* With the lock. */
static void leave(struct irqfd *fd)
{
	if (!fd->counts)
		return;
	fd->counts = false;
	list_move_tail(&fd->link, &fd->irqchip->gone);
	if (fd->resample && !is_held(fd->irqchip, fd->gsi))
		irqchip_set_line(fd->irqchip, fd->gsi, IRQ_SOURCE_RESAMPLE, false);
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
	if (key_to_poll(key) & EPOLLHUP) {
		guard(spinlock_irqsave)(&fd->irqchip->lock);
		leave(fd);
	}
	return 0;
}

static void queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *fd = container_of(table, struct irqfd, table);

	fd->head = head;
	add_wait_queue_priority(head, &fd->wait);
}

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

/* With vm->lock, or nobody else left. */
static void free_gone(struct irqchip *irqchip)
{
	struct irqfd *fd, *next;
	LIST_HEAD(gone);

	scoped_guard(spinlock_irqsave, &irqchip->lock) list_splice_init(&irqchip->gone, &gone);
	list_for_each_entry_safe (fd, next, &gone, link)
		free_fd(fd);
}

static int link_fd(struct irqfd *new)
{
	struct irqchip *irqchip = new->irqchip;
	struct irqfd *fd;

	guard(spinlock_irqsave)(&irqchip->lock);
	list_for_each_entry (fd, &irqchip->fds, link) {
		if (fd->event == new->event)
			return -EBUSY;
	}
	list_add_tail(&new->link, &irqchip->fds);
	new->counts = true;
	return 0;
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

/* All, or those of that eventfd and GSI. */
static void leave_all(struct irqchip *irqchip, const struct eventfd_ctx *event, u32 gsi)
{
	struct irqfd *fd, *next;

	scoped_guard(spinlock_irqsave, &irqchip->lock)
	{
		list_for_each_entry_safe (fd, next, &irqchip->fds, link) {
			if (!event || (fd->event == event && fd->gsi == gsi))
				leave(fd);
		}
	}
	free_gone(irqchip);
}

static int deassign(struct irqchip *irqchip, const struct kvm_irqfd *argument)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(argument->fd);

	if (IS_ERR(event))
		return PTR_ERR(event);
	leave_all(irqchip, event, argument->gsi);
	eventfd_ctx_put(event);
	return 0;
}

/* With vm->lock. */
int irqfd_set(struct irqchip *irqchip, const struct kvm_irqfd *argument)
{
	if (argument->flags & ~(u32)(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE) ||
	    argument->gsi >= ROUTE_MAX)
		return -EINVAL;
	free_gone(irqchip);
	return argument->flags & KVM_IRQFD_FLAG_DEASSIGN ? deassign(irqchip, argument)
	                                                 : assign(irqchip, argument);
}

/* At the machine's end. */
void irqfd_free_all(struct irqchip *irqchip)
{
	leave_all(irqchip, NULL, 0);
}

void irqfd_ended(struct irqchip *irqchip, u32 gsi)
{
	struct irqfd *fd;
	bool lowered = false;

	list_for_each_entry (fd, &irqchip->fds, link) {
		if (!fd->resample || fd->gsi != gsi)
			continue;
		if (!lowered)
			irqchip_set_line(irqchip, gsi, IRQ_SOURCE_RESAMPLE, false);
		lowered = true;
		schedule_work(&fd->work);
	}
}
