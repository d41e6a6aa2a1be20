// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill.ko: loads only where Sill is beneath and speaks our ABI; then /dev/kvm and /dev/sill are
 * there.
 */
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/processor.h>
#include <linux/module.h>
#include <linux/reboot.h>

#include "module/control.h"
#include "module/vcpu.h"

/* Is it Sill that CPUID names? */
static bool on_sill(void)
{
	u32 eax, ebx, ecx, edx;

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	cpuid(SILL_CPUID_BASE, &eax, &ebx, &ecx, &edx);
	return eax >= SILL_CPUID_VERSION && memcmp(&ebx, SILL_CPUID_SIGNATURE, 4) == 0 &&
	       memcmp(&ecx, SILL_CPUID_SIGNATURE + 4, 4) == 0 &&
	       memcmp(&edx, SILL_CPUID_SIGNATURE + 8, 4) == 0;
}

static int look_beneath(void)
{
	s64 abi;

	if (!on_sill()) {
		pr_err("sill: this computer does not run on the Sill hypervisor, so there is "
		       "nothing to serve\n");
		return -ENODEV;
	}
	abi = hypercall(SILL_CALL_VERSION, SILL_ABI, 0, 0, 0);
	if (abi < 0)
		abi = cpuid_eax(SILL_CPUID_VERSION);
	/* A minor number below ours lacks calls that we make. */
	if (abi >> 16 != SILL_ABI_MAJOR || (abi & 0xffff) < SILL_ABI_MINOR) {
		pr_err("sill: the hypervisor speaks ABI %u.%u and this module %u.%u: install the "
		       "two of one release\n",
		       (u32)abi >> 16, (u32)abi & 0xffff, SILL_ABI_MAJOR, SILL_ABI_MINOR);
		return -EPROTO;
	}
	return 0;
}

/* What is donated would be missing from a kernel that kexec starts. */
static int on_reboot(struct notifier_block *block, unsigned long action, void *data)
{
	vm_stop_all();
	return NOTIFY_DONE;
}

static struct notifier_block reboot = { .notifier_call = on_reboot };

static int __init sill_init(void)
{
	int error = look_beneath();

	if (error)
		return error;
	error = cpuid_setup();
	if (error)
		return error;
	error = work_setup();
	if (error)
		return error;
	error = misc_register(&kvm_device);
	if (error) {
		pr_err("sill: /dev/kvm belongs to another module: remove kvm_amd or kvm_intel "
		       "first\n");
		goto free_work;
	}
	error = misc_register(&sill_device);
	if (error) {
		pr_err("sill: /dev/sill cannot be made: error %d\n", -error);
		goto deregister;
	}
	register_reboot_notifier(&reboot);
	pr_info("sill: /dev/kvm is served by Sill\n");
	return 0;

deregister:
	misc_deregister(&kvm_device);
free_work:
	work_free();
	return error;
}

static void __exit sill_exit(void)
{
	unregister_reboot_notifier(&reboot);
	misc_deregister(&sill_device);
	misc_deregister(&kvm_device);
	work_free();
	/* No machine is left: their files hold the module. */
	control_reclaim();
	if (control_donations())
		pr_warn("sill: the hypervisor keeps %u donations of 2 MiB\n", control_donations());
}

module_init(sill_init);
module_exit(sill_exit);
MODULE_DESCRIPTION("KVM API on the Sill hypervisor");
MODULE_LICENSE("GPL v2");
MODULE_ALIAS("devname:kvm");
MODULE_ALIAS_MISCDEV(KVM_MINOR);
