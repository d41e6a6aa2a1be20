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
#include "module/vm.h"

/*
 * What the hypervisor or the module says goes to `buffer`, a piece of memory for the former writes
 * to physical addresses.  Bytes of it that are for `*to`, which is where the program wants it; or
 * -errno.
 */
static s64 ask(unsigned int command, void *buffer, void __user **to)
{
	struct sill_cpu_stats __user *of_cpu = *to;
	struct sill_module_stats *module = buffer;
	struct sill_log_text *log = buffer;
	u64 physical = virt_to_phys(buffer);
	s64 result;
	u32 cpu;

	switch (command) {
	case SILL_GET_INFO:
		result = hypercall(SILL_CALL_INFO, physical, sizeof(struct sill_info), 0, 0);
		return result < 0 ? hypercall_errno(result) : sizeof(struct sill_info);
	case SILL_GET_LOG:
		if (copy_from_user(&log->log, *to, sizeof(log->log)))
			return -EFAULT;
		result = hypercall(SILL_CALL_LOG, physical, sizeof(*log), 0, 0);
		return result < 0 ? hypercall_errno(result)
		                  : sizeof(log->log) + min_t(s64, result, SILL_LOG_TEXT);
	case SILL_GET_STATS:
		if (get_user(cpu, &of_cpu->cpu))
			return -EFAULT;
		*to = &of_cpu->stats;
		result = hypercall(SILL_CALL_STATS, cpu, physical, sizeof(struct sill_stats), 0);
		return result < 0 ? hypercall_errno(result) : sizeof(struct sill_stats);
	case SILL_GET_MODULE:
		module->machines = vm_total();
		module->donations = control_donations();
		return sizeof(*module);
	default:
		return -ENOTTY;
	}
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	/* Zeroed, as the hypervisor writes what fits. */
	void *buffer = kzalloc(sizeof(struct sill_log_text), GFP_KERNEL);
	s64 size;

	if (!buffer)
		return -ENOMEM;
	size = ask(command, buffer, &user);
	if (size >= 0)
		size = copy_to_user(user, buffer, size) ? -EFAULT : 0;
	kfree(buffer);
	return size;
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
