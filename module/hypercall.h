/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of the hypervisor (include/sill/hypercall.h), from any context of the kernel.
 */
#ifndef MODULE_HYPERCALL_H
#define MODULE_HYPERCALL_H

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/processor.h>

#include "include/sill/hypercall.h"

static __always_inline s64 hypercall(enum sill_call call, u64 a, u64 b, u64 c, u64 d)
{
	register u64 fourth asm("r10") = d;
	s64 result;

	asm volatile("vmmcall"
	             : "=a"(result)
	             : "a"((u64)call), "D"(a), "S"(b), "d"(c), "r"(fourth)
	             : "memory");
	return result;
}

/*
 * The same until the hypervisor has time for it.  Between two tries this processor answers whoever
 * waits for it: interrupts may be off, NMIs are not.
 */
static inline s64 hypercall_patient(enum sill_call call, u64 a, u64 b, u64 c, u64 d)
{
	s64 result;

	while ((result = hypercall(call, a, b, c, d)) == -SILL_EAGAIN)
		cpu_relax();
	return result;
}

/* The answer as Linux puts it: 0 or more stays, an error becomes -errno. */
static inline s64 hypercall_errno(s64 result)
{
	static const int errors[] = {
		[SILL_EINVAL] = -EINVAL, [SILL_EALIGN] = -EINVAL, [SILL_EVERSION] = -EPROTO,
		[SILL_EAGAIN] = -EAGAIN, [SILL_ENOMEM] = -ENOMEM, [SILL_ENONE] = -ENOENT,
		[SILL_EBUSY] = -EBUSY,   [SILL_EEXIST] = -EEXIST, [SILL_EFAULT] = -EFAULT,
		[SILL_EOWNER] = -EFAULT,
	};

	if (result >= 0)
		return result;
	return -result < ARRAY_SIZE(errors) && errors[-result] ? errors[-result] : -EIO;
}

#endif
