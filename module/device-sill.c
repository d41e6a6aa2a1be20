// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/sill: information, log and statistics of the hypervisor (include/sill/device.h).
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "include/sill/device.h"
#include "module/control.h"
#include "module/devices.h"
#include "module/vm.h"

static long get_info(void *buffer, void __user *user)
{
	struct sill_info *info = buffer;
	s64 result;

	result =
		hypercall_errno(hypercall(SILL_CALL_INFO, virt_to_phys(info), sizeof(*info), 0, 0));
	if (result < 0)
		return result;
	return copy_to_user(user, info, sizeof(*info)) ? -EFAULT : 0;
}

static long get_log(void *buffer, struct sill_log_text __user *user)
{
	struct sill_log_text *log = buffer;
	s64 length;

	if (copy_from_user(&log->log, &user->log, sizeof(log->log)))
		return -EFAULT;
	length = hypercall_errno(hypercall(SILL_CALL_LOG, virt_to_phys(log), sizeof(*log), 0, 0));
	if (length < 0)
		return length;
	length = min_t(s64, length, SILL_LOG_TEXT);
	return copy_to_user(user, log, sizeof(log->log) + length) ? -EFAULT : 0;
}

static long get_stats(void *buffer, struct sill_cpu_stats __user *user)
{
	struct sill_stats *stats = buffer;
	s64 result;
	u32 cpu;

	if (get_user(cpu, &user->cpu))
		return -EFAULT;
	result = hypercall_errno(
		hypercall(SILL_CALL_STATS, cpu, virt_to_phys(stats), sizeof(*stats), 0));
	if (result < 0)
		return result;
	return copy_to_user(&user->stats, stats, sizeof(*stats)) ? -EFAULT : 0;
}

static long get_module(void __user *user)
{
	struct sill_module_stats stats = { .machines = vm_total(),
		                           .donations = control_donations() };

	return copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	/*
	 * The hypervisor writes to physical addresses: one piece, zeroed, as it writes what fits.
	 */
	void *buffer = kzalloc(sizeof(struct sill_log_text), GFP_KERNEL);
	long result;

	if (!buffer)
		return -ENOMEM;
	switch (command) {
	case SILL_GET_INFO:
		result = get_info(buffer, user);
		break;
	case SILL_GET_LOG:
		result = get_log(buffer, user);
		break;
	case SILL_GET_STATS:
		result = get_stats(buffer, user);
		break;
	case SILL_GET_MODULE:
		result = get_module(user);
		break;
	default:
		result = -ENOTTY;
		break;
	}
	kfree(buffer);
	return result;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

struct miscdevice sill_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sill",
	.fops = &operations,
	.mode = 0600,
};
