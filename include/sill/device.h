/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/sill: what KVM's API has no word for.  ioctls with the structures of hypercall.h, which the
 * module hands through.  Reading needs no privilege beyond opening the device.
 */
#ifndef SILL_DEVICE_H
#define SILL_DEVICE_H

#include <linux/ioctl.h>

#include "include/sill/hypercall.h"

/* The hypervisor's log: as SILL_CALL_LOG, with the text behind the structure. */
#define SILL_LOG_TEXT 8192u

struct sill_log_text {
	struct sill_log log;
	char text[SILL_LOG_TEXT];
};

struct sill_cpu_stats {
	uint32_t cpu; /* in: number of the processor */
	uint32_t reserved;
	struct sill_stats stats;
};

struct sill_module_stats {
	uint32_t machines;  /* that there are */
	uint32_t donations; /* of 2 MiB, that the hypervisor has */
};

#define SILL_GET_INFO   _IOR('S', 0x01, struct sill_info)
#define SILL_GET_LOG    _IOWR('S', 0x02, struct sill_log_text)
#define SILL_GET_STATS  _IOWR('S', 0x03, struct sill_cpu_stats)
#define SILL_GET_MODULE _IOR('S', 0x04, struct sill_module_stats)

/* On a machine's file: its session in numbers. */
#define SILL_GET_SESSION _IOR('S', 0x10, struct sill_session_stats)

#endif
