/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where kernels differ: 6.1 to 6.12.
 */
#ifndef MODULE_VERSIONS_H
#define MODULE_VERSIONS_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define immediate_exit__unsafe immediate_exit
#endif

/* smp_send_reschedule() became a macro that traces. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#include <trace/events/ipi.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define versions_eventfd_signal(context) eventfd_signal(context, 1)
#else
#define versions_eventfd_signal(context) eventfd_signal(context)
#endif

#endif
