/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module's two devices.
 */
#ifndef MODULE_DEVICES_H
#define MODULE_DEVICES_H

#include <linux/miscdevice.h>

extern struct miscdevice kvm_device, sill_device;

#endif
