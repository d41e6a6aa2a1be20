/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pure logic needs of its surroundings, in the kernel and on the host alike: fixed-width
 * types, bool, NULL, memcpy, memset, memcmp.
 */
#ifndef MODULE_PORT_H
#define MODULE_PORT_H

#ifdef __KERNEL__
#include <linux/string.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

#endif
